/** Start, stop and dispose: each handler exactly once, backwards on the way down, also after a failure. */
import { ModelError } from "../errors.ts";

type Phase = "start" | "stop" | "dispose";
interface Step {
  readonly plugin: string;
  readonly run: () => void | Promise<void>;
}

export class Lifecycle {
  readonly #steps: Record<Phase, Step[]> = { start: [], stop: [], dispose: [] };
  /** Plugins whose start handlers have begun; only they are stopped. */
  #began = new Set<string>();
  #started = false;

  add(phase: Phase, plugin: string, run: () => void | Promise<void>): void {
    this.#steps[phase].push({ plugin, run });
  }

  /** Errors: KERNEL_START_FAILED; what had begun is stopped first. @param order plugins in set-up order */
  async start(order: readonly string[]): Promise<void> {
    this.#started = true;
    for (const plugin of order) {
      this.#began.add(plugin);
      for (const step of this.#take("start", plugin)) {
        try {
          await step.run();
        } catch (cause) {
          const error = failed("KERNEL_START_FAILED", plugin, "start", cause);
          throw await this.stop().then(
            () => error,
            (stopError) => new AggregateError([error, stopError], error.message, { cause: error }),
          );
        }
      }
    }
  }

  /** A plugin was loaded on demand: start it now if the machine runs. Errors: KERNEL_START_FAILED */
  async startLate(plugin: string): Promise<void> {
    if (!this.#started) return;
    this.#began.add(plugin);
    for (const step of this.#take("start", plugin)) {
      try {
        await step.run();
      } catch (cause) {
        throw failed("KERNEL_START_FAILED", plugin, "start", cause);
      }
    }
  }

  /** Errors: KERNEL_STOP_FAILED, after every handler has run */
  async stop(): Promise<void> {
    this.#started = false;
    const steps = this.#steps.stop.filter((step) => this.#began.has(step.plugin));
    this.#began = new Set();
    this.#steps.stop = [];
    await runAll(steps, "KERNEL_STOP_FAILED", "stop");
  }

  /** Errors: KERNEL_DISPOSE_FAILED, after every handler has run */
  async dispose(): Promise<void> {
    const steps = this.#steps.dispose;
    this.#steps.dispose = [];
    await runAll(steps, "KERNEL_DISPOSE_FAILED", "dispose");
  }

  /** Undo the registrations of one plugin whose setup or start failed: stop it where it began, dispose of what it made. */
  async discard(plugin: string): Promise<void> {
    const stops = this.#take("stop", plugin);
    const disposals = this.#take("dispose", plugin);
    this.#take("start", plugin);
    try {
      if (this.#began.delete(plugin)) await runAll(stops, "KERNEL_STOP_FAILED", "stop");
    } finally {
      await runAll(disposals, "KERNEL_DISPOSE_FAILED", "dispose");
    }
  }

  #take(phase: Phase, plugin: string): Step[] {
    const own = this.#steps[phase].filter((step) => step.plugin === plugin);
    this.#steps[phase] = this.#steps[phase].filter((step) => step.plugin !== plugin);
    return own;
  }
}

async function runAll(steps: readonly Step[], code: string, verb: string): Promise<void> {
  const errors: ModelError[] = [];
  for (const { plugin, run } of [...steps].reverse()) {
    try {
      await run();
    } catch (cause) {
      errors.push(failed(code, plugin, verb, cause));
    }
  }
  const [first] = errors;
  if (first === undefined) return;
  if (errors.length === 1) throw first;
  const plugins = errors.map((error) => error.plugin).join(", ");
  throw new ModelError(code, `plugins ${plugins} threw while they were to ${verb}`, {
    cause: new AggregateError(errors),
  });
}

export function failed(code: string, plugin: string, verb: string, cause: unknown): ModelError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ModelError(code, `plugin ${plugin} threw in ${verb}: ${why}`, { plugin, cause });
}

/** One plugin's handler on a hook. */
import { ModelError } from "../errors.ts";

// biome-ignore lint/suspicious/noExplicitAny: handlers of every hook pass through here
export type Handler = (...args: any[]) => any;

export interface Tap {
  readonly plugin: string;
  readonly priority: number;
  /** Wrapped: a throw names plugin and hook. */
  readonly run: Handler;
  readonly unwind: Handler | undefined;
}

/** Wrap a handler so that what it throws says where it came from. A ModelError with a plugin is passed on as it is. */
export function guard(plugin: string, hook: string, handler: Handler): Handler {
  return (...args) => {
    try {
      return handler(...args);
    } catch (cause) {
      throw hookFailed(plugin, hook, cause);
    }
  };
}

export function hookFailed(plugin: string, hook: string, cause: unknown): ModelError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ModelError("KERNEL_HOOK_FAILED", `plugin ${plugin} threw in hook ${hook}: ${why}`, {
    plugin,
    hook,
    cause,
  });
}

/**
 * Order of calls: higher priority first, then plugin name, so that the order of the plugin list never matters.
 * Handlers of one plugin at one priority keep the order in which it attached them.
 *
 * Errors: KERNEL_HOOK_PRIORITY
 */
export function orderTaps(hook: string, taps: readonly Tap[]): Tap[] {
  const owners = new Map<number, string>();
  for (const { priority, plugin } of taps) {
    if (priority === 0) continue;
    const owner = owners.get(priority);
    if (owner !== undefined && owner !== plugin) {
      const [first, second] = [owner, plugin].sort();
      throw new ModelError(
        "KERNEL_HOOK_PRIORITY",
        `plugins ${first} and ${second} both tap ${hook} at priority ${priority}; give one another priority`,
        { plugin, hook },
      );
    }
    owners.set(priority, plugin);
  }
  return [...taps].sort((a, b) => b.priority - a.priority || (a.plugin < b.plugin ? -1 : a.plugin > b.plugin ? 1 : 0));
}

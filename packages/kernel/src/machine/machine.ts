/** A machine: plugins composed around one container, one set of hooks, one physical memory and one clock. */
import { platform } from "#platform";
import { Clock } from "../contracts/clock.ts";
import { Entropy } from "../contracts/entropy.ts";
import { FaultPoints } from "../contracts/fault-points.ts";
import { Board, type BoardConfig } from "../contracts/hypervisor.ts";
import { PhysicalMemory } from "../contracts/physical-memory.ts";
import { SystemBus } from "../contracts/system-bus.ts";
import { Trace } from "../contracts/trace.ts";
import { ModelError } from "../errors.ts";
import type { HookSet, HookSpec, HooksOf } from "../hooks/define.ts";
import { hostHooks, lifecycleHooks, traceHooks } from "../hooks/standard.ts";
import { suggestion } from "../nearest.ts";
import { type AnyPlugin, tokenName } from "../plugin/define.ts";
import { readOptions } from "../plugin/options.ts";
import { missingProvider, orderPlugins, vmFunctionTaken } from "../plugin/order.ts";
import { createHostClock, createVirtualClock } from "../soc/clock.ts";
import { createHostEntropy, createSeededEntropy } from "../soc/entropy.ts";
import { createFaultPoints } from "../soc/fault-points.ts";
import { createPhysicalMemory } from "../soc/physical-memory.ts";
import { createSystemBus } from "../soc/system-bus.ts";
import { createTrace, type TraceHub } from "../soc/trace.ts";
import type { Token } from "../token.ts";
import { checkBoard, defineMachine, type MachineConfig } from "./config.ts";
import { Services } from "./container.ts";
import { type ContextParts, makeContext } from "./context.ts";
import { HookRegistry } from "./hook-registry.ts";
import { failed, Lifecycle } from "./lifecycle.ts";
import { type DeferredEntry, importEntry, type LoadedEntry, loadEntries, loadPreset } from "./load.ts";

export type MachineState = "ready" | "started" | "stopped" | "disposed";

export interface Machine {
  readonly config: Readonly<MachineConfig>;
  readonly state: MachineState;
  /** Names of the plugins, in the order in which they were set up. */
  readonly plugins: readonly string[];
  /** The same plugins with what they provide and require, for tools. */
  describe(): readonly PluginInfo[];
  readonly trace: TraceHub;
  readonly faults: FaultPoints;
  /** Errors: KERNEL_SERVICE_UNKNOWN */
  get<Service>(service: Token<Service>): Service;
  hooks<Specs extends Readonly<Record<string, HookSpec>>>(set: HookSet<Specs>): HooksOf<Specs>;
  /** Errors: KERNEL_START_FAILED (everything that had started is stopped), KERNEL_LIFECYCLE */
  start(): Promise<void>;
  /** Nothing to do when it does not run. Errors: KERNEL_STOP_FAILED */
  stop(): Promise<void>;
  /** Stop, then give everything back. The second call does nothing. Errors: KERNEL_STOP_FAILED, KERNEL_DISPOSE_FAILED */
  dispose(): Promise<void>;
}

/** What a plugin says of itself. Services by their token's name. */
export interface PluginInfo {
  readonly name: string;
  readonly version: string;
  readonly provides: readonly string[];
  readonly requires: readonly string[];
  readonly vmFunction: number | undefined;
  /** Hooks that it is attached to, as `set.hook` or `set.hook[key]`. */
  readonly hooks: readonly string[];
}

export interface MachineOptions {
  /** The project that plugin names are resolved from. Default: the current directory. */
  readonly root?: string;
}

/**
 * Compose a machine: check, load, order and set up its plugins, then freeze its hooks.
 *
 * Errors: every KERNEL_ code but those of a running machine. After a throw nothing is left behind.
 */
export async function createMachine(config: MachineConfig, options: MachineOptions = {}): Promise<Machine> {
  const checked = defineMachine(config);
  const root = options.root ?? platform.projectRoot();
  const machine = new ComposedMachine(checked);
  const { loaded, deferred } = await loadEntries(checked.plugins, root);
  const board = typeof checked.soc === "string" ? await loadPreset(checked.soc, root) : checked.soc;
  await machine.compose(loaded, deferred, board as BoardConfig | undefined);
  return machine;
}

class ComposedMachine implements Machine {
  readonly config: Readonly<MachineConfig>;
  readonly plugins: string[] = [];
  readonly #definitions: AnyPlugin[] = [];
  readonly trace = createTrace();
  readonly faults = createFaultPoints();
  state: MachineState = "ready";
  readonly #services = new Services();
  readonly #lifecycle = new Lifecycle();
  readonly #hooks: HookRegistry;
  readonly #parts: ContextParts;
  /** VM function types whose plugin is not loaded yet, and those being loaded. */
  readonly #deferred = new Map<number, DeferredEntry>();
  readonly #loading = new Map<number, Promise<void>>();
  #disposing: Promise<void> | undefined;

  constructor(config: Readonly<MachineConfig>) {
    this.config = config;
    this.#hooks = new HookRegistry((loads, key) => this.#loadKey(loads, key));
    this.#parts = {
      services: this.#services,
      hooks: this.#hooks,
      lifecycle: this.#lifecycle,
      config,
      trace: this.trace,
      faults: this.faults,
    };
  }

  async compose(loaded: LoadedEntry[], deferred: DeferredEntry[], board: BoardConfig | undefined): Promise<void> {
    this.#provideSoc(board);
    const ordered = orderPlugins(loaded, this.#services.names);
    // Before any setup: two drivers of one VM function type cannot both stay.
    for (const entry of deferred) this.#defer(entry, ordered);
    const prepared = ordered.map((entry) => ({ entry, options: optionsOf(entry) }));
    try {
      for (const { entry, options } of prepared) await this.#setUp(entry, options, false);
      this.#hooks.freeze();
    } catch (error) {
      throw await this.#abandon(error);
    }
    const trace = this.#hooks.get(traceHooks).event;
    if (trace.used) this.trace.listen((event) => trace.call(event));
  }

  get<Service>(service: Token<Service>): Service {
    const found = this.#services.find(service);
    if (found !== undefined) return found;
    const known = [...this.#services.names].map(tokenName);
    const name = tokenName(service);
    throw new ModelError("KERNEL_SERVICE_UNKNOWN", `this machine has no service ${name}${suggestion(name, known)}`);
  }

  hooks<Specs extends Readonly<Record<string, HookSpec>>>(set: HookSet<Specs>): HooksOf<Specs> {
    return this.#hooks.get(set);
  }

  describe(): readonly PluginInfo[] {
    return this.#definitions.map(({ name, version, provides = [], requires = [], vmFunction }) => ({
      name,
      version,
      provides: provides.map(tokenName),
      requires: requires.map(tokenName),
      vmFunction,
      hooks: this.#hooks.of(name),
    }));
  }

  async start(): Promise<void> {
    if (this.state !== "ready") throw this.#wrongState("start");
    this.state = "started";
    try {
      await this.#lifecycle.start(this.plugins);
      this.#hooks.get(lifecycleHooks).machine.call("started");
    } catch (error) {
      this.state = "stopped";
      // Nothing to stop when a start handler failed: the lifecycle has done it.
      await this.#lifecycle.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.state === "disposed") throw this.#wrongState("stop");
    if (this.state !== "started") return;
    this.state = "stopped";
    try {
      this.#hooks.get(lifecycleHooks).machine.call("stopping");
    } finally {
      await this.#lifecycle.stop();
    }
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    try {
      await this.stop();
    } finally {
      this.state = "disposed";
      try {
        await this.#lifecycle.dispose();
      } finally {
        this.#services.clear();
      }
    }
  }

  #provideSoc(board: BoardConfig | undefined): void {
    const owner = "the machine";
    this.#services.add(owner, Trace, this.trace);
    this.#services.add(owner, FaultPoints, this.faults);
    const { clock = "virtual", entropy, memory } = this.config;
    const given = typeof clock === "string" ? { kind: clock } : clock;
    const timer = board === undefined ? given : { frequencyHz: board.timerFrequencyHz, ...given };
    this.#services.add(owner, Clock, given.kind === "host" ? createHostClock(timer) : createVirtualClock(timer));
    this.#services.add(
      owner,
      Entropy,
      entropy === "host" ? createHostEntropy() : createSeededEntropy(entropy?.seed ?? 0),
    );
    if (board === undefined) return;
    checkBoard(board);
    this.#services.add(owner, Board, board);
    this.#services.add(owner, SystemBus, createSystemBus());
    const { base: dramBase, size: dramSize } = board.dram;
    this.#services.add(owner, PhysicalMemory, createPhysicalMemory({ dramBase, dramSize, ...memory }));
  }

  #defer(entry: DeferredEntry, ordered: readonly LoadedEntry[]): void {
    const type = entry.package.manifest.type as number;
    const owner =
      ordered.find(({ plugin }) => plugin.vmFunction === type)?.plugin.name ?? this.#deferred.get(type)?.package.name;
    if (owner !== undefined) throw vmFunctionTaken(type, owner, entry.package.name);
    this.#deferred.set(type, entry);
  }

  async #setUp({ plugin }: LoadedEntry, options: object, late: boolean): Promise<void> {
    const { name, provides = [] } = plugin;
    const context = makeContext(plugin, this.#parts, late);
    try {
      await plugin.setup(context.ctx, options);
    } catch (cause) {
      throw failed("KERNEL_SETUP_FAILED", name, "setup", cause);
    } finally {
      context.close();
    }
    for (const service of provides) {
      if (this.#services.has(service)) continue;
      throw new ModelError(
        "KERNEL_PROVIDE_MISSING",
        `plugin ${name} lists ${tokenName(service)} but its setup did not provide it; call ctx.provide`,
        { plugin: name },
      );
    }
    const { vmFunction } = plugin;
    if (vmFunction !== undefined && !this.#hooks.get(hostHooks).vmFunction.has(vmFunction)) {
      throw new ModelError(
        "KERNEL_PROVIDE_MISSING",
        `plugin ${name} declares VM function type ${vmFunction} but its setup did not own it; call ctx.own on host.vmFunction`,
        { plugin: name, hook: "host.vmFunction" },
      );
    }
    this.plugins.push(name);
    this.#definitions.push(plugin);
  }

  #loadKey(loads: string, key: string | number): Promise<void> {
    if (loads !== "vm-function" || typeof key !== "number") return Promise.resolve();
    const entry = this.#deferred.get(key);
    if (entry === undefined) return Promise.resolve();
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#loadLate(entry).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  async #loadLate(entry: DeferredEntry): Promise<void> {
    const loaded = await importEntry(entry);
    const { plugin } = loaded;
    for (const needed of plugin.requires ?? []) {
      if (!this.#services.has(needed)) throw missingProvider(plugin.name, needed);
    }
    const options = optionsOf(loaded);
    try {
      await this.#setUp(loaded, options, true);
      await this.#lifecycle.startLate(plugin.name);
    } catch (error) {
      throw await this.#discard(plugin, error);
    }
    this.#deferred.delete(entry.package.manifest.type as number);
  }

  /** A plugin that was loaded on demand failed: take back everything that it registered, so that a later try is a first. */
  async #discard(plugin: AnyPlugin, error: unknown): Promise<unknown> {
    const { name } = plugin;
    this.#hooks.remove(name);
    this.#services.remove(name);
    const index = this.plugins.indexOf(name);
    if (index >= 0) {
      this.plugins.splice(index, 1);
      this.#definitions.splice(this.#definitions.indexOf(plugin), 1);
    }
    return this.#undo(error, () => this.#lifecycle.discard(name));
  }

  /** Setup failed: undo all that was set up, then say both what failed and what failed while undoing. */
  #abandon(error: unknown): Promise<unknown> {
    return this.#undo(error, () => this.dispose());
  }

  async #undo(error: unknown, undo: () => Promise<void>): Promise<unknown> {
    try {
      await undo();
      return error;
    } catch (disposeError) {
      const message = error instanceof Error ? error.message : String(error);
      return new AggregateError([error, disposeError], `${message}; disposing failed too`, { cause: error });
    }
  }

  #wrongState(verb: string): ModelError {
    return new ModelError("KERNEL_LIFECYCLE", `a machine that is ${this.state} cannot ${verb}; make a new one`);
  }
}

function optionsOf({ plugin, options, path }: LoadedEntry): object {
  return readOptions(plugin.options, options, `${path}.options`, plugin.name);
}

/**
 * Hooks of one machine. Taps are collected while plugins set up; `freeze` fixes the order and puts the fastest
 * equivalent in `call`: nothing, the only handler, the function that tapable compiled, or a loop where a content
 * security policy lets it compile none.
 */
import { HookMap, SyncBailHook, SyncHook } from "tapable";
import { ModelError } from "../errors.ts";
import type { HookSpec } from "./define.ts";
import { guard, type Handler, orderTaps, type Tap } from "./tap.ts";

/** tapable types arguments by their count, which a hook of any declaration does not know. */
type TapArgs = readonly string[] & { 0: string; length: 1 };

/** Loads the plugin that declares a key; resolves when its taps are in. */
export type KeyLoader = (loads: string, key: string | number) => Promise<void>;

export abstract class HookInstance {
  readonly name: string;
  readonly spec: HookSpec;
  frozen = false;

  constructor(name: string, spec: HookSpec) {
    this.name = name;
    this.spec = spec;
  }

  get kind(): HookSpec["kind"] {
    return this.spec.kind;
  }

  abstract get used(): boolean;
  /** Fix the order. Called again when a plugin was loaded later. */
  abstract freeze(): void;
  /** Detach the handlers of a plugin whose setup failed. */
  abstract remove(plugin: string): void;
  /** Who is attached, in order; for a selector, to which key. */
  abstract tapped(): readonly { readonly plugin: string; readonly key?: string | number }[];
  abstract call: Handler;

  /** @param late the plugin is being loaded on demand, so the hook may be frozen */
  requireOpen(plugin: string, late: boolean): void {
    if (!this.frozen || late) return;
    throw new ModelError(
      "KERNEL_HOOK_FROZEN",
      `plugin ${plugin} tapped ${this.name} after the machine was set up; tap it in setup`,
      { plugin, hook: this.name },
    );
  }

  protected notReady = (): never => {
    throw new ModelError("KERNEL_HOOK_NOT_READY", `${this.name} was called before setup ended; call it from start on`, {
      hook: this.name,
    });
  };
}

class ListHook extends HookInstance {
  protected taps: Tap[] = [];
  call: Handler = this.notReady;

  get used(): boolean {
    return this.taps.length > 0;
  }

  add(plugin: string, priority: number, handler: Handler, unwind?: Handler): void {
    this.taps.push({
      plugin,
      priority,
      run: guard(plugin, this.name, handler),
      unwind: unwind && guard(plugin, this.name, unwind),
    });
  }

  freeze(): void {
    this.taps = orderTaps(this.name, this.taps);
    this.frozen = true;
    const [only] = this.taps;
    if (only === undefined) this.call = nothing;
    else if (this.taps.length === 1) this.call = only.run;
    else this.call = this.compile();
  }

  tapped(): readonly { readonly plugin: string }[] {
    return this.taps.map(({ plugin }) => ({ plugin }));
  }

  remove(plugin: string): void {
    const left = this.taps.filter((tap) => tap.plugin !== plugin);
    if (left.length === this.taps.length) return;
    this.taps = left;
    if (this.frozen) this.freeze();
  }

  protected compile(): Handler {
    const runs = this.taps.map((tap) => tap.run);
    if (!canCompile()) return this.loop(runs);
    const names = this.argNames();
    const hook = this.kind === "event" ? new SyncHook(names) : new SyncBailHook(names);
    this.taps.forEach((tap, index) => {
      hook.tap({ name: tap.plugin, stage: index }, tap.run as () => void);
    });
    return (...args) => (hook.call as Handler)(...args);
  }

  /** Where a content security policy forbids `new Function`, which tapable needs. */
  protected loop(runs: readonly Handler[]): Handler {
    if (this.kind === "event") {
      return (...args) => {
        for (const run of runs) run(...args);
      };
    }
    return (...args) => {
      for (const run of runs) {
        const result = run(...args);
        if (result !== undefined) return result;
      }
      return undefined;
    };
  }

  protected argNames(): TapArgs {
    // tapable drops arguments beyond the declared ones; hooks declared without names still take up to six.
    const names = [...this.spec.args];
    while (names.length < 6) names.push(`argument${names.length}`);
    return names as unknown as TapArgs;
  }
}

export class EventInstance extends ListHook {}

export class SetupInstance extends ListHook {
  protected override compile(): Handler {
    return this.runAll;
  }

  override freeze(): void {
    super.freeze();
    const ok = (this.spec as { ok: unknown }).ok;
    this.call = this.taps.length === 0 ? () => ok : this.runAll;
  }

  /** Every handler, last first. Throws KERNEL_HOOK_FAILED for the first that threw, after all have run. */
  readonly unwind = (...args: unknown[]): void => {
    if (!this.frozen) this.notReady();
    this.#unwindFrom(this.taps.length - 1, args);
  };

  private readonly runAll: Handler = (...args) => {
    const ok = (this.spec as { ok: unknown }).ok;
    for (let i = 0; i < this.taps.length; i++) {
      let result: unknown;
      try {
        result = (this.taps[i] as Tap).run(...args);
      } catch (error) {
        try {
          this.#unwindFrom(i - 1, args);
        } catch (unwindError) {
          throw new AggregateError([error, unwindError], `${this.name} failed, and unwinding it failed too`, {
            cause: error,
          });
        }
        throw error;
      }
      // A handler without a result has nothing to refuse.
      if (result !== ok && result !== undefined) {
        this.#unwindFrom(i - 1, args);
        return result;
      }
    }
    return ok;
  };

  #unwindFrom(last: number, args: unknown[]): void {
    let failure: unknown;
    for (let i = last; i >= 0; i--) {
      try {
        (this.taps[i] as Tap).unwind?.(...args);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }
}

export class SelectorInstance extends HookInstance {
  #map = newHookMap();
  readonly #owners = new Map<string | number, Tap>();
  readonly #load: KeyLoader;

  constructor(name: string, spec: HookSpec, load: KeyLoader) {
    super(name, spec);
    this.#load = load;
  }

  get used(): boolean {
    return this.#owners.size > 0;
  }

  /** Errors: KERNEL_SELECTOR_TAKEN */
  own(plugin: string, key: string | number, handler: Handler): void {
    const owner = this.#owners.get(key);
    if (owner !== undefined) {
      throw new ModelError(
        "KERNEL_SELECTOR_TAKEN",
        `plugins ${owner.plugin} and ${plugin} both own ${String(key)} of ${this.name}; leave one of them out`,
        { plugin, hook: this.name },
      );
    }
    const tap = { plugin, priority: 0, run: guard(plugin, this.name, handler), unwind: undefined };
    this.#owners.set(key, tap);
    this.#tap(key, tap);
  }

  tapped(): readonly { readonly plugin: string; readonly key: string | number }[] {
    return [...this.#owners].map(([key, { plugin }]) => ({ plugin, key }));
  }

  /** A hook of tapable cannot be untapped, so the map is made anew. */
  remove(plugin: string): void {
    for (const [key, tap] of this.#owners) if (tap.plugin === plugin) this.#owners.delete(key);
    this.#map = newHookMap();
    for (const [key, tap] of this.#owners) this.#tap(key, tap);
  }

  #tap(key: string | number, { plugin, run }: Tap): void {
    this.#map.for(key).tap(plugin, ((args: unknown[]) => run(...args)) as () => void);
  }

  freeze(): void {
    this.frozen = true;
  }

  has(key: string | number): boolean {
    return this.#owners.has(key);
  }

  keys(): readonly (string | number)[] {
    return [...this.#owners.keys()].sort((a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b : a < b ? -1 : 1,
    );
  }

  async load(key: string | number): Promise<boolean> {
    const { loads } = this.spec as { loads: string | undefined };
    if (!this.#owners.has(key) && loads !== undefined) await this.#load(loads, key);
    return this.#owners.has(key);
  }

  call: Handler = (key: string | number, ...args: unknown[]) => {
    if (!this.frozen) this.notReady();
    if (!canCompile()) return this.#owners.get(key)?.run(...args);
    return (this.#map.get(key) as { call: Handler } | undefined)?.call(args);
  };
}

function newHookMap() {
  return new HookMap(() => new SyncBailHook(["input"]));
}

export function makeHook(name: string, spec: HookSpec, load: KeyLoader): HookInstance {
  switch (spec.kind) {
    case "selector":
      return new SelectorInstance(name, spec, load);
    case "setup":
      return new SetupInstance(name, spec);
    default:
      return new EventInstance(name, spec);
  }
}

function nothing(): undefined {
  return undefined;
}

let compiles: boolean | undefined;
function canCompile(): boolean {
  if (compiles === undefined) {
    try {
      compiles = new Function("return true")() as boolean;
    } catch {
      compiles = false;
    }
  }
  return compiles;
}

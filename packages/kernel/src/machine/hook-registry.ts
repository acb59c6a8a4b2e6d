/** The hook instances of one machine. */
import type { HookSet, HookSpec, HooksOf } from "../hooks/define.ts";
import { type HookInstance, type KeyLoader, makeHook } from "../hooks/instance.ts";

export class HookRegistry {
  readonly #sets = new Map<string, Readonly<Record<string, HookInstance>>>();
  readonly #load: KeyLoader;
  #frozen = false;

  constructor(load: KeyLoader) {
    this.#load = load;
  }

  get<Specs extends Readonly<Record<string, HookSpec>>>(set: HookSet<Specs>): HooksOf<Specs> {
    let instance = this.#sets.get(set.name);
    if (instance === undefined) {
      const hooks: Record<string, HookInstance> = {};
      for (const [name, spec] of Object.entries(set.specs)) {
        const hook = makeHook(`${set.name}.${name}`, spec, this.#load);
        if (this.#frozen) hook.freeze();
        hooks[name] = hook;
      }
      instance = Object.freeze(hooks);
      this.#sets.set(set.name, instance);
    }
    return instance as unknown as HooksOf<Specs>;
  }

  /** Detach every handler of one plugin. */
  remove(plugin: string): void {
    for (const hooks of this.#sets.values()) for (const hook of Object.values(hooks)) hook.remove(plugin);
  }

  /** Hooks that a plugin is attached to, as `set.hook` or `set.hook[key]`. */
  of(plugin: string): string[] {
    return [...this.#sets.values()].flatMap((hooks) =>
      Object.values(hooks).flatMap((hook) =>
        hook
          .tapped()
          .filter((tap) => tap.plugin === plugin)
          .map(({ key }) => (key === undefined ? hook.name : `${hook.name}[${key}]`)),
      ),
    );
  }

  freeze(): void {
    this.#frozen = true;
    for (const hooks of this.#sets.values()) for (const hook of Object.values(hooks)) hook.freeze();
  }
}

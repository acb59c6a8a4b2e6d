/** The one object through which a plugin reaches its machine. */

import type { FaultPoints } from "../contracts/fault-points.ts";
import type { Trace } from "../contracts/trace.ts";
import { ModelError } from "../errors.ts";
import type { HookSet, HookSpec, HooksOf } from "../hooks/define.ts";
import { HookInstance, type SelectorInstance, type SetupInstance } from "../hooks/instance.ts";
import type { Handler } from "../hooks/tap.ts";
import { type AnyPlugin, type AnyToken, type PluginContext, type TapOptions, tokenName } from "../plugin/define.ts";
import type { MachineConfig } from "./config.ts";
import type { Services } from "./container.ts";
import type { HookRegistry } from "./hook-registry.ts";
import type { Lifecycle } from "./lifecycle.ts";

export interface ContextParts {
  readonly services: Services;
  readonly hooks: HookRegistry;
  readonly lifecycle: Lifecycle;
  readonly config: Readonly<MachineConfig>;
  readonly trace: Trace;
  readonly faults: FaultPoints;
}

export interface OpenContext {
  readonly ctx: PluginContext;
  /** Setup is over: a plugin that is loaded on demand may not tap from now on. */
  close(): void;
}

/** @param late the machine is frozen and this plugin is loaded on demand */
export function makeContext(plugin: AnyPlugin, parts: ContextParts, late: boolean): OpenContext {
  const { services, hooks, lifecycle, config, trace, faults } = parts;
  const { name, provides = [], requires = [], optional = [] } = plugin;
  let open = late;

  const declared = (list: readonly AnyToken[], service: symbol, where: string) => {
    if (list.includes(service) || provides.includes(service)) return;
    throw new ModelError(
      "KERNEL_UNDECLARED_REQUIRE",
      `plugin ${name} asks for ${tokenName(service)}, which its definition does not list; add it to \`${where}\``,
      { plugin: name },
    );
  };
  // biome-ignore lint/suspicious/noExplicitAny: hooks of every type pass through here
  const attach = (hook: any, kinds: readonly string[], method: string): HookInstance => {
    if (!(hook instanceof HookInstance)) {
      throw new ModelError("KERNEL_HOOK_KIND", `plugin ${name}: ctx.${method} needs a hook of ctx.hooks(set)`, {
        plugin: name,
      });
    }
    if (!kinds.includes(hook.kind)) {
      const right = { event: "on", handled: "on", selector: "own", setup: "onSetup" }[hook.kind];
      throw new ModelError(
        "KERNEL_HOOK_KIND",
        `plugin ${name}: ${hook.name} is a ${hook.kind} hook; attach with ctx.${right} instead of ctx.${method}`,
        { plugin: name, hook: hook.name },
      );
    }
    hook.requireOpen(name, open);
    return hook;
  };
  const tap = (hook: HookInstance, options: TapOptions | undefined, handler: Handler, unwind?: Handler) => {
    (hook as SetupInstance).add(name, options?.priority ?? 0, handler, unwind);
    if (open) hook.freeze();
  };

  const ctx: PluginContext = {
    name,
    trace,
    faults,
    config: { guest: config.guest, host: config.host },
    get(service) {
      declared(requires, service, "requires");
      const found = services.find(service);
      if (found === undefined) {
        throw new ModelError("KERNEL_MISSING_PROVIDER", `plugin ${name}: ${tokenName(service)} is not provided yet`, {
          plugin: name,
        });
      }
      return found;
    },
    find(service) {
      declared([...optional, ...requires], service, "optional");
      return services.find(service);
    },
    provide(service, implementation) {
      if (!provides.includes(service)) {
        throw new ModelError(
          "KERNEL_UNDECLARED_PROVIDE",
          `plugin ${name} provides ${tokenName(service)}, which its definition does not list; add it to \`provides\``,
          { plugin: name },
        );
      }
      services.add(name, service, implementation);
    },
    hooks<Specs extends Readonly<Record<string, HookSpec>>>(set: HookSet<Specs>): HooksOf<Specs> {
      return hooks.get(set);
    },
    on(hook: unknown, handler: Handler, options?: TapOptions) {
      tap(attach(hook, ["event", "handled"], "on"), options, handler);
    },
    own(hook, key, handler) {
      (attach(hook, ["selector"], "own") as SelectorInstance).own(name, key, handler as Handler);
    },
    onSetup(hook, handler, unwind, options) {
      tap(attach(hook, ["setup"], "onSetup"), options, handler as Handler, unwind as Handler | undefined);
    },
    onStart: (handler) => lifecycle.add("start", name, handler),
    onStop: (handler) => lifecycle.add("stop", name, handler),
    onDispose: (handler) => lifecycle.add("dispose", name, handler),
  };
  return {
    ctx,
    close() {
      open = false;
    },
  };
}

/** What a plugin is. Only a package's plugin.ts uses this; models are plain classes. */
import type { FaultPoints } from "../contracts/fault-points.ts";
import type { Trace } from "../contracts/trace.ts";
import { ModelError } from "../errors.ts";
import type { EventHook, HandledHook, HookSet, HookSpec, HooksOf, SelectorHook, SetupHook } from "../hooks/define.ts";
import type { Token } from "../token.ts";
import type { OptionsSchema } from "./options.ts";

/** Version of the plugin API. A change that breaks plugins raises it. */
export const PLUGIN_API = 1;

const BRAND = Symbol.for("gunyah-ts/Plugin");

// biome-ignore lint/suspicious/noExplicitAny: a service of any type
export type AnyToken = Token<any>;

export interface PluginDefinition<Options extends object> {
  /** The package's name, or `package#part` where one package defines several plugins. */
  readonly name: string;
  /** The package's version. */
  readonly version: string;
  /** Services that `setup` provides, each by exactly one plugin of a machine. */
  readonly provides?: readonly AnyToken[];
  /** Services that must be there before `setup` runs. */
  readonly requires?: readonly AnyToken[];
  /** Services that are used when some plugin provides them; that plugin is then set up first. */
  readonly optional?: readonly AnyToken[];
  /** VM function type that this plugin drives (`GUNYAH_FN_*`). The manifest's `type` must agree. */
  readonly vmFunction?: number;
  /** Keys, types and defaults of the options. Without it the plugin takes no options. */
  readonly options?: OptionsSchema<Options>;
  /** Wire up: provide services, attach handlers. May be asynchronous. A throw unwinds the machine. */
  setup(ctx: PluginContext, options: Readonly<Options>): void | Promise<void>;
}

export interface Plugin<Options extends object = Record<string, never>> extends PluginDefinition<Options> {
  readonly api: number;
}

/** A plugin of any options. */
// biome-ignore lint/suspicious/noExplicitAny: variance of setup
export type AnyPlugin = Plugin<any>;

export interface TapOptions {
  /** Higher runs first. 0 unless said; two plugins at one nonzero priority of one hook are refused. */
  readonly priority?: number;
}

/** What a plugin sees of its machine. */
export interface PluginContext {
  /** Name of the plugin. */
  readonly name: string;
  readonly trace: Trace;
  readonly faults: FaultPoints;
  /** The machine's configuration, frozen: for sections that the kernel does not interpret, `guest` and `host`. */
  readonly config: { readonly guest?: object | undefined; readonly host?: object | undefined };

  /** A service of `requires`. Errors: KERNEL_UNDECLARED_REQUIRE */
  get<Service>(service: Token<Service>): Service;
  /** A service of `optional`, or undefined when nobody provides it. Errors: KERNEL_UNDECLARED_REQUIRE */
  find<Service>(service: Token<Service>): Service | undefined;
  /** Errors: KERNEL_UNDECLARED_PROVIDE, KERNEL_DUPLICATE_PROVIDER */
  provide<Service>(service: Token<Service>, implementation: NoInfer<Service>): void;

  /** This machine's instance of a hook set. */
  hooks<Specs extends Readonly<Record<string, HookSpec>>>(set: HookSet<Specs>): HooksOf<Specs>;
  /** Errors of all that attach: KERNEL_HOOK_FROZEN, KERNEL_HOOK_KIND */
  on<Args extends readonly unknown[]>(
    hook: EventHook<Args>,
    handler: (...args: NoInfer<Args>) => void,
    options?: TapOptions,
  ): void;
  on<Args extends readonly unknown[], Result>(
    hook: HandledHook<Args, Result>,
    handler: (...args: NoInfer<Args>) => NoInfer<Result> | undefined,
    options?: TapOptions,
  ): void;
  /** Errors: KERNEL_SELECTOR_TAKEN */
  own<Key extends string | number, Args extends readonly unknown[], Result>(
    hook: SelectorHook<Key, Args, Result>,
    key: NoInfer<Key>,
    handler: (...args: NoInfer<Args>) => NoInfer<Result>,
  ): void;
  /** @param unwind undoes what `handler` did with the same arguments */
  onSetup<Args extends readonly unknown[], Result>(
    hook: SetupHook<Args, Result>,
    handler: (...args: NoInfer<Args>) => NoInfer<Result> | void,
    unwind?: (...args: NoInfer<Args>) => void,
    options?: TapOptions,
  ): void;

  /** After every plugin is set up, in set-up order. */
  onStart(handler: () => void | Promise<void>): void;
  /** In reverse order, only when the plugin started (or was starting). */
  onStop(handler: () => void | Promise<void>): void;
  /** In reverse order of registration over the whole machine, exactly once, also after a failure. */
  onDispose(handler: () => void | Promise<void>): void;
}

/**
 * Define a plugin.
 *
 * Errors: KERNEL_PLUGIN_INVALID
 */
export function definePlugin<Options extends object = Record<string, never>>(
  definition: PluginDefinition<Options>,
): Plugin<Options> {
  const invalid = (what: string): never => {
    throw new ModelError("KERNEL_PLUGIN_INVALID", `plugin ${String(definition?.name ?? "(without a name)")}: ${what}`);
  };
  if (typeof definition !== "object" || definition === null) invalid("the definition must be an object");
  const { name, version, provides = [], requires = [], optional = [], vmFunction, setup } = definition;
  if (typeof name !== "string" || name === "") invalid("`name` must be the package's name");
  if (typeof version !== "string" || !/^\d+\.\d+\.\d+/.test(version)) invalid("`version` must be a semantic version");
  for (const [key, list] of Object.entries({ provides, requires, optional })) {
    if (!Array.isArray(list) || list.some((item) => typeof item !== "symbol")) invalid(`\`${key}\` must list tokens`);
    if (new Set(list).size !== list.length) invalid(`\`${key}\` lists a token twice`);
  }
  if (vmFunction !== undefined && !(Number.isSafeInteger(vmFunction) && vmFunction >= 0)) {
    invalid("`vmFunction` must be a VM function type, a non-negative integer");
  }
  if (typeof setup !== "function") invalid("`setup` must be a function");
  return Object.freeze({ ...definition, api: PLUGIN_API, [BRAND]: true });
}

/** Whether `value` came from `definePlugin` of any copy of the kernel. */
export function isPlugin(value: unknown): value is AnyPlugin {
  return typeof value === "object" && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true;
}

/** A plugin with its options, as a machine's configuration lists it. Plain data when the plugin is given by name. */
export interface PluginUse {
  readonly plugin: AnyPlugin | string;
  readonly options?: object | undefined;
}

/** Give a plugin its options: `use(irqfd, { … })`, or `use("gunyah-plugin-name", { … })`. */
export function use<Options extends object>(plugin: Plugin<Options>, options?: NoInfer<Partial<Options>>): PluginUse;
export function use(plugin: string, options?: Readonly<Record<string, unknown>>): PluginUse;
export function use(plugin: AnyPlugin | string, options?: object): PluginUse {
  return Object.freeze({ plugin, options });
}

export function tokenName(service: symbol): string {
  return (service.description ?? "unnamed").replace(/^gunyah-ts\//, "");
}

/**
 * Declaring hooks. Four kinds, those of Gunyah's event system, are enough.
 * Source: gunyah-hypervisor docs/events.md (event, handled_event, selector_event, setup_event).
 */

/** Everyone hears. */
export interface EventSpec<Args extends readonly unknown[]> {
  readonly kind: "event";
  readonly args: readonly string[];
  readonly _args?: Args;
}
/** The first answer that is not undefined wins. */
export interface HandledEventSpec<Args extends readonly unknown[], Result> {
  readonly kind: "handled";
  readonly args: readonly string[];
  readonly _args?: Args;
  readonly _result?: Result;
}
/** One owner per key. */
export interface SelectorEventSpec<Key extends string | number, Args extends readonly unknown[], Result> {
  readonly kind: "selector";
  readonly args: readonly string[];
  /** Manifest kind of the plugins that are loaded when their key is first asked for. */
  readonly loads: string | undefined;
  readonly _key?: Key;
  readonly _args?: Args;
  readonly _result?: Result;
}
/** In order; the first result that is not `ok` stops, and what ran before is unwound in reverse. */
export interface SetupEventSpec<Args extends readonly unknown[], Result> {
  readonly kind: "setup";
  readonly args: readonly string[];
  readonly ok: Result;
  readonly _args?: Args;
  readonly _result?: Result;
}
// biome-ignore lint/suspicious/noExplicitAny: specs of every type are kept in one set
type Anything = any;
export type HookSpec =
  | EventSpec<Anything>
  | HandledEventSpec<Anything, Anything>
  | SelectorEventSpec<Anything, Anything, Anything>
  | SetupEventSpec<Anything, Anything>;

/** @param args names of the arguments, for messages */
export function event<Args extends readonly unknown[]>(...args: string[]): EventSpec<Args> {
  return { kind: "event", args };
}
export function handledEvent<Args extends readonly unknown[], Result>(
  ...args: string[]
): HandledEventSpec<Args, Result> {
  return { kind: "handled", args };
}
/** @param options.loads see `SelectorEventSpec.loads` */
export function selectorEvent<Key extends string | number, Args extends readonly unknown[], Result>(
  options: { readonly loads?: string } | string = {},
  ...args: string[]
): SelectorEventSpec<Key, Args, Result> {
  const isName = typeof options === "string";
  return { kind: "selector", args: isName ? [options, ...args] : args, loads: isName ? undefined : options.loads };
}
/** @param ok the result that means success */
export function setupEvent<Args extends readonly unknown[], Result>(
  ok: Result,
  ...args: string[]
): SetupEventSpec<Args, Result> {
  return { kind: "setup", ok, args };
}

export interface HookSet<Specs extends Readonly<Record<string, HookSpec>>> {
  readonly name: string;
  readonly specs: Specs;
}

/**
 * Declare a set of hooks. Each machine makes its own frozen instance of it.
 *
 * @param name unique; two copies of a package mean the same set by the same name
 */
export function defineHooks<const Specs extends Readonly<Record<string, HookSpec>>>(
  name: string,
  specs: Specs,
): HookSet<Specs> {
  return Object.freeze({ name, specs: Object.freeze(specs) });
}

/** What a caller holds. */
export interface EventHook<Args extends readonly unknown[]> {
  readonly kind: "event";
  readonly name: string;
  /** Whether anyone listens. */
  readonly used: boolean;
  /** Errors: KERNEL_HOOK_FAILED (names plugin and hook), KERNEL_HOOK_NOT_READY */
  readonly call: (...args: Args) => void;
}
export interface HandledHook<Args extends readonly unknown[], Result> {
  readonly kind: "handled";
  readonly name: string;
  readonly used: boolean;
  /** @returns the first answer, or undefined when nobody answered */
  readonly call: (...args: Args) => Result | undefined;
}
export interface SelectorHook<Key extends string | number, Args extends readonly unknown[], Result> {
  readonly kind: "selector";
  readonly name: string;
  readonly used: boolean;
  has(key: Key): boolean;
  /** Keys that have an owner now, sorted. */
  keys(): readonly Key[];
  /**
   * Make sure that the key's owner is loaded. Plugins that declare a key in their manifest are loaded at its first use.
   * @returns whether the key has an owner
   */
  load(key: Key): Promise<boolean>;
  /** @returns the owner's answer, or undefined when nobody owns the key */
  call(key: Key, ...args: Args): Result | undefined;
}
export interface SetupHook<Args extends readonly unknown[], Result> {
  readonly kind: "setup";
  readonly name: string;
  readonly used: boolean;
  /** Run all; on a refusal or a throw, unwind those that had succeeded, in reverse. @returns `ok`, or the refusal */
  readonly call: (...args: Args) => Result;
  /** A later step of the caller failed: unwind every handler, in reverse. Throws are collected, never stop it. */
  readonly unwind: (...args: Args) => void;
}

export type HookOf<Spec> =
  Spec extends EventSpec<infer Args>
    ? EventHook<Args>
    : Spec extends HandledEventSpec<infer Args, infer Result>
      ? HandledHook<Args, Result>
      : Spec extends SelectorEventSpec<infer Key, infer Args, infer Result>
        ? SelectorHook<Key, Args, Result>
        : Spec extends SetupEventSpec<infer Args, infer Result>
          ? SetupHook<Args, Result>
          : never;

export type HooksOf<Specs extends Readonly<Record<string, HookSpec>>> = {
  readonly [Name in keyof Specs]: HookOf<Specs[Name]>;
};

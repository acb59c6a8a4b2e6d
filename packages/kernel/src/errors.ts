/**
 * Errors of the kernel: what a user or a plugin author can do wrong, each with a code that never changes meaning.
 * Compare by `code`, not by class: two copies of a package may be installed.
 */

/** Codes of this package with the sentence that the README repeats. */
export const KERNEL_ERRORS = {
  KERNEL_PLUGIN_INVALID: "A plugin definition lacks a field or has one of the wrong type.",
  KERNEL_PLUGIN_NOT_FOUND: "A plugin given by package name cannot be resolved from the user's project.",
  KERNEL_PLUGIN_LOAD_FAILED: "The module of a plugin threw while it was imported.",
  KERNEL_PLUGIN_DUPLICATE: "Two plugins of one machine have the same name.",
  KERNEL_MANIFEST_MISSING: "A plugin's package.json has no `gunyah` field.",
  KERNEL_MANIFEST_INVALID: "A plugin's `gunyah` field lacks a key or has a value of the wrong type.",
  KERNEL_MANIFEST_MISMATCH: "A plugin's manifest and its code disagree.",
  KERNEL_API_VERSION: "A plugin was written for another version of the plugin API.",
  KERNEL_MISSING_PROVIDER: "A plugin requires a service that no plugin of the machine provides.",
  KERNEL_DUPLICATE_PROVIDER: "Two plugins of one machine provide the same service.",
  KERNEL_UNDECLARED_PROVIDE: "A plugin provided a service that its definition does not list.",
  KERNEL_PROVIDE_MISSING: "A plugin's setup ended without providing a service that its definition lists.",
  KERNEL_UNDECLARED_REQUIRE: "A plugin asked for a service that its definition does not list.",
  KERNEL_CYCLE: "Plugins require each other in a circle.",
  KERNEL_SERVICE_UNKNOWN: "A machine was asked for a service that nobody provides.",
  KERNEL_VM_FUNCTION_TAKEN: "Two plugins declare the same VM function type.",
  KERNEL_SELECTOR_TAKEN: "Two plugins own the same key of a selector hook.",
  KERNEL_HOOK_PRIORITY: "Two plugins tap one hook with the same nonzero priority.",
  KERNEL_HOOK_FROZEN: "A hook was tapped after the machine had been set up.",
  KERNEL_HOOK_NOT_READY: "A hook was called before the machine had been set up.",
  KERNEL_HOOK_KIND: "A handler was attached with the method of another hook kind.",
  KERNEL_HOOK_FAILED: "A plugin's handler threw.",
  KERNEL_SETUP_FAILED: "A plugin's setup threw; everything set up before it was disposed of.",
  KERNEL_START_FAILED: "A plugin's start handler threw; what had started was stopped.",
  KERNEL_STOP_FAILED: "One or more stop handlers threw.",
  KERNEL_DISPOSE_FAILED: "One or more dispose handlers threw.",
  KERNEL_LIFECYCLE: "A lifecycle method was called in the wrong state.",
  KERNEL_CONFIG_NOT_FOUND: "No configuration file exists at the path.",
  KERNEL_CONFIG_LOAD_FAILED: "The configuration file threw while it was read.",
  KERNEL_CONFIG_UNKNOWN_KEY: "The configuration has a key that nothing reads.",
  KERNEL_CONFIG_INVALID: "A value of the configuration has the wrong type or is out of range.",
  KERNEL_OPTION_UNKNOWN: "A plugin was given an option that it does not have.",
  KERNEL_OPTION_INVALID: "A plugin's option has the wrong type or is out of range.",
  KERNEL_BUS_OVERLAP: "Two devices of the board lie on the same addresses.",
  KERNEL_MEMORY_LAYOUT: "DRAM base, DRAM size or the reserved size is not a multiple of 64 KiB or is too large.",
  KERNEL_MEMORY_UNAVAILABLE: "The host cannot reserve the linear memory.",
  KERNEL_CLOCK_INVALID: "A clock was made with a frequency or ratio that is not a positive integer.",
  KERNEL_ENTROPY_INVALID: "A seed is not a string, an integer or a bigint.",
  KERNEL_PLATFORM: "An operation needs Node's file system and this platform has none.",
  KERNEL_FAULT_POINT: "A fault point was armed with a pass that is not a positive integer.",
  KERNEL_VERSION: "A saved state has a version that this build cannot read.",
} as const;
export type KernelErrorCode = keyof typeof KERNEL_ERRORS;

export interface ModelErrorDetail {
  /** Plugin at fault, by name. */
  readonly plugin?: string | undefined;
  /** Hook at fault, as `set.hook`. */
  readonly hook?: string | undefined;
  /** Place in the configuration, as `vm.memory.size`. */
  readonly path?: string | undefined;
  readonly cause?: unknown;
}

/** The user, a plugin or a configuration asked for something that cannot be. */
export class ModelError extends Error {
  override readonly name = "ModelError";
  /** Stable and greppable, prefixed with the package: `KERNEL_…`, `HYP_…`. */
  readonly code: string;
  readonly plugin: string | undefined;
  readonly hook: string | undefined;
  readonly path: string | undefined;

  /** @param message names who, what and the remedy */
  constructor(code: string, message: string, detail: ModelErrorDetail = {}) {
    super(`${code}: ${message}`, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.plugin = detail.plugin;
    this.hook = detail.hook;
    this.path = detail.path;
  }
}

/** Whether `error` is a ModelError of any copy of this package, with `code` if given. */
export function isModelError(error: unknown, code?: string): error is ModelError {
  if (!(error instanceof Error) || error.name !== "ModelError") return false;
  return code === undefined || (error as ModelError).code === code;
}

/**
 * Our model is wrong: say so loudly.
 *
 * @param code `BUG_…`
 * @param state what reproduces it
 */
export function bug(code: `BUG_${string}`, message: string, state?: unknown): never {
  let detail = "";
  if (state !== undefined) {
    detail = ` ${JSON.stringify(state, (_key, value) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value))}`;
  }
  throw new ModelError(code, message + detail, { cause: state });
}

/** `bug` unless `condition` holds. */
export function assertModel(condition: boolean, code: `BUG_${string}`, message: string): asserts condition {
  if (!condition) bug(code, message);
}

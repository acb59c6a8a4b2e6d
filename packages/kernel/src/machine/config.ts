/** The configuration of a machine: plain data, checked, then frozen. */
import type { BoardConfig } from "../contracts/hypervisor.ts";
import { ModelError } from "../errors.ts";
import { suggestion } from "../nearest.ts";
import { type AnyPlugin, isPlugin, type PluginUse } from "../plugin/define.ts";
import { describe } from "../plugin/options.ts";

/** A plugin, its package name, or either with options. */
export type PluginEntry = AnyPlugin | string | PluginUse;

export interface ClockConfig {
  readonly kind: "virtual" | "host";
  /** Ticks a second; the board's `timerFrequencyHz` unless said. */
  readonly frequencyHz?: number;
  /** Virtual clock: instructions that one tick stands for. */
  readonly instructionsPerTick?: number;
}

export interface MachineConfig {
  readonly name?: string;
  /** The board: an object, or `package#export` resolved from the project. Left out: a machine without DRAM, for tests. */
  readonly soc?: BoardConfig | string;
  readonly plugins: readonly PluginEntry[];
  /** `virtual` unless said. */
  readonly clock?: "virtual" | "host" | ClockConfig;
  /** Seed of the machine's random bytes, or `host` for bytes that cannot be repeated. 0 unless said. */
  readonly entropy?: "host" | { readonly seed: number | string };
  readonly memory?: {
    /** Bytes in front of DRAM for the CPU backend, a multiple of 64 KiB. */
    readonly reservedBytes?: number;
  };
  /** What a VMM runs. Read by the plugin that owns it. */
  readonly guest?: object;
  /** What the host kernel is. Read by the plugin that owns it. */
  readonly host?: object;
}

type Shape = { readonly [key: string]: Rule };
type Rule = "string" | "integer" | "object" | "string|integer" | Shape;

const BOARD_RANGE: Shape = { base: "integer", size: "integer" };
const BOARD: { readonly [Key in keyof Omit<BoardConfig, "accessControl">]: Rule } = {
  name: "string",
  dram: BOARD_RANGE,
  carveOut: BOARD_RANGE,
  rootVm: BOARD_RANGE,
  rootVmEntry: "integer",
  hostEntry: "integer",
  hostDtb: BOARD_RANGE,
  hostVmid: "integer",
  physicalCpus: "integer",
  hostCpus: "integer",
  hostGic: { distributor: "integer", redistributors: "integer" },
  timerFrequencyHz: "integer",
  freeSpiStart: "integer",
};
const SECTIONS = {
  clock: { kind: "string", frequencyHz: "integer", instructionsPerTick: "integer" },
  entropy: { seed: "string|integer" },
  memory: { reservedBytes: "integer" },
} as const satisfies Readonly<Record<string, Shape>>;
const KEYS = ["name", "soc", "plugins", "clock", "entropy", "memory", "guest", "host"];

/**
 * Check a configuration, so that a mistake is found where it was written.
 *
 * @returns the same data, frozen to its leaves (plugins excepted)
 * Errors: KERNEL_CONFIG_UNKNOWN_KEY, KERNEL_CONFIG_INVALID; both name the path
 */
export function defineMachine(config: MachineConfig): Readonly<MachineConfig> {
  if (typeof config !== "object" || config === null) throw invalid("config", `is ${describe(config)}; give an object`);
  for (const key of Object.keys(config)) if (!KEYS.includes(key)) throw unknownKey(key, key, KEYS);
  const { name, soc, plugins, clock, entropy, memory, guest, host } = config;
  if (name !== undefined && typeof name !== "string") throw invalid("name", `is ${describe(name)}; give a text`);
  if (!Array.isArray(plugins)) throw invalid("plugins", `is ${describe(plugins)}; give an array`);
  plugins.forEach(checkEntry);
  if (typeof soc === "string") {
    if (!/^[^#]+#[^#]+$/.test(soc)) throw invalid("soc", `is ${describe(soc)}; a preset's name is "package#export"`);
  } else if (soc !== undefined) checkBoard(soc);
  if (typeof clock === "string") checkClockKind(clock, "clock");
  else if (clock !== undefined) {
    checkShape(clock, SECTIONS.clock, "clock", false);
    checkClockKind(clock.kind, "clock.kind");
  }
  if (typeof entropy === "string") {
    if (entropy !== "host") throw invalid("entropy", `is ${describe(entropy)}; give "host" or { seed }`);
  } else if (entropy !== undefined) checkShape(entropy, SECTIONS.entropy, "entropy", true);
  if (memory !== undefined) checkShape(memory, SECTIONS.memory, "memory", false);
  for (const [key, section] of Object.entries({ guest, host })) {
    if (section !== undefined && (typeof section !== "object" || section === null)) {
      throw invalid(key, `is ${describe(section)}; give an object`);
    }
  }
  return freeze({ ...config });
}

function checkEntry(entry: PluginEntry, index: number): void {
  const path = `plugins[${index}]`;
  if (isPlugin(entry) || (typeof entry === "string" && entry !== "")) return;
  if (typeof entry !== "object" || entry === null) {
    throw invalid(path, `is ${describe(entry)}; give a plugin, a package name, or use(…)`);
  }
  for (const key of Object.keys(entry)) {
    if (key !== "plugin" && key !== "options") throw unknownKey(key, `${path}.${key}`, ["plugin", "options"]);
  }
  const { plugin } = entry as PluginUse;
  if (isPlugin(plugin) || (typeof plugin === "string" && plugin !== "")) return;
  throw invalid(`${path}.plugin`, `is ${describe(plugin)}; give a plugin of definePlugin or a package name`);
}

/** Errors: KERNEL_CONFIG_UNKNOWN_KEY, KERNEL_CONFIG_INVALID */
export function checkBoard(board: BoardConfig): void {
  const { accessControl, ...rest } = board;
  checkShape(rest, BOARD, "soc", true);
  if (accessControl !== undefined) checkShape(accessControl, BOARD_RANGE, "soc.accessControl", true);
}

function checkClockKind(kind: unknown, path: string): void {
  if (kind !== "virtual" && kind !== "host") throw invalid(path, `is ${describe(kind)}; give "virtual" or "host"`);
}

function checkShape(value: unknown, shape: Shape, path: string, complete: boolean): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, `is ${describe(value)}; give an object`);
  }
  const known = Object.keys(shape);
  for (const key of Object.keys(value)) if (!known.includes(key)) throw unknownKey(key, `${path}.${key}`, known);
  for (const [key, rule] of Object.entries(shape)) {
    const at = `${path}.${key}`;
    const item = (value as Record<string, unknown>)[key];
    if (item === undefined) {
      if (complete) throw invalid(at, "is missing");
      continue;
    }
    if (typeof rule === "object") checkShape(item, rule, at, complete);
    else if (!rule.split("|").some((type) => (type === "integer" ? isInteger(item) : typeof item === type))) {
      throw invalid(at, `is ${describe(item)}; it must be ${rule === "string" ? "a text" : "a non-negative integer"}`);
    }
  }
}

function isInteger(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function unknownKey(key: string, path: string, known: readonly string[]): ModelError {
  return new ModelError("KERNEL_CONFIG_UNKNOWN_KEY", `nothing reads ${path}${suggestion(key, known)}`, { path });
}

function invalid(path: string, what: string): ModelError {
  return new ModelError("KERNEL_CONFIG_INVALID", `${path} ${what}`, { path });
}

/** Plain objects and arrays only: class instances and buffers belong to whoever made them. */
function freeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return value;
  for (const item of Object.values(value)) freeze(item);
  return Object.freeze(value);
}

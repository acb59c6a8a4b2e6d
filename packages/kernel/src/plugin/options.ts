/** Options of plugins and sections of configurations: one table gives check, defaults and messages. */
import { ModelError } from "../errors.ts";
import { suggestion } from "../nearest.ts";

export interface OptionRule<Value> {
  readonly type: "string" | "number" | "integer" | "boolean" | "object" | "array" | "bigint";
  /** Left out: the option may be absent and stays undefined. */
  readonly default?: Value;
  readonly required?: boolean;
  /** @returns what is wrong with the value, or undefined */
  check?(value: NonNullable<Value>): string | undefined;
}
export type OptionsSchema<Options extends object> = { readonly [Key in keyof Options]-?: OptionRule<Options[Key]> };

/**
 * Check and complete options.
 *
 * @param path where they stand in the configuration, for messages
 * Errors: KERNEL_OPTION_UNKNOWN, KERNEL_OPTION_INVALID
 */
export function readOptions<Options extends object>(
  schema: OptionsSchema<Options> | undefined,
  given: object | undefined,
  path: string,
  plugin: string,
): Readonly<Options> {
  const rules = (schema ?? {}) as Readonly<Record<string, OptionRule<unknown>>>;
  const invalid = (key: string, what: string): never => {
    const at = key === "" ? path : `${path}.${key}`;
    throw new ModelError("KERNEL_OPTION_INVALID", `${at} ${what} (plugin ${plugin})`, { plugin, path: at });
  };
  if (given !== undefined && (typeof given !== "object" || given === null || Array.isArray(given))) {
    invalid("", `is ${describe(given)}; it must be an object`);
  }
  const values: Record<string, unknown> = {};
  for (const key of Object.keys(given ?? {})) {
    if (Object.hasOwn(rules, key)) continue;
    const at = `${path}.${key}`;
    const known = Object.keys(rules);
    throw new ModelError("KERNEL_OPTION_UNKNOWN", `plugin ${plugin} has no option ${at}${suggestion(key, known)}`, {
      plugin,
      path: at,
    });
  }
  for (const [key, rule] of Object.entries(rules)) {
    const value = (given as Record<string, unknown> | undefined)?.[key] ?? rule.default;
    if (value === undefined || value === null) {
      if (rule.required === true) invalid(key, "is missing");
      continue;
    }
    if (!hasType(value, rule.type)) invalid(key, `is ${describe(value)}; it must be ${article(rule.type)}`);
    const wrong = rule.check?.(value);
    if (wrong !== undefined) invalid(key, `is ${describe(value)}: ${wrong}`);
    values[key] = value;
  }
  return Object.freeze(values) as Readonly<Options>;
}

function hasType(value: unknown, type: OptionRule<unknown>["type"]): boolean {
  switch (type) {
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return typeof value === "number" && !Number.isNaN(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** A value in a message: short, and never a whole object. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (value === null) return "null";
  if (typeof value === "object") return "an object";
  if (typeof value === "function") return "a function";
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  return String(value);
}

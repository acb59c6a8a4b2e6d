import { ModelError } from "@gunyah-ts/kernel";

/** The checks that devices make of their options. Each throws VMM_DEVICE_OPTION with the path of the key. */
export function optionObject(options: unknown, path: string, keys: readonly string[]): Record<string, unknown> {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new ModelError("VMM_DEVICE_OPTION", `${path} must be an object`, { path });
  for (const key of Object.keys(options))
    if (!keys.includes(key))
      throw new ModelError(
        "VMM_DEVICE_OPTION",
        `${path}.${key} is unknown; ${keys.length === 0 ? "this device has no options" : `known are ${keys.join(", ")}`}`,
        { path: `${path}.${key}` },
      );
  return options as Record<string, unknown>;
}

export function optionalString(options: Record<string, unknown>, key: string, path: string): string | undefined {
  return optional(options, key, path, "a string", (value) => typeof value === "string") as string | undefined;
}

export function optionalBoolean(options: Record<string, unknown>, key: string, path: string): boolean | undefined {
  return optional(options, key, path, "true or false", (value) => typeof value === "boolean") as boolean | undefined;
}

function optional(
  options: Record<string, unknown>,
  key: string,
  path: string,
  what: string,
  accept: (value: unknown) => boolean,
): unknown {
  const value = options[key];
  if (value !== undefined && !accept(value))
    throw new ModelError("VMM_DEVICE_OPTION", `${path}.${key} must be ${what}`, { path: `${path}.${key}` });
  return value;
}

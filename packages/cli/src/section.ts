import { ModelError } from "@gunyah-ts/kernel";

/**
 * Check a section of a configuration that the command itself reads.
 *
 * @param keys the type of each key that may be there; `object` stands for a list of devices
 * Errors: KERNEL_CONFIG_UNKNOWN_KEY, KERNEL_CONFIG_INVALID, with the path of the key
 */
export function checkSection<Section extends object>(
  name: string,
  section: object | undefined,
  keys: Readonly<Record<keyof Section, string>>,
): Section {
  for (const [key, value] of Object.entries(section ?? {})) {
    const path = `${name}.${key}`;
    const type = keys[key as keyof Section];
    if (type === undefined)
      throw new ModelError(
        "KERNEL_CONFIG_UNKNOWN_KEY",
        `nothing reads ${path}; known are ${Object.keys(keys).join(", ")}`,
        { path },
      );
    if (typeof value !== type || (key === "devices" && !Array.isArray(value)))
      throw new ModelError(
        "KERNEL_CONFIG_INVALID",
        `${path} must be ${key === "devices" ? "a list of devices" : `a ${type}`}`,
        { path },
      );
  }
  return (section ?? {}) as Section;
}

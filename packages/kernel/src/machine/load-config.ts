/** gunyah.config.ts, .js or .json, without a build step. */
import { platform } from "#platform";
import { isModelError, ModelError } from "../errors.ts";
import { defineMachine, type MachineConfig } from "./config.ts";

export interface LoadedConfig {
  readonly config: Readonly<MachineConfig>;
  readonly path: string;
  /** Directory of the file: what plugin names are resolved from. Pass it to `createMachine`. */
  readonly root: string;
}

/**
 * Load and check a configuration.
 *
 * @param path a file, or a directory with a gunyah.config.{ts,mts,js,mjs,json}
 * Errors: KERNEL_CONFIG_NOT_FOUND, KERNEL_CONFIG_LOAD_FAILED, KERNEL_CONFIG_UNKNOWN_KEY, KERNEL_CONFIG_INVALID
 */
export async function loadMachineConfig(path = "."): Promise<LoadedConfig> {
  const file = await platform.findConfig(path);
  if (file === undefined) {
    throw new ModelError(
      "KERNEL_CONFIG_NOT_FOUND",
      `${path} is no configuration; give a file, or a directory with gunyah.config.ts, .js or .json`,
      { path },
    );
  }
  let config: unknown;
  try {
    config = await platform.importConfig(file);
  } catch (cause) {
    // defineMachine inside the file has said it best already.
    if (isModelError(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ModelError("KERNEL_CONFIG_LOAD_FAILED", `${file} cannot be read: ${why}`, { path: file, cause });
  }
  return { config: defineMachine(config as MachineConfig), path: file, root: platform.directoryOf(file) };
}

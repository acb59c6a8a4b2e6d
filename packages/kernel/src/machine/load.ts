/** From entries of a configuration to plugins: by object at once, by package name from the user's project. */
import { platform } from "#platform";
import { ModelError } from "../errors.ts";
import { type AnyPlugin, isPlugin } from "../plugin/define.ts";
import { checkApi, compareWithCode, type PluginPackage, readManifest } from "../plugin/manifest.ts";
import type { PluginEntry } from "./config.ts";

/** A plugin that is in memory. */
export interface LoadedEntry {
  readonly plugin: AnyPlugin;
  readonly options: object | undefined;
  /** Where it stands in the configuration, `plugins[3]`. */
  readonly path: string;
}
/** A VM function's package: checked, its code not imported before the type is asked for. */
export interface DeferredEntry {
  readonly package: PluginPackage;
  readonly options: object | undefined;
  readonly path: string;
  readonly root: string;
}

/**
 * Read the manifests of all plugins given by name, then import those that are needed from the start.
 *
 * @param root the user's project
 * Errors: KERNEL_PLUGIN_NOT_FOUND, KERNEL_PLUGIN_LOAD_FAILED, KERNEL_MANIFEST_…, KERNEL_API_VERSION
 */
export async function loadEntries(
  entries: readonly PluginEntry[],
  root: string,
): Promise<{ loaded: LoadedEntry[]; deferred: DeferredEntry[] }> {
  const loaded: LoadedEntry[] = [];
  const named: DeferredEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    const path = `plugins[${index}]`;
    const { plugin, options } =
      isPlugin(entry) || typeof entry === "string" ? { plugin: entry, options: undefined } : entry;
    if (isPlugin(plugin)) {
      checkApi(plugin);
      loaded.push({ plugin, options, path });
    } else named.push({ package: await readPackage(plugin as string, root, path), options, path, root });
  }
  const deferred: DeferredEntry[] = [];
  for (const entry of named) {
    if (entry.package.manifest.kind === "vm-function") deferred.push(entry);
    else loaded.push(await importEntry(entry));
  }
  return { loaded, deferred };
}

async function readPackage(name: string, root: string, path: string): Promise<PluginPackage> {
  const packageJson = await platform.readPackage(name, root);
  if (packageJson !== undefined) return readManifest(name, packageJson);
  throw new ModelError(
    "KERNEL_PLUGIN_NOT_FOUND",
    `${path}: package ${name} is not installed in ${root}; run npm install ${name} there`,
    { plugin: name, path },
  );
}

/** Errors: KERNEL_PLUGIN_LOAD_FAILED, KERNEL_PLUGIN_INVALID, KERNEL_MANIFEST_MISMATCH, KERNEL_API_VERSION */
export async function importEntry({ package: pack, options, path, root }: DeferredEntry): Promise<LoadedEntry> {
  const { name, manifest } = pack;
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await platform.importPackage(name, root);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ModelError("KERNEL_PLUGIN_LOAD_FAILED", `plugin ${name} threw while it was imported: ${why}`, {
      plugin: name,
      path,
      cause,
    });
  }
  const exported = manifest.export ?? "default";
  const plugin = module[exported];
  if (!isPlugin(plugin)) {
    throw new ModelError(
      "KERNEL_MANIFEST_MISMATCH",
      `plugin ${name}: its export "${exported}" is no plugin; export what definePlugin returns, or name the right export in "gunyah"`,
      { plugin: name, path },
    );
  }
  checkApi(plugin);
  compareWithCode(pack, plugin);
  return { plugin, options, path };
}

/** A SoC preset `package#export`. Errors: KERNEL_PLUGIN_NOT_FOUND, KERNEL_PLUGIN_LOAD_FAILED, KERNEL_CONFIG_INVALID */
export async function loadPreset(reference: string, root: string): Promise<unknown> {
  const [name = "", exported = ""] = reference.split("#");
  if ((await platform.readPackage(name, root)) === undefined) {
    throw new ModelError("KERNEL_PLUGIN_NOT_FOUND", `soc: package ${name} is not installed in ${root}`, {
      path: "soc",
    });
  }
  const module = await platform.importPackage(name, root);
  if (exported in module) return module[exported];
  throw new ModelError("KERNEL_CONFIG_INVALID", `soc: package ${name} exports no ${exported}`, { path: "soc" });
}

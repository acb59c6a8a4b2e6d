/**
 * The `gunyah` field of a plugin's package.json: what the kernel knows of a plugin before any of its code runs.
 *
 * ```json
 * "gunyah": { "api": 1, "kind": "vm-function", "type": 2, "export": "irqfd" }
 * ```
 */
import { ModelError } from "../errors.ts";
import { suggestion } from "../nearest.ts";
import { type AnyPlugin, PLUGIN_API } from "./define.ts";

export const MANIFEST_KINDS = ["layer", "vm-function", "platform", "soc", "device", "tool"] as const;
export type ManifestKind = (typeof MANIFEST_KINDS)[number];

export interface Manifest {
  readonly api: number;
  readonly kind: ManifestKind;
  /** VM function type, for kind `vm-function`. */
  readonly type: number | undefined;
  /** Name of the export that is the plugin; the default export when left out. */
  readonly export: string | undefined;
}

/** Package.json of a plugin, as far as the kernel reads it. */
export interface PluginPackage {
  readonly name: string;
  readonly version: string;
  readonly manifest: Manifest;
}

/**
 * Read and check.
 *
 * Errors: KERNEL_MANIFEST_MISSING, KERNEL_MANIFEST_INVALID, KERNEL_API_VERSION
 */
export function readManifest(name: string, packageJson: Readonly<Record<string, unknown>>): PluginPackage {
  const field = packageJson["gunyah"];
  const detail = { plugin: name, path: "package.json#gunyah" };
  if (field === undefined) {
    throw new ModelError(
      "KERNEL_MANIFEST_MISSING",
      `package ${name} is no gunyah plugin: its package.json has no "gunyah" field; add { "api": ${PLUGIN_API}, "kind": … }`,
      detail,
    );
  }
  const invalid = (what: string): never => {
    throw new ModelError("KERNEL_MANIFEST_INVALID", `plugin ${name}: package.json "gunyah" ${what}`, detail);
  };
  if (typeof field !== "object" || field === null || Array.isArray(field)) return invalid("must be an object");
  const { api, kind, type, export: exported, ...rest } = field as Record<string, unknown>;
  for (const key of Object.keys(rest)) {
    invalid(`has an unknown key "${key}"${suggestion(key, ["api", "kind", "type", "export"])}`);
  }
  if (!Number.isSafeInteger(api)) return invalid('needs "api", the version of the plugin API');
  if (api !== PLUGIN_API) throw wrongApi(name, api as number);
  if (!MANIFEST_KINDS.includes(kind as ManifestKind)) {
    return invalid(`has the kind ${JSON.stringify(kind)}; kinds are ${MANIFEST_KINDS.join(", ")}`);
  }
  const isFunction = kind === "vm-function";
  if (isFunction && !(Number.isSafeInteger(type) && (type as number) >= 0)) {
    return invalid('needs "type", the VM function type, a non-negative integer');
  }
  if (!isFunction && type !== undefined) return invalid('has a "type", which only the kind vm-function has');
  if (exported !== undefined && typeof exported !== "string") return invalid('must give "export" as a name');
  const version = packageJson["version"];
  if (typeof version !== "string") return invalid("stands in a package without a version");
  return {
    name,
    version,
    manifest: {
      api: api as number,
      kind: kind as ManifestKind,
      type: type as number | undefined,
      export: exported as string | undefined,
    },
  };
}

/** Errors: KERNEL_MANIFEST_MISMATCH */
export function compareWithCode({ name, version, manifest }: PluginPackage, plugin: AnyPlugin): void {
  const differ = (what: string, inManifest: unknown, inCode: unknown): never => {
    throw new ModelError(
      "KERNEL_MANIFEST_MISMATCH",
      `plugin ${name}: ${what} is ${String(inManifest)} in package.json and ${String(inCode)} in the code; make them agree`,
      { plugin: name, path: "package.json#gunyah" },
    );
  };
  if (plugin.name.split("#")[0] !== name) differ("the name", name, plugin.name);
  if (plugin.version !== version) differ("the version", version, plugin.version);
  if (plugin.vmFunction !== manifest.type) differ("the VM function type", manifest.type, plugin.vmFunction);
}

/** Errors: KERNEL_API_VERSION */
export function checkApi(plugin: AnyPlugin): void {
  if (plugin.api !== PLUGIN_API) throw wrongApi(plugin.name, plugin.api);
}

function wrongApi(name: string, api: number): ModelError {
  const remedy = api > PLUGIN_API ? "update @gunyah-ts/kernel" : "update the plugin";
  return new ModelError(
    "KERNEL_API_VERSION",
    `plugin ${name} was written for plugin API ${api}, this kernel has ${PLUGIN_API}; ${remedy}`,
    { plugin: name },
  );
}

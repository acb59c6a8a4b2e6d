/** The platform under Node, Bun and Deno. */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Platform } from "./platform.ts";

const CONFIG_NAMES = [".ts", ".mts", ".js", ".mjs", ".json"].map((extension) => `gunyah.config${extension}`);

export const platform: Platform = {
  projectRoot: () => process.cwd(),

  async readPackage(name, root) {
    const directory = packageDirectory(name, root);
    if (directory === undefined) return undefined;
    return JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  },

  async importPackage(name, root) {
    const directory = packageDirectory(name, root) as string;
    const packageJson = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    // import.meta.resolve takes no parent in every supported Node, so the entry is found by its own rules.
    const entry = entryOf(packageJson, createRequire(join(directory, "package.json")));
    return import(/* @vite-ignore */ pathToFileURL(join(directory, entry)).href);
  },

  async findConfig(path) {
    const full = resolve(path);
    if (!existsSync(full)) return undefined;
    if (!statSync(full).isDirectory()) return full;
    const name = CONFIG_NAMES.find((candidate) => existsSync(join(full, candidate)));
    return name === undefined ? undefined : join(full, name);
  },

  async importConfig(path) {
    if (path.endsWith(".json")) return JSON.parse(readFileSync(path, "utf8"));
    const { createJiti } = await import("jiti");
    const jiti = createJiti(pathToFileURL(path).href, { interopDefault: true, alias: sourceAliases() });
    const module = (await jiti.import(path)) as { default?: unknown };
    return module.default ?? module;
  },

  directoryOf: (path) => dirname(resolve(path)),
};

/** node_modules/<name> of `root` or of a directory above it, or the directory of the package that has this name itself. */
function packageDirectory(name: string, root: string): string | undefined {
  for (let directory = resolve(root); ; directory = dirname(directory)) {
    const installed = join(directory, "node_modules", name);
    if (existsSync(join(installed, "package.json"))) return realpathSync(installed);
    const own = join(directory, "package.json");
    if (existsSync(own) && JSON.parse(readFileSync(own, "utf8")).name === name) return directory;
    if (directory === dirname(directory)) return undefined;
  }
}

function entryOf(packageJson: Readonly<Record<string, unknown>>, require: NodeJS.Require): string {
  const exported = packageJson["exports"] as Record<string, unknown> | string | undefined;
  const root = typeof exported === "object" && exported !== null && "." in exported ? exported["."] : exported;
  const entry = conditional(root) ?? packageJson["main"];
  return typeof entry === "string" ? entry : require.resolve(".");
}

/** First matching condition of an `exports` target, in the package's order. */
function conditional(target: unknown): string | undefined {
  if (typeof target === "string") return target;
  if (typeof target !== "object" || target === null) return undefined;
  for (const [condition, value] of Object.entries(target)) {
    const active = condition === "gunyah-source" ? fromSource() : ["node", "import", "default"].includes(condition);
    const found = active ? conditional(value) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether this is the repository's source and not a published package. */
function fromSource(): boolean {
  return import.meta.url.endsWith(".ts");
}

/** In the repository a configuration's `@gunyah-ts/kernel` must be this very copy. */
function sourceAliases(): Record<string, string> {
  return fromSource() ? { "@gunyah-ts/kernel": fileURLToPath(new URL("../index.ts", import.meta.url)) } : {};
}

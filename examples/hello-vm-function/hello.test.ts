import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const project = mkdtempSync(join(tmpdir(), "gunyah-example-"));
const shell = process.platform === "win32";

function npm(...args: string[]): string {
  // A registry, a proxy or a workspace of the calling npm must not reach the temporary project.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_/i.test(key)));
  return execFileSync("npm", args, { cwd: project, encoding: "utf8", env, shell, stdio: ["ignore", "pipe", "pipe"] });
}

/** `npm pack` a directory; returns the archive's path. */
function pack(directory: string): string {
  const [{ filename }] = JSON.parse(npm("pack", directory, "--json", "--ignore-scripts")) as [{ filename: string }];
  return `file:./${filename.replace(/^@/, "").replace("/", "-")}`;
}

/** A package and all that it depends on, as they are installed here: nothing is downloaded. */
function closure(name: string, from = root, seen = new Map<string, string>()): Map<string, string> {
  if (seen.has(name)) return seen;
  const nested = join(from, "node_modules", name);
  const directory = existsSync(nested) ? nested : join(root, "node_modules", name);
  seen.set(name, directory);
  const { dependencies = {} } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  for (const dependency of Object.keys(dependencies)) closure(dependency, directory, seen);
  return seen;
}

describe("a third-party VM function", () => {
  beforeAll(() => {
    expect(existsSync(join(root, "packages/kernel/dist/index.js")), "the kernel is built: npm run build").toBe(true);
    const dependencies: Record<string, string> = { "gunyah-plugin-hello": pack(join(here, "plugin")) };
    for (const [name, directory] of closure("@gunyah-ts/kernel")) dependencies[name] = pack(directory);
    writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
    npm("install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts");
    for (const file of ["gunyah.config.ts", "main.mjs"]) cpSync(join(here, file), join(project, file));
  }, 120_000);
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it("is installed from its archive, loaded by name at the first use of its type, and answers", () => {
    const output = execFileSync(process.execPath, ["main.mjs"], { cwd: project, encoding: "utf8" });
    expect(JSON.parse(output)).toEqual({
      loadedLate: 1,
      found: true,
      result: 0,
      said: "good morning, world, in VM 45",
    });
  });

  it("is refused before any of its code runs when its manifest is of another API version", () => {
    const path = join(project, "node_modules/gunyah-plugin-hello/package.json");
    const original = readFileSync(path, "utf8");
    writeFileSync(path, original.replace('"api": 1', '"api": 9'));
    try {
      execFileSync(process.execPath, ["main.mjs"], { cwd: project, encoding: "utf8", stdio: "pipe" });
      expect.unreachable("a plugin of API 9 was accepted");
    } catch (error) {
      expect(String((error as { stderr?: string }).stderr)).toContain("KERNEL_API_VERSION: plugin gunyah-plugin-hello");
    } finally {
      writeFileSync(path, original);
    }
  });
});

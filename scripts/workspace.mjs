// What the other scripts share. Node alone: this runs before anything is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const windows = process.platform === "win32";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Packages of the workspace that are built, in any order: { name, directory, json }. */
export function packages() {
  const found = [];
  for (const group of ["packages", "plugins"]) {
    for (const entry of readdirSync(join(root, group)).sort()) {
      const directory = join(root, group, entry);
      if (!existsSync(join(directory, "package.json"))) continue;
      found.push({ name: `${group}/${entry}`, directory, json: readJson(join(directory, "package.json")) });
    }
  }
  return found;
}

export function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Run a command in the foreground; exit with its code when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** `npm ci`, unless node_modules was installed from this very lock file. */
export function ensureInstalled() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(root, "node_modules", ".gunyah-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (!existsSync(stamp) && existsSync(join(root, "node_modules", ".package-lock.json")) && isNewer(root)) {
    writeFileSync(stamp, wanted);
    return;
  }
  console.error("Installing dependencies (npm ci)...");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { shell: windows });
  writeFileSync(stamp, wanted);
}

/** Someone ran `npm install` or `npm ci` by hand after the lock file last changed. */
function isNewer(directory) {
  const installed = statSync(join(directory, "node_modules", ".package-lock.json")).mtimeMs;
  return installed >= statSync(join(directory, "package-lock.json")).mtimeMs;
}

/** Newest modification below a directory, milliseconds. */
export function newest(directory) {
  let time = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) time = Math.max(time, newest(path));
    else if (!entry.name.endsWith(".test.ts")) time = Math.max(time, statSync(path).mtimeMs);
  }
  return time;
}

/** Build what changed since its last build. @param what "js" to run it, "all" with declarations to publish it */
export function ensureBuilt(what) {
  const tooling = Math.max(
    statSync(join(root, "rollup.config.mjs")).mtimeMs,
    statSync(join(root, "package-lock.json")).mtimeMs,
  );
  for (const { name, directory, json } of packages()) {
    const sources = Math.max(
      newest(join(directory, "src")),
      statSync(join(directory, "package.json")).mtimeMs,
      tooling,
    );
    const stamp = join(directory, "dist", `.built-${what}`);
    const full = join(directory, "dist", ".built-all");
    if ([stamp, full].some((path) => existsSync(path) && statSync(path).mtimeMs >= sources)) continue;
    console.error(`Building ${name}...`);
    mkdirSync(join(directory, "dist"), { recursive: true });
    const rollup = join(root, "node_modules", "rollup", "dist", "bin", "rollup");
    const env = { ...process.env, GUNYAH_BUILD: what };
    run(process.execPath, [rollup, "--silent", "-c", join(root, "rollup.config.mjs")], { cwd: directory, env });
    // npm links commands when it installs, and leaves out those that are not built yet.
    if (json.bin !== undefined)
      run("npm", ["rebuild", "--ignore-scripts", "--loglevel=error", json.name], { stdio: "ignore", shell: windows });
    writeFileSync(stamp, "");
  }
}

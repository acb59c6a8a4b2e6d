// npm run lock: write package-lock.json with every platform's optional binaries in it. npm leaves out those that the registry
// in use does not carry (a mirror for one platform, say), and `npm ci` then refuses the lock file everywhere.
// Their versions are pinned by the package that wants them; system and processor are part of their names.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readJson, root, run } from "./workspace.mjs";

run("npm", ["install", "--package-lock-only", "--no-audit", "--no-fund", "--loglevel=error"], {
  shell: process.platform === "win32",
});
const path = join(root, "package-lock.json");
const lock = readJson(path);
const SYSTEMS = ["android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "aix", "win32"];
const PROCESSORS = ["arm64", "x64", "ia32", "riscv64", "ppc64", "s390x", "loong64", "mips64el", "arm"];
for (const wanting of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(wanting.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const parts = name.split("/").at(-1).split("-");
    const os = SYSTEMS.find((system) => parts.includes(system));
    const cpu = PROCESSORS.find((processor) => parts.includes(processor));
    if (key in lock.packages || os === undefined || cpu === undefined || !/^\d/.test(version)) continue;
    const libc = parts.some((part) => part.startsWith("musl")) ? "musl" : "glibc";
    const entry = { version, cpu: [cpu], dev: true, optional: true, os: [os] };
    lock.packages[key] = os === "linux" && parts.length > 2 ? { ...entry, libc: [libc] } : entry;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);

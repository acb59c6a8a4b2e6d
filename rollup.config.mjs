// One build for every package, run with the package as the current directory. Entries are what its package.json names:
// each `gunyah-source` target of `exports` and `imports`, each `bin`, and every `*.worker.ts`, which is loaded by URL.
// Modules stay apart, so that paths relative to a module (assets, workers) mean the same in src and in dist.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dts } from "rollup-plugin-dts";
import esbuild from "rollup-plugin-esbuild";

const packageJson = JSON.parse(readFileSync("package.json", "utf8"));
const publicEntries = sources(packageJson.exports);
const allEntries = new Set([...publicEntries, ...sources(packageJson.imports), ...binaries(), ...workers("src")]);
const external = (id) => !id.startsWith(".") && !id.startsWith("/") && !/^[A-Za-z]:/.test(id);

export default [
  {
    input: inputs(allEntries),
    external,
    plugins: [workerUrls(), esbuild({ target: "es2023", tsconfig: false, sourceMap: true }), prebuild()],
    output: { dir: "dist", format: "es", sourcemap: true, preserveModules: true, preserveModulesRoot: "src" },
  },
  ...(process.env.GUNYAH_BUILD === "js" || publicEntries.length === 0
    ? []
    : [
        {
          input: inputs(publicEntries),
          external,
          plugins: [dts({ tsconfig: "tsconfig.json" })],
          output: { dir: "dist", format: "es" },
        },
      ]),
];

/** Every TypeScript source named below `exports` or `imports`. */
function sources(targets) {
  if (typeof targets === "string") return /^\.\/src\/.*\.ts$/.test(targets) ? [targets.slice(2)] : [];
  return typeof targets === "object" && targets !== null ? Object.values(targets).flatMap(sources) : [];
}

function binaries() {
  const { bin = {} } = packageJson;
  const outputs = typeof bin === "string" ? [bin] : Object.values(bin);
  return outputs.map((output) => output.replace(/^(\.\/)?dist\//, "src/").replace(/\.js$/, ".ts")).filter(existsSync);
}

function workers(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return workers(path);
    return entry.name.endsWith(".worker.ts") ? [path] : [];
  });
}

function inputs(entries) {
  return Object.fromEntries([...entries].map((entry) => [entry.replace(/^src\//, "").replace(/\.ts$/, ""), entry]));
}

/** After the modules: a package's scripts/prebuild.ts adds files to dist that its modules would have to make at run time. */
function prebuild() {
  const script = join("scripts", "prebuild.ts");
  return {
    name: "prebuild",
    writeBundle() {
      if (!existsSync(script)) return;
      const args = ["--conditions=gunyah-source", "--import", "tsx", script];
      const { error, status } = spawnSync(process.execPath, args, { stdio: "inherit" });
      if (error ?? status !== 0) throw error ?? new Error(`${script} ended with ${status}`);
    },
  };
}

/** `new URL("./x.worker.ts", import.meta.url)` names the source; the build has x.worker.js. */
function workerUrls() {
  return {
    name: "worker-urls",
    transform: (code) => ({ code: code.replace(/(new URL\(\s*"[^"]+\.worker)\.ts"/g, '$1.js"'), map: null }),
  };
}

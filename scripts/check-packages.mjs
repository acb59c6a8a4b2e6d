// npm run check:packages: pack every package as it would be published, let publint and attw judge the archives, then install
// them into an empty project, without a network, and boot the default guest with the command that is installed there.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBuilt, packages, readJson, root } from "./workspace.mjs";

const windows = process.platform === "win32";
// Settings of the npm that runs this script (workspace, prefix) must not reach the npm processes that it starts.
const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_/i.test(key)));

ensureBuilt("all");
const scratch = mkdtempSync(join(tmpdir(), "gunyah-pack-"));
try {
  const published = packages().filter(({ json }) => !json.private);
  const archives = new Map();
  let failures = 0;
  await twoAtATime(published, async ({ name, directory, json }) => {
    const problems = [];
    const archive = await pack(directory);
    archives.set(json.name, archive);
    const judge = async (program, ...args) => {
      const { code, output } = await execute(process.execPath, [join(root, "node_modules", program), archive, ...args]);
      if (code !== 0) problems.push(output);
    };
    await judge("publint/src/cli.js", "--strict");
    await judge("@arethetypeswrong/cli/dist/index.js", "--profile", "esm-only", "--no-emoji");
    console.log(`${name}: ${problems.length === 0 ? "ok" : "FAILED"}`);
    for (const problem of problems) console.log(problem);
    failures += problems.length;
  });
  if (failures === 0) await bootInstalled(published, archives);
  process.exitCode = failures === 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Install the command from its archives, as a user would from a registry, and run it. */
async function bootInstalled(published, archives) {
  const foreign = new Map();
  for (const { directory, json } of published) {
    for (const name of Object.keys(json.dependencies ?? {})) closure(name, directory, foreign);
  }
  await twoAtATime([...foreign], async ([name, directory]) => archives.set(name, await pack(directory)));
  const project = join(scratch, "project");
  mkdirSync(project);
  const dependencies = Object.fromEntries([...archives].map(([name, archive]) => [name, `file:${archive}`]));
  // What a package does not name among its dependencies must not be there for it to find.
  const own = closure("@gunyah-ts/cli", root, new Map(), true);
  const overrides = Object.fromEntries(Object.entries(dependencies).filter(([name]) => own.has(name)));
  const cli = overrides["@gunyah-ts/cli"];
  delete overrides["@gunyah-ts/cli"];
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ private: true, type: "module", dependencies: { "@gunyah-ts/cli": cli }, overrides }),
  );
  const offline = ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts"];
  await must("npm", offline, { cwd: project, shell: windows });
  const run = ["--offline", "gunyah", "run", "--timeout", "60", "--clock", "virtual"];
  await must("npx", [...run, "--cmdline", windows ? '"quiet gunyah.run=true"' : "quiet gunyah.run=true"], {
    cwd: project,
    shell: windows,
  });
  console.log("the installed command boots the default guest: ok");
}

/** A package and all that it depends on, as installed here. @param ours whether packages of the workspace count */
function closure(name, from, found, ours = false) {
  const nested = join(from, "node_modules", name);
  const directory = existsSync(nested) ? nested : join(root, "node_modules", name);
  if (found.has(name) || (!ours && name.startsWith("@gunyah-ts/"))) return found;
  found.set(name, directory);
  const { dependencies = {}, peerDependencies = {} } = readJson(join(directory, "package.json"));
  for (const next of Object.keys({ ...dependencies, ...peerDependencies })) closure(next, directory, found, ours);
  return found;
}

/** `npm pack`. @returns path of the archive */
async function pack(directory) {
  const destination = mkdtempSync(join(scratch, "archive-"));
  await must("npm", ["pack", "--ignore-scripts", "--pack-destination", destination], {
    cwd: directory,
    shell: windows,
  });
  return join(destination, readdirSync(destination)[0]);
}

async function must(command, args, options) {
  const { code, output } = await execute(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${output}`);
}

function execute(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], ...options });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

async function twoAtATime(items, work) {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

// npm run check:packages: pack every package as it would be published, and let publint and attw judge the archive.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBuilt, packages, root } from "./workspace.mjs";

ensureBuilt("all");
const scratch = mkdtempSync(join(tmpdir(), "gunyah-pack-"));
let failures = 0;
for (const { name, directory, json } of packages()) {
  if (json.private) continue;
  const problems = [];
  const run = (program, ...args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "node_modules", program), ...args], {
      cwd: root,
      encoding: "utf8",
    });
    if (status !== 0) problems.push(stdout + stderr);
  };
  const packed = spawnSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", scratch], {
    cwd: directory,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  const archive = readdirSync(scratch).find((file) => file.endsWith(".tgz"));
  if (packed.status !== 0 || archive === undefined) problems.push(packed.stderr);
  else {
    run("publint/src/cli.js", join(scratch, archive), "--strict");
    run("@arethetypeswrong/cli/dist/index.js", join(scratch, archive), "--profile", "esm-only", "--no-emoji");
    rmSync(join(scratch, archive));
  }
  console.log(`${name}: ${problems.length === 0 ? "ok" : "FAILED"}`);
  for (const problem of problems) console.log(problem);
  failures += problems.length;
}
rmSync(scratch, { recursive: true, force: true });
process.exit(failures === 0 ? 0 : 1);

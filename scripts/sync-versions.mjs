// npm run version: after changesets raised the versions, write them into each plugin.ts, where the kernel compares them.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packages } from "./workspace.mjs";

const check = process.argv.includes("--check");
let wrong = 0;
for (const { name, directory, json } of packages()) {
  const path = join(directory, "src", "plugin.ts");
  if (!existsSync(path)) continue;
  const source = readFileSync(path, "utf8");
  const written = source.replace(/(\bversion:\s*|\bconst version = )"\d+\.\d+\.\d+[^"]*"/g, `$1"${json.version}"`);
  if (written === source) continue;
  wrong++;
  if (check) console.error(`${name}/src/plugin.ts has not the version ${json.version} of its package.json`);
  else writeFileSync(path, written);
}
process.exit(check && wrong > 0 ? 1 : 0);

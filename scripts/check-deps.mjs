// npm run check:deps: imports point one way. Also checks that the rule still bites, on a made-up violation.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packages, root, run } from "./workspace.mjs";

const cruiser = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
const directories = packages().map(({ name }) => `${name}/src`);
run(process.execPath, [cruiser, "--config", ".dependency-cruiser.mjs", ...directories]);

const scratch = mkdtempSync(join(tmpdir(), "gunyah-deps-"));
try {
  for (const name of ["abi", "hyp"]) mkdirSync(join(scratch, "packages", name, "src"), { recursive: true });
  for (const file of [".dependency-cruiser.mjs", "tsconfig.base.json"]) cpSync(join(root, file), join(scratch, file));
  symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"));
  writeFileSync(join(scratch, "packages/hyp/src/index.ts"), 'import { b } from "./b.ts";\nexport const a = () => b;\n');
  writeFileSync(join(scratch, "packages/hyp/src/b.ts"), 'import { a } from "./index.ts";\nexport const b = () => a;\n');
  writeFileSync(join(scratch, "packages/abi/src/index.ts"), 'export { a } from "../../hyp/src/index.ts";\n');
  const args = [cruiser, "--config", ".dependency-cruiser.mjs", "packages"];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: scratch, encoding: "utf8" });
  for (const rule of ["base-imports-base", "no-runtime-cycle"]) {
    if (status !== 0 && stdout.includes(rule)) continue;
    console.error(`The rule ${rule} did not find the violation that was made for it:\n${stdout}`);
    process.exit(1);
  }
  console.log("the rules find a made-up violation: ok");
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

// npm test: install and build what is needed, run every test, and end with one plain line that counts them.
// Arguments after -- go to vitest.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled, readJson, root } from "./workspace.mjs";

ensureInstalled();
ensureBuilt("js");
const report = join(root, ".cache", `vitest-${process.pid}.json`);
mkdirSync(join(root, ".cache"), { recursive: true });
const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...process.argv.slice(2)];
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, ...args], { cwd: root, stdio: "inherit" });
let failed = 0;
try {
  const results = readJson(report);
  // A file that could not be read at all has no failed test, but it has failed.
  const broken = results.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  failed = results.numFailedTests + broken.length;
  const skipped = results.numPendingTests + results.numTodoTests;
  const tail = skipped > 0 ? `, ${skipped} skipped` : "";
  console.log(`${results.numPassedTests} passed, ${failed} failed${tail}`);
} catch {
  console.log("0 passed, 1 failed");
  failed = 1;
}
rmSync(report, { force: true });
process.exit(status || (failed > 0 ? 1 : 0));

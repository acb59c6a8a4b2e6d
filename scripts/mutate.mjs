// npm run mutate [package ...]: Stryker changes one thing at a time in a package's sources and runs that package's tests.
// A change that no test notices survives. Without a name: every package it is meant for. Hours for all of them; not part of CI.
// Arguments after -- go to Stryker (`-- --mutate packages/hyp/src/ipc/doorbell.ts` for one file). Writes each score into the
// package's README, between <!-- mutation --> marks, when the whole package was run.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, packages, readJson, root, run } from "./workspace.mjs";

/** What generates code (arch-arm64), starts processes (cli) or only wires (firmware, guest-linux) is tested otherwise. */
const LEFT_OUT = ["packages/arch-arm64", "packages/cli", "packages/firmware", "packages/guest-linux"];

const argv = process.argv.slice(2);
const end = argv.indexOf("--");
const named = end < 0 ? argv : argv.slice(0, end);
const passed = end < 0 ? [] : argv.slice(end + 1);
const every = packages().filter(({ name }) => !LEFT_OUT.includes(name));
const chosen =
  named.length === 0 ? every : named.map((wanted) => every.find(({ name }) => name.split("/")[1] === wanted) ?? wanted);
for (const entry of chosen) {
  if (typeof entry !== "string") continue;
  const names = every.map(({ name }) => name.split("/")[1]).join(", ");
  console.error(`mutate: no package ${entry}; there are ${names}`);
  process.exit(2);
}

ensureInstalled();
for (const { name } of chosen) mutate(name);

function mutate(name) {
  const out = join(root, ".cache", "mutation", name.replace("/", "-"));
  mkdirSync(out, { recursive: true });
  const config = {
    testRunner: "vitest",
    plugins: ["@stryker-mutator/vitest-runner"],
    vitest: { configFile: "vitest.mutate.config.ts", related: false },
    mutate: [`${name}/src/**/*.ts`, `!${name}/src/**/*.test.ts`, `!${name}/src/**/{index,errors,plugin}.ts`],
    // A sandbox needs what the tests import, and nothing that is large or built.
    ignorePatterns: ["dist", ".cache", "docs", "coverage", "packages/guest-linux/assets"],
    // Messages for people may be worded otherwise; tests look at codes.
    mutator: { excludedMutations: ["StringLiteral"] },
    ignoreStatic: true,
    concurrency: 2,
    timeoutMS: 5000,
    timeoutFactor: 3,
    tempDirName: join(".cache", "stryker"),
    incremental: true,
    incrementalFile: join(out, "incremental.json"),
    reporters: ["clear-text", "json", "progress-append-only"],
    clearTextReporter: { allowColor: false, logTests: false, reportScoreTable: true },
    jsonReporter: { fileName: join(out, "mutation.json") },
    thresholds: { high: 90, low: 80, break: null },
  };
  const configFile = join(out, "stryker.config.json");
  writeFileSync(configFile, JSON.stringify(config, null, 2));
  console.log(`\n== ${name}`);
  run(
    process.execPath,
    [join(root, "node_modules/@stryker-mutator/core/bin/stryker.js"), "run", configFile, ...passed],
    {
      env: { ...process.env, GUNYAH_MUTATE: name },
    },
  );
  if (!passed.includes("--mutate")) writeScore(name, readJson(join(out, "mutation.json")));
}

/** Killed or timed out, of all mutants that a test could notice. */
function writeScore(name, report) {
  const count = { Killed: 0, Timeout: 0, Survived: 0, NoCoverage: 0 };
  for (const { mutants } of Object.values(report.files))
    for (const { status } of mutants) if (status in count) count[status]++;
  const noticed = count.Killed + count.Timeout;
  const all = noticed + count.Survived + count.NoCoverage;
  const score = ((100 * noticed) / all).toFixed(1);
  const line = `\`npm run mutate ${name.split("/")[1]}\`: ${score} % of ${all} mutants are noticed by this package's own tests (${count.Survived} survive, ${count.NoCoverage} are not reached).`;
  console.log(line);
  const readme = join(root, name, "README.md");
  const text = readFileSync(readme, "utf8");
  const block = /<!-- mutation -->[\s\S]*<!-- \/mutation -->/;
  if (block.test(text)) writeFileSync(readme, text.replace(block, `<!-- mutation -->\n${line}\n<!-- /mutation -->`));
}

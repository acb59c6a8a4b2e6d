/**
 * Prints the table of instruction classes in README.md, made from the descriptions.
 *
 *   npx tsx --conditions=gunyah-source scripts/coverage.ts [--write]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { coverageTable, replaceCoverage } from "../test/vectors/coverage.ts";

if (process.argv.includes("--write")) {
  const readme = join(import.meta.dirname, "../README.md");
  writeFileSync(readme, replaceCoverage(readFileSync(readme, "utf8")));
} else console.log(coverageTable());

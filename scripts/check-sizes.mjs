// npm run check:sizes: no source file over 500 lines, no function over 100. Flat tables and tests may be long.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { packages, root } from "./workspace.mjs";

const FILE_LINES = 500;
const FUNCTION_LINES = 100;
/** What may be longer, and why. Each entry must still be needed. */
const LONGER = new Map([
  ["packages/abi/src/hypercall/calls.ts", "flat: the table of hypercalls"],
  ["packages/arch-arm64/src/interp/code-cache.ts defineCodeCache", "the state of one allocator, two lines over"],
]);

const over = [];
for (const { name } of packages())
  for (const entry of readdirSync(join(root, name, "src"), { recursive: true }).sort())
    if (/(?<!\.test|\.d)\.ts$/.test(entry)) measure(`${name}/src/${entry.replaceAll("\\", "/")}`);

function measure(file) {
  const text = readFileSync(join(root, file), "utf8");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const lineOf = (position) => source.getLineAndCharacterOfPosition(position).line + 1;
  const lines = lineOf(text.length) - 1;
  if (lines > FILE_LINES) over.push({ what: file, lines });
  visit(source);

  function visit(node) {
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      const first = lineOf(node.getStart());
      const length = lineOf(node.end) - first + 1;
      const name = node.name?.getText() ?? `at line ${first}`;
      if (length > FUNCTION_LINES) over.push({ what: `${file} ${name}`, lines: length });
    }
    ts.forEachChild(node, visit);
  }
}

const tooLong = over.filter(({ what }) => !LONGER.has(what));
const needless = [...LONGER.keys()].filter((what) => !over.some((one) => one.what === what));
for (const { what, lines } of tooLong) console.error(`${what}: ${lines} lines`);
for (const what of needless) console.error(`${what} is not too long any more: take it out of the list`);
if (tooLong.length > 0 || needless.length > 0) process.exitCode = 1;
else console.log(`no file over ${FILE_LINES} lines, no function over ${FUNCTION_LINES}, but for ${LONGER.size} listed`);

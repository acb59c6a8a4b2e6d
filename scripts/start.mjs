// npm start: install and build what is needed, then boot the default guest. Arguments after -- go to `gunyah run`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled, root, run } from "./workspace.mjs";

ensureInstalled();
if (!existsSync(join(root, "packages/cli/src/bin.ts"))) {
  console.log("The gunyah command is not written yet, so there is no machine to boot.");
  console.log("What works today: the kernel composes machines out of plugins, see examples/ and run `npm test`.");
  process.exit(0);
}
ensureBuilt("js");
run(process.execPath, [join(root, "packages/cli/dist/bin.js"), "run", ...process.argv.slice(2)]);

import { ModelError } from "@gunyah-ts/kernel";
import { ExitCode } from "../exit-code.ts";
import { explain } from "../explain/catalog.ts";

/** `gunyah explain CODE`. Errors: CLI_USAGE for a code that nobody has. */
export async function explainCommand(args: readonly string[]): Promise<ExitCode> {
  const query = args.join(" ");
  if (query === "")
    throw new ModelError("CLI_USAGE", "gunyah explain CODE: a name or number, for example EINVAL or 0x14");
  const found = explain(query);
  if (found.length === 0)
    throw new ModelError("CLI_USAGE", `no layer has an error ${query}; give a name like VM_STATE, or a number`);
  for (const { layer, code, value, meaning, advice } of found) {
    console.log(`${code}${value === undefined ? "" : ` (${value})`}: ${layer}`);
    console.log(`  ${meaning}`);
    if (advice !== undefined) console.log(`  ${advice}`);
  }
  return ExitCode.OFF;
}

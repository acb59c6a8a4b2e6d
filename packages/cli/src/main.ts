import { isModelError } from "@gunyah-ts/kernel";
import { doctor } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { IMAGE_HELP, image } from "./commands/image.ts";
import { plugins } from "./commands/plugins.ts";
import { run } from "./commands/run.ts";
import { ExitCode } from "./exit-code.ts";
import { reportOf } from "./report.ts";
import { RUN_HELP } from "./run-options.ts";

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<ExitCode>>> = {
  run,
  image,
  plugins,
  doctor,
  explain: explainCommand,
};

const HELP = `gunyah: the Gunyah hypervisor stack as an executable model

${RUN_HELP}

${IMAGE_HELP}

gunyah plugins [config]    what a machine is made of
gunyah doctor              what this computer has, and what is missing
gunyah doctor --host-kernel FILE   whether an image can be the host VM's kernel
gunyah explain CODE        what an error of any layer means

Exit codes of run: 0 powered off, 10 reset, 11 crash, 12 not started, 124 timeout, 130 quit; 1 for other errors, 2 for
a wrong command line.`;

/** The command. @returns the exit code; never throws */
export async function main(args: readonly string[]): Promise<ExitCode> {
  const [name = "help", ...rest] = args;
  if (name === "help" || name === "--help" || name === "-h" || rest.includes("--help")) {
    console.log(HELP);
    return ExitCode.OFF;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    console.error(`gunyah: there is no command "${name}"; there are ${Object.keys(COMMANDS).join(", ")}`);
    return ExitCode.USAGE;
  }
  // A guest that waits for nothing but input that has ended keeps no handle open; the command waits with it.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    return await command(rest);
  } catch (error) {
    console.error(reportOf(error));
    return isModelError(error, "CLI_USAGE") ? ExitCode.USAGE : ExitCode.ERROR;
  } finally {
    clearInterval(alive);
  }
}

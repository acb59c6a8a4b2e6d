import { createMachine, loadMachineConfig, type PluginInfo } from "@gunyah-ts/kernel";
import { virtBoard } from "../board.ts";
import { ExitCode } from "../exit-code.ts";
import { defaultPlugins, withUserPlugins } from "../stack.ts";

/** `gunyah plugins [config]`: what a machine is made of, as a tree, in the order in which it is set up. */
export async function plugins(args: readonly string[]): Promise<ExitCode> {
  const loaded = args[0] === undefined ? undefined : await loadMachineConfig(args[0]);
  const entries = withUserPlugins(defaultPlugins(), loaded?.config.plugins ?? []);
  const machine = await createMachine(
    { ...loaded?.config, soc: loaded?.config.soc ?? virtBoard(64 * 2 ** 20), plugins: entries },
    { root: loaded?.root ?? process.cwd() },
  );
  try {
    console.log(loaded?.config.name ?? "machine");
    const described = machine.describe();
    described.forEach((plugin, index) => {
      const isLast = index === described.length - 1;
      console.log(`${isLast ? "└─" : "├─"} ${plugin.name} ${plugin.version}`);
      const details = detailsOf(plugin);
      details.forEach((detail, line) => {
        console.log(`${isLast ? "  " : "│ "} ${line === details.length - 1 ? "└─" : "├─"} ${detail}`);
      });
    });
  } finally {
    await machine.dispose();
  }
  return ExitCode.OFF;
}

function detailsOf({ provides, requires, hooks }: PluginInfo): string[] {
  const line = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`${what} ${names.map((name) => name.replace(/^contract\//, "")).join(", ")}`];
  return [...line("provides", provides), ...line("requires", requires), ...line("hooks", hooks)];
}

import { createMachine, hostHooks, loadMachineConfig, traceHooks, vmmHooks } from "@gunyah-ts/kernel";
import { virtBoard } from "../board.ts";
import { ExitCode } from "../exit-code.ts";
import { defaultPlugins, withUserPlugins } from "../stack.ts";

/** `gunyah plugins [config]`: what a machine is made of. */
export async function plugins(args: readonly string[]): Promise<ExitCode> {
  const loaded = args[0] === undefined ? undefined : await loadMachineConfig(args[0]);
  const entries = withUserPlugins(defaultPlugins(), loaded?.config.plugins ?? []);
  const machine = await createMachine(
    { ...loaded?.config, soc: loaded?.config.soc ?? virtBoard(64 * 2 ** 20), plugins: entries },
    { root: loaded?.root ?? process.cwd() },
  );
  try {
    for (const { name, version, provides, requires, vmFunction } of machine.describe()) {
      console.log(`${name} ${version}`);
      if (provides.length > 0) console.log(`  provides ${provides.join(", ")}`);
      if (requires.length > 0) console.log(`  requires ${requires.join(", ")}`);
      if (vmFunction !== undefined) console.log(`  VM function type ${vmFunction}`);
    }
    console.log("hooks");
    console.log(`  host.vmFunction: ${machine.hooks(hostHooks).vmFunction.keys().join(", ") || "none"}`);
    console.log(`  vmm.device: ${machine.hooks(vmmHooks).device.keys().join(", ") || "none"}`);
    console.log(`  trace.event: ${machine.hooks(traceHooks).event.used ? "used" : "unused"}`);
  } finally {
    await machine.dispose();
  }
  return ExitCode.OFF;
}

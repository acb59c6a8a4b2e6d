import { createMachine, type LoadedConfig, type Machine, type MachineConfig } from "@gunyah-ts/kernel";
import type { RunOptions } from "./run-options.ts";
import { TraceFile } from "./trace/perfetto.ts";

/** Clock and seed of a machine, as the command line says over its configuration. */
export function timeAndChance(options: RunOptions, config: MachineConfig | undefined) {
  const clock = options.clock ?? config?.clock ?? "host";
  const isVirtual = clock === "virtual" || (typeof clock === "object" && clock.kind === "virtual");
  const entropy =
    options.seed !== undefined ? { seed: options.seed } : (config?.entropy ?? (isVirtual ? { seed: 0 } : "host"));
  return { clock, entropy } as const;
}

/** Make a machine, run `body` with it, and take it apart whatever happens. `--trace` is written meanwhile. */
export async function withMachine<Result>(
  config: MachineConfig,
  options: RunOptions,
  loaded: LoadedConfig | undefined,
  body: (machine: Machine) => Promise<Result>,
): Promise<Result> {
  const machine = await createMachine(config, { root: loaded?.root ?? process.cwd() });
  const trace = options.trace === undefined ? undefined : new TraceFile(options.trace, frequencyOf(machine));
  if (trace !== undefined) machine.trace.listen(trace.event);
  try {
    return await body(machine);
  } finally {
    await machine.dispose();
    trace?.close();
  }
}

function frequencyOf(machine: Machine): number {
  const { soc } = machine.config;
  return typeof soc === "object" ? soc.timerFrequencyHz : 19_200_000;
}

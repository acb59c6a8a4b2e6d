/**
 * How long a loop of a guest keeps the process from its event loop.
 *
 *     npx tsx --conditions=gunyah-source packages/cli/test/loops/turns.ts host|virtual [loop …]
 *
 * Prints one line of JSON for each loop, all in milliseconds: how late a 50 ms timer of the embedding program is (median
 * and worst of several), and how much processor time passes between two turns of the event loop (median and worst).
 * Processor time, because a busy machine does not change it much.
 */
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { defaultPlugins, virtBoard } from "@gunyah-ts/cli";
import { createMachine } from "@gunyah-ts/kernel";
import { ProgramConsole, VmmService } from "@gunyah-ts/vmm";
import { LOOPS, type LoopName, loopGuest } from "./guest.ts";

export interface Turns {
  readonly loop: LoopName;
  readonly late: number;
  readonly latest: number;
  readonly turn: number;
  readonly longestTurn: number;
}

const MEMORY = 256 * 2 ** 20;
const TIMERS = 3;
const TURNS = 15;

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Median and largest. */
function summary(values: number[]): readonly [number, number] {
  values.sort((a, b) => a - b);
  return [values[values.length >> 1], values.at(-1)].map((value) => Number((value ?? 0).toFixed(1))) as [
    number,
    number,
  ];
}

async function measure(loop: LoopName, clock: "host" | "virtual"): Promise<Turns> {
  const machine = await createMachine({ soc: virtBoard(MEMORY), plugins: defaultPlugins(), clock });
  await machine.start();
  const vm = await machine.get(VmmService).createVm({
    kernel: loopGuest(loop),
    kernelAddress: 0x8000_0000,
    memory: MEMORY,
    cpus: 2,
    devices: [{ type: "pl011" }, { type: "virtio-rng" }],
    console: new ProgramConsole(),
  });
  const run = vm.run();
  // Past the start, and past what the engine compiles once.
  for (let i = 0; i < 50; i++) await turn();
  const lateness: number[] = [];
  for (let i = 0; i < TIMERS; i++) {
    const due = performance.now() + 50;
    await wait(50);
    lateness.push(performance.now() - due);
  }
  const gaps: number[] = [];
  for (let i = 0; i < TURNS; i++) {
    const before = processorTime();
    await turn();
    gaps.push(processorTime() - before);
  }
  vm.stop();
  const { reason } = await run;
  if (reason !== "stopped") throw new Error(`${loop} ended by itself: ${reason}`);
  await vm.close();
  await machine.dispose();
  const [late, latest] = summary(lateness);
  const [median, longestTurn] = summary(gaps);
  return { loop, late, latest, turn: median, longestTurn };
}

const [clock, ...wanted] = process.argv.slice(2);
for (const [loop] of LOOPS)
  if (wanted.length === 0 || wanted.includes(loop))
    console.log(JSON.stringify(await measure(loop, clock === "virtual" ? "virtual" : "host")));

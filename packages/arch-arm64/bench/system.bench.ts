/**
 * Cost of what the system side does, in nanoseconds of processor time: medians of five. Part of `npm run bench:cpu`, or
 * `npx tsx --conditions=gunyah-source packages/arch-arm64/bench/system.bench.ts`
 */
import { DRAM_BASE } from "../test/support/minimal-el2.ts";
import { CODE, Stage } from "../test/support/probe.ts";

const stage = new Stage();
// V8 optimizes the dispatch loop in the background: until then everything costs ten times as much.
for (const end = performance.now() + 2000; performance.now() < end; )
  stage.try("p_loop", { X0: 100_000 }, { budget: 2e9 });
const { pe } = stage;
const ERET_VECTORS = BigInt(stage.address("vectors_eret"));

function median(run: () => number): number {
  run();
  return Array.from({ length: 5 }, run).sort((a, b) => a - b)[2] as number;
}
function report(what: string, turns: number, run: () => void, less = 0): number {
  const ns = median(() => {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    return ((user + system) * 1e3) / turns;
  });
  console.log(`${what.padEnd(58)} ${(ns - less).toFixed(1).padStart(8)} ns`);
  return ns;
}

const loop = report("loop of two instructions, one turn", 5e6, () =>
  stage.try("p_loop", { X0: 5_000_000 }, { budget: 2e9 }),
);
report(
  "SVC from EL0, vector, ERET",
  3e5,
  () => {
    stage.reset();
    pe.write("VBAR_EL1", ERET_VECTORS);
    stage.try("b_svc", { X0: 300_000 }, { el: 0, budget: 901_000 });
  },
  loop,
);
report("HVC to EL2 and back into the PE", 2e5, () => {
  stage.try("b_hvc");
  for (let n = 0; n < 200_000; n++) pe.run(1000);
});
stage.reset();
// The identity map is one block of 1 GiB at stage 1 and blocks of 2 MiB at stage 2.
const hit = report("load, TLB hit", 1e6, () =>
  stage.try("b_pages", { X0: 4000, X1: CODE & ~0xf_ffff, X2: 250 }, { budget: 2e9 }),
);
report(
  "TLB miss: stage 1 block, stage 2 block",
  1e6,
  () => stage.try("b_pages", { X0: 300, X1: DRAM_BASE, X2: 3333 }, { budget: 2e9 }),
  hit,
);
report(
  "MRS of a register with behaviour (CNTV_CTL_EL0)",
  1e6,
  () => stage.try("b_mrs", { X0: 1_000_000 }, { budget: 2e9 }),
  loop,
);

/**
 * PEs in worker threads of their own, over one memory: atomics, exclusives, acquire/release and barriers are real.
 *
 * Each thread has its own instance of the backend's module and executes one PE's state block; walks, TLB fills and the
 * instructions are all inside. The programs are decoded before, since the code cache has no owner among threads yet.
 */
import { Worker } from "node:worker_threads";
import type { Pe } from "@gunyah-ts/kernel";
import { beforeAll, describe, expect, it } from "vitest";
import { encodeModule } from "../src/backend.ts";
import { L, LEAVE } from "../src/state/layout.ts";
import { stateBase } from "../src/state/region.ts";
import { DATA, Stage, WINDOW } from "./support/probe.ts";

/** Executes one PE until it takes an exception to EL2. Plain JavaScript: workers resolve no TypeScript on Node 20. */
const THREAD = `
const { parentPort, workerData: { module, memory, s, L } } = require("node:worker_threads");
const refuse = (name) => () => { throw new Error("this program must not call " + name); };
const system = Object.fromEntries(["sysRead", "sysWrite", "waitHint", "watchpoint", "returnSs", "pmuSync"].map((n) => [n, refuse(n)]));
const { execute } = new WebAssembly.Instance(module, { env: { memory }, system }).exports;
const words = new Int32Array(memory.buffer, s);
parentPort.on("message", () => {
  do {
    words[L.LEAVE >> 2] = 0;
    words[L.BUDGET >> 2] = words[L.EXECUTE_BUDGET >> 2] = 1 << 18;
    Atomics.store(words, L.PENDING >> 2, 0);
    execute(s);
  } while (words[L.LEAVE >> 2] === 0);
  parentPort.postMessage(words[L.LEAVE >> 2]);
});
parentPort.postMessage("ready");
`;

// regions are of the instance that made them
const stage = new Stage({ backend: { tier: "interpreter" } });
const pes: readonly Pe[] = [stage.pe, stage.el2.createPe(0x8000_0001n)];
const { physical } = stage.el2;
let module: WebAssembly.Module;
beforeAll(() => {
  module = new WebAssembly.Module(encodeModule());
});

const counter = (offset: number) => physical.data.getBigUint64(physical.offsetOf(DATA + offset), true);

/** Run `label` on both PEs at once, one in each thread, x0 = `turns`. */
async function race(
  label: string,
  turns: number,
  registers: (n: number) => { readonly [x: string]: number },
): Promise<void> {
  for (let offset = 0; offset < 0x100; offset += 8)
    physical.data.setBigUint64(physical.offsetOf(DATA + offset), 0n, true);
  // Alone and for one turn: now the program is decoded.
  stage.reset(pes[0]);
  stage.map(0, 0x703n);
  expect(stage.try(label, { ...registers(0), X0: 1 }).kind).toBe("done");
  for (let offset = 0; offset < 0x100; offset += 8)
    physical.data.setBigUint64(physical.offsetOf(DATA + offset), 0n, true);
  const threads = pes.map((pe, n) => {
    stage.reset(pe);
    // One instruction here, so that the state block holds PC and PSTATE.
    expect(stage.try(label, { ...registers(n), X0: turns }, { pe, budget: 1 }).kind).toBe("budget");
    return new Worker(THREAD, {
      eval: true,
      workerData: { module, memory: physical.memory, s: stateBase(n), L },
    });
  });
  const next = (thread: Worker) =>
    new Promise<unknown>((resolve, reject) => {
      thread.once("message", resolve);
      thread.once("error", reject);
    });
  try {
    await Promise.all(threads.map(next));
    const ends = threads.map(next);
    for (const thread of threads) thread.postMessage("go");
    for (const end of await Promise.all(ends)) expect(end).toBe(LEAVE.SYNC);
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  // HVC at the end of the program, not an abort.
  for (const pe of pes) expect(pe.esr).toBe(0x5a00_0000);
}

describe("two PEs in two threads", { timeout: 60_000 }, () => {
  it("lose no increment by LDAXR and STLXR", async () => {
    const turns = 300_000;
    await race("p_excl", turns, () => ({ X1: WINDOW, X3: 0 }));
    expect(counter(0)).toBe(2n * BigInt(turns));
  });
  it("lose no increment by LDADD, CAS, LDXP/STXP and CASP", async () => {
    const turns = 100_000;
    await race("p_lse", turns, () => ({ X1: WINDOW }));
    expect([0, 8, 16, 24, 32, 40].map(counter)).toEqual(Array.from({ length: 6 }, () => 2n * BigInt(turns)));
  });
  it.each([
    ["p_peterson", "load-acquire and store-release"],
    ["p_peterson_dmb", "barriers"],
  ])("%s: exclude each other by %s alone", async (label) => {
    const turns = 20_000;
    const flag = (n: number) => WINDOW + 0x40 + 0x40 * n;
    await race(label, turns, (n) => ({ X1: WINDOW, X10: flag(n), X11: flag(1 - n), X12: WINDOW + 0xc0, X13: 1 - n }));
    expect(counter(0)).toBe(2n * BigInt(turns));
  });
});

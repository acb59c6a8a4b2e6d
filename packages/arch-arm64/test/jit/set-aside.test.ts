/** A region that cannot run now lets its own instruction execute, and is entered again at the next branch that counts. */
import { PeExit } from "@gunyah-ts/kernel";
import { beforeEach, expect, it } from "vitest";
import { D, DATA, RW, type Stage, WINDOW } from "../support/probe.ts";
import { Twins } from "./twins.ts";

const PAGE = 9;
const HVC = 0xd400_0002;
/** x1 counts the turns of x2. */
const LOOP = [
  0xd280_0001, // mov x1, #0
  0x9100_0421, // 1: add x1, x1, #1
  0xf100_0442, // subs x2, x2, #1
  0x54ff_ffc1, // b.ne 1b
  HVC,
];

let twins: Twins;
beforeEach(() => {
  twins = new Twins({ threshold: 2 });
  twins.each((stage) => {
    stage.map(PAGE, RW | D.NG);
    write(stage, LOOP, 0);
  });
  for (let i = 0; i < 4; i++) count(100);
});

function write(stage: Stage, words: readonly number[], offset: number): void {
  const bytes = new Uint8Array(Uint32Array.from(words).buffer);
  stage.el2.physical.write(DATA + PAGE * 4096 + offset, bytes);
}

const retiredByRegions = () => twins.fast.el2.backend.jitStatistics?.retired ?? 0;

/** @returns the share of instructions that regions retired */
function count(turns: number, budget = 0x7fff_ffff): number {
  const before = retiredByRegions();
  twins.each(({ pe }) => {
    pe.x[2] = BigInt(turns);
    pe.write("ELR_EL2", BigInt(WINDOW + PAGE * 4096));
    pe.write("SPSR_EL2", 0x3c5n);
  });
  let exit = twins.run(budget);
  while (exit === PeExit.BUDGET) exit = twins.run(budget);
  expect(exit).toBe(PeExit.SYNC);
  expect(twins.plain.pe.x[1]).toBe(BigInt(turns));
  expect(twins.fast.pe.x[1]).toBe(BigInt(turns));
  return (retiredByRegions() - before) / (3 * turns);
}

it("a budget that ends in the middle sets it aside for a moment, not for good", () => {
  expect(count(10_000)).toBeGreaterThan(0.99);
  // each run ends some turns after the region could not be entered any more
  expect(count(10_000, 1000)).toBeGreaterThan(0.8);
  expect(count(10_000)).toBeGreaterThan(0.99);
});

it("a word that was stored to meanwhile does not get the old region back", () => {
  // too little for the region: it stays set aside when the run ends
  twins.each(({ pe }) => {
    pe.x[2] = 100n;
    pe.write("ELR_EL2", BigInt(WINDOW + PAGE * 4096));
    pe.write("SPSR_EL2", 0x3c5n);
  });
  expect(twins.run(2)).toBe(PeExit.BUDGET);
  // add x1, x1, #2
  twins.each((stage) => write(stage, [0x9100_0821], 4));
  twins.each(({ pe }) => {
    pe.x[1] = 0n;
    pe.x[2] = 1000n;
    pe.write("ELR_EL2", BigInt(WINDOW + PAGE * 4096 + 4));
  });
  expect(twins.run(100_000)).toBe(PeExit.SYNC);
  expect(twins.plain.pe.x[1]).toBe(2000n);
  expect(twins.fast.pe.x[1]).toBe(2000n);
});

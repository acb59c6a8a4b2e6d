/** Whatever the program does, and wherever it is interrupted: both tiers are equal to the instruction. */
import { describe, expect, it } from "vitest";
import type { CompilerNeeds } from "../../src/jit/compiler.ts";
import { RW, WINDOW } from "../support/probe.ts";
import { Prng } from "../vectors/state.ts";
import { randomProgram } from "./random-program.ts";
import { PROGRAM, SlowCompiler, Twins } from "./twins.ts";

const SEEDS = Number(process.env["GUNYAH_JIT_SEEDS"] ?? 25);
const FIRST = Number(process.env["GUNYAH_JIT_FIRST"] ?? 1);

function registers(r: Prng, starts: readonly number[]): bigint[] {
  const x = Array.from({ length: 31 }, () => (BigInt(r.next()) << 32n) | BigInt(r.next()));
  for (let n = 0; n < 13; n++) if (r.below(2) === 0) x[n] = BigInt(r.below(64));
  x[16] = BigInt(WINDOW + 0x4_0000);
  x[18] = BigInt(PROGRAM);
  x[19] = 0xdead_0000_0000n;
  x[20] = BigInt(PROGRAM + 4 * r.pick(starts));
  x[28] = 0n;
  x[30] = BigInt(PROGRAM + 4 * r.pick(starts));
  return x;
}

/** What was compared was not the interpreter with itself. */
function expectRegions({ fast }: Twins, share = 0.15): void {
  const { retired = 0, failed } = fast.el2.backend.jitStatistics ?? {};
  expect(failed).toBe(0);
  expect(retired / fast.pe.retired).toBeGreaterThan(share);
}

describe("random programs run alike in both tiers", { timeout: 600_000 }, () => {
  it.each([
    ["of integer instructions", { vector: false, selfModifying: false }],
    ["of all instructions", { vector: true, selfModifying: false }],
    ["that change themselves", { vector: true, selfModifying: true }],
  ])("%s", (_, options) => {
    const twins = new Twins({ threshold: 2 });
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const r = new Prng(seed);
      const { words, starts } = randomProgram(r, options);
      twins.load(words, registers(r, starts));
      try {
        twins.runInPieces(r, 3000);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      twins.expectSameMemory();
    }
    expectRegions(twins);
  });

  it("whenever regions come", () => {
    const delays = new Prng(7);
    const compiler = (needs: CompilerNeeds) => new SlowCompiler(needs, () => delays.next());
    const twins = new Twins({ threshold: 1, compiler });
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const r = new Prng(1000 + seed);
      const { words, starts } = randomProgram(r, { vector: false, selfModifying: seed % 2 === 0 });
      twins.load(words, registers(r, starts));
      twins.runInPieces(r, 3000);
      twins.expectSameMemory();
    }
    expectRegions(twins, 0.03);
  });

  it("when code and tables are random words", () => {
    const twins = new Twins({ threshold: 2 });
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const r = new Prng(2000 + seed);
      const { words, starts } = randomProgram(r, { vector: true, selfModifying: true });
      // half of the words are anything, in loops that remain
      for (let i = 0; i < words.length; i++) if (r.below(2) === 0 && i % 8 !== 0) words[i] = r.next();
      twins.load(words, registers(r, starts));
      const page = r.below(256);
      const descriptors = Array.from({ length: 8 }, () => (BigInt(r.next()) << 32n) | BigInt(r.next()));
      twins.each((stage) => {
        for (const [i, descriptor] of descriptors.entries()) stage.raw((page + i) & 255, descriptor);
        // what was there is forgotten in both
        stage.el2.backend.tlbiVmid(1);
      });
      twins.runInPieces(r, 2000);
      twins.expectSameMemory();
      twins.each((stage) => {
        for (let i = 0; i < 8; i++) stage.map((page + i) & 255, RW);
      });
    }
    expectRegions(twins, 0);
  });
});

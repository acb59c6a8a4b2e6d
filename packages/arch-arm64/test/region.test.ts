/**
 * Interpreter and region compiler agree: for any block of instructions, a region leaves registers, flags, memory, PC and
 * BUDGET where the interpreter is after as many instructions.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { decode } from "../src/disasm/disassemble.ts";
import { DP_IMMEDIATE } from "../src/isa/dp-immediate.ts";
import { DP_REGISTER } from "../src/isa/dp-register.ts";
import { LOAD_STORE_PAIR } from "../src/isa/load-store-pair.ts";
import { LOAD_STORE_REGISTER } from "../src/isa/load-store-register.ts";
import { compileRegion } from "../src/jit/region.ts";
import { L } from "../src/state/layout.ts";
import { DRAM_BASE, FlatMachine } from "../src/testing/flat-machine.ts";

const CODE = DRAM_BASE + 0x10000;
const DATA = DRAM_BASE + 0x20000;
const DATA_BYTES = 0x2000;
const DESCRIPTIONS = [...DP_IMMEDIATE, ...DP_REGISTER, ...LOAD_STORE_REGISTER, ...LOAD_STORE_PAIR];

/** An allocated word of one description. */
const instruction = fc
  .tuple(fc.constantFrom(...DESCRIPTIONS), fc.nat(0xffff_ffff))
  .map(([d, noise]) => ((noise & ~d.pattern.mask) | d.pattern.value) >>> 0)
  .filter((word) => decode(word) !== undefined);
const register = fc.oneof(
  fc.bigInt(0n, (1n << 64n) - 1n),
  fc.nat(DATA_BYTES / 8 - 1).map((word) => BigInt(DATA + 8 * word)),
  fc.constantFrom(0n, 1n, (1n << 64n) - 1n, 1n << 63n, 0x7fffffffn, 0x80000000n),
);
/** Ends of a block: fall out, or a conditional branch back to its start. */
const loopEnd = fc.constantFrom(undefined, "b.ne", "cbz", "tbnz");
function branchBack(kind: "b.ne" | "cbz" | "tbnz", words: number): number {
  const back = -words;
  if (kind === "b.ne") return (0x54000001 | ((back & 0x7ffff) << 5)) >>> 0;
  if (kind === "cbz") return (0xb4000000 | ((back & 0x7ffff) << 5)) >>> 0;
  return (0x37000000 | ((back & 0x3fff) << 5)) >>> 0;
}

let interpreter: FlatMachine;
let compiler: FlatMachine;
beforeAll(() => {
  interpreter = new FlatMachine(4 << 20);
  compiler = new FlatMachine(4 << 20);
});

function prepare(
  machine: FlatMachine,
  words: readonly number[],
  registers: readonly bigint[],
  nzcv: number,
  budget: number,
): void {
  machine.writeWords(CODE, words);
  machine.write(
    DATA,
    Uint8Array.from({ length: DATA_BYTES }, (_, i) => (i * 37 + (i >> 5)) & 255),
  );
  registers.forEach((value, i) => {
    machine.x[i === 31 ? 32 : i] = value;
  });
  machine.nzcv = nzcv;
  machine.pc = BigInt(CODE);
  machine.data.setInt32(machine.s + L.BUDGET, budget, true);
  // fill the TLB, so that the region's fast path is what is tested
  for (const page of [0, 4096]) {
    machine.touch(DATA + page);
  }
}
const stateOf = (machine: FlatMachine) => ({
  x: [...machine.x.slice(0, 31), machine.x[32]],
  pc: machine.pc,
  nzcv: machine.nzcv,
  memory: Buffer.from(machine.read(DATA, DATA_BYTES)).toString("base64"),
});

describe("a compiled region", () => {
  it("does what the interpreter does", () => {
    let compared = 0;
    fc.assert(
      fc.property(
        fc.array(instruction, { minLength: 1, maxLength: 12 }),
        fc.array(register, { minLength: 32, maxLength: 32 }),
        fc.nat(15),
        loopEnd,
        (block, registers, nzcv, end) => {
          const words = end === undefined ? block : [...block, branchBack(end, block.length)];
          const region = compileRegion(words, CODE);
          expect(region?.length).toBe(words.length);
          const budget = 40;
          prepare(compiler, words, registers, nzcv, budget);
          const { exports } = new WebAssembly.Instance(new WebAssembly.Module(region!.bytes), {
            env: { memory: compiler.memory },
          });
          (exports["region"] as (s: number) => void)(compiler.s);
          const retired = budget - compiler.data.getInt32(compiler.s + L.BUDGET, true);

          prepare(interpreter, words, registers, nzcv, budget);
          interpreter.data.setInt32(interpreter.s + L.STEPPING, 1, true);
          for (let i = 0; i < retired; i++) interpreter.run(1);
          expect(stateOf(compiler)).toEqual(stateOf(interpreter));
          compared += retired;
        },
      ),
      { numRuns: 150 },
    );
    expect(compared).toBeGreaterThan(300);
  });
  it("stops at its loop's head when PENDING is set or the budget is spent", () => {
    const words = [0x91000400, 0x17ffffff]; // add x0, x0, #1; b back
    const region = compileRegion(words, CODE);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(region!.bytes), {
      env: { memory: compiler.memory },
    });
    const run = exports["region"] as (s: number) => void;
    prepare(compiler, words, new Array(32).fill(0n), 0, 100);
    run(compiler.s);
    expect([compiler.x[0], compiler.pc, compiler.data.getInt32(compiler.s + L.BUDGET, true)]).toEqual([
      50n,
      BigInt(CODE),
      0,
    ]);
    compiler.data.setInt32(compiler.s + L.BUDGET, 100, true);
    compiler.data.setInt32(compiler.s + L.PENDING, 1, true);
    run(compiler.s);
    compiler.data.setInt32(compiler.s + L.PENDING, 0, true);
    expect(compiler.x[0]).toBe(51n);
  });
  it("ends before what it cannot compile", () => {
    expect(compileRegion([0xd4000001], CODE)).toBeUndefined();
    expect(compileRegion([0x91000400, 0xd4000001], CODE)?.length).toBe(1);
  });
});

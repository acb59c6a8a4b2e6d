/** A region does not outlive its code: not the words, not the translation, not the page. */
import { PeExit } from "@gunyah-ts/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { type CompiledBatch, InlineCompiler } from "../../src/jit/compiler.ts";
import { D, DATA, RW, type Stage, WINDOW } from "../support/probe.ts";
import { Twins } from "./twins.ts";

/** Window pages: the caller, the function, and other pages with other functions. */
const CALLER = 9;
const FUNCTION = 10;
const OTHER = 11;
const at = (page: number) => WINDOW + page * 4096;
const physicalOf = (page: number) => DATA + page * 4096;

const HVC = 0xd400_0002;
const RET = 0xd65f_03c0;
const NOP = 0xd503_201f;
const movz = (value: number) => (0x5280_0000 | (value << 5)) >>> 0; // mov w0, #value
const TURNS = 50n;

/** x1 = the sum of what the function gives in x2 turns. */
const SUM = [
  0xd280_0001, // mov x1, #0
  0x9400_0000 | ((4096 - 4) / 4), // bl to the next page
  0x8b00_0021, // add x1, x1, x0
  0xf100_0442, // subs x2, x2, #1
  0x54ff_ffa1, // b.ne to the call
  HVC,
];
/** At 0x100 of the caller's page: one instruction that stores, then HVC. */
const STORE_AT = 0x100;
/** By size: strb w3, strh w3, str w3, str x3, str q3, all to [x4]. */
const STORES: { readonly [bytes: number]: number } = {
  1: 0x3900_0083,
  2: 0x7900_0083,
  4: 0xb900_0083,
  8: 0xf900_0083,
  16: 0x3d80_0083,
};

let twins: Twins;
beforeEach(() => {
  twins = new Twins({ threshold: 2 });
  twins.each((stage) => {
    for (const page of [CALLER, FUNCTION, OTHER]) stage.map(page, RW | D.NG);
    write(stage, CALLER, SUM);
    write(stage, FUNCTION, [movz(1), NOP, NOP, NOP, RET]);
    write(stage, OTHER, [movz(7), NOP, NOP, NOP, RET]);
  });
  // so often that the loop is compiled and used
  for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS);
  expect(retiredByRegions()).toBeGreaterThan(Number(TURNS) * 8);
});

function write(stage: Stage, page: number, words: readonly number[], offset = 0): void {
  stage.el2.physical.write(physicalOf(page) + offset, new Uint8Array(Uint32Array.from(words).buffer));
}
const retiredByRegions = () => twins.fast.el2.backend.jitStatistics?.retired ?? 0;

function start(va: number): void {
  twins.each(({ pe }) => {
    pe.x[2] = TURNS;
    pe.write("ELR_EL2", BigInt(va));
    pe.write("SPSR_EL2", 0x3c5n);
  });
}
function sum(): bigint {
  start(at(CALLER));
  expect(twins.run(100_000)).toBe(PeExit.SYNC);
  expect(twins.plain.pe.x[1]).toBe(twins.fast.pe.x[1]);
  return twins.fast.pe.x[1] as bigint;
}
/** The guest itself executes one instruction. */
function guest(word: number, x3: bigint, x4 = 0n): void {
  twins.each((stage) => {
    write(stage, CALLER, [word, HVC], STORE_AT);
    stage.pe.x[3] = x3;
    stage.pe.x[4] = x4;
    new DataView(stage.pe.v.buffer, stage.pe.v.byteOffset).setBigUint64(3 * 16, x3, true);
    new DataView(stage.pe.v.buffer, stage.pe.v.byteOffset).setBigUint64(3 * 16 + 8, x3, true);
  });
  // writing the instruction dropped the caller's page: compile it again before it counts
  for (let i = 0; i < 4; i++) sum();
  start(at(CALLER) + STORE_AT);
  expect(twins.run(100_000)).toBe(PeExit.SYNC);
}

describe("a store to code", () => {
  it.each([1, 2])("of %i bytes ends the region", (bytes) => {
    // the low byte of mov w0, #1 is 0x20: 0x40 makes it #2
    guest(STORES[bytes] as number, 0x40n, BigInt(at(FUNCTION)));
    expect(sum()).toBe(2n * TURNS);
  });
  it.each([4, 8, 16])("of %i bytes ends the region, whichever of its words is meant", (bytes) => {
    for (let word = 0; word < bytes / 4; word++) {
      twins.each((stage) => {
        const words = [NOP, NOP, NOP, NOP, RET];
        words[word] = movz(1);
        write(stage, FUNCTION, words);
      });
      for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS);
      // every word that the store writes says 3, so whichever was covered must be seen
      guest(STORES[bytes] as number, (BigInt(movz(3)) << 32n) | BigInt(movz(3)), BigInt(at(FUNCTION)));
      expect(sum()).toBe(3n * TURNS);
    }
  });
  it("by the last word that a store reaches ends the region, when only that one is covered", () => {
    // the region has the loop only; the function is entered at its third word
    const entry = 8;
    twins.each((stage) => {
      write(stage, CALLER, [SUM[0] as number, (0x9400_0000 | ((4096 - 4 + entry) / 4)) >>> 0, ...SUM.slice(2)]);
      write(stage, FUNCTION, [NOP, NOP, movz(1), RET]);
    });
    for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS);
    const call = (0x9400_0000 | ((4096 - 4 + entry) / 4)) >>> 0;
    // 8 bytes from the word before: its second word is the one that counts
    twins.each((stage) => {
      write(stage, CALLER, [STORES[8] as number, HVC], STORE_AT);
      stage.pe.x[3] = (BigInt(movz(4)) << 32n) | BigInt(NOP);
      stage.pe.x[4] = BigInt(at(FUNCTION) + 4);
    });
    for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS);
    start(at(CALLER) + STORE_AT);
    expect(twins.run(1000)).toBe(PeExit.SYNC);
    expect(sum()).toBe(4n * TURNS);
    expect(call).toBeGreaterThan(0);
  });
  it.each([8, 16])("of %i bytes ends the region when only the first word that it reaches is covered", (bytes) => {
    // the function begins with a branch; nothing goes to the words after it
    const branch = (words: number) => (0x1400_0000 | words) >>> 0;
    twins.each((stage) => {
      write(stage, FUNCTION, [branch(16), 0, 0, 0]);
      write(stage, FUNCTION, [movz(1), RET], 64);
      write(stage, FUNCTION, [movz(6), RET], 128);
    });
    for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS);
    guest(STORES[bytes] as number, BigInt(branch(32)), BigInt(at(FUNCTION)));
    expect(sum()).toBe(6n * TURNS);
  });
  it("to where a region begins is not undone when the region is tidied away", () => {
    guest(STORES[4] as number, 0xd280_00a0n, BigInt(at(CALLER) + 4)); // movz x0, #5 instead of the call
    start(at(CALLER));
    expect(twins.run(3)).toBe(PeExit.BUDGET);
    // so many other regions that stale ones are looked for
    for (let round = 1; round < 40; round++) {
      twins.each((stage) => {
        for (const page of [CALLER, FUNCTION]) stage.map(page + 2 * round, RW, physicalOf(page + 2 * round));
        write(stage, CALLER + 2 * round, SUM);
        write(stage, FUNCTION + 2 * round, [movz(1), RET]);
      });
      for (let i = 0; i < 3; i++) {
        start(at(CALLER + 2 * round));
        twins.run(100_000);
      }
    }
    expect(sum()).toBe(5n * TURNS);
  });
  it("while a region is compiled keeps it from being used", () => {
    const done: CompiledBatch[] = [];
    let held = true;
    twins = new Twins({
      threshold: 2,
      compiler: (needs) => {
        const inner = new InlineCompiler(needs);
        const finished = () => {
          const batch = inner.finished();
          if (batch !== undefined) done.push(batch);
          return held ? undefined : done.shift();
        };
        return { request: (request) => inner.request(request), finished, dispose: () => inner.dispose() };
      },
    });
    twins.each((stage) => {
      for (const page of [CALLER, FUNCTION]) stage.map(page, RW);
      write(stage, CALLER, [STORES[4] as number, HVC], STORE_AT);
      write(stage, CALLER, SUM);
      write(stage, FUNCTION, [movz(1), NOP, NOP, NOP, RET]);
    });
    for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS);
    expect(done.length).toBeGreaterThan(0);
    twins.each((stage) => {
      stage.pe.x[3] = BigInt(movz(9));
      stage.pe.x[4] = BigInt(at(FUNCTION));
    });
    start(at(CALLER) + STORE_AT);
    expect(twins.run(1000)).toBe(PeExit.SYNC);
    held = false;
    for (let i = 0; i < 4; i++) expect(sum()).toBe(9n * TURNS);
    expect(twins.fast.el2.backend.jitStatistics?.discarded).toBeGreaterThan(0);
  });
  it("from outside ends the region", () => {
    twins.each((stage) => write(stage, FUNCTION, [movz(5)]));
    expect(sum()).toBe(5n * TURNS);
    twins.each((stage) => write(stage, CALLER, [0x9100_0821], 8)); // add x1, x1, #2 instead of x0
    expect(sum()).toBe(2n * TURNS);
  });
});

describe("another translation of the page", () => {
  it("counts after TLBI VAE1, and not before", () => {
    twins.each((stage) => stage.map(FUNCTION, RW | D.NG, physicalOf(OTHER)));
    expect(sum()).toBe(TURNS);
    guest(0xd508_8723, BigInt(at(FUNCTION)) >> 12n); // tlbi vae1, x3
    expect(sum()).toBe(7n * TURNS);
  });
  it("counts after a change of ASID", () => {
    twins.each((stage) => stage.map(FUNCTION, RW | D.NG, physicalOf(OTHER)));
    expect(sum()).toBe(TURNS);
    const ttbr = twins.plain.pe.read("TTBR0_EL1");
    guest(0xd518_2003, ttbr | (1n << 48n)); // msr ttbr0_el1, x3
    expect(sum()).toBe(7n * TURNS);
  });
  it("counts when the hypervisor puts another page behind the address, and takes it away again", () => {
    const ipa = physicalOf(FUNCTION);
    const tables = twins.both.map((stage) => stage.el2.splitBlock(ipa));
    const show = (page: number, valid = true) =>
      twins.both.forEach((stage, n) => {
        const entry = stage.el2.physical.offsetOf((tables[n] as number) + ((ipa >> 12) & 511) * 8);
        stage.el2.physical.data.setBigUint64(entry, valid ? BigInt(physicalOf(page)) | 0x7ffn : 0n, true);
        stage.el2.backend.tlbiIpa(1, ipa, 4096);
      });
    for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS);
    show(OTHER);
    expect(sum()).toBe(7n * TURNS);
    show(FUNCTION);
    expect(sum()).toBe(TURNS);
    // lent away: an abort to EL2, at the first instruction
    show(FUNCTION, false);
    start(at(CALLER));
    expect(twins.run(1000)).toBe(PeExit.SYNC);
    expect(twins.fast.pe.esr >>> 26).toBe(0x20);
    expect(twins.fast.pe.read("ELR_EL2")).toBe(BigInt(at(FUNCTION)));
  });
  it("is another place for the same code: its addresses are its own", () => {
    // adr x0, . in the function
    twins.each((stage) => {
      write(stage, FUNCTION, [0x1000_0000, RET]);
      stage.map(CALLER + 20, RW, physicalOf(CALLER));
      stage.map(FUNCTION + 20, RW, physicalOf(FUNCTION));
    });
    for (let i = 0; i < 4; i++) expect(sum()).toBe(TURNS * BigInt(at(FUNCTION)));
    const before = retiredByRegions();
    start(at(CALLER + 20));
    expect(twins.run(100_000)).toBe(PeExit.SYNC);
    expect(twins.fast.pe.x[1]).toBe(TURNS * BigInt(at(FUNCTION + 20)));
    // compiled once, used at both
    expect(retiredByRegions() - before).toBeGreaterThan(Number(TURNS));
  });
});

describe("bounds", () => {
  it("of machine code hold for a guest that makes code for ever, and its first code comes back", () => {
    const codeBytes = 200_000;
    twins = new Twins({ threshold: 2, codeBytes });
    let evicted = 0;
    for (let round = 0; round < 150; round++) {
      twins.each((stage) => {
        for (const page of [CALLER, FUNCTION]) stage.map(page + 2 * round, RW, physicalOf(page + 2 * round));
        write(stage, CALLER + 2 * round, SUM);
        write(stage, FUNCTION + 2 * round, [...new Array<number>(40).fill(0x9100_0400), movz(1), RET]);
      });
      for (let i = 0; i < 3; i++) {
        start(at(CALLER + 2 * round));
        twins.run(100_000);
        expect(twins.fast.pe.x[1]).toBe(TURNS);
      }
      const statistics = twins.fast.el2.backend.jitStatistics;
      expect(statistics?.codeBytes).toBeLessThanOrEqual(codeBytes);
      evicted = statistics?.evicted ?? 0;
    }
    expect(evicted).toBeGreaterThan(10);
  });
  it("of patience hold for a page that changes for ever", () => {
    for (let round = 0; round < 60; round++) {
      twins.each((stage) => write(stage, FUNCTION, [movz(round), NOP, NOP, NOP, RET]));
      for (let i = 0; i < 3; i++) expect(sum()).toBe(BigInt(round) * TURNS);
    }
    expect(twins.fast.el2.backend.jitStatistics?.compiled).toBeLessThan(60);
    expect(twins.fast.el2.backend.jitStatistics?.regions).toBeLessThan(40);
    // and it comes back when the page has come to rest
    const before = retiredByRegions();
    for (let i = 0; i < 400; i++) sum();
    expect(retiredByRegions() - before).toBeGreaterThan(200 * Number(TURNS) * 5);
  });
});

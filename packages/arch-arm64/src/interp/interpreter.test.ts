import { beforeEach, describe, expect, it } from "vitest";
import { L } from "../state/layout.ts";
import { DRAM_BASE, FlatMachine } from "../testing/flat-machine.ts";
import { CODE_PAGE, SHARED } from "./layout.ts";

const ADD_X1_X1_X0 = 0x8b000021;
const SUBS_X0_X0_1 = 0xf1000400;
const B_NE_BACK_8 = 0x54ffffc1;
const SVC = 0xd4000001;
const NOP = 0xd503201f;
const B_SELF = 0x14000000;

let machine: FlatMachine;
beforeEach(() => {
  machine = new FlatMachine(4 << 20);
});
const run = (address: number, words: readonly number[], budget = 1000) => {
  machine.writeWords(address, words);
  machine.pc = BigInt(address);
  return machine.run(budget);
};

describe("execute", () => {
  it("counts every instruction once, and the exception as one", () => {
    machine.x[0] = 5n;
    const stop = run(DRAM_BASE, [ADD_X1_X1_X0, SUBS_X0_X0_1, B_NE_BACK_8, SVC]);
    expect(stop).toEqual({ what: "svc", pc: BigInt(DRAM_BASE + 12) });
    expect(machine.x[1]).toBe(15n);
    expect(machine.retired).toBe(16);
  });
  it("ends at a block's end when the budget is spent, exactly where the count says", () => {
    machine.x[0] = 1_000_000n;
    const stop = run(DRAM_BASE, [ADD_X1_X1_X0, SUBS_X0_X0_1, B_NE_BACK_8, SVC], 100);
    expect(stop.what).toBe("");
    expect(machine.retired).toBe(102);
    expect(machine.x[0]).toBe(1_000_000n - 34n);
    machine.run(30);
    expect(machine.retired).toBe(132);
    expect(machine.x[0]).toBe(1_000_000n - 44n);
  });
  it("looks up when PENDING is set", () => {
    machine.data.setInt32(machine.s + L.PENDING, 1, true);
    expect(run(DRAM_BASE, [B_SELF], 100).what).toBe("");
    expect(machine.retired).toBe(0);
  });
  it("runs over the end of a page and branches across pages", () => {
    const start = DRAM_BASE + 4096 - 8;
    machine.x[0] = 3n;
    // add; (page end) add; subs; b.ne to the add in the page before
    const stop = run(start, [NOP, ADD_X1_X1_X0, ADD_X1_X1_X0, SUBS_X0_X0_1, 0x54ffffa1, SVC]);
    expect(stop.what).toBe("svc");
    expect(machine.x[1]).toBe(12n);
    expect(machine.retired).toBe(1 + 3 * 4 + 1);
  });
  it("executes one instruction at a time while STEPPING is set", () => {
    machine.data.setInt32(machine.s + L.STEPPING, 1, true);
    machine.x[0] = 2n;
    run(DRAM_BASE, [ADD_X1_X1_X0, SUBS_X0_X0_1, B_NE_BACK_8, SVC]);
    const pcs: number[] = [];
    for (let i = 0; i < 6; i++) {
      pcs.push(Number(machine.pc) - DRAM_BASE);
      machine.run(50);
    }
    expect(pcs).toEqual([4, 8, 0, 4, 8, 12]);
    expect(machine.retired).toBe(7);
    expect(machine.x[1]).toBe(3n);
  });
  it("sees code that it wrote itself", () => {
    // str w2, [x3] over the NOP ahead; nop; svc
    machine.x[2] = 0x8b000021n;
    machine.x[3] = BigInt(DRAM_BASE + 8);
    machine.x[0] = 7n;
    run(DRAM_BASE, [NOP, NOP, NOP, SVC]);
    expect(run(DRAM_BASE, [0xb9000062, NOP, NOP, SVC]).what).toBe("svc");
    expect(machine.x[1]).toBe(7n);
  });
  it.each([
    ["eq", 0, (a: bigint, b: bigint) => a === b],
    ["ne", 1, (a: bigint, b: bigint) => a !== b],
    ["cs", 2, (a: bigint, b: bigint) => a >= b],
    ["cc", 3, (a: bigint, b: bigint) => a < b],
    ["mi", 4, (a: bigint, b: bigint) => BigInt.asIntN(64, a - b) < 0n],
    ["hi", 8, (a: bigint, b: bigint) => a > b],
    ["ls", 9, (a: bigint, b: bigint) => a <= b],
    ["ge", 10, (a: bigint, b: bigint) => BigInt.asIntN(64, a) >= BigInt.asIntN(64, b)],
    ["lt", 11, (a: bigint, b: bigint) => BigInt.asIntN(64, a) < BigInt.asIntN(64, b)],
    ["gt", 12, (a: bigint, b: bigint) => BigInt.asIntN(64, a) > BigInt.asIntN(64, b)],
    ["le", 13, (a: bigint, b: bigint) => BigInt.asIntN(64, a) <= BigInt.asIntN(64, b)],
  ] as const)("branches after a comparison, and keeps its flags: %s", (_, cond, holds) => {
    const values = [0n, 1n, 5n, 1n << 63n, (1n << 63n) - 1n, (1n << 64n) - 1n];
    // cmp x0, x1; b.cond +8; svc; cset-like: mov x2, #1; svc
    machine.writeWords(DRAM_BASE, [0xeb01001f, 0x54000040 | cond, SVC, 0xd2800022, SVC]);
    for (const a of values)
      for (const b of values) {
        [machine.x[0], machine.x[1], machine.x[2]] = [a, b, 0n];
        machine.pc = BigInt(DRAM_BASE);
        const before = machine.retired;
        machine.run(1000);
        expect([a, b, machine.x[2]]).toEqual([a, b, holds(a, b) ? 1n : 0n]);
        expect(machine.retired - before).toBe(holds(a, b) ? 4 : 3);
        expect(machine.nzcv & 6).toBe((a === b ? 4 : 0) | (a >= b ? 2 : 0));
      }
  });
  it("sees a branch that is written after it ran with the comparison before it", () => {
    machine.writeWords(DRAM_BASE, [0xeb01001f, 0x54000040, SVC, 0xd2800022, SVC]);
    machine.pc = BigInt(DRAM_BASE);
    machine.run(1000);
    expect(machine.x[2]).toBe(1n);
    // str w3, [x4]: b.eq becomes b.ne; then b to the start
    [machine.x[2], machine.x[3], machine.x[4]] = [0n, 0x54000041n, BigInt(DRAM_BASE + 4)];
    run(DRAM_BASE + 0x100, [0xb9000083, 0x17ffffbf]);
    expect(machine.x[2]).toBe(0n);
  });
  it("takes unallocated words as undefined, with PC at the word", () => {
    expect(run(DRAM_BASE, [NOP, 0xffffffff])).toEqual({ what: "undefined", pc: BigInt(DRAM_BASE + 4) });
  });
  it("leaves registers alone when a pair faults", () => {
    machine.x[0] = 0n;
    machine.x[1] = 11n;
    // ldp x1, x2, [x0, #16]!
    expect(run(DRAM_BASE, [0xa9c10801]).what).toBe("memSlow");
    expect([machine.x[0], machine.x[1], machine.x[2]]).toEqual([0n, 11n, 0n]);
  });
  it("starts the code cache anew when it is full", () => {
    const pages = machine.data.getUint32(SHARED.PAGES_START, true);
    machine.data.setUint32(SHARED.PAGES_END, pages + 2 * CODE_PAGE.BYTES, true);
    for (let round = 0; round < 3; round++)
      for (let page = 0; page < 4; page++) {
        machine.x[0] = 1n;
        machine.x[1] = BigInt(page);
        expect(run(DRAM_BASE + page * 4096, [ADD_X1_X1_X0, SVC]).what).toBe("svc");
        expect(machine.x[1]).toBe(BigInt(page + 1));
      }
    expect(machine.data.getUint32(SHARED.FLUSHES, true)).toBeGreaterThan(2);
  });
});

describe("flags", () => {
  it("pack and unpack are inverse", () => {
    for (let nzcv = 0; nzcv < 16; nzcv++) {
      machine.nzcv = nzcv;
      expect(machine.nzcv).toBe(nzcv);
    }
  });
});

describe("exclusives", () => {
  const [LDXR, STXR, CLREX] = [0xc85f7c41, 0xc8047c43, 0xd5033f5f]; // ldxr x1, [x2]; stxr w4, x3, [x2]; clrex
  it("store while the monitor holds, and only once", () => {
    machine.x[2] = BigInt(DRAM_BASE + 0x8000);
    machine.x[3] = 42n;
    run(DRAM_BASE, [LDXR, STXR, 0x2a0403e5, STXR, SVC]); // mov w5, w4 between
    expect([machine.x[5], machine.x[4]]).toEqual([0n, 1n]);
    expect(machine.read(DRAM_BASE + 0x8000, 1)[0]).toBe(42);
  });
  it("fail after CLREX and after a change", () => {
    machine.x[2] = BigInt(DRAM_BASE + 0x8000);
    machine.x[3] = 42n;
    run(DRAM_BASE, [LDXR, CLREX, STXR, SVC]);
    expect(machine.x[4]).toBe(1n);
    run(DRAM_BASE, [LDXR, 0xf9000043, STXR, SVC]); // str x3, [x2] in between changes the value
    expect(machine.x[4]).toBe(1n);
  });
});

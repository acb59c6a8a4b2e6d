import { beforeEach, describe, expect, it } from "vitest";
import { SCTLR } from "../exception/constants.ts";
import { ACCDESC, L } from "../state/layout.ts";
import { sysregOffset } from "../state/slots.ts";
import { I32, I64, ModuleBuilder } from "../wasm/index.ts";
import { FAULT, M } from "./layout.ts";
import { defineBounceCommit, defineCopyBytes, defineMemSlow } from "./mem-slow.ts";

/** The state block at 0; two pages of data that do not lie together behind two pages of VA that do. */
const PAGES = [0x40000, 0x50000] as const;
const VA = 0x7000n;

type Call = readonly [name: string, ...args: (number | bigint)[]];
let calls: Call[];
let bytes: Uint8Array;
let words: Int32Array;
let memSlow: (va: bigint, accdesc: number) => number;
let bounceCommit: () => void;
/** What `fillData` answers 0 for. */
let hole: bigint | undefined;
let watched: boolean;

beforeEach(() => {
  [calls, hole, watched] = [[], undefined, false];
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  bytes = new Uint8Array(memory.buffer);
  words = new Int32Array(memory.buffer);
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { min: 8, max: 8, shared: true });
  const elementShift = module.importFunction("env", "elementShift", [I32], [I32]);
  const dataAbort = module.importFunction("env", "dataAbort", [I32, I64, I32, I32], []);
  const fillData = module.importFunction("env", "fillData", [I32, I64, I32, I32], [I32]);
  const watchpoint = module.importFunction("env", "watchpoint", [I32, I64, I32], [I32]);
  const copyBytes = defineCopyBytes(module);
  defineMemSlow(module, { elementShift, dataAbort, fillData, copyBytes, watchpoint });
  module.export("bounceCommit", defineBounceCommit(module, copyBytes));
  const env = {
    memory,
    elementShift: (word: number) => word,
    dataAbort: (_s: number, va: bigint, accdesc: number, fault: number) => calls.push(["abort", va, accdesc, fault]),
    fillData: (_s: number, va: bigint, accdesc: number, el: number) => {
      calls.push(["fill", va, accdesc, el]);
      return va === hole ? 0 : PAGES[Number((va - VA) >> 12n) as 0] + Number(va & 4095n);
    },
    watchpoint: (_s: number, va: bigint, accdesc: number) => {
      calls.push(["watch", va, accdesc]);
      return watched ? 1 : 0;
    },
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env });
  const { memSlow: slow, bounceCommit: commit } = exports as Record<string, (...args: unknown[]) => number>;
  memSlow = (va, accdesc) => slow?.(0, va, accdesc) as number;
  bounceCommit = () => commit?.(0);
  words[L.EL >> 2] = 1;
});
const set = (offset: number, value: number) => {
  words[offset >> 2] = value;
};
const data = (at: number, length: number) => [...bytes.subarray(at, at + length)];

describe("an access within a page", () => {
  it("is filled once, at the current EL", () => {
    expect(memSlow(VA + 8n, 8)).toBe(PAGES[0] + 8);
    expect(calls).toEqual([["fill", VA + 8n, 8, 1]]);
  });
  it("is EL0's when it is unprivileged", () => {
    memSlow(VA, 4 | ACCDESC.UNPRIVILEGED);
    expect(calls).toEqual([["fill", VA, 4 | ACCDESC.UNPRIVILEGED, 0]]);
  });
  it("has the size of its elements when it is not aligned to 16 bytes", () => {
    set(L.WORD, 3);
    memSlow(VA + 8n, 16);
    expect(calls).toEqual([["fill", VA + 8n, 16 | (3 << ACCDESC.ELEMENT_SHIFT), 1]]);
  });
  it("aborts on misalignment where its kind or SCTLR_EL1.A asks for alignment", () => {
    const fault = FAULT.VALID | FAULT.ALIGNMENT;
    expect(memSlow(VA + 4n, 8 | ACCDESC.ALIGNED)).toBe(0);
    expect(calls).toEqual([["abort", VA + 4n, 8 | ACCDESC.ALIGNED, fault]]);
    calls.length = 0;
    set(L.WORD, 2);
    set(sysregOffset("SCTLR_EL1"), SCTLR.A);
    expect(memSlow(VA + 4n, 8)).not.toBe(0);
    expect(memSlow(VA + 2n, 8)).toBe(0);
    expect(calls.map(([name]) => name)).toEqual(["fill", "abort"]);
  });
  it("asks for watchpoints only after translation, and only while there are any", () => {
    set(M.WATCHPOINTS, 1);
    watched = true;
    expect(memSlow(VA, 8)).toBe(0);
    expect(calls.map(([name]) => name)).toEqual(["fill", "watch"]);
    hole = VA;
    calls.length = 0;
    expect(memSlow(VA, 8)).toBe(0);
    expect(calls.map(([name]) => name)).toEqual(["fill"]);
  });
});

describe("an access across two pages", () => {
  const across = VA + 4096n - 3n;
  it("reads both parts into the bounce buffer", () => {
    bytes.set([1, 2, 3], PAGES[0] + 4093);
    bytes.set([4, 5, 6, 7, 8], PAGES[1]);
    expect(memSlow(across, 8)).toBe(L.BOUNCE);
    expect(data(L.BOUNCE, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(calls).toEqual([
      ["fill", across, 3, 1],
      ["fill", VA + 4096n, 5, 1],
    ]);
  });
  it("writes both parts when it is committed, and nothing beside them", () => {
    expect(memSlow(across, 8 | ACCDESC.WRITE)).toBe(L.BOUNCE);
    bytes.set([1, 2, 3, 4, 5, 6, 7, 8], L.BOUNCE);
    bounceCommit();
    expect(data(PAGES[0] + 4092, 5)).toEqual([0, 1, 2, 3, 0]);
    expect(data(PAGES[1] - 1, 7)).toEqual([0, 4, 5, 6, 7, 8, 0]);
  });
  it("does nothing when the second page faults", () => {
    hole = VA + 4096n;
    set(M.WATCHPOINTS, 1);
    expect(memSlow(across, 8 | ACCDESC.WRITE)).toBe(0);
    expect(calls.map(([name]) => name)).toEqual(["fill", "fill"]);
  });
  it("is watched as a whole", () => {
    set(M.WATCHPOINTS, 1);
    memSlow(across, 8);
    expect(calls.at(-1)).toEqual(["watch", across, 8]);
  });
});

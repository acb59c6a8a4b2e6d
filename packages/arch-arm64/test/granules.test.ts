import { describe, expect, it } from "vitest";
import { DRAM_BASE } from "./support/minimal-el2.ts";
import { CODE, D, DATA, RW, Stage, WINDOW } from "./support/probe.ts";

const stage = new Stage();
const { physical } = stage.el2;
const { pe } = stage;
const TABLES = DRAM_BASE + 0x80_0000;
const write = (pa: number, descriptor: bigint) => physical.data.setBigUint64(physical.offsetOf(pa), descriptor, true);

/**
 * Stage 1 tables of one granule for 48-bit addresses: the code's address and `va` are pages of level 3, with one table
 * at each level; other entries fault.
 */
function build(grain: number, va: number, pa: number, leafLevel = 3): { root: number; tcr: bigint } {
  const stride = grain - 3;
  const levels: number[] = [];
  for (let level = 3, lsb = grain; lsb < 48; level--, lsb += stride) levels.unshift(level);
  physical.fill(TABLES, 0x60_0000, 0);
  let next = TABLES;
  const take = () => (next += 0x1_0000) - 0x1_0000;
  const root = take();
  const tables = new Map<string, number>([["", root]]);
  const map = (address: number, to: number, last: number) => {
    let table = root;
    let path = "";
    for (const level of levels) {
      const lsb = grain + (3 - level) * stride;
      const index = Math.floor(address / 2 ** lsb) % 2 ** stride;
      if (level === last) {
        const base = BigInt(to) & ~((1n << BigInt(lsb)) - 1n);
        write(table + index * 8, base | (level === 3 ? RW : (RW & ~3n) | D.BLOCK));
        return;
      }
      path += `/${index}`;
      let child = tables.get(path);
      if (child === undefined) {
        child = take();
        tables.set(path, child);
        write(table + index * 8, BigInt(child) | D.TABLE);
      }
      table = child;
    }
  };
  for (let page = CODE; page < CODE + 0x4000; page += Math.max(0x1000, 2 ** grain)) map(page, page, 3);
  map(va, pa, leafLevel);
  const tg0 = grain === 12 ? 0n : grain === 14 ? 2n : 1n;
  return { root, tcr: 16n | (tg0 << 14n) | (1n << 23n) | (5n << 32n) };
}

describe.each([
  [12, 0, 2],
  [14, 0, 2],
  [16, 1, 2],
])("granule of 2^%i bytes", (grain, first, block) => {
  const enter = (va: number, pa: number, leaf = 3) => {
    stage.reset();
    const { root, tcr } = build(grain, va, pa, leaf);
    pe.write("TTBR0_EL1", BigInt(root));
    pe.write("TCR_EL1", tcr);
  };
  const pageOf = (pa: number) => pa - (pa % 2 ** grain);

  it("translates pages and faults at every level", () => {
    const va = 0x1234_5678_0000;
    const pa = pageOf(DATA);
    enter(va, pa);
    physical.data.setBigUint64(physical.offsetOf(pa + 0x5a8), 0xfeedn, true);
    expect(stage.try("p_ldr", { X1: va - (va % 2 ** grain) + 0x5a8 }).kind).toBe("done");
    expect(pe.x[0]).toBe(0xfeedn);
    // The next page: level 3
    expect(stage.try("p_ldr", { X1: va - (va % 2 ** grain) + 2 ** grain })).toMatchObject({ ec: 0x25, iss: 7 });
    // The first level's other half
    expect(stage.try("p_ldr", { X1: 0x8000_0000_0000 })).toMatchObject({ ec: 0x25, iss: 4 + first });
  });
  it("translates blocks and drops them by one TLBI", () => {
    const va = 0x2_0000_0000;
    enter(va, DATA, block);
    physical.data.setBigUint64(physical.offsetOf(DATA + 16), 0xb10cn, true);
    const address = va + (DATA % 2 ** (grain + grain - 3)) + 16;
    expect(stage.try("p_ldr", { X1: address }).kind).toBe("done");
    expect(pe.x[0]).toBe(0xb10cn);
    build(grain, va + 2 ** 40, DATA);
    expect(stage.try("p_ldr", { X1: address }, { keepTlb: true }).kind).toBe("done");
    expect(stage.try("p_tlbivaale1is", { X0: BigInt(va + 0x10_0000) >> 12n }, { keepTlb: true }).kind).toBe("done");
    expect(stage.try("p_ldr", { X1: address }, { keepTlb: true })).toMatchObject({ ec: 0x25 });
  });
});

describe("stage 2 of other granules", () => {
  it.each([
    [14, 2n, 1n],
    [16, 1n, 1n],
  ])("walks 2^%i byte pages from level 2", (grain, tg0, sl0) => {
    stage.reset();
    physical.fill(TABLES, 0x60_0000, 0);
    // 36-bit IPAs; level 2 covers 25 (16 KiB) or 29 (64 KiB) bits an entry, concatenated where needed
    const stride = grain - 3;
    const block = 2 ** (grain + stride);
    for (let pa = DRAM_BASE; pa < DRAM_BASE + (16 << 20); pa += block)
      write(TABLES + Math.floor(pa / block) * 8, BigInt(pa - (pa % block)) | 0x7fdn);
    const old = [pe.read("VTCR_EL2"), pe.read("VTTBR_EL2")] as const;
    pe.write("VTTBR_EL2", (1n << 48n) | BigInt(TABLES));
    pe.write("VTCR_EL2", (5n << 16n) | (tg0 << 14n) | (sl0 << 6n) | 28n);
    expect(stage.try("p_ldr", { X1: WINDOW }).kind).toBe("done");
    stage.map(1, RW, 0x3000_0000);
    expect(stage.try("p_ldr", { X1: WINDOW + 4096 + 8 })).toMatchObject({ kind: "el2", ec: 0x24 });
    expect(pe.faultIpa).toBe(0x3000_0008);
    expect(pe.esr & 0x3f).toBe(6);
    pe.write("VTCR_EL2", old[0]);
    pe.write("VTTBR_EL2", old[1]);
  });
});

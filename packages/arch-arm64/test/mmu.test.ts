import { describe, expect, it } from "vitest";
import { DRAM_BASE } from "./support/minimal-el2.ts";
import { CODE, D, DATA, RW, Stage, USER_CODE, WINDOW } from "./support/probe.ts";

const stage = new Stage();
const { physical } = stage.el2;
const page = (n: number) => WINDOW + n * 4096;
const fresh = () => {
  stage.reset();
  for (let n = 0; n < 8; n++) stage.map(n, RW);
  stage.level2(BigInt(Stage.l3) | D.TABLE);
  stage.level1(BigInt(Stage.l2) | D.TABLE);
  return stage.pe;
};
const WNR = 1 << 6;

describe("stage 1", () => {
  it("translates loads and stores through three levels", () => {
    const pe = fresh();
    physical.data.setBigUint64(physical.offsetOf(DATA + 3 * 4096 + 8), 0x1122_3344_5566_7788n, true);
    expect(stage.try("p_ldr", { X1: page(3) + 8 }).kind).toBe("done");
    expect(pe.x[0]).toBe(0x1122_3344_5566_7788n);
    expect(stage.try("p_str", { X0: 42, X1: page(2) + 16 }).kind).toBe("done");
    expect(physical.data.getBigUint64(physical.offsetOf(DATA + 2 * 4096 + 16), true)).toBe(42n);
  });

  it("reports translation faults at levels 0 to 3 with FAR and WnR", () => {
    const pe = fresh();
    // Beyond the 39-bit input range: level 0
    expect(stage.try("p_ldr", { X1: 1n << 40n })).toMatchObject({ kind: "el1", ec: 0x25, iss: 0x04, far: 1n << 40n });
    // TTBR1 is off by EPD1
    expect(stage.try("p_ldr", { X1: 0xffff_ffff_8000_0000n })).toMatchObject({ ec: 0x25, iss: 0x04 });
    expect(stage.try("p_str", { X1: 0xc000_0000 })).toMatchObject({ ec: 0x25, iss: WNR | 0x05, far: 0xc000_0000n });
    expect(stage.try("p_ldr", { X1: WINDOW + 0x20_0000 })).toMatchObject({ ec: 0x25, iss: 0x06 });
    stage.raw(5, 0n);
    expect(stage.try("p_ldr", { X1: page(5) })).toMatchObject({ ec: 0x25, iss: 0x07, far: BigInt(page(5)) });
    // Reserved descriptor 0b01 at level 3
    stage.raw(5, BigInt(DATA) | 1n | D.AF);
    expect(stage.try("p_ldr", { X1: page(5) })).toMatchObject({ ec: 0x25, iss: 0x07 });
    expect(pe.read("ELR_EL1")).toBe(BigInt(stage.address("p_ldr")));
  });

  it("reports access flag faults of pages and blocks", () => {
    fresh();
    stage.map(1, RW & ~D.AF);
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: 0x0b });
    stage.level2(BigInt(DATA) | D.BLOCK | D.SH);
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: 0x0a });
    stage.level1(BigInt(DRAM_BASE) | D.BLOCK | D.SH);
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: 0x09 });
  });

  it("reports permission faults at each level", () => {
    fresh();
    stage.map(1, RW | D.RO);
    expect(stage.try("p_ldr", { X1: page(1) }).kind).toBe("done");
    expect(stage.try("p_str", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: WNR | 0x0f });
    expect(stage.try("p_ldr", { X1: page(1) }, { el: 0 })).toMatchObject({ ec: 0x24, iss: 0x0f, vector: 8 });
    stage.level2(BigInt(DRAM_BASE + 0x40_0000) | D.BLOCK | D.AF | D.RO);
    expect(stage.try("p_str", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: WNR | 0x0e });
    stage.level1(BigInt(DRAM_BASE) | D.BLOCK | D.AF | D.RO);
    expect(stage.try("p_str", { X1: WINDOW })).toMatchObject({ ec: 0x25, iss: WNR | 0x0d });
  });

  it("reports address size faults by TCR_EL1.IPS", () => {
    fresh();
    stage.raw(1, (1n << 41n) | RW);
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: 0x03 });
    stage.level2((1n << 42n) | D.TABLE);
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: 0x02 });
  });

  it("inherits restrictions from table descriptors", () => {
    fresh();
    stage.level2(BigInt(Stage.l3) | D.TABLE | D.APTABLE_RO);
    expect(stage.try("p_str", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: WNR | 0x0f });
    stage.level2(BigInt(Stage.l3) | D.TABLE);
    stage.map(1, RW | D.USER);
    expect(stage.try("p_svc", { X1: page(1) }, { el: 0 })).toMatchObject({ ec: 0x15 });
    stage.level2(BigInt(Stage.l3) | D.TABLE | D.UXNTABLE);
    expect(stage.try("p_svc", {}, { el: 0 })).toMatchObject({
      kind: "el1",
      ec: 0x20,
      iss: 0x0f,
      far: BigInt(stage.address("p_svc", 0)),
    });
    stage.level2(BigInt(Stage.l3) | D.TABLE | D.APTABLE_NO_EL0);
    expect(stage.try("p_ldr", { X1: page(1) }, { keepTlb: false }).kind).toBe("done");
  });

  it("enforces UXN, PXN, WXN and never executes at EL1 what EL0 may write", () => {
    const pe = fresh();
    const target = (n: number) => ({ X1: page(n) });
    physical.data.setUint32(physical.offsetOf(DATA + 4096), 0xd400_0002, true);
    physical.wrote(DATA + 4096, 4);
    stage.map(1, RW);
    expect(stage.try("p_blr", target(1)).kind).toBe("done");
    stage.map(1, RW | D.PXN);
    expect(stage.try("p_blr", target(1))).toMatchObject({ ec: 0x21, iss: 0x0f, far: BigInt(page(1)) });
    stage.map(1, RW | D.USER);
    expect(stage.try("p_blr", target(1))).toMatchObject({ ec: 0x21, iss: 0x0f });
    stage.map(1, RW);
    pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") | (1n << 19n));
    // The code itself is in a writable block, so even its own fetch faults.
    expect(stage.try("p_nop", {}, { budget: 1 })).toMatchObject({ kind: "budget" });
    expect(pe.read("ESR_EL1") >> 26n).toBe(0x21n);
  });

  it("keeps EL1 off EL0's pages while PSTATE.PAN is 1, LDTR excepted", () => {
    const pe = fresh();
    const pan = 0x40_03c5n;
    stage.map(1, RW | D.USER);
    expect(stage.try("p_ldr", { X1: page(1) }, { spsr: pan })).toMatchObject({ ec: 0x25, iss: 0x0f });
    expect(stage.try("p_ldtr", { X1: page(1) }, { spsr: pan }).kind).toBe("done");
    expect(stage.try("p_sttr", { X1: page(2) }, { spsr: pan })).toMatchObject({ ec: 0x25, iss: WNR | 0x0f });
    // The entry that was filled with PAN 0 is gone once PAN is 1.
    expect(stage.try("p_ldr", { X1: page(1) }).kind).toBe("done");
    expect(stage.try("p_pan1", {}, { keepTlb: true }).kind).toBe("done");
    expect(pe.read("SPSR_EL2") & 0x40_0000n).toBe(0x40_0000n);
    expect(stage.try("p_ldr", { X1: page(1) }, { spsr: pan, keepTlb: true })).toMatchObject({ ec: 0x25, iss: 0x0f });
  });

  it("checks alignment by SCTLR_EL1.A, Device memory, exclusives", () => {
    const pe = fresh();
    expect(stage.try("p_ldr", { X1: page(1) + 1 }).kind).toBe("done");
    expect(stage.try("p_ldxr", { X1: page(1) + 9 })).toMatchObject({ ec: 0x25, iss: 0x21 });
    expect(stage.try("p_ldadd", { X1: page(1) + 12 })).toMatchObject({ ec: 0x25, iss: expect.any(Number) });
    stage.map(1, RW | D.DEVICE);
    expect(stage.try("p_ldr", { X1: page(1) + 1 })).toMatchObject({ ec: 0x25, iss: 0x21, far: BigInt(page(1) + 1) });
    expect(stage.try("p_ldr", { X1: page(1) + 8 }).kind).toBe("done");
    stage.map(1, RW);
    pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") | 2n);
    expect(stage.try("p_str", { X1: page(1) + 4 })).toMatchObject({ ec: 0x25, iss: WNR | 0x21 });
    expect(stage.try("p_stp", { X1: page(1) + 8 }).kind).toBe("done");
  });

  it("crosses pages in one access, faulting on the second page with its address and storing nothing", () => {
    fresh();
    const at = physical.offsetOf(DATA + 2 * 4096 - 4);
    physical.data.setBigUint64(at, 0x8877_6655_4433_2211n, true);
    // Not contiguous: page 2 of the window is page 7 of the data.
    stage.map(2, RW, DATA + 7 * 4096);
    physical.data.setUint32(physical.offsetOf(DATA + 7 * 4096), 0xddcc_bbaa, true);
    stage.try("p_ldr", { X1: page(2) - 4 });
    expect(stage.pe.x[0]).toBe(0xddcc_bbaa_4433_2211n);
    stage.try("p_str", { X1: page(2) - 4, X0: 0x0102_0304_0506_0708n });
    expect(physical.data.getUint32(at, true)).toBe(0x0506_0708);
    expect(physical.data.getUint32(physical.offsetOf(DATA + 7 * 4096), true)).toBe(0x0102_0304);
    stage.raw(2, 0n);
    expect(stage.try("p_str", { X1: page(2) - 4, X0: 0 })).toMatchObject({
      ec: 0x25,
      iss: WNR | 0x07,
      far: BigInt(page(2)),
    });
    expect(physical.data.getUint32(at, true)).toBe(0x0506_0708);
  });

  it("takes external aborts beyond DRAM", () => {
    fresh();
    stage.raw(1, 0x3000_0000n | RW);
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ kind: "el2", ec: 0x24 });
    const pe = fresh();
    pe.write("HCR_EL2", 0x8008_003an);
    stage.raw(1, 0x3000_0000n | RW);
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ kind: "el1", ec: 0x25, iss: 0x10 });
    pe.write("HCR_EL2", 0x8008_003an | (1n << 37n));
    expect(stage.try("p_ldr", { X1: page(1) })).toMatchObject({ kind: "el2", ec: 0x24, iss: 0x10 });
    pe.write("HCR_EL2", 0x8008_003bn);
  });

  it("runs with the MMU off, where data is Device memory and aligned", () => {
    const pe = fresh();
    pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") & ~1n);
    expect(stage.try("p_str", { X1: DATA + 8, X0: 77 }).kind).toBe("done");
    expect(physical.data.getBigUint64(physical.offsetOf(DATA + 8), true)).toBe(77n);
    expect(stage.try("p_str", { X1: DATA + 9 })).toMatchObject({ ec: 0x25, iss: WNR | 0x21 });
    expect(stage.try("p_ldr", { X1: 1n << 50n })).toMatchObject({ ec: 0x25, iss: 0x00 });
  });

  it("ignores the top byte with TCR_EL1.TBI0", () => {
    const pe = fresh();
    expect(stage.try("p_ldr", { X1: (0x5an << 56n) | BigInt(page(1)) })).toMatchObject({ ec: 0x25, iss: 0x04 });
    pe.write("TCR_EL1", pe.read("TCR_EL1") | (1n << 37n));
    expect(stage.try("p_ldr", { X1: (0x5an << 56n) | BigInt(page(1)) }).kind).toBe("done");
    // A branch drops the tag
    const svc = BigInt(stage.address("p_svc"));
    expect(stage.try("p_blr", { X1: (0x5an << 56n) | svc })).toMatchObject({ ec: 0x15, elr: svc + 4n });
  });

  it("makes E0PD0 a level 0 translation fault for EL0 only", () => {
    const pe = fresh();
    stage.map(1, RW | D.USER);
    pe.write("TCR_EL1", pe.read("TCR_EL1") | (1n << 55n));
    expect(stage.try("p_ldtr", { X1: page(1) })).toMatchObject({ ec: 0x25, iss: 0x04 });
    expect(stage.try("p_ldr", { X1: page(1) }).kind).toBe("done");
  });
});

describe("TLB maintenance", () => {
  const NG = RW | D.NG;
  const value = (n: number) => physical.data.getBigUint64(physical.offsetOf(DATA + n * 4096), true);
  const number = (n: number, v: bigint) => physical.data.setBigUint64(physical.offsetOf(DATA + n * 4096), v, true);
  const keep = { keepTlb: true };

  it("keeps a translation until TLBI VAE1 of its page", () => {
    const pe = fresh();
    for (let n = 0; n < 4; n++) number(n, BigInt(100 + n));
    expect(value(1)).toBe(101n);
    stage.try("p_ldr", { X1: page(1) });
    stage.map(1, RW, DATA + 2 * 4096);
    stage.try("p_ldr", { X1: page(1) }, keep);
    expect(pe.x[0]).toBe(101n);
    stage.try("p_tlbivaale1is", { X0: page(3) >> 12 }, keep);
    stage.try("p_ldr", { X1: page(1) }, keep);
    expect(pe.x[0]).toBe(101n);
    stage.try("p_tlbivaale1is", { X0: page(1) >>> 12 }, keep);
    stage.try("p_ldr", { X1: page(1) }, keep);
    expect(pe.x[0]).toBe(102n);
  });

  it("drops every page of a block by one TLBI", () => {
    const pe = fresh();
    stage.level2(BigInt(DATA) | D.BLOCK | D.AF);
    for (const n of [0, 5]) {
      number(n, BigInt(200 + n));
      stage.try("p_ldr", { X1: page(n) }, n === 0 ? {} : keep);
    }
    stage.level2(0n);
    stage.try("p_tlbivaale1is", { X0: page(9) >>> 12 }, keep);
    for (const n of [0, 5]) expect(stage.try("p_ldr", { X1: page(n) }, keep)).toMatchObject({ ec: 0x25, iss: 0x06 });
    void pe;
  });

  it("remaps non-global pages with a new ASID and keeps global ones", () => {
    const pe = fresh();
    number(1, 1n);
    number(2, 2n);
    number(3, 3n);
    stage.map(1, NG);
    stage.map(2, RW);
    stage.try("p_ldr", { X1: page(1) });
    stage.try("p_ldr", { X1: page(2) }, keep);
    stage.map(1, NG, DATA + 3 * 4096);
    stage.map(2, RW, DATA + 3 * 4096);
    stage.try("p_ttbr0w", { X0: (5n << 48n) | BigInt(Stage.l1) }, keep);
    stage.try("p_ldr", { X1: page(1) }, keep);
    expect(pe.x[0]).toBe(3n);
    stage.try("p_ldr", { X1: page(2) }, keep);
    expect(pe.x[0]).toBe(2n);
    stage.map(1, NG);
    stage.try("p_tlbiaside1", { X0: 5n << 48n }, keep);
    stage.try("p_ldr", { X1: page(1) }, keep);
    expect(pe.x[0]).toBe(1n);
  });

  it("reaches other PEs of the VM by the inner shareable forms", () => {
    fresh();
    const other = stage.el2.createPe(0x8000_0001n);
    stage.reset(other);
    number(1, 11n);
    number(2, 22n);
    stage.try("p_ldr", { X1: page(1) }, { pe: other });
    stage.map(1, RW, DATA + 2 * 4096);
    stage.try("p_tlbivmalle1", {}, keep);
    stage.try("p_ldr", { X1: page(1) }, { pe: other, keepTlb: true });
    expect(other.x[0]).toBe(11n);
    stage.try("p_tlbivae1is", { X0: page(1) >>> 12 }, keep);
    stage.try("p_ldr", { X1: page(1) }, { pe: other, keepTlb: true });
    expect(other.x[0]).toBe(22n);
    other.dispose();
  });

  it("translates by AT into PAR_EL1", () => {
    const pe = fresh();
    stage.map(1, RW | D.USER);
    stage.try("p_ats1e1r", { X1: page(1) + 0x123 });
    expect(pe.read("PAR_EL1")).toBe((0xffn << 56n) | BigInt(DATA + 4096) | 0xb80n);
    stage.map(1, RW | D.USER | D.RO);
    stage.try("p_ats1e0w", { X1: page(1) });
    expect(pe.read("PAR_EL1")).toBe(0x800n | (0x0fn << 1n) | 1n);
  });
});

describe("stage 2", () => {
  const table = (() => stage.el2.splitBlock(DATA))();
  const entry = (n: number) => physical.offsetOf(table) + n * 8;
  const set = (n: number, descriptor: bigint) => {
    physical.data.setBigUint64(entry(n), descriptor, true);
    stage.el2.backend.tlbiVmid(1);
  };
  const ok = (n: number) => BigInt(DATA + n * 4096) | 0x7ffn;
  const ISV = 1 << 24;

  it("reports the exact IPA, FAR and level of translation faults", () => {
    const pe = fresh();
    set(1, 0n);
    expect(stage.try("p_ldr", { X1: page(1) + 0x128 })).toMatchObject({
      kind: "el2",
      ec: 0x24,
      far: BigInt(page(1) + 0x128),
      iss: ISV | (3 << 22) | (1 << 15) | 0x07,
    });
    expect(pe.faultIpa).toBe(DATA + 4096 + 0x128);
    expect(pe.read("HPFAR_EL2")).toBe(BigInt(DATA + 4096) >> 8n);
    set(1, ok(1));
    stage.raw(2, 0x4_0000_0000n | RW);
    expect(stage.try("p_str", { X1: page(2) })).toMatchObject({
      kind: "el2",
      iss: ISV | (3 << 22) | (1 << 15) | WNR | 0x05,
    });
    expect(pe.faultIpa).toBe(0x4_0000_0000);
  });

  it("describes single-register accesses by ISV and leaves the others out", () => {
    fresh();
    set(1, 0n);
    const at = (label: string) => stage.try(label, { X1: page(1) + 8, X2: 0 }).iss & ~0x3f;
    const sas = (n: number) => n << 22;
    const srt = (n: number) => n << 16;
    const SF = 1 << 15;
    const SSE = 1 << 21;
    const AR = 1 << 14;
    expect(at("p_ldrb")).toBe(ISV | sas(0) | srt(5));
    expect(at("p_ldrsb32")).toBe(ISV | sas(0) | SSE | srt(5));
    expect(at("p_ldrsh64")).toBe(ISV | sas(1) | SSE | srt(5) | SF);
    expect(at("p_ldrsw")).toBe(ISV | sas(2) | SSE | srt(5) | SF);
    expect(at("p_strh")).toBe(ISV | sas(1) | srt(7) | WNR);
    expect(at("p_strxzr")).toBe(ISV | sas(3) | srt(31) | SF | WNR);
    expect(at("p_ldur")).toBe(ISV | sas(2) | srt(9));
    expect(at("p_ldar")).toBe(ISV | sas(2) | srt(6) | AR);
    expect(at("p_stlrb")).toBe(ISV | sas(0) | srt(6) | AR | WNR);
    for (const label of ["p_ldrpre", "p_ldp", "p_ldrq", "p_ldxr"]) expect(at(label), label).toBe(0);
    expect(at("p_stp")).toBe(WNR);
    // Would have faulted as a read: WnR is 0 for an atomic
    expect(at("p_ldadd")).toBe(0);
    expect(at("p_dcivac")).toBe(WNR | (1 << 8));
    set(1, ok(1));
  });

  it("leaves registers as they were when an access with writeback faults", () => {
    const pe = fresh();
    set(1, 0n);
    stage.try("p_ldrpre", { X1: page(1), X0: 9 });
    expect(pe.x[1]).toBe(BigInt(page(1)));
    expect(pe.x[0]).toBe(9n);
    set(1, ok(1));
  });

  it("checks S2AP and XN", () => {
    fresh();
    set(1, ok(1) & ~(1n << 7n));
    expect(stage.try("p_ldr", { X1: page(1) }).kind).toBe("done");
    expect(stage.try("p_str", { X1: page(1) })).toMatchObject({
      kind: "el2",
      ec: 0x24,
      iss: ISV | (3 << 22) | (1 << 15) | WNR | 0x0f,
    });
    expect(stage.try("p_ldadd", { X1: page(1) })).toMatchObject({ kind: "el2", iss: WNR | 0x0f });
    physical.data.setUint32(physical.offsetOf(DATA + 4096), 0xd400_0002, true);
    physical.wrote(DATA + 4096, 4);
    stage.map(1, RW);
    // XN[1:0] 01: EL0 only; 11: EL1 only; 10: nobody
    for (const [xn, allowed] of [
      [0n, true],
      [1n, false],
      [2n, false],
      [3n, true],
    ] as const) {
      set(1, ok(1) | (xn << 53n));
      const outcome = stage.try("p_blr", { X1: page(1) });
      if (allowed) expect(outcome.kind).toBe("done");
      else expect(outcome).toMatchObject({ kind: "el2", ec: 0x20, iss: 0x0f, far: BigInt(page(1)) });
    }
    set(1, ok(1));
  });

  it("reports access flag and address size faults", () => {
    fresh();
    set(1, ok(1) & ~(1n << 10n));
    expect(stage.try("p_ldr", { X1: page(1) }).iss & 0x3f).toBe(0x0b);
    set(1, ok(1));
  });

  it("reports faults on stage 1 walks with S1PTW and the descriptor's address", () => {
    const pe = fresh();
    const far = DATA + 100 * 4096;
    // A level 3 table in a page that stage 2 does not map
    stage.level2(BigInt(far) | D.TABLE);
    set(100, 0n);
    expect(stage.try("p_str", { X1: page(3) + 8 })).toMatchObject({
      kind: "el2",
      ec: 0x24,
      iss: (1 << 7) | 0x07,
      far: BigInt(page(3) + 8),
    });
    expect(pe.read("HPFAR_EL2")).toBe(BigInt(far) >> 8n);
    expect(stage.try("p_blr", { X1: page(3) })).toMatchObject({ kind: "el2", ec: 0x20, iss: (1 << 7) | 0x07 });
    set(100, ok(100));
  });

  it("drops exactly the pages of tlbiIpa", () => {
    fresh();
    stage.try("p_ldr", { X1: page(1) });
    stage.try("p_ldr", { X1: page(2) }, { keepTlb: true });
    for (const n of [1, 2]) physical.data.setBigUint64(entry(n), 0n, true);
    stage.el2.backend.tlbiIpa(1, DATA + 2 * 4096, 4096);
    expect(stage.try("p_ldr", { X1: page(1) }, { keepTlb: true }).kind).toBe("done");
    expect(stage.try("p_ldr", { X1: page(2) }, { keepTlb: true })).toMatchObject({ kind: "el2", ec: 0x24 });
    for (const n of [1, 2]) set(n, ok(n));
  });

  it("keeps no page when memory is taken back page by page, and fills again after it", () => {
    fresh();
    const pages = Array.from({ length: 40 }, (_, n) => n + 1);
    for (const round of [1, 2]) {
      for (const n of pages) set(n, ok(n));
      for (const n of pages)
        expect(stage.try("p_ldr", { X1: page(n) }, { keepTlb: true }).kind, `${round}`).toBe("done");
      for (const n of pages) {
        physical.data.setBigUint64(entry(n), 0n, true);
        stage.el2.backend.tlbiIpa(1, DATA + n * 4096, 4096);
      }
      for (const n of pages)
        expect(stage.try("p_ldr", { X1: page(n) }, { keepTlb: true })).toMatchObject({ kind: "el2", ec: 0x24 });
    }
    for (const n of pages) set(n, ok(n));
  });
});

describe("instruction fetch", () => {
  it("runs code that was just written", () => {
    const pe = fresh();
    // mov x0, #7
    expect(stage.try("p_selfmod", { X2: 0xd280_00e0 }).kind).toBe("done");
    expect([pe.x[3], pe.x[0]]).toEqual([1n, 7n]);
    expect(stage.try("p_selfmod", { X2: 0xd280_0020 }).kind).toBe("done");
    expect([pe.x[3], pe.x[0]]).toEqual([7n, 1n]);
  });
  it("turns a page into data after many stores and back into code when it is executed", () => {
    const pe = fresh();
    const at = physical.offsetOf(DATA + 4096);
    const hvc0 = 0xd400_0002n << 32n;
    stage.map(1, RW);
    for (let turn = 0; turn < 300; turn++) {
      // mov x0, #turn; hvc #0
      const code = hvc0 | 0xd280_0000n | BigInt(turn << 5);
      expect(stage.try("p_str", { X0: code, X1: page(1) }, { keepTlb: turn > 0 }).kind).toBe("done");
      expect(physical.data.getBigUint64(at, true)).toBe(code);
      if (turn % 7 === 0 || turn > 250) {
        expect(stage.try("p_blr", { X1: page(1) }, { keepTlb: true }).kind).toBe("done");
        expect(pe.x[0]).toBe(BigInt(turn));
      }
    }
  });
  it("sees code that someone else wrote", () => {
    const pe = fresh();
    expect(stage.try("p_ctr").kind).toBe("done");
    const at = CODE + (stage.address("p_ctr") - CODE);
    const old = physical.view(at, 4).slice();
    // mov x0, #3
    physical.write(at, new Uint8Array([0x60, 0, 0x80, 0xd2]));
    stage.try("p_ctr");
    expect(pe.x[0]).toBe(3n);
    physical.write(at, old);
    void USER_CODE;
  });
});

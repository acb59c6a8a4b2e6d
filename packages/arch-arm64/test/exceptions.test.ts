import { describe, expect, it } from "vitest";
import { DATA, Stage, USER_CODE, WINDOW } from "./support/probe.ts";

const stage = new Stage();
const STAGE1 = Stage.l1;
const fresh = () => {
  stage.reset();
  stage.pe.write("HCR_EL2", 0x8008_003bn);
  stage.pe.write("MDCR_EL2", 0n);
  stage.pe.write("CPTR_EL2", 0n);
  return stage.pe;
};

describe("synchronous exceptions to EL1", () => {
  it("takes SVC with its immediate and returns after it", () => {
    fresh();
    expect(stage.try("p_svc")).toMatchObject({
      kind: "el1",
      vector: 4,
      ec: 0x15,
      iss: 0x123,
      elr: BigInt(stage.address("p_svc") + 4),
    });
  });
  it("takes SVC of EL0 through the lower-EL vector and saves EL0's PSTATE", () => {
    const pe = fresh();
    expect(stage.try("p_svc", {}, { el: 0, spsr: 0x6000_0000n })).toMatchObject({
      kind: "el1",
      vector: 8,
      ec: 0x15,
      iss: 0x123,
    });
    expect(pe.read("SPSR_EL1")).toBe(0x6000_0000n);
    // EL1h, DAIF set, PAN unchanged because SPAN is 1 after reset
    expect(pe.read("SPSR_EL2") & 0xfff_ffffn).toBe(0x3c5n);
  });
  it("takes UDF as EC 0", () => {
    fresh();
    expect(stage.try("p_udf")).toMatchObject({
      kind: "el1",
      vector: 4,
      ec: 0,
      iss: 0,
      elr: BigInt(stage.address("p_udf")),
    });
  });
  it("takes BRK with its immediate, returning to it", () => {
    fresh();
    expect(stage.try("p_brk", {}, { el: 0 })).toMatchObject({
      kind: "el1",
      vector: 8,
      ec: 0x3c,
      iss: 0x321,
      elr: BigInt(stage.address("p_brk", 0)),
    });
  });
  it("takes a misaligned PC with FAR", () => {
    fresh();
    expect(stage.try("p_blr", { X1: stage.address("p_nop") + 2 })).toMatchObject({
      ec: 0x22,
      far: BigInt(stage.address("p_nop") + 2),
      elr: BigInt(stage.address("p_nop") + 2),
    });
  });
  it("takes a misaligned SP only while SCTLR_EL1.SA checks", () => {
    const pe = fresh();
    pe.write("SP_EL1", BigInt(DATA + 8));
    expect(stage.try("p_ldrsp")).toMatchObject({ kind: "el1", ec: 0x26 });
    pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") & ~8n);
    pe.write("SP_EL1", BigInt(DATA + 8));
    expect(stage.try("p_ldrsp").kind).toBe("done");
  });
  it("selects the vector by SPSel", () => {
    fresh();
    expect(stage.try("p_svc", {}, { spsr: 0x3c4n })).toMatchObject({ vector: 0, ec: 0x15 });
  });
  it("traps FP by CPACR_EL1.FPEN, at EL0 alone or at both", () => {
    const pe = fresh();
    pe.write("CPACR_EL1", 1n << 20n);
    expect(stage.try("p_fadd").kind).toBe("done");
    expect(stage.try("p_fadd", {}, { el: 0 })).toMatchObject({ kind: "el1", ec: 7, iss: 0x1e0_0000 });
    pe.write("CPACR_EL1", 0n);
    expect(stage.try("p_fadd")).toMatchObject({ kind: "el1", ec: 7 });
  });
  it("takes Illegal Execution state after ERET with an AArch32 SPSR", () => {
    const pe = fresh();
    expect(stage.try("p_toel0", { X1: stage.address("p_nop"), X2: 0x10 })).toMatchObject({
      ec: 0x0e,
      elr: BigInt(stage.address("p_nop")),
    });
    expect(Number(pe.read("SPSR_EL1") >> 20n) & 1).toBe(1);
  });
  it("returns to EL0", () => {
    fresh();
    expect(
      stage.try("p_toel0", { X1: USER_CODE + (stage.address("p_svc") - stage.address("vectors")), X2: 0 }),
    ).toMatchObject({ vector: 8, ec: 0x15 });
  });
  it("makes ERET, HVC and SMC UNDEFINED at EL0", () => {
    fresh();
    for (const label of ["p_eret", "p_hvc", "p_smc"])
      expect(stage.try(label, {}, { el: 0 })).toMatchObject({ kind: "el1", vector: 8, ec: 0, iss: 0 });
  });
});

describe("exceptions to EL2", () => {
  it("takes HVC after the instruction, SMC at it", () => {
    fresh();
    expect(stage.try("p_hvc")).toMatchObject({
      kind: "el2",
      ec: 0x16,
      iss: 0x67,
      elr: BigInt(stage.address("p_hvc") + 4),
    });
    expect(stage.try("p_smc")).toMatchObject({ kind: "el2", ec: 0x17, iss: 0x45, elr: BigInt(stage.address("p_smc")) });
  });
  it("makes HVC UNDEFINED with HCR_EL2.HCD and SMC with TSC clear", () => {
    const pe = fresh();
    pe.write("HCR_EL2", (pe.read("HCR_EL2") | (1n << 29n)) & ~(1n << 19n));
    expect(pe.read("HCR_EL2") & (1n << 31n)).not.toBe(0n);
    stage.try("p_smc");
    // The vector's HVC is UNDEFINED as well: it loops in the vector.
    expect(pe.read("ESR_EL1")).toBe(0x0200_0000n);
  });
  it("routes EL0's exceptions by HCR_EL2.TGE and BRK by MDCR_EL2.TDE", () => {
    const pe = fresh();
    pe.write("MDCR_EL2", 1n << 8n);
    expect(stage.try("p_brk")).toMatchObject({ kind: "el2", ec: 0x3c, iss: 0x321 });
    pe.write("MDCR_EL2", 0n);
    pe.write("HCR_EL2", 0x8008_003bn | (1n << 27n));
    expect(stage.try("p_svc", {}, { el: 0 })).toMatchObject({ kind: "el2", ec: 0x15, iss: 0x123 });
  });
  it("traps FP by CPTR_EL2.TFP after EL1 allowed it", () => {
    const pe = fresh();
    pe.write("CPTR_EL2", 1n << 10n);
    expect(stage.try("p_fadd")).toMatchObject({ kind: "el2", ec: 7, iss: 0x1e0_0000 });
  });
});

describe("traps of system registers", () => {
  /** ISS of MRS or MSR. */
  const iss = (op0: number, op1: number, crn: number, crm: number, op2: number, rt: number, read: boolean) =>
    (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | (rt << 5) | (crm << 1) | (read ? 1 : 0);

  it.each([
    ["p_ttbr0w", 26n, iss(3, 0, 2, 0, 0, 0, false)],
    ["p_ttbr0r", 30n, iss(3, 0, 2, 0, 0, 0, true)],
    ["p_sctlrr", 30n, iss(3, 0, 1, 0, 0, 0, true)],
    ["p_actlr", 21n, iss(3, 0, 1, 0, 1, 0, true)],
    ["p_pfr0", 18n, iss(3, 0, 0, 4, 0, 0, true)],
    ["p_reserved_id", 18n, iss(3, 0, 0, 7, 7, 0, true)],
    ["p_ctr", 17n, iss(3, 3, 0, 0, 1, 0, true)],
    ["p_dcisw", 22n, iss(1, 0, 7, 6, 2, 0, false)],
    ["p_dcivac", 23n, iss(1, 3, 7, 14, 1, 1, false)],
    ["p_icivau", 24n, iss(1, 3, 7, 5, 1, 1, false)],
    ["p_tlbivmalle1", 25n, iss(1, 0, 8, 7, 0, 31, false)],
    ["p_impdef", 20n, iss(3, 0, 15, 2, 0, 0, true)],
  ])("%s by HCR_EL2 bit %i", (label, bit, expected) => {
    const pe = fresh();
    expect(stage.try(label, { X0: STAGE1, X1: WINDOW }).kind).toBe(label === "p_impdef" ? "el1" : "done");
    pe.write("HCR_EL2", pe.read("HCR_EL2") | (1n << bit));
    expect(stage.try(label, { X0: STAGE1, X1: WINDOW })).toMatchObject({
      kind: "el2",
      ec: 0x18,
      iss: expected,
      elr: BigInt(stage.address(label)),
    });
  });

  it("traps ICC_SGI1R_EL1 while HCR_EL2.IMO", () => {
    fresh();
    expect(stage.try("p_sgi1r")).toMatchObject({ kind: "el2", ec: 0x18, iss: iss(3, 0, 12, 11, 5, 0, false) });
  });
  it("traps CPACR by CPTR_EL2.TCPAC, debug by MDCR_EL2.TDA, OS lock by TDOSA, ROM address by TDRA", () => {
    const pe = fresh();
    pe.write("CPTR_EL2", 1n << 31n);
    expect(stage.try("p_cpacr")).toMatchObject({ kind: "el2", ec: 0x18, iss: iss(3, 0, 1, 0, 2, 0, true) });
    for (const [label, bit] of [
      ["p_mdscr", 9n],
      ["p_oslar", 10n],
      ["p_mdrar", 11n],
    ] as const) {
      pe.write("MDCR_EL2", 0n);
      expect(stage.try(label).kind).toBe("done");
      pe.write("MDCR_EL2", 1n << bit);
      expect(stage.try(label)).toMatchObject({ kind: "el2", ec: 0x18 });
    }
  });
  it("traps CNTPCT by CNTHCT_EL2.EL1PCTEN", () => {
    const pe = fresh();
    pe.write("CNTHCT_EL2", 2n);
    expect(stage.try("p_cntpct")).toMatchObject({ kind: "el2", ec: 0x18 });
    pe.write("CNTHCT_EL2", 3n);
    expect(stage.try("p_cntpct").kind).toBe("done");
  });
  it("traps WFI and WFE to EL2 by TWI and TWE, to EL1 from EL0 by nTWI and nTWE", () => {
    const pe = fresh();
    // The event that every start is.
    stage.try("p_wfe");
    pe.write("HCR_EL2", pe.read("HCR_EL2") | (1n << 13n) | (1n << 14n));
    expect(stage.try("p_wfi")).toMatchObject({ kind: "el2", ec: 1, iss: 0x1e0_0000 });
    expect(stage.try("p_wfe")).toMatchObject({ kind: "el2", ec: 1, iss: 0x1e0_0001 });
    pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") & ~0x5_0000n);
    expect(stage.try("p_wfi", {}, { el: 0 })).toMatchObject({ kind: "el1", ec: 1, iss: 0x1e0_0000 });
  });
  it("gives EL0 what EL1 allows: SCTLR_EL1.UCT, UCI, DZE, CNTKCTL_EL1", () => {
    const pe = fresh();
    const el0 = { el: 0 };
    for (const [label, bit] of [
      ["p_ctr", 15n],
      ["p_dcivac", 26n],
      ["p_dczva", 14n],
    ] as const) {
      stage.map(1, 0x743n);
      pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") & ~(1n << bit));
      expect(stage.try(label, { X1: WINDOW + 4096 }, el0), label).toMatchObject({ kind: "el1", ec: 0x18 });
      pe.write("SCTLR_EL1", pe.read("SCTLR_EL1") | (1n << bit));
      expect(stage.try(label, { X1: WINDOW + 4096 }, el0).kind, label).toBe("done");
    }
    expect(stage.try("p_cntvct", {}, el0)).toMatchObject({ kind: "el1", ec: 0x18 });
    pe.write("CNTKCTL_EL1", 2n);
    expect(stage.try("p_cntvct", {}, el0).kind).toBe("done");
    expect(stage.try("p_daifset", {}, el0)).toMatchObject({
      kind: "el1",
      ec: 0x18,
      iss: iss(0, 3, 4, 2, 6, 31, false),
    });
    expect(stage.try("p_ttbr0r", {}, el0)).toMatchObject({ kind: "el1", ec: 0 });
  });
  it("knows no EL2 register at EL1", () => {
    fresh();
    expect(stage.try("p_hcr")).toMatchObject({ kind: "el1", ec: 0, iss: 0 });
  });
  it("reads reserved ID registers as zero and MIDR_EL1 as VPIDR_EL2", () => {
    const pe = fresh();
    expect(stage.try("p_reserved_id", { X0: 5 }).kind).toBe("done");
    expect(pe.x[0]).toBe(0n);
    pe.write("VPIDR_EL2", 0x410f_d070n);
    stage.try("p_midr");
    expect(pe.x[0]).toBe(0x410f_d070n);
  });
});

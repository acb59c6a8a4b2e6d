/**
 * The system registers that a PE has: one row each. Instruction dispatch, access control, the reset values, the reset
 * test, traces and `Pe.read`/`Pe.write` all read this table.
 *
 * An encoding that is not here is UNDEFINED at EL1 and EL0, except the ID group's reserved encodings (RAZ) and the
 * IMPLEMENTATION DEFINED space (HCR_EL2.TIDCP).
 *
 * Source: DDI 0487 K.a, D19.2 (general), D19.3 (debug), D19.5 (PMU), D19.12 (Generic Timer); IHI 0069H chapter 12.
 */

import type { Feature } from "../cpu/features.ts";

/** Who may use the register, before any trap: the lowest EL for reads and for writes. `-`: no such access. */
export type Access = "r" | "w" | "rw" | "-";

/**
 * Groups of registers that one control bit traps. The number is the bit of the group in the state block's masks, which
 * the dispatcher tests, so a register of a group without an active trap takes the fast path.
 */
export const TrapGroup = {
  NONE: 0,
  /** HCR_EL2.TVM (writes), TRVM (reads). */
  TVM: 1,
  /** HCR_EL2.TACR. */
  TACR: 2,
  /** HCR_EL2.TID1. */
  TID1: 3,
  /** HCR_EL2.TID2, and SCTLR_EL1.UCT for CTR_EL0. */
  TID2: 4,
  /** HCR_EL2.TID3. */
  TID3: 5,
  /** DC ZVA: HCR_EL2.TDZ, SCTLR_EL1.DZE. DCZID_EL0 itself does not trap. */
  DZ: 6,
  /** MDCR_EL2.TDOSA. */
  TDOSA: 7,
  /** MDCR_EL2.TDA. */
  TDA: 8,
  /** MDCR_EL2.TDRA. */
  TDRA: 9,
  /** CPTR_EL2.TCPAC. */
  TCPAC: 10,
  /** ICH_HCR_EL2.TC. */
  GIC_COMMON: 11,
  /** ICH_HCR_EL2.TALL0. */
  GIC_GROUP0: 12,
  /** ICH_HCR_EL2.TALL1. */
  GIC_GROUP1: 13,
  /** ICH_HCR_EL2.TDIR or TC. */
  GIC_DIR: 14,
  /** HCR_EL2.IMO or FMO. */
  GIC_SGI: 15,
  /** CNTKCTL_EL1.EL0VCTEN. */
  CNTVCT: 16,
  /** CNTKCTL_EL1.EL0PCTEN, CNTHCT_EL2.EL1PCTEN. */
  CNTPCT: 17,
  /** CNTKCTL_EL1.EL0VTEN. */
  CNTV: 18,
  /** CNTKCTL_EL1.EL0PTEN, CNTHCT_EL2.EL1PCEN. */
  CNTP: 19,
  /** CNTKCTL_EL1.EL0PCTEN or EL0VCTEN. */
  CNTFRQ: 20,
  /** MDSCR_EL1.TDCC, MDCR_EL2.TDA. */
  DCC: 21,
  /** SCTLR_EL1.UMA. */
  DAIF: 22,
  /** MDCR_EL2.TPM, and PMUSERENR_EL0.EN for EL0. */
  PM: 24,
  /** The same, or PMUSERENR_EL0.CR for reads: the cycle counter. */
  PM_CYCLES: 25,
  /** ER for reads: event counters. */
  PM_EVENTS: 26,
  /** ER: PMSELR_EL0. */
  PM_SELECT: 27,
  /** SW: PMSWINC_EL0. */
  PM_SOFTWARE: 28,
  /** MDCR_EL2.TPMCR as well: PMCR_EL0. */
  PM_CONTROL: 29,
  /** MDCR_EL2.TPM alone: EL0 may always read PMUSERENR_EL0. */
  PM_USER: 30,
  /** HCR_EL2.APK: keys of pointer authentication. */
  APK: 23,
} as const;
export type TrapGroup = (typeof TrapGroup)[keyof typeof TrapGroup];

/** What a write has to do besides storing. */
export type Effect =
  | "none"
  /** Drop every translation when the value changed. */
  | "translation"
  /** Drop non-global translations when the value changed. */
  | "ttbr"
  /** Recompute FP_ENABLED and trap masks. */
  | "control"
  /** Recompute stepping, breakpoints and watchpoints. */
  | "debug"
  | "timer"
  | "gic";

export interface SystemRegister {
  readonly name: string;
  readonly op0: number;
  readonly op1: number;
  readonly crn: number;
  readonly crm: number;
  readonly op2: number;
  readonly el0: Access;
  readonly el1: Access;
  /** Value after `Pe.reset`. Of an ID register, what every CPU model has: `Cpu` adds what its features say. */
  readonly reset: bigint;
  /** Bits that a write changes. The others keep their reset value. */
  readonly mask: bigint;
  /** Bits of the mask that exist only with a feature; without, they keep their reset value. */
  readonly bits: { readonly [feature in Feature]?: bigint } | undefined;
  /** The register exists only with this feature. */
  readonly feature: Feature | undefined;
  readonly trap: TrapGroup;
  readonly effect: Effect;
  /**
   * `slot`: 64 bits in the state block. `inline`: a field of the state block elsewhere, served in WebAssembly.
   * `call`: reads or writes are computed in `behaviour.ts`.
   */
  readonly kind: "slot" | "inline" | "call";
  /** Index of the slot in the state block. */
  readonly slot: number;
}

const ALL = 0xffff_ffff_ffff_ffffn;
const LOW32 = 0xffff_ffffn;

type Row = Partial<
  Pick<SystemRegister, "el0" | "el1" | "reset" | "mask" | "bits" | "feature" | "trap" | "effect" | "kind">
>;
const registers: SystemRegister[] = [];

/** `encoding`: "op0 op1 CRn CRm op2", as in the Arm ARM's accessor tables. */
function reg(name: string, encoding: string, row: Row = {}): void {
  const [op0 = 0, op1 = 0, crn = 0, crm = 0, op2 = 0] = encoding.split(" ").map(Number);
  registers.push({
    name,
    op0,
    op1,
    crn,
    crm,
    op2,
    el0: row.el0 ?? "-",
    el1: row.el1 ?? "rw",
    reset: row.reset ?? 0n,
    mask: row.mask ?? ALL,
    bits: row.bits,
    feature: row.feature,
    trap: row.trap ?? TrapGroup.NONE,
    effect: row.effect ?? "none",
    kind: row.kind ?? "slot",
    slot: registers.length,
  });
}
const T = TrapGroup;

// ---------------------------------------------------------------------------------- identification (read-only)
const id = (name: string, encoding: string, reset: bigint, trap: TrapGroup = T.TID3) =>
  reg(name, encoding, { el1: "r", reset, trap });

// Of ID_AA64* only what every CPU model has stands here; the rest comes from `cpu/features.ts`.

// VPIDR_EL2 and VMPIDR_EL2 are what EL1 reads as MIDR_EL1 and MPIDR_EL1.
reg("MIDR_EL1", "3 0 0 0 0", { el1: "r", kind: "call" });
reg("MPIDR_EL1", "3 0 0 0 5", { el1: "r", kind: "call" });
id("REVIDR_EL1", "3 0 0 0 6", 0n, T.TID1);
id("AIDR_EL1", "3 1 0 0 7", 0n, T.TID1);

// No AArch32 at any EL: these read as UNKNOWN; zero here.
for (const [name, crm, op2] of [
  ["ID_PFR0_EL1", 1, 0],
  ["ID_PFR1_EL1", 1, 1],
  ["ID_DFR0_EL1", 1, 2],
  ["ID_AFR0_EL1", 1, 3],
  ["ID_MMFR0_EL1", 1, 4],
  ["ID_MMFR1_EL1", 1, 5],
  ["ID_MMFR2_EL1", 1, 6],
  ["ID_MMFR3_EL1", 1, 7],
  ["ID_ISAR0_EL1", 2, 0],
  ["ID_ISAR1_EL1", 2, 1],
  ["ID_ISAR2_EL1", 2, 2],
  ["ID_ISAR3_EL1", 2, 3],
  ["ID_ISAR4_EL1", 2, 4],
  ["ID_ISAR5_EL1", 2, 5],
  ["ID_MMFR4_EL1", 2, 6],
  ["ID_ISAR6_EL1", 2, 7],
  ["MVFR0_EL1", 3, 0],
  ["MVFR1_EL1", 3, 1],
  ["MVFR2_EL1", 3, 2],
  ["ID_PFR2_EL1", 3, 4],
  ["ID_DFR1_EL1", 3, 5],
  ["ID_MMFR5_EL1", 3, 6],
] as const)
  id(name, `3 0 0 ${crm} ${op2}`, 0n);

/** EL0-EL2 AArch64 only, FP and Advanced SIMD, GIC system registers. */
id("ID_AA64PFR0_EL1", "3 0 0 4 0", 0x0100_0111n);
id("ID_AA64PFR1_EL1", "3 0 0 4 1", 0n);
id("ID_AA64ZFR0_EL1", "3 0 0 4 4", 0n);
id("ID_AA64SMFR0_EL1", "3 0 0 4 5", 0n);
/** Debug v8.0, 6 breakpoints of which 2 compare context, 4 watchpoints, no PMU, no trace. */
id("ID_AA64DFR0_EL1", "3 0 0 5 0", 0x1030_5006n);
id("ID_AA64DFR1_EL1", "3 0 0 5 1", 0n);
id("ID_AA64AFR0_EL1", "3 0 0 5 4", 0n);
id("ID_AA64AFR1_EL1", "3 0 0 5 5", 0n);
id("ID_AA64ISAR0_EL1", "3 0 0 6 0", 0n);
id("ID_AA64ISAR1_EL1", "3 0 0 6 1", 0n);
id("ID_AA64ISAR2_EL1", "3 0 0 6 2", 0n);
/** 48-bit PA, 16-bit ASID, 4, 16 and 64 KiB granules at both stages. */
id("ID_AA64MMFR0_EL1", "3 0 0 7 0", 0x0010_0025n);
/** 16-bit VMID, XNX: EL2 relies on both. */
id("ID_AA64MMFR1_EL1", "3 0 0 7 1", 0x1000_0020n);
id("ID_AA64MMFR2_EL1", "3 0 0 7 2", 0n);

/** PIPT, 64-byte lines, DIC and IDC: instruction fetch is coherent. */
reg("CTR_EL0", "3 3 0 0 1", { el0: "r", el1: "r", reset: 0xb444_c004n, trap: T.TID2 });
/** 64-byte blocks; bit 4 (DZP) follows SCTLR_EL1.DZE and HCR_EL2.TDZ. */
reg("DCZID_EL0", "3 3 0 0 7", { el0: "r", el1: "r", kind: "call", reset: 4n, trap: T.DZ });
/** One level, separate instruction and data caches, coherent at level 1. */
id("CLIDR_EL1", "3 1 0 0 1", 0x0100_0003n, T.TID2);
/** 32 KiB, 4 ways, 64-byte lines, whatever CSSELR_EL1 selects. */
id("CCSIDR_EL1", "3 1 0 0 0", 0x000f_e01an, T.TID2);
reg("CSSELR_EL1", "3 2 0 0 0", { mask: 0xfn, trap: T.TID2 });

// ------------------------------------------------------------------------------------------------- control, EL1
/** RES1: 11 EOS, 20 TSCXT, 22 EIS, 28 nTLSMD, 29 LSMAOE, and 7, 8 (no AArch32 at EL0). */
export const SCTLR_RES1 = 0x3050_0980n;
reg("SCTLR_EL1", "3 0 1 0 0", {
  reset: SCTLR_RES1 | 0x0085_0018n,
  mask: 0x0000_1000_cc8d_f25fn,
  bits: { FEAT_SSBS2: 1n << 44n, FEAT_PAN: 1n << 23n, FEAT_LSE2: 1n << 6n, FEAT_PAuth: 0xc800_2000n },
  trap: T.TVM,
  effect: "translation",
});
reg("ACTLR_EL1", "3 0 1 0 1", { mask: 0n, trap: T.TACR });
reg("CPACR_EL1", "3 0 1 0 2", { mask: 0x0030_0000n, trap: T.TCPAC, effect: "control" });
reg("TTBR0_EL1", "3 0 2 0 0", { bits: { FEAT_TTCNP: 1n }, trap: T.TVM, effect: "ttbr" });
reg("TTBR1_EL1", "3 0 2 0 1", { bits: { FEAT_TTCNP: 1n }, trap: T.TVM, effect: "ttbr" });
reg("TCR_EL1", "3 0 2 0 2", {
  mask: 0x0198_0677_ffff_ffbfn,
  bits: { FEAT_E0PD: 3n << 55n, FEAT_HPDS: 3n << 41n, FEAT_PAuth: 3n << 51n },
  trap: T.TVM,
  effect: "translation",
});
reg("SPSR_EL1", "3 0 4 0 0", { mask: LOW32 });
reg("ELR_EL1", "3 0 4 0 1");
reg("AFSR0_EL1", "3 0 5 1 0", { trap: T.TVM });
reg("AFSR1_EL1", "3 0 5 1 1", { trap: T.TVM });
reg("ESR_EL1", "3 0 5 2 0", { mask: LOW32, trap: T.TVM });
reg("FAR_EL1", "3 0 6 0 0", { trap: T.TVM });
reg("PAR_EL1", "3 0 7 4 0");
reg("MAIR_EL1", "3 0 10 2 0", { trap: T.TVM, effect: "translation" });
reg("AMAIR_EL1", "3 0 10 3 0", { trap: T.TVM });
reg("VBAR_EL1", "3 0 12 0 0", { mask: ALL ^ 0x7ffn });
reg("RVBAR_EL1", "3 0 12 0 1", { el1: "-" });
reg("ISR_EL1", "3 0 12 1 0", { el1: "r", kind: "call" });
reg("CONTEXTIDR_EL1", "3 0 13 0 1", { mask: LOW32, trap: T.TVM, effect: "debug" });
reg("TPIDR_EL1", "3 0 13 0 4");
reg("TPIDR_EL0", "3 3 13 0 2", { el0: "rw" });
reg("TPIDRRO_EL0", "3 3 13 0 3", { el0: "r" });
reg("CNTKCTL_EL1", "3 0 14 1 0", { mask: 0x3ffn, effect: "control" });

// SP_EL0 is UNDEFINED while PSTATE.SP is 0; SP_EL1 has an encoding at EL2 only. Both slots hold the banked value.
reg("SP_EL0", "3 0 4 1 0", { kind: "call" });
reg("SP_EL1", "3 4 4 1 0", { el1: "-" });

// --------------------------------------------------------------------------------------------- PSTATE and FP state
reg("SPSel", "3 0 4 2 0", { kind: "inline" });
reg("CurrentEL", "3 0 4 2 2", { el1: "r", kind: "inline" });
reg("PAN", "3 0 4 2 3", { kind: "inline", feature: "FEAT_PAN" });
reg("NZCV", "3 3 4 2 0", { el0: "rw", kind: "inline" });
reg("DAIF", "3 3 4 2 1", { el0: "rw", kind: "inline", trap: T.DAIF });
reg("UAO", "3 0 4 2 4", { kind: "inline", feature: "FEAT_UAO" });
reg("DIT", "3 3 4 2 5", { el0: "rw", kind: "inline", feature: "FEAT_DIT" });
reg("SSBS", "3 3 4 2 6", { el0: "rw", kind: "inline", feature: "FEAT_SSBS2" });
// AHP, DN, FZ, RMode, FZ16
reg("FPCR", "3 3 4 4 0", { el0: "rw", kind: "inline", mask: 0x07c8_0000n, bits: { FEAT_FP16: 1n << 19n } });
reg("FPSR", "3 3 4 4 1", { el0: "rw", kind: "inline" });

// keys of pointer authentication; the Hi register follows the Lo register
for (const [n, key] of ["APIA", "APIB", "APDA", "APDB", "APGA"].entries())
  for (const [high, half] of ["Lo", "Hi"].entries())
    reg(`${key}Key${half}_EL1`, `3 0 2 ${1 + (n >> 1)} ${(n & 1) * 2 + high}`, { trap: T.APK, feature: "FEAT_PAuth" });

/** A read gives 64 random bits and sets NZCV to 0. Its value is not kept. */
const rng = { el0: "r", el1: "r", kind: "call", feature: "FEAT_RNG" } as const;
reg("RNDR", "3 3 2 4 0", rng);
reg("RNDRRS", "3 3 2 4 1", rng);

// --------------------------------------------------------------------------------------------------------- debug
reg("OSDTRRX_EL1", "2 0 0 0 2", { mask: LOW32, trap: T.TDA });
reg("MDCCINT_EL1", "2 0 0 2 0", { mask: 0x6000_0000n, trap: T.TDA });
reg("MDSCR_EL1", "2 0 0 2 2", { mask: 0xb001n, trap: T.TDA, effect: "debug" });
reg("OSDTRTX_EL1", "2 0 0 3 2", { mask: LOW32, trap: T.TDA });
reg("OSECCR_EL1", "2 0 0 6 2", { mask: LOW32, trap: T.TDA });
for (let n = 0; n < 6; n++) {
  reg(`DBGBVR${n}_EL1`, `2 0 0 ${n} 4`, { trap: T.TDA, effect: "debug" });
  reg(`DBGBCR${n}_EL1`, `2 0 0 ${n} 5`, { mask: 0x00ff_e1e7n, trap: T.TDA, effect: "debug" });
}
for (let n = 0; n < 4; n++) {
  reg(`DBGWVR${n}_EL1`, `2 0 0 ${n} 6`, { mask: ALL ^ 3n, trap: T.TDA, effect: "debug" });
  reg(`DBGWCR${n}_EL1`, `2 0 0 ${n} 7`, { mask: 0x1f1f_ffffn, trap: T.TDA, effect: "debug" });
}
reg("MDRAR_EL1", "2 0 1 0 0", { el1: "r", trap: T.TDRA });
reg("OSLAR_EL1", "2 0 1 0 4", { el1: "w", kind: "call", trap: T.TDOSA, effect: "debug" });
/** OSLM 0b10: OS lock implemented; OSLK set at reset. */
reg("OSLSR_EL1", "2 0 1 1 4", { el1: "r", reset: 0xan, trap: T.TDOSA });
reg("OSDLR_EL1", "2 0 1 3 4", { mask: 1n, trap: T.TDOSA, effect: "debug" });
reg("DBGPRCR_EL1", "2 0 1 4 4", { mask: 1n, trap: T.TDOSA });
reg("DBGCLAIMSET_EL1", "2 0 7 8 6", { kind: "call", mask: 0xffn, trap: T.TDA });
reg("DBGCLAIMCLR_EL1", "2 0 7 9 6", { kind: "call", mask: 0xffn, trap: T.TDA });
reg("DBGAUTHSTATUS_EL1", "2 0 7 14 6", { el1: "r", trap: T.TDA });
reg("MDCCSR_EL0", "2 3 0 1 0", { el0: "r", el1: "r", trap: T.DCC });
reg("DBGDTR_EL0", "2 3 0 4 0", { el0: "rw", trap: T.DCC });
/** DBGDTRRX_EL0 for reads, DBGDTRTX_EL0 for writes. No debugger is at the other end. */
reg("DBGDTRRX_EL0", "2 3 0 5 0", { el0: "rw", mask: 0n, trap: T.DCC });

// --------------------------------------------------------------------------------------------------------- timers
reg("CNTFRQ_EL0", "3 3 14 0 0", { el0: "r", el1: "r", trap: T.CNTFRQ });
reg("CNTPCT_EL0", "3 3 14 0 1", { el0: "r", el1: "r", kind: "call", trap: T.CNTPCT });
reg("CNTVCT_EL0", "3 3 14 0 2", { el0: "r", el1: "r", kind: "call", trap: T.CNTVCT });
reg("CNTP_TVAL_EL0", "3 3 14 2 0", { el0: "rw", kind: "call", trap: T.CNTP });
reg("CNTP_CTL_EL0", "3 3 14 2 1", { el0: "rw", kind: "call", mask: 3n, trap: T.CNTP, effect: "timer" });
reg("CNTP_CVAL_EL0", "3 3 14 2 2", { el0: "rw", trap: T.CNTP, effect: "timer" });
reg("CNTV_TVAL_EL0", "3 3 14 3 0", { el0: "rw", kind: "call", trap: T.CNTV });
reg("CNTV_CTL_EL0", "3 3 14 3 1", { el0: "rw", kind: "call", mask: 3n, trap: T.CNTV, effect: "timer" });
reg("CNTV_CVAL_EL0", "3 3 14 3 2", { el0: "rw", trap: T.CNTV, effect: "timer" });

// ---------------------------------------------------------------------------------------------- performance monitors
const pm = (name: string, encoding: string, trap: TrapGroup, row: Row = {}) =>
  reg(name, encoding, { el0: "rw", kind: "call", feature: "FEAT_PMUv3", trap, ...row });
/** A view of another register: nothing of its own to keep. */
const view = { mask: 0n };
pm("PMCR_EL0", "3 3 9 12 0", T.PM_CONTROL, { mask: 0x39n });
pm("PMCNTENSET_EL0", "3 3 9 12 1", T.PM, { mask: 0x8000_003fn });
pm("PMCNTENCLR_EL0", "3 3 9 12 2", T.PM, view);
pm("PMOVSCLR_EL0", "3 3 9 12 3", T.PM, view);
pm("PMSWINC_EL0", "3 3 9 12 4", T.PM_SOFTWARE, { el0: "w", el1: "w", ...view });
pm("PMSELR_EL0", "3 3 9 12 5", T.PM_SELECT, { kind: "slot", mask: 0x1fn });
pm("PMCEID0_EL0", "3 3 9 12 6", T.PM, { el0: "r", el1: "r", ...view });
pm("PMCEID1_EL0", "3 3 9 12 7", T.PM, { el0: "r", el1: "r", kind: "slot", ...view });
pm("PMCCNTR_EL0", "3 3 9 13 0", T.PM_CYCLES);
pm("PMXEVTYPER_EL0", "3 3 9 13 1", T.PM, view);
pm("PMXEVCNTR_EL0", "3 3 9 13 2", T.PM_EVENTS, view);
pm("PMUSERENR_EL0", "3 3 9 14 0", T.PM_USER, { el0: "r", kind: "slot", mask: 0xfn, effect: "control" });
pm("PMINTENSET_EL1", "3 0 9 14 1", T.PM, { el0: "-", mask: 0x8000_003fn });
pm("PMINTENCLR_EL1", "3 0 9 14 2", T.PM, { el0: "-", ...view });
pm("PMOVSSET_EL0", "3 3 9 14 3", T.PM, { mask: 0x8000_003fn });
for (let n = 0; n < 6; n++) pm(`PMEVCNTR${n}_EL0`, `3 3 14 8 ${n}`, T.PM_EVENTS, { mask: LOW32 });
for (let n = 0; n < 6; n++) pm(`PMEVTYPER${n}_EL0`, `3 3 14 12 ${n}`, T.PM, { mask: 0xc800_03ffn });
pm("PMCCFILTR_EL0", "3 3 14 15 7", T.PM, { mask: 0xc800_0000n });

// ------------------------------------------------------------- GIC CPU interface: the ICV_ registers answer at EL1
const icc = (name: string, encoding: string, trap: TrapGroup, el1: Access = "rw") =>
  reg(name, encoding, { el1, kind: "call", trap });
icc("ICC_PMR_EL1", "3 0 4 6 0", T.GIC_COMMON);
icc("ICC_IAR0_EL1", "3 0 12 8 0", T.GIC_GROUP0, "r");
icc("ICC_EOIR0_EL1", "3 0 12 8 1", T.GIC_GROUP0, "w");
icc("ICC_HPPIR0_EL1", "3 0 12 8 2", T.GIC_GROUP0, "r");
icc("ICC_BPR0_EL1", "3 0 12 8 3", T.GIC_GROUP0);
icc("ICC_AP0R0_EL1", "3 0 12 8 4", T.GIC_GROUP0);
icc("ICC_AP1R0_EL1", "3 0 12 9 0", T.GIC_GROUP1);
icc("ICC_DIR_EL1", "3 0 12 11 1", T.GIC_DIR, "w");
icc("ICC_RPR_EL1", "3 0 12 11 3", T.GIC_COMMON, "r");
icc("ICC_SGI1R_EL1", "3 0 12 11 5", T.GIC_SGI, "w");
icc("ICC_ASGI1R_EL1", "3 0 12 11 6", T.GIC_SGI, "w");
icc("ICC_SGI0R_EL1", "3 0 12 11 7", T.GIC_SGI, "w");
icc("ICC_IAR1_EL1", "3 0 12 12 0", T.GIC_GROUP1, "r");
icc("ICC_EOIR1_EL1", "3 0 12 12 1", T.GIC_GROUP1, "w");
icc("ICC_HPPIR1_EL1", "3 0 12 12 2", T.GIC_GROUP1, "r");
icc("ICC_BPR1_EL1", "3 0 12 12 3", T.GIC_GROUP1);
icc("ICC_CTLR_EL1", "3 0 12 12 4", T.GIC_COMMON);
/** SRE, DFB, DIB: the system-register interface is always on. */
reg("ICC_SRE_EL1", "3 0 12 12 5", { reset: 7n, mask: 0n });
icc("ICC_IGRPEN0_EL1", "3 0 12 12 6", T.GIC_GROUP0);
icc("ICC_IGRPEN1_EL1", "3 0 12 12 7", T.GIC_GROUP1);

// ----------------------------------------------------------------------------- EL2: state for the hypervisor's side
const el2 = (name: string, encoding: string, row: Row = {}) => reg(name, encoding, { el1: "-", ...row });
el2("VPIDR_EL2", "3 4 0 0 0", { mask: LOW32 });
el2("VMPIDR_EL2", "3 4 0 0 5");
/** HCR_EL2.RW is RAO: no AArch32. */
el2("HCR_EL2", "3 4 1 1 0", {
  reset: 0x8000_0000n,
  mask: 0x0000_0323_7fff_ffffn,
  bits: { FEAT_PAuth: 3n << 40n },
  effect: "translation",
});
/** HPMN is PMCR_EL0.N: EL2 reserves no counter. */
el2("MDCR_EL2", "3 4 1 1 1", { reset: 6n, mask: 0xf60n, effect: "control" });
el2("CPTR_EL2", "3 4 1 1 2", { reset: 0x33ffn, mask: 0x8000_0400n, effect: "control" });
el2("VTTBR_EL2", "3 4 2 1 0", { effect: "translation" });
el2("VTCR_EL2", "3 4 2 1 2", { reset: 0x8000_0000n, mask: 0x000f_ffffn, effect: "translation" });
el2("SPSR_EL2", "3 4 4 0 0", { mask: LOW32, reset: 0x3c5n });
el2("ELR_EL2", "3 4 4 0 1");
el2("ESR_EL2", "3 4 5 2 0", { mask: LOW32 });
el2("FAR_EL2", "3 4 6 0 0");
el2("HPFAR_EL2", "3 4 6 0 4", { mask: 0x0000_0fff_ffff_fff0n });
el2("CNTVOFF_EL2", "3 4 14 0 3", { effect: "timer" });
el2("CNTHCT_EL2", "3 4 14 1 0", { reset: 3n, mask: 0xffn, effect: "control" });
for (let n = 0; n < 4; n++) el2(`ICH_AP0R${n}_EL2`, `3 4 12 8 ${n}`, { mask: n === 0 ? LOW32 : 0n, effect: "gic" });
for (let n = 0; n < 4; n++) el2(`ICH_AP1R${n}_EL2`, `3 4 12 9 ${n}`, { mask: n === 0 ? LOW32 : 0n, effect: "gic" });
el2("ICH_HCR_EL2", "3 4 12 11 0", { mask: 0xf800_7cffn, effect: "gic" });
/** PRIbits and PREbits 5, IDbits 16, SEIS 0, A3V 1, TDS 1, 16 list registers. */
el2("ICH_VTR_EL2", "3 4 12 11 1", { reset: 0x9038_000fn, mask: 0n });
el2("ICH_MISR_EL2", "3 4 12 11 2", { kind: "call", mask: 0n });
el2("ICH_EISR_EL2", "3 4 12 11 3", { kind: "call", mask: 0n });
el2("ICH_ELRSR_EL2", "3 4 12 11 5", { kind: "call", mask: 0n });
/** VPMR 0, VBPR0 2, VBPR1 3 (the least), groups off. */
el2("ICH_VMCR_EL2", "3 4 12 11 7", { reset: 0x004c_0008n, mask: 0xf8fc_0213n, effect: "gic" });
/** Number of list registers, ICH_VTR_EL2.ListRegs + 1. */
export const LIST_REGISTERS = 16;
for (let n = 0; n < LIST_REGISTERS; n++)
  el2(`ICH_LR${n}_EL2`, `3 4 12 ${12 + (n >> 3)} ${n & 7}`, { mask: 0xf0ff_1fff_ffff_ffffn, effect: "gic" });

/** Every register, in slot order. */
export const SYSTEM_REGISTERS: readonly SystemRegister[] = registers;

const byName = new Map(registers.map((r) => [r.name, r]));
/** The row of a register by its Arm ARM name. */
export function systemRegister(name: string): SystemRegister | undefined {
  return byName.get(name);
}

/** Slot of a register that is known to exist: a wrong name is a mistake in this package. */
export function slotOf(name: string): number {
  const row = byName.get(name);
  if (row === undefined) throw new Error(`BUG_SYSREG_NAME: no system register ${name}`);
  return row.slot;
}

/** Index of an encoding in the dispatch table: instruction bits 19:5 of MRS and MSR. */
export function dispatchIndex(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return ((op0 & 1) << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}

/** Slot plus 1 by dispatch index, 0 for none. */
const slotAt = new Uint16Array(1 << 15);
for (const r of registers) slotAt[dispatchIndex(r.op0, r.op1, r.crn, r.crm, r.op2)] = r.slot + 1;
/** The row at a dispatch index. */
export function systemRegisterAt(index: number): SystemRegister | undefined {
  return registers[(slotAt[index] as number) - 1];
}

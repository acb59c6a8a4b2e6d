/**
 * Exceptions that the hypervisor gives to EL1.
 * Source: DDI 0487 K.a D1.3.1 (AArch64.TakeException); gunyah-hypervisor hyp/vm/vcpu/aarch64/src/exception_inject.c
 */

import type { Pe } from "@gunyah-ts/kernel";

const EC_UNKNOWN = 0x00;
const EC_INSTRUCTION_ABORT_LOWER = 0x20;
const EC_DATA_ABORT_LOWER = 0x24;
/** Synchronous external abort, not on a table walk. */
const FSC_EXTERNAL = 0x10;
const IL = 1n << 25n;

const PSTATE_M = 0x1fn;
const PSTATE_EL1H = 0x5n;
const PSTATE_DAIF = 0x3c0n;
const PSTATE_IL = 1n << 20n;
const PSTATE_SS = 1n << 21n;
const PSTATE_PAN = 1n << 22n;
const PSTATE_UAO = 1n << 23n;
const PSTATE_SSBS = 1n << 12n;
const PSTATE_BTYPE = 3n << 10n;
const SCTLR_SPAN = 1n << 23n;
const SCTLR_DSSBS = 1n << 44n;

/** Take a synchronous exception to EL1 at the instruction that ELR_EL2 names. */
function takeToEl1(pe: Pe, esr: bigint): void {
  const spsr = pe.read("SPSR_EL2");
  const mode = spsr & PSTATE_M;
  // AArch32 EL0, AArch64 EL0, EL1t, EL1h.
  const offset = (mode & 0x10n) !== 0n ? 0x600n : mode === 0n ? 0x400n : mode === 4n ? 0x000n : 0x200n;
  const sctlr = pe.read("SCTLR_EL1");
  let pstate = spsr & ~(PSTATE_M | PSTATE_IL | PSTATE_SS | PSTATE_UAO | PSTATE_SSBS | PSTATE_BTYPE);
  pstate |= PSTATE_EL1H | PSTATE_DAIF;
  if ((sctlr & SCTLR_SPAN) === 0n) pstate |= PSTATE_PAN;
  if ((sctlr & SCTLR_DSSBS) !== 0n) pstate |= PSTATE_SSBS;
  pe.write("SPSR_EL1", spsr);
  pe.write("ELR_EL1", pe.read("ELR_EL2"));
  pe.write("ESR_EL1", esr);
  pe.write("ELR_EL2", (pe.read("VBAR_EL1") & ~0x7ffn) + offset);
  pe.write("SPSR_EL2", pstate);
}

/** An instruction that EL1 may not use: EC 0, Unknown reason. */
export function injectUndefined(pe: Pe): void {
  takeToEl1(pe, (BigInt(EC_UNKNOWN) << 26n) | (BigInt(pe.esr) & IL));
}

/** A data or instruction abort that nobody answers: a synchronous external abort at the same address. */
export function injectAbort(pe: Pe, isData: boolean): void {
  const isFromEl1 = (pe.read("SPSR_EL2") & 0x1cn) === 4n;
  const ec = (isData ? EC_DATA_ABORT_LOWER : EC_INSTRUCTION_ABORT_LOWER) + (isFromEl1 ? 1 : 0);
  pe.write("FAR_EL1", pe.far);
  takeToEl1(pe, (BigInt(ec) << 26n) | (BigInt(pe.esr) & IL) | BigInt(FSC_EXTERNAL));
}

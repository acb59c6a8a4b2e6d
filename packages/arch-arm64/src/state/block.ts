import { slotOf } from "../sysreg/table.ts";
import { L } from "./layout.ts";
import { stateBase } from "./region.ts";

/** The WebAssembly functions that TypeScript calls; all take the address of a state block first. */
export interface SystemExports {
  translate(s: number, va: bigint, accdesc: number, el: number): number;
  composeSpsr(s: number): number;
  setPstate(s: number, spsr: number): void;
  setMode(s: number, el: number, spsel: number): void;
  enterEl1(s: number, esr: number, vector: number): void;
  enterEl2(s: number, esr: number): void;
  takeSync(s: number, esr: number): void;
  contextChanged(s: number): void;
  undefined(s: number): void;
  unpackNzcv(s: number, nzcv: number): void;
  memSlow(s: number, va: bigint, accdesc: number): number;
}

/** A PE's state block as TypeScript sees it: live views, nothing cached. */
export class StateBlock {
  readonly index: number;
  /** Address of the block in the linear memory. */
  readonly base: number;
  readonly i32: Int32Array;
  readonly bytes: Uint8Array;
  readonly u64: BigUint64Array;
  readonly f64: Float64Array;
  readonly #base32: number;
  readonly #base64: number;

  constructor(memory: WebAssembly.Memory, index: number) {
    this.index = index;
    this.base = stateBase(index);
    this.i32 = new Int32Array(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.u64 = new BigUint64Array(memory.buffer, this.base, 0x8000 / 8);
    this.f64 = new Float64Array(memory.buffer, this.base, L.V / 8);
    this.#base32 = this.base >> 2;
    this.#base64 = L.SYSREG >> 3;
  }

  /** Signed 32 bits at an offset of the layout. */
  get(offset: number): number {
    return this.i32[this.#base32 + (offset >> 2)] as number;
  }
  set(offset: number, value: number): void {
    this.i32[this.#base32 + (offset >> 2)] = value;
  }
  /** 64 bits at an offset of the layout. */
  get64(offset: number): bigint {
    return this.u64[offset >> 3] as bigint;
  }
  set64(offset: number, value: bigint): void {
    this.u64[offset >> 3] = value;
  }

  /** A system register's slot. */
  slot(index: number): bigint {
    return this.u64[this.#base64 + index] as bigint;
  }
  setSlot(index: number, value: bigint): void {
    this.u64[this.#base64 + index] = value;
  }
  /** Bits 31:0 of a slot, signed. */
  low(index: number): number {
    return this.get(L.SYSREG + index * 8);
  }
  setLow(index: number, value: number): void {
    this.set(L.SYSREG + index * 8, value);
  }
  /** Bits 63:32 of a slot, signed. */
  high(index: number): number {
    return this.get(L.SYSREG + index * 8 + 4);
  }
  setHigh(index: number, value: number): void {
    this.set(L.SYSREG + index * 8 + 4, value);
  }

  /** Set bits of PENDING; other threads may do the same. */
  raise(bits: number): void {
    Atomics.or(this.i32, this.#base32 + (L.PENDING >> 2), bits);
  }
  lower(bits: number): void {
    Atomics.and(this.i32, this.#base32 + (L.PENDING >> 2), ~bits);
  }
}

/** Slots of registers that the system side uses by name. */
export const S = {
  SCTLR: slotOf("SCTLR_EL1"),
  CPACR: slotOf("CPACR_EL1"),
  TCR: slotOf("TCR_EL1"),
  TTBR0: slotOf("TTBR0_EL1"),
  TTBR1: slotOf("TTBR1_EL1"),
  MAIR: slotOf("MAIR_EL1"),
  PAR: slotOf("PAR_EL1"),
  FAR_EL1: slotOf("FAR_EL1"),
  CNTKCTL: slotOf("CNTKCTL_EL1"),
  PMCR: slotOf("PMCR_EL0"),
  PMCNTENSET: slotOf("PMCNTENSET_EL0"),
  PMOVSSET: slotOf("PMOVSSET_EL0"),
  PMINTENSET: slotOf("PMINTENSET_EL1"),
  PMSELR: slotOf("PMSELR_EL0"),
  PMUSERENR: slotOf("PMUSERENR_EL0"),
  PMCCNTR: slotOf("PMCCNTR_EL0"),
  PMCCFILTR: slotOf("PMCCFILTR_EL0"),
  PMEVCNTR0: slotOf("PMEVCNTR0_EL0"),
  PMEVTYPER0: slotOf("PMEVTYPER0_EL0"),
  MDSCR: slotOf("MDSCR_EL1"),
  OSLSR: slotOf("OSLSR_EL1"),
  OSDLR: slotOf("OSDLR_EL1"),
  CONTEXTIDR: slotOf("CONTEXTIDR_EL1"),
  DBGBVR0: slotOf("DBGBVR0_EL1"),
  DBGWVR0: slotOf("DBGWVR0_EL1"),
  HCR: slotOf("HCR_EL2"),
  MDCR: slotOf("MDCR_EL2"),
  CPTR: slotOf("CPTR_EL2"),
  VPIDR: slotOf("VPIDR_EL2"),
  VMPIDR: slotOf("VMPIDR_EL2"),
  VTTBR: slotOf("VTTBR_EL2"),
  CNTHCT: slotOf("CNTHCT_EL2"),
  CNTVOFF: slotOf("CNTVOFF_EL2"),
  CNTFRQ: slotOf("CNTFRQ_EL0"),
  CNTV_CTL: slotOf("CNTV_CTL_EL0"),
  CNTV_CVAL: slotOf("CNTV_CVAL_EL0"),
  CNTP_CTL: slotOf("CNTP_CTL_EL0"),
  CNTP_CVAL: slotOf("CNTP_CVAL_EL0"),
  ESR_EL2: slotOf("ESR_EL2"),
  ELR_EL2: slotOf("ELR_EL2"),
  SPSR_EL2: slotOf("SPSR_EL2"),
  FAR_EL2: slotOf("FAR_EL2"),
  HPFAR: slotOf("HPFAR_EL2"),
  SP_EL0: slotOf("SP_EL0"),
  SP_EL1: slotOf("SP_EL1"),
  ICH_HCR: slotOf("ICH_HCR_EL2"),
  ICH_VMCR: slotOf("ICH_VMCR_EL2"),
  ICH_AP0R0: slotOf("ICH_AP0R0_EL2"),
  ICH_AP1R0: slotOf("ICH_AP1R0_EL2"),
  ICH_LR0: slotOf("ICH_LR0_EL2"),
} as const;

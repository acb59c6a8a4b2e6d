/**
 * GICv3 virtual CPU interface: the ICV_* registers that EL1 uses, over the ICH_* list registers that EL2 fills.
 *
 * 16 list registers, 5 priority and preemption bits, 16-bit INTIDs, affinity 3 valid, no SEIs.
 * Source: IHI 0069H, chapter 6 (virtual interrupts), 12.4 (ICV_*), 12.6 (ICH_*) and their pseudocode.
 */
import { HCR } from "../exception/constants.ts";
import { S, type StateBlock } from "../state/block.ts";
import { LIST_REGISTERS } from "../sysreg/table.ts";

const SPURIOUS = 1023;
const FIRST_LPI = 8192;
const IDLE_PRIORITY = 0xff;

/** ICH_LR<n>_EL2[63:32]. */
const LR = { PENDING: 1 << 30, ACTIVE: 1 << 31, HW: 1 << 29, GROUP1: 1 << 28, EOI: 1 << 9, PINTID: 0x1fff } as const;
/** ICH_VMCR_EL2. */
const VMCR = { VENG0: 1, VENG1: 2, VCBPR: 1 << 4, VEOIM: 1 << 9 } as const;
/** ICH_HCR_EL2. */
const ICH = {
  EN: 1,
  UIE: 2,
  LRENPIE: 4,
  NPIE: 8,
  VGRP0EIE: 16,
  VGRP0DIE: 32,
  VGRP1EIE: 64,
  VGRP1DIE: 128,
  EOICOUNT_SHIFT: 27,
} as const;
const MIN_BPR0 = 2;
const MIN_BPR1 = 3;

export class VirtualCpuInterface {
  readonly #state: StateBlock;
  /** HW list registers: the physical interrupt that a deactivation also ends. */
  readonly #deactivatePhysical: (pintid: number) => void;

  constructor(state: StateBlock, deactivatePhysical: (pintid: number) => void) {
    this.#state = state;
    this.#deactivatePhysical = deactivatePhysical;
  }

  #lrHigh(n: number): number {
    return this.#state.high(S.ICH_LR0 + n);
  }
  #vmcr(): number {
    return this.#state.low(S.ICH_VMCR);
  }

  /** Index of the list register with the highest-priority pending interrupt of an enabled group, -1 for none. */
  #highestPending(): number {
    const vmcr = this.#vmcr();
    let best = -1;
    let bestPriority = 256;
    for (let n = 0; n < LIST_REGISTERS; n++) {
      const high = this.#lrHigh(n);
      if ((high & (LR.PENDING | LR.ACTIVE)) !== LR.PENDING) continue;
      if ((vmcr & ((high & LR.GROUP1) !== 0 ? VMCR.VENG1 : VMCR.VENG0)) === 0) continue;
      const priority = (high >>> 16) & 0xff;
      if (priority < bestPriority) {
        best = n;
        bestPriority = priority;
      }
    }
    return best;
  }

  /** Bits of a priority that decide preemption. */
  #groupMask(group1: boolean): number {
    const vmcr = this.#vmcr();
    const bpr0 = Math.max((vmcr >>> 21) & 7, MIN_BPR0);
    if (!group1 || (vmcr & VMCR.VCBPR) !== 0) return 0xff & ~((2 << bpr0) - 1);
    const bpr1 = Math.max((vmcr >>> 18) & 7, MIN_BPR1);
    return 0xff & ~((1 << bpr1) - 1);
  }

  /** Lowest set bit of the active priorities, -1 for none: priority is 8 times it. */
  #activeBit(): number {
    const active = this.#state.low(S.ICH_AP0R0) | this.#state.low(S.ICH_AP1R0);
    return active === 0 ? -1 : 31 - Math.clz32(active & -active);
  }

  /** ICV_RPR_EL1. */
  get runningPriority(): number {
    const bit = this.#activeBit();
    return bit < 0 ? IDLE_PRIORITY : bit << 3;
  }

  /** The list register whose interrupt would be signalled to EL1, -1 for none. */
  #signalled(): number {
    if ((this.#state.low(S.ICH_HCR) & ICH.EN) === 0) return -1;
    const n = this.#highestPending();
    if (n < 0) return -1;
    const high = this.#lrHigh(n);
    const priority = (high >>> 16) & 0xff;
    if (priority >= this.#vmcr() >>> 24) return -1;
    const running = this.runningPriority;
    if (running !== IDLE_PRIORITY && (priority & this.#groupMask((high & LR.GROUP1) !== 0)) >= running) return -1;
    return n;
  }

  /** Virtual interrupts signalled now, in their DAIF bits: FIQ 6 for group 0, IRQ 7 for group 1. */
  get lines(): number {
    const n = this.#signalled();
    if (n < 0) return 0;
    const hcr = this.#state.low(S.HCR);
    return (this.#lrHigh(n) & LR.GROUP1) !== 0 ? (hcr & HCR.IMO ? 0x80 : 0) : hcr & HCR.FMO ? 0x40 : 0;
  }

  /** ICV_IAR0_EL1, ICV_IAR1_EL1. */
  acknowledge(group1: boolean): number {
    const n = this.#signalled();
    if (n < 0) return SPURIOUS;
    const high = this.#lrHigh(n);
    if (((high & LR.GROUP1) !== 0) !== group1) return SPURIOUS;
    const bit = ((high >>> 16) & 0xff & this.#groupMask(group1)) >>> 3;
    const apr = group1 ? S.ICH_AP1R0 : S.ICH_AP0R0;
    this.#state.setLow(apr, this.#state.low(apr) | (1 << bit));
    const intid = this.#state.low(S.ICH_LR0 + n) & 0xff_ffff;
    const idle = high & ~(LR.PENDING | LR.ACTIVE);
    this.#state.setHigh(S.ICH_LR0 + n, intid >= FIRST_LPI ? idle : idle | LR.ACTIVE);
    return intid;
  }

  /** ICV_HPPIR0_EL1, ICV_HPPIR1_EL1. */
  highestPendingIntid(group1: boolean): number {
    const n = (this.#state.low(S.ICH_HCR) & ICH.EN) === 0 ? -1 : this.#highestPending();
    if (n < 0 || ((this.#lrHigh(n) & LR.GROUP1) !== 0) !== group1) return SPURIOUS;
    return this.#state.low(S.ICH_LR0 + n) & 0xff_ffff;
  }

  /** ICV_EOIR0_EL1, ICV_EOIR1_EL1: priority drop, and deactivation unless EOImode splits them. */
  endOfInterrupt(group1: boolean, value: number): void {
    const intid = value & 0xff_ffff;
    // Special INTIDs 1020-1023
    if (intid >= 1020 && intid <= SPURIOUS) return;
    const bit = this.#activeBit();
    if (bit < 0) return;
    const apr = group1 ? S.ICH_AP1R0 : S.ICH_AP0R0;
    const active = this.#state.low(apr);
    if ((active & (1 << bit)) === 0) return;
    this.#state.setLow(apr, active & ~(1 << bit));
    if ((this.#vmcr() & VMCR.VEOIM) === 0 && intid < FIRST_LPI) this.#deactivate(intid);
  }

  /** ICV_DIR_EL1. */
  deactivateInterrupt(value: number): void {
    const intid = value & 0xff_ffff;
    if ((this.#vmcr() & VMCR.VEOIM) !== 0 && intid < FIRST_LPI) this.#deactivate(intid);
  }

  #deactivate(intid: number): void {
    for (let n = 0; n < LIST_REGISTERS; n++) {
      const high = this.#lrHigh(n);
      if ((high & LR.ACTIVE) === 0 || (this.#state.low(S.ICH_LR0 + n) & 0xff_ffff) !== intid) continue;
      this.#state.setHigh(S.ICH_LR0 + n, high & ~LR.ACTIVE);
      if ((high & LR.HW) !== 0) this.#deactivatePhysical(high & LR.PINTID);
      return;
    }
    // No list register: EL2 keeps it elsewhere, and learns how many it has to look for.
    const hcr = this.#state.low(S.ICH_HCR);
    this.#state.setLow(S.ICH_HCR, (hcr + (1 << ICH.EOICOUNT_SHIFT)) | 0);
  }

  // ------------------------------------------------------------------------------------------- plain ICV registers

  get pmr(): number {
    return (this.#vmcr() >>> 24) & 0xf8;
  }
  set pmr(value: number) {
    this.#state.setLow(S.ICH_VMCR, (this.#vmcr() & 0x00ff_ffff) | ((value & 0xf8) << 24));
  }
  get bpr0(): number {
    return Math.max((this.#vmcr() >>> 21) & 7, MIN_BPR0);
  }
  set bpr0(value: number) {
    this.#state.setLow(S.ICH_VMCR, (this.#vmcr() & ~(7 << 21)) | (Math.max(value & 7, MIN_BPR0) << 21));
  }
  get bpr1(): number {
    if ((this.#vmcr() & VMCR.VCBPR) !== 0) return Math.min(this.bpr0 + 1, 7);
    return Math.max((this.#vmcr() >>> 18) & 7, MIN_BPR1);
  }
  set bpr1(value: number) {
    if ((this.#vmcr() & VMCR.VCBPR) !== 0) return;
    this.#state.setLow(S.ICH_VMCR, (this.#vmcr() & ~(7 << 18)) | (Math.max(value & 7, MIN_BPR1) << 18));
  }
  /** ICV_CTLR_EL1: CBPR 0, EOImode 1, PRIbits 10:8 (less one), A3V 15. */
  get ctlr(): number {
    const vmcr = this.#vmcr();
    return ((vmcr >>> 4) & 1) | (((vmcr >>> 9) & 1) << 1) | (4 << 8) | (1 << 15);
  }
  set ctlr(value: number) {
    this.#state.setLow(
      S.ICH_VMCR,
      (this.#vmcr() & ~(VMCR.VCBPR | VMCR.VEOIM)) | ((value & 1) << 4) | ((value & 2) << 8),
    );
  }
  get igrpen0(): number {
    return this.#vmcr() & 1;
  }
  set igrpen0(value: number) {
    this.#state.setLow(S.ICH_VMCR, (this.#vmcr() & ~VMCR.VENG0) | (value & 1));
  }
  get igrpen1(): number {
    return (this.#vmcr() >>> 1) & 1;
  }
  set igrpen1(value: number) {
    this.#state.setLow(S.ICH_VMCR, (this.#vmcr() & ~VMCR.VENG1) | ((value & 1) << 1));
  }

  // ----------------------------------------------------------------------------------------- maintenance interrupt

  /** ICH_EISR_EL2: list registers whose end of interrupt asked for maintenance. */
  get eisr(): number {
    let result = 0;
    for (let n = 0; n < LIST_REGISTERS; n++)
      if ((this.#lrHigh(n) & (LR.PENDING | LR.ACTIVE | LR.HW | LR.EOI)) === LR.EOI) result |= 1 << n;
    return result;
  }
  /** ICH_ELRSR_EL2: list registers that are free. */
  get elrsr(): number {
    let result = 0;
    for (let n = 0; n < LIST_REGISTERS; n++) {
      const high = this.#lrHigh(n);
      if ((high & (LR.PENDING | LR.ACTIVE)) === 0 && ((high & LR.HW) !== 0 || (high & LR.EOI) === 0)) result |= 1 << n;
    }
    return result;
  }
  /** ICH_MISR_EL2: EOI 0, U 1, LRENP 2, NP 3, VGrp0E 4, VGrp0D 5, VGrp1E 6, VGrp1D 7. */
  get misr(): number {
    const hcr = this.#state.low(S.ICH_HCR);
    const vmcr = this.#vmcr();
    let valid = 0;
    let pending = 0;
    for (let n = 0; n < LIST_REGISTERS; n++) {
      const high = this.#lrHigh(n);
      if ((high & (LR.PENDING | LR.ACTIVE)) !== 0) valid++;
      if ((high & LR.PENDING) !== 0) pending++;
    }
    let misr = this.eisr !== 0 ? 1 : 0;
    if ((hcr & ICH.UIE) !== 0 && valid <= 1) misr |= 2;
    if ((hcr & ICH.LRENPIE) !== 0 && hcr >>> ICH.EOICOUNT_SHIFT !== 0) misr |= 4;
    if ((hcr & ICH.NPIE) !== 0 && pending === 0) misr |= 8;
    if ((hcr & ICH.VGRP0EIE) !== 0 && (vmcr & VMCR.VENG0) !== 0) misr |= 16;
    if ((hcr & ICH.VGRP0DIE) !== 0 && (vmcr & VMCR.VENG0) === 0) misr |= 32;
    if ((hcr & ICH.VGRP1EIE) !== 0 && (vmcr & VMCR.VENG1) !== 0) misr |= 64;
    if ((hcr & ICH.VGRP1DIE) !== 0 && (vmcr & VMCR.VENG1) === 0) misr |= 128;
    return misr;
  }
  /** Level of the maintenance interrupt. */
  get maintenance(): boolean {
    const hcr = this.#state.low(S.ICH_HCR);
    if ((hcr & ICH.EN) === 0) return false;
    // Asked on every entry: with no condition enabled only an EOI can assert it.
    return (hcr & 0xfe) === 0 ? this.eisr !== 0 : this.misr !== 0;
  }
}

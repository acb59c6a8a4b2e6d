/**
 * The GICv3 virtual CPU interface, group 1 only, on ICH_* state: enough for a scripted guest to take interrupts.
 * Source: IHI 0069H chapters 6 and 12.4 (ICH_LR<n>_EL2, ICH_MISR_EL2, ICH_VMCR_EL2).
 */
import type { Intid } from "../contracts/address.ts";

export const LIST_REGISTERS = 4;
const SPURIOUS = 1023;
const LR_HW = 1 << 29;
const LR_GROUP1 = 1 << 28;
const LR_EOI = 1 << 9;
const HCR_EN = 1;
const HCR_UIE = 2;
const HCR_LRENPIE = 4;
const HCR_NPIE = 8;
const VMCR_VENG1 = 2;
const VMCR_VEOIM = 1 << 9;

export class FakeVirtualCpuInterface {
  /** ICH_LR<n>_EL2: low word vINTID, high word pINTID, priority, group, HW, state. */
  readonly lr = new Uint32Array(LIST_REGISTERS * 2);
  /** ICH_HCR_EL2[31:0]; EOIcount is 31:27. */
  hcr = 0;
  /** ICH_VMCR_EL2[31:0]; VPMR is 31:24. */
  vmcr = 0;
  /** ICH_AP1R0_EL2, five priority bits. */
  ap1r = 0;
  readonly #deactivatePhysical: (intid: Intid) => void;

  constructor(deactivatePhysical: (intid: Intid) => void) {
    this.#deactivatePhysical = deactivatePhysical;
  }

  /** Index of the list register that would be signalled, -1 for none. */
  candidate(): number {
    if ((this.hcr & HCR_EN) === 0 || (this.vmcr & VMCR_VENG1) === 0) return -1;
    let best = -1;
    let bestPriority = Math.min(this.vmcr >>> 24, this.#runningPriority());
    for (let i = 0; i < LIST_REGISTERS; i++) {
      const high = this.#high(i);
      if (high >>> 30 !== 1 || (high & LR_GROUP1) === 0) continue;
      const priority = (high >>> 16) & 0xff;
      if (priority >= bestPriority) continue;
      best = i;
      bestPriority = priority;
    }
    return best;
  }

  acknowledge(): Intid {
    const i = this.candidate();
    if (i < 0) return SPURIOUS;
    const high = this.#high(i);
    this.#setState(i, 2);
    this.ap1r = (this.ap1r | (1 << ((high >>> 19) & 31))) >>> 0;
    return this.lr[i * 2] as number;
  }

  endOfInterrupt(intid: Intid): void {
    if (intid >= 1020 && intid <= 1023) return;
    this.ap1r = (this.ap1r & (this.ap1r - 1)) >>> 0;
    if ((this.vmcr & VMCR_VEOIM) === 0) this.deactivate(intid);
  }

  deactivate(intid: Intid): void {
    for (let i = 0; i < LIST_REGISTERS; i++) {
      const state = this.#high(i) >>> 30;
      if (this.lr[i * 2] !== intid || state < 2) continue;
      this.#setState(i, state - 2);
      if ((this.#high(i) & LR_HW) !== 0) this.#deactivatePhysical(this.#high(i) & 0x3ff);
      return;
    }
    this.hcr = (this.hcr + (1 << 27)) >>> 0;
  }

  /** ICH_MISR_EL2. */
  misr(): number {
    if ((this.hcr & HCR_EN) === 0) return 0;
    let valid = 0;
    let pending = false;
    for (let i = 0; i < LIST_REGISTERS; i++) {
      const state = this.#high(i) >>> 30;
      if (state !== 0) valid++;
      if (state === 1) pending = true;
    }
    let misr = this.eisr() === 0 ? 0 : 1;
    if ((this.hcr & HCR_UIE) !== 0 && valid <= 1) misr |= 2;
    if ((this.hcr & HCR_LRENPIE) !== 0 && this.hcr >>> 27 !== 0) misr |= 4;
    if ((this.hcr & HCR_NPIE) !== 0 && !pending) misr |= 8;
    const enabled = (this.vmcr & VMCR_VENG1) !== 0;
    if ((this.hcr & (1 << 6)) !== 0 && enabled) misr |= 1 << 6;
    if ((this.hcr & (1 << 7)) !== 0 && !enabled) misr |= 1 << 7;
    return misr;
  }

  /** ICH_EISR_EL2: list registers that ended and asked for a maintenance interrupt. */
  eisr(): number {
    return this.#mask((high) => high >>> 30 === 0 && (high & LR_HW) === 0 && (high & LR_EOI) !== 0);
  }

  /** ICH_ELRSR_EL2: list registers that are free. */
  elrsr(): number {
    return this.#mask((high) => high >>> 30 === 0 && ((high & LR_HW) !== 0 || (high & LR_EOI) === 0));
  }

  #mask(matches: (high: number) => boolean): number {
    let mask = 0;
    for (let i = 0; i < LIST_REGISTERS; i++) if (matches(this.#high(i))) mask |= 1 << i;
    return mask;
  }

  #runningPriority(): number {
    return this.ap1r === 0 ? 256 : (31 - Math.clz32(this.ap1r & -this.ap1r)) << 3;
  }

  #high(i: number): number {
    return this.lr[i * 2 + 1] as number;
  }

  #setState(i: number, state: number): void {
    this.lr[i * 2 + 1] = (this.#high(i) & 0x3fff_ffff) | (state << 30);
  }
}

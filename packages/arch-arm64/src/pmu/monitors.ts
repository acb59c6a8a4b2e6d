/**
 * The performance monitors of one PE: a cycle counter and six event counters, EL1 and EL0.
 *
 * Time is retired instructions, so a cycle is one instruction. Nothing is counted one by one: what has retired since the last
 * look belongs to the current EL, and every change of EL looks (`sync`). While no counter is on, nobody calls.
 *
 * Source: DDI 0487 K.a, D13 (the Performance Monitors Extension), D19.5 (registers).
 */
import { M } from "../mmu/layout.ts";
import { S, type StateBlock } from "../state/block.ts";
import { L } from "../state/layout.ts";

/** PMCR_EL0.N, event counters. EL2 keeps none for itself: MDCR_EL2.HPMN. */
export const EVENT_COUNTERS = 6;
/** The cycle counter's bit in the enable, overflow and interrupt registers. */
const CYCLE = 1 << 31;
/** Bits that exist in those registers. */
const COUNTERS = CYCLE | ((1 << EVENT_COUNTERS) - 1);
/** PMCR_EL0. LC is RES1: no AArch32, so the cycle counter overflows at 64 bits and D has no effect. */
const PMCR = { E: 1 << 0, P: 1 << 1, C: 1 << 2, WRITABLE: 0x39, LC: 1 << 6 } as const;
/** PMEVTYPER: do not count at EL1, at EL0. */
const FILTER_EL1 = 1 << 31;
const FILTER_EL0 = 1 << 30;
export const PMEVTYPER_MASK = 0xc800_03ffn;
export const PMCCFILTR_MASK = 0xc800_0000n;

/** Common events that are counted. */
export const PmuEvent = { SW_INCR: 0x00, INST_RETIRED: 0x08, CPU_CYCLES: 0x11, CHAIN: 0x1e } as const;
/** PMCEID0_EL0: a bit for each of them. PMCEID1_EL0 is zero. */
export const PMCEID0 = Object.values(PmuEvent).reduce<number>((bits, event) => bits | (1 << event), 0) >>> 0;

const TWO_32 = 2 ** 32;

export class PerformanceMonitors {
  readonly #state: StateBlock;
  readonly #retired: () => number;
  /** Retired instructions that are accounted for. */
  #seen = 0;
  /** Counters that are on: PMCNTENSET while PMCR.E, else 0. */
  #on = 0;

  /** @param retired instructions retired by the PE until now */
  constructor(state: StateBlock, retired: () => number) {
    this.#state = state;
    this.#retired = retired;
  }

  /** After reset, restore or a write of a register that says what counts. `sync` comes before the write. */
  update(): void {
    const state = this.#state;
    this.#on = (state.low(S.PMCR) & PMCR.E) !== 0 ? state.low(S.PMCNTENSET) & COUNTERS : 0;
    this.#seen = this.#retired();
    state.set(M.PMU, this.#on === 0 ? 0 : 1);
  }

  /** Give the counters what has retired at the current EL. Before EL or anything that says what counts changes. */
  sync(): void {
    if (this.#on === 0) return;
    const now = this.#retired();
    const count = now - this.#seen;
    this.#seen = now;
    if (count <= 0) return;
    for (let n = 0; n < EVENT_COUNTERS; n++) if (this.#counts(n)) this.#add(n, count);
    if ((this.#on & CYCLE) !== 0 && !this.#isFiltered(S.PMCCFILTR)) {
      const sum = this.#state.slot(S.PMCCNTR) + BigInt(count);
      this.#state.setSlot(S.PMCCNTR, BigInt.asUintN(64, sum));
      if (sum >> 64n !== 0n) this.#overflowed(CYCLE);
    }
  }

  /** Level of PMUIRQ. */
  get asserted(): boolean {
    const state = this.#state;
    return (state.low(S.PMCR) & PMCR.E) !== 0 && (state.low(S.PMOVSSET) & state.low(S.PMINTENSET)) !== 0;
  }

  /** Instructions at this EL until a counter whose overflow interrupts wraps; Infinity for never. */
  get untilOverflow(): number {
    const interrupting = this.#on & this.#state.low(S.PMINTENSET);
    if (interrupting === 0) return Number.POSITIVE_INFINITY;
    let least = Number.POSITIVE_INFINITY;
    for (let n = 0; n < EVENT_COUNTERS; n++) {
      // the upper half of a chain wraps when the lower does
      const carries = (n & 1) === 0 && this.#event(n + 1) === PmuEvent.CHAIN;
      if ((interrupting & (1 << n)) === 0 && !(carries && (interrupting & (2 << n)) !== 0)) continue;
      if (this.#counts(n)) least = Math.min(least, TWO_32 - this.#value(n));
    }
    if ((interrupting & CYCLE) !== 0 && !this.#isFiltered(S.PMCCFILTR))
      least = Math.min(least, Number((1n << 64n) - this.#state.slot(S.PMCCNTR)));
    return Math.max(1, least);
  }

  /** PMSWINC_EL0: counters of SW_INCR whose bit is set go up by one. */
  softwareIncrement(bits: number): void {
    for (let n = 0; n < EVENT_COUNTERS; n++)
      if (
        (bits & this.#on & (1 << n)) !== 0 &&
        this.#event(n) === PmuEvent.SW_INCR &&
        !this.#isFiltered(S.PMEVTYPER0 + n)
      )
        this.#add(n, 1);
  }

  /** PMCR_EL0 as EL1 reads it. */
  get control(): number {
    return (this.#state.low(S.PMCR) & PMCR.WRITABLE) | PMCR.LC | (EVENT_COUNTERS << 11);
  }
  writeControl(value: number): void {
    const state = this.#state;
    state.setSlot(S.PMCR, BigInt(value & PMCR.WRITABLE));
    if ((value & PMCR.P) !== 0) for (let n = 0; n < EVENT_COUNTERS; n++) state.setSlot(S.PMEVCNTR0 + n, 0n);
    if ((value & PMCR.C) !== 0) state.setSlot(S.PMCCNTR, 0n);
  }
  /** Set or clear bits of PMCNTENSET, PMINTENSET, PMOVSSET. */
  change(slot: number, bits: number, set: boolean): void {
    const old = this.#state.low(slot);
    this.#state.setSlot(slot, BigInt((set ? old | (bits & COUNTERS) : old & ~bits) >>> 0));
  }
  /** Slot of what PMSELR_EL0 selects through PMXEVTYPER_EL0 or PMXEVCNTR_EL0; undefined when there is none. */
  selected(type: boolean): number | undefined {
    const n = this.#state.low(S.PMSELR) & 31;
    if (n < EVENT_COUNTERS) return (type ? S.PMEVTYPER0 : S.PMEVCNTR0) + n;
    return type && n === 31 ? S.PMCCFILTR : undefined;
  }

  #event(n: number): number {
    return this.#state.low(S.PMEVTYPER0 + n) & 0x3ff;
  }
  #value(n: number): number {
    return this.#state.low(S.PMEVCNTR0 + n) >>> 0;
  }
  #isFiltered(typeSlot: number): boolean {
    return (this.#state.low(typeSlot) & (this.#state.get(L.EL) === 0 ? FILTER_EL0 : FILTER_EL1)) !== 0;
  }
  /** Counter n is on and goes up with each instruction at this EL. */
  #counts(n: number): boolean {
    if ((this.#on & (1 << n)) === 0) return false;
    const event = this.#event(n);
    return (event === PmuEvent.INST_RETIRED || event === PmuEvent.CPU_CYCLES) && !this.#isFiltered(S.PMEVTYPER0 + n);
  }
  #add(n: number, count: number): void {
    const sum = this.#value(n) + count;
    this.#state.setSlot(S.PMEVCNTR0 + n, BigInt(sum % TWO_32));
    const wraps = Math.floor(sum / TWO_32);
    if (wraps === 0) return;
    this.#overflowed(1 << n);
    if (
      (n & 1) === 0 &&
      (this.#on & (2 << n)) !== 0 &&
      this.#event(n + 1) === PmuEvent.CHAIN &&
      !this.#isFiltered(S.PMEVTYPER0 + n + 1)
    )
      this.#add(n + 1, wraps);
  }
  #overflowed(bit: number): void {
    this.#state.setSlot(S.PMOVSSET, BigInt((this.#state.low(S.PMOVSSET) | bit) >>> 0));
  }
}

/**
 * Self-hosted debug: software step, hardware breakpoints, watchpoints, and their routing to EL2 by MDCR_EL2.TDE.
 * Source: DDI 0487 K.a, D2 (self-hosted debug).
 */
import { M } from "../mmu/layout.ts";
import type { Tlb } from "../mmu/tlb.ts";
import { S, type StateBlock, type SystemExports } from "../state/block.ts";
import { ACCDESC, L, PSTATE } from "../state/layout.ts";
import { DAIF, EC, HCR, MDCR, MDSCR } from "./constants.ts";

const BREAKPOINTS = 6;
const WATCHPOINTS = 4;
/** Breakpoints from this one on can compare CONTEXTIDR_EL1. */
const FIRST_CONTEXT_AWARE = 4;
/** IFSC and DFSC of every debug exception. */
const DEBUG_FSC = 0x22;
const IL = 1 << 25;
const ADDRESS_48_2 = 0x0001_ffff_ffff_fffcn;

export class DebugUnit {
  readonly #state: StateBlock;
  readonly #wasm: SystemExports;
  readonly #tlb: Tlb;
  /** Software step is active at the current EL. */
  #stepActive = false;
  #breakpointsActive = false;
  /** Whether the step before the exception executed an instruction, and whether it was a load-exclusive. */
  #stepped = false;
  #steppedExclusive = false;

  constructor(state: StateBlock, wasm: SystemExports, tlb: Tlb) {
    this.#state = state;
    this.#wasm = wasm;
    this.#tlb = tlb;
  }

  get #toEl2(): boolean {
    return (
      (this.#state.low(S.MDCR) & MDCR.TDE) !== 0 ||
      (this.#state.get(L.EL) === 0 && (this.#state.low(S.HCR) & HCR.TGE) !== 0)
    );
  }

  /** AArch64.GenerateDebugExceptionsFrom. */
  #enabledFrom(el: number, daif: number): boolean {
    const state = this.#state;
    if ((state.low(S.OSLSR) & 2) !== 0 || (state.low(S.OSDLR) & 1) !== 0) return false;
    if ((state.low(S.MDCR) & MDCR.TDE) !== 0 || el === 0) return true;
    return (state.low(S.MDSCR) & MDSCR.KDE) !== 0 && (daif & DAIF.D) === 0;
  }

  /** Recompute STEPPING and WATCHPOINTS: after a change of debug registers, EL or DAIF. */
  update(): void {
    const state = this.#state;
    const mdscr = state.low(S.MDSCR);
    const inUse = (mdscr & (MDSCR.SS | MDSCR.MDE)) !== 0;
    state.set(M.DEBUG, inUse ? 1 : 0);
    const enabled = inUse && this.#enabledFrom(state.get(L.EL), state.get(L.DAIF));
    this.#stepActive = enabled && (mdscr & MDSCR.SS) !== 0;
    let breakpoints = false;
    let watchpoints = false;
    if (enabled && (mdscr & MDSCR.MDE) !== 0) {
      for (let n = 0; n < BREAKPOINTS; n++) breakpoints ||= (state.low(S.DBGBVR0 + 2 * n + 1) & 1) !== 0;
      for (let n = 0; n < WATCHPOINTS; n++) watchpoints ||= (state.low(S.DBGWVR0 + 2 * n + 1) & 1) !== 0;
    }
    this.#breakpointsActive = breakpoints;
    state.set(L.STEPPING, this.#stepActive || breakpoints ? 1 : 0);
    if (watchpoints && state.get(M.WATCHPOINTS) === 0) this.#tlb.dropAll();
    state.set(M.WATCHPOINTS, watchpoints ? 1 : 0);
  }

  /** PSTATE.SS after a return with `spsr`: DebugExceptionReturnSS. */
  returnSs(spsr: number, fromEl2: boolean): number {
    const state = this.#state;
    if ((state.low(S.MDSCR) & MDSCR.SS) === 0) return 0;
    const sourceEnabled = fromEl2 ? false : this.#enabledFrom(state.get(L.EL), state.get(L.DAIF));
    const targetEnabled = this.#enabledFrom((spsr >>> 2) & 1, spsr & 0x3c0);
    return !sourceEnabled && targetEnabled ? spsr & PSTATE.SS : 0;
  }

  #take(ec: number, iss: number): void {
    const state = this.#state;
    if (this.#toEl2) this.#wasm.enterEl2(state.base, (ec << 26) | IL | iss);
    else this.#wasm.enterEl1(state.base, ((ec + state.get(L.EL)) << 26) | IL | iss, 0);
  }

  /** Before the instruction at PC, while STEPPING. True when an exception was taken instead. */
  beforeInstruction(): boolean {
    const state = this.#state;
    if (this.#stepActive && (state.get(L.PSTATE) & PSTATE.SS) === 0) {
      const isv = this.#stepped ? (1 << 24) | (this.#steppedExclusive ? 1 << 6 : 0) : 0;
      this.#stepped = false;
      this.#take(EC.SOFTWARE_STEP_LOWER, isv | DEBUG_FSC);
      return true;
    }
    if (this.#breakpointsActive && this.#breakpointHit()) {
      this.#take(EC.BREAKPOINT_LOWER, DEBUG_FSC);
      return true;
    }
    return false;
  }

  /** After one instruction that was executed while STEPPING; `word` is 0 when it is not known. */
  afterInstruction(word: number): void {
    const state = this.#state;
    if (this.#stepActive && (state.get(L.PSTATE) & PSTATE.SS) !== 0) {
      state.set(L.PSTATE, state.get(L.PSTATE) & ~PSTATE.SS);
      this.#stepped = true;
      // LDXR, LDAXR, LDXP, LDAXP
      this.#steppedExclusive = (word & 0x3fc0_0000) === 0x0840_0000;
    }
  }

  #privileged(control: number, el: number): boolean {
    return ((control >>> 1) & (el === 0 ? 2 : 1)) !== 0;
  }

  #contextMatches(n: number): boolean {
    return (this.#state.slot(S.DBGBVR0 + 2 * n) & 0xffff_ffffn) === (this.#state.slot(S.CONTEXTIDR) & 0xffff_ffffn);
  }

  #breakpointHit(): boolean {
    const state = this.#state;
    const el = state.get(L.EL);
    const pc = state.get64(L.PC) & ADDRESS_48_2;
    for (let n = 0; n < BREAKPOINTS; n++) {
      const control = state.low(S.DBGBVR0 + 2 * n + 1);
      if ((control & 1) === 0 || !this.#privileged(control, el)) continue;
      const type = (control >>> 20) & 15;
      const linked = (control >>> 16) & 15;
      if (type === 2 && n >= FIRST_CONTEXT_AWARE && this.#contextMatches(n)) return true;
      if (type > 1 || (state.slot(S.DBGBVR0 + 2 * n) & ADDRESS_48_2) !== pc) continue;
      if (type === 0 || (linked >= FIRST_CONTEXT_AWARE && linked < BREAKPOINTS && this.#contextMatches(linked)))
        return true;
    }
    return false;
  }

  /** A data access that translation allowed. True when a watchpoint took the exception instead. */
  watchpoint(va: bigint, accdesc: number): boolean {
    const state = this.#state;
    const el = (accdesc & ACCDESC.UNPRIVILEGED) !== 0 ? 0 : state.get(L.EL);
    const size = BigInt(Math.max(1, accdesc & ACCDESC.SIZE_MASK));
    const isWrite = (accdesc & ACCDESC.WRITE) !== 0;
    const kinds = (isWrite ? 2 : 0) | (!isWrite || (accdesc & ACCDESC.ATOMIC) !== 0 ? 1 : 0);
    for (let n = 0; n < WATCHPOINTS; n++) {
      const control = state.low(S.DBGWVR0 + 2 * n + 1);
      if ((control & 1) === 0 || !this.#privileged(control, el) || ((control >>> 3) & 3 & kinds) === 0) continue;
      const base = BigInt.asUintN(56, state.slot(S.DBGWVR0 + 2 * n));
      const from = BigInt.asUintN(56, va);
      const mask = (control >>> 24) & 31;
      let hit = false;
      if (mask >= 3) {
        const first = base & ~((1n << BigInt(mask)) - 1n);
        hit = from < first + (1n << BigInt(mask)) && from + size > first;
      } else {
        const bas = (control >>> 5) & 0xff;
        for (let b = 0; b < 8; b++)
          if ((bas >>> b) & 1) hit ||= base + BigInt(b) >= from && base + BigInt(b) < from + size;
      }
      if (!hit) continue;
      const cm = (accdesc & ACCDESC.MAINTENANCE) !== 0;
      if (this.#toEl2) state.setSlot(S.FAR_EL2, va);
      else state.setSlot(S.FAR_EL1, va);
      this.#take(EC.WATCHPOINT_LOWER, (cm ? 1 << 8 : 0) | (isWrite || cm ? 1 << 6 : 0) | DEBUG_FSC);
      return true;
    }
    return false;
  }
}

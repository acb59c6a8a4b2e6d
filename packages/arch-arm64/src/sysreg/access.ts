/**
 * MRS, MSR and SYS that the dispatcher in WebAssembly left over: traps, registers with behaviour, cache, TLB and address
 * translation instructions.
 *
 * Source: DDI 0487 K.a, C5.3-C5.6 (system instructions), D19 (registers), D1.3.4 (traps).
 */
import type { Feature } from "../cpu/features.ts";
import { EC, HCR, SCTLR } from "../exception/constants.ts";
import { ATTR, FAULT, M, WALK } from "../mmu/layout.ts";
import { PMU_BEHAVIOUR } from "../pmu/registers.ts";
import { S, type StateBlock } from "../state/block.ts";
import type { PeCore } from "../state/core.ts";
import { ACCDESC, L, LEAVE, PENDING } from "../state/layout.ts";
import { WORK } from "../state/work.ts";
import { Route, routeOf, updateControls } from "./controls.ts";
import { SYSTEM_REGISTERS, type SystemRegister } from "./table.ts";

/** Results of a write, as in the seam. */
const LEFT = 0;
const GO_ON = 1;
const LOOK_UP = 2;

const IL = 1 << 25;
const LOW32 = 0xffff_ffffn;

/** ISS of a trapped MSR, MRS or system instruction. Source: DDI 0487 D19.2.40. */
function systemSyndrome(word: number, isRead: boolean): number {
  const field = (low: number, width: number) => (word >>> low) & ((1 << width) - 1);
  return (
    (field(19, 2) << 20) |
    (field(5, 3) << 17) |
    (field(16, 3) << 14) |
    (field(12, 4) << 10) |
    (field(0, 5) << 5) |
    (field(8, 4) << 1) |
    (isRead ? 1 : 0)
  );
}

interface Behaviour {
  /** The value as a number below 2^53, without a BigInt; -1: ask `read`. */
  readNumber?(pe: PeCore): number;
  read?(pe: PeCore): bigint;
  /** Returns GO_ON when left out. */
  write?(pe: PeCore, value: bigint): void;
}

const number = (read: (pe: PeCore) => number, write?: (pe: PeCore, value: number) => void): Behaviour => ({
  readNumber: read,
  read: (pe) => BigInt(read(pe)),
  ...(write === undefined ? {} : { write: (pe, value) => write(pe, Number(value & LOW32)) }),
});

function random(pe: PeCore): bigint {
  pe.wasm.unpackNzcv(pe.state.base, 0);
  return pe.random64();
}

/** Registers of kind `call`, by name. */
const BEHAVIOUR: { readonly [name: string]: Behaviour } = {
  MIDR_EL1: { read: (pe) => pe.state.slot(S.VPIDR) },
  MPIDR_EL1: { read: (pe) => pe.state.slot(S.VMPIDR) },
  DCZID_EL0: number((pe) => {
    const prohibited =
      (pe.state.low(S.HCR) & HCR.TDZ) !== 0 || (pe.state.get(L.EL) === 0 && (pe.state.low(S.SCTLR) & SCTLR.DZE) === 0);
    return (prohibited ? 16 : 0) | 4;
  }),
  ...PMU_BEHAVIOUR,
  RNDR: { read: random },
  RNDRRS: { read: random },
  ISR_EL1: number((pe) => pe.lines() & 0x1c0),
  SP_EL0: {},
  OSLAR_EL1: number(
    () => 0,
    (pe, value) => pe.state.setLow(S.OSLSR, (pe.state.low(S.OSLSR) & ~2) | ((value & 1) << 1)),
  ),
  DBGCLAIMSET_EL1: number(
    () => 0xff,
    (pe, value) => {
      pe.claim |= value & 0xff;
    },
  ),
  DBGCLAIMCLR_EL1: number(
    (pe) => pe.claim,
    (pe, value) => {
      pe.claim &= ~value;
    },
  ),

  CNTPCT_EL0: number((pe) => pe.account().cntpctNumber),
  CNTVCT_EL0: { readNumber: (pe) => pe.account().cntvctNumber, read: (pe) => pe.account().cntvct },
  CNTV_CTL_EL0: number(
    (pe) => pe.account().readControl(true),
    (pe, value) => pe.state.setLow(S.CNTV_CTL, value & 3),
  ),
  CNTP_CTL_EL0: number(
    (pe) => pe.account().readControl(false),
    (pe, value) => pe.state.setLow(S.CNTP_CTL, value & 3),
  ),
  CNTV_TVAL_EL0: {
    read: (pe) => pe.account().readTimerValue(true),
    write: (pe, value) => pe.account().writeTimerValue(true, value),
  },
  CNTP_TVAL_EL0: {
    read: (pe) => pe.account().readTimerValue(false),
    write: (pe, value) => pe.account().writeTimerValue(false, value),
  },

  ICC_PMR_EL1: number(
    (pe) => pe.gic.pmr,
    (pe, value) => {
      pe.gic.pmr = value;
    },
  ),
  ICC_IAR0_EL1: number((pe) => pe.gic.acknowledge(false)),
  ICC_IAR1_EL1: number((pe) => pe.gic.acknowledge(true)),
  ICC_EOIR0_EL1: number(
    () => 0,
    (pe, value) => pe.gic.endOfInterrupt(false, value),
  ),
  ICC_EOIR1_EL1: number(
    () => 0,
    (pe, value) => pe.gic.endOfInterrupt(true, value),
  ),
  ICC_HPPIR0_EL1: number((pe) => pe.gic.highestPendingIntid(false)),
  ICC_HPPIR1_EL1: number((pe) => pe.gic.highestPendingIntid(true)),
  ICC_BPR0_EL1: number(
    (pe) => pe.gic.bpr0,
    (pe, value) => {
      pe.gic.bpr0 = value;
    },
  ),
  ICC_BPR1_EL1: number(
    (pe) => pe.gic.bpr1,
    (pe, value) => {
      pe.gic.bpr1 = value;
    },
  ),
  ICC_AP0R0_EL1: number(
    (pe) => pe.state.low(S.ICH_AP0R0) >>> 0,
    (pe, value) => pe.state.setLow(S.ICH_AP0R0, value),
  ),
  ICC_AP1R0_EL1: number(
    (pe) => pe.state.low(S.ICH_AP1R0) >>> 0,
    (pe, value) => pe.state.setLow(S.ICH_AP1R0, value),
  ),
  ICC_DIR_EL1: number(
    () => 0,
    (pe, value) => pe.gic.deactivateInterrupt(value),
  ),
  ICC_RPR_EL1: number((pe) => pe.gic.runningPriority),
  // With neither HCR_EL2.IMO nor FMO the physical interface would get these; there is none behind it.
  ICC_SGI1R_EL1: number(
    () => 0,
    () => undefined,
  ),
  ICC_ASGI1R_EL1: number(
    () => 0,
    () => undefined,
  ),
  ICC_SGI0R_EL1: number(
    () => 0,
    () => undefined,
  ),
  ICC_CTLR_EL1: number(
    (pe) => pe.gic.ctlr,
    (pe, value) => {
      pe.gic.ctlr = value;
    },
  ),
  ICC_IGRPEN0_EL1: number(
    (pe) => pe.gic.igrpen0,
    (pe, value) => {
      pe.gic.igrpen0 = value;
    },
  ),
  ICC_IGRPEN1_EL1: number(
    (pe) => pe.gic.igrpen1,
    (pe, value) => {
      pe.gic.igrpen1 = value;
    },
  ),
  ICH_MISR_EL2: number((pe) => pe.gic.misr),
  ICH_EISR_EL2: number((pe) => pe.gic.eisr),
  ICH_ELRSR_EL2: number((pe) => pe.gic.elrsr),
};

/** By slot: what `read` and `write` find in one step. */
const BEHAVIOUR_BY_SLOT: readonly (Behaviour | undefined)[] = SYSTEM_REGISTERS.map((row) =>
  row.kind === "call" ? BEHAVIOUR[row.name] : undefined,
);
/** By slot, for reads at EL0, reads at EL1, writes at EL0 and EL1: bits 0-3; 4: acknowledges an interrupt. */
const PERMITTED = Uint8Array.from(
  SYSTEM_REGISTERS,
  ({ el0, el1, name }) =>
    (el0.includes("r") ? 1 : 0) |
    (el1.includes("r") ? 2 : 0) |
    (el0.includes("w") ? 4 : 0) |
    (el1.includes("w") ? 8 : 0) |
    (name.startsWith("ICC_IAR") ? 16 : 0),
);
const ACKNOWLEDGES = 16;
const TWO_32 = 2 ** 32;

/** Read a register as EL2 does: no traps, no EL checks. Used by `Pe.read` and by EL1's allowed reads. */
export function readRegister(pe: PeCore, row: SystemRegister): bigint {
  if (row.kind === "slot") return pe.state.slot(row.slot);
  return BEHAVIOUR_BY_SLOT[row.slot]?.read?.(pe) ?? pe.state.slot(row.slot);
}

/** Write a register and carry out its effect. Returns whether anything else may now be looked up differently. */
export function writeRegister(pe: PeCore, row: SystemRegister, value: bigint): boolean {
  const { state } = pe;
  const behaviour = BEHAVIOUR_BY_SLOT[row.slot];
  const old = state.slot(row.slot);
  if (row.kind === "call" && behaviour !== undefined) {
    behaviour.write?.(pe, value);
    if (row.name.startsWith("ICC_") || row.name.startsWith("ICV_")) return pe.interruptsChanged();
  } else {
    state.setSlot(row.slot, (value & row.mask) | (row.reset & ~row.mask));
  }
  return applyEffect(pe, row, old);
}

function applyEffect(pe: PeCore, row: SystemRegister, old: bigint): boolean {
  const { state } = pe;
  switch (row.effect) {
    case "none":
      return false;
    case "translation":
      if (old !== state.slot(row.slot)) {
        pe.tlb.dropAll();
        pe.work.charge(WORK.TLB_ARRAYS);
      }
      updateControls(state, pe.wasm);
      if (row.slot === S.HCR) pe.interruptsChanged();
      return true;
    case "ttbr":
      if (old === state.slot(row.slot)) return false;
      pe.tlb.dropNonGlobal();
      pe.work.charge(WORK.TLB_ARRAYS);
      return true;
    case "control":
      updateControls(state, pe.wasm);
      pe.debug.update();
      return true;
    case "debug":
      updateControls(state, pe.wasm);
      pe.debug.update();
      state.raise(PENDING.SYNC);
      return true;
    case "timer":
      pe.account();
      state.raise(PENDING.INTERRUPT);
      return true;
    case "gic":
      return pe.interruptsChanged();
    default:
      return false;
  }
}

export class SystemAccess {
  readonly #pe: PeCore;
  readonly #state: StateBlock;

  constructor(pe: PeCore) {
    this.#pe = pe;
    this.#state = pe.state;
  }

  #has(feature: Feature): boolean {
    return this.#pe.cpu.features.has(feature);
  }
  #undefined(): number {
    this.#pe.wasm.undefined(this.#state.base);
    return LEFT;
  }
  #trap(route: Route, word: number, isRead: boolean): number {
    const esr = (EC.SYSREG << 26) | IL | systemSyndrome(word, isRead);
    if (route === Route.EL2) this.#pe.wasm.enterEl2(this.#state.base, esr);
    else this.#pe.wasm.takeSync(this.#state.base, esr);
    return LEFT;
  }

  /** Encodings without a row. */
  #absent(word: number, isRead: boolean): number {
    const el = this.#state.get(L.EL);
    const op0 = (word >>> 19) & 3;
    const op1 = (word >>> 16) & 7;
    const crn = (word >>> 12) & 15;
    const crm = (word >>> 8) & 15;
    // IMPLEMENTATION DEFINED registers and instructions
    if ((crn === 11 || crn === 15) && (op0 === 3 || op0 === 1)) {
      if ((this.#state.low(S.HCR) & HCR.TIDCP) !== 0 && el === 1) return this.#trap(Route.EL2, word, isRead);
      return this.#undefined();
    }
    // Reserved ID registers read as zero.
    if (isRead && el === 1 && op0 === 3 && op1 === 0 && crn === 0 && crm >= 1 && crm <= 7) {
      if ((this.#state.low(S.HCR) & HCR.TID3) !== 0) return this.#trap(Route.EL2, word, true);
      this.#state.set64(L.SYS_VALUE, 0n);
      return GO_ON;
    }
    return this.#undefined();
  }

  read(word: number): number {
    this.#pe.work.charge(WORK.CALL);
    if ((word & (1 << 20)) === 0) return this.#absent(word, true);
    const state = this.#state;
    const el = state.get(L.EL);
    const row = this.#pe.cpu.registerAt((word >>> 5) & 0x7fff);
    if (row === undefined) return this.#absent(word, true);
    const { slot } = row;
    const permitted = PERMITTED[slot] as number;
    if ((permitted & (1 << el)) === 0 || (row.name === "SP_EL0" && state.get(L.SPSEL) === 0)) return this.#undefined();
    const route = routeOf(state, row.trap, el, true);
    if (route !== Route.ALLOWED) return this.#trap(route, word, true);
    if (row.kind === "inline") return this.#undefined();
    const value = BEHAVIOUR_BY_SLOT[slot]?.readNumber?.(this.#pe) ?? -1;
    if (value >= 0) {
      state.set(L.SYS_VALUE, (value % TWO_32) | 0);
      state.set(L.SYS_VALUE + 4, (value / TWO_32) | 0);
    } else state.set64(L.SYS_VALUE, readRegister(this.#pe, row));
    if ((permitted & ACKNOWLEDGES) !== 0) this.#pe.interruptsChanged();
    return GO_ON;
  }

  write(word: number): number {
    this.#pe.work.charge(WORK.CALL);
    const state = this.#state;
    if ((word & (1 << 20)) === 0) return this.#instruction(word);
    const el = state.get(L.EL);
    const row = this.#pe.cpu.registerAt((word >>> 5) & 0x7fff);
    if (row === undefined) return this.#absent(word, false);
    if (((PERMITTED[row.slot] as number) & (4 << el)) === 0 || (row.name === "SP_EL0" && state.get(L.SPSEL) === 0))
      return this.#undefined();
    const route = routeOf(state, row.trap, el, false);
    if (route !== Route.ALLOWED) return this.#trap(route, word, false);
    if (row.kind === "inline") return this.#undefined();
    return writeRegister(this.#pe, row, state.get64(L.SYS_VALUE)) ? LOOK_UP : GO_ON;
  }

  /** SYS: cache, TLB and address translation instructions. */
  #instruction(word: number): number {
    const state = this.#state;
    const el = state.get(L.EL);
    const hcr = state.low(S.HCR);
    const op1 = (word >>> 16) & 7;
    const crn = (word >>> 12) & 15;
    const crm = (word >>> 8) & 15;
    const op2 = (word >>> 5) & 7;
    if (crn === 8 && op1 === 0) return el === 0 ? this.#undefined() : this.#tlbi(word, crm, op2, hcr);
    if (crn !== 7 || (op1 !== 0 && op1 !== 3)) return this.#absent(word, false);
    if (op1 === 0) {
      if (el === 0) return this.#undefined();
      // IC IALLUIS, IC IALLU: instruction fetch is coherent already
      if ((crm === 1 || crm === 5) && op2 === 0) return hcr & HCR.TPU ? this.#trap(Route.EL2, word, false) : LOOK_UP;
      // DC IVAC
      if (crm === 6 && op2 === 1) return hcr & HCR.TPCP ? this.#trap(Route.EL2, word, false) : this.#maintain();
      // DC ISW, CSW, CISW
      if ((crm === 6 || crm === 10 || crm === 14) && op2 === 2)
        return hcr & HCR.TSW ? this.#trap(Route.EL2, word, false) : GO_ON;
      // AT S1E1RP, S1E1WP: as S1E1R and S1E1W, and PSTATE.PAN counts
      if (crm === 9 && op2 < 2 && this.#has("FEAT_PAN2")) return this.#addressTranslate(op2, 0);
      // AT S1E1R, S1E1W, S1E0R, S1E0W
      if (crm === 8 && op2 < 4) return this.#addressTranslate(op2, WALK.NO_PAN);
      return this.#undefined();
    }
    // DC ZVA comes here only when something traps it
    if (crm === 4 && op2 === 1)
      return this.#trap(el === 0 && (state.low(S.SCTLR) & SCTLR.DZE) === 0 ? Route.EL1 : Route.EL2, word, false);
    const isDc =
      crm === 10 ||
      crm === 11 ||
      crm === 14 ||
      (crm === 12 && this.#has("FEAT_DPB")) ||
      (crm === 13 && this.#has("FEAT_DPB2"));
    if (op2 !== 1 || (!isDc && crm !== 5)) return this.#undefined();
    if (el === 0 && (state.low(S.SCTLR) & SCTLR.UCI) === 0) return this.#trap(Route.EL1, word, false);
    // IC IVAU and DC CVAU reach the point of unification, DC CVAC and CIVAC that of coherency, CVAP and CVADP persistence
    const trapped = crm === 5 || crm === 11 ? hcr & HCR.TPU : hcr & HCR.TPCP;
    if (trapped) return this.#trap(Route.EL2, word, false);
    return this.#maintain();
  }

  /** Cache maintenance by VA: nothing to do but to translate, which may fault. */
  #maintain(): number {
    const va = this.#state.get64(L.SYS_VALUE);
    return this.#pe.wasm.memSlow(this.#state.base, va, ACCDESC.MAINTENANCE | 1) === 0 ? LEFT : GO_ON;
  }

  #tlbi(word: number, crm: number, op2: number, hcr: number): number {
    if ((crm !== 3 && crm !== 7) || op2 === 4 || op2 === 6) return this.#undefined();
    if (hcr & HCR.TTLB) return this.#trap(Route.EL2, word, false);
    const low = this.#state.get(L.SYS_VALUE);
    const high = this.#state.get(L.SYS_VALUE + 4);
    const broadcast = crm === 3 || (hcr & HCR.FB) !== 0;
    const targets = broadcast ? this.#pe.sameVmid() : this.#pe.alone;
    this.#pe.work.charge(targets.length * WORK.TLB_ARRAYS);
    for (const pe of targets) {
      if (op2 === 0) pe.tlb.dropAll();
      else if (op2 === 2) pe.tlb.dropNonGlobal();
      else pe.tlb.dropVa(low, high);
    }
    return LOOK_UP;
  }

  #addressTranslate(op2: number, pan: number): number {
    const { wasm } = this.#pe;
    const state = this.#state;
    const isWrite = (op2 & 1) !== 0;
    const el = op2 < 2 ? 1 : 0;
    const accdesc = (isWrite ? ACCDESC.WRITE : 0) | WALK.STAGE1_ONLY | pan | 1;
    const fault = wasm.translate(state.base, state.get64(L.SYS_VALUE), accdesc, el);
    if ((fault & FAULT.STAGE2) !== 0) {
      // A stage 2 fault on the stage 1 walk is an abort of the AT itself, to EL2.
      state.setSlot(S.FAR_EL2, state.get64(L.SYS_VALUE));
      state.setSlot(S.HPFAR, (state.get64(M.OUT_FAULT_IPA) >> 8n) & 0x0fff_ffff_fff0n);
      wasm.enterEl2(
        state.base,
        (EC.DATA_ABORT_LOWER << 26) | IL | (1 << 8) | (1 << 7) | (fault & FAULT.FSC_MASK) | (isWrite ? 1 << 6 : 0),
      );
      return LEFT;
    }
    if (fault !== 0) {
      // PAR_EL1: F, FST 6:1, RES1 11
      state.setSlot(S.PAR, BigInt(0x800 | ((fault & FAULT.FSC_MASK) << 1) | 1));
      return GO_ON;
    }
    const attr = state.get(M.OUT_ATTR);
    const mair = BigInt((attr >>> ATTR.MAIR_SHIFT) & 0xff);
    // Device memory is outer shareable whatever the descriptor says; NS 9 and RES1 11
    const sh = attr & ATTR.DEVICE ? 2n : BigInt((attr >>> ATTR.SH_SHIFT) & 3);
    state.setSlot(S.PAR, (mair << 56n) | (state.get64(M.OUT_IPA) & 0x000f_ffff_ffff_f000n) | 0xa00n | (sh << 7n));
    return GO_ON;
  }

  /** WFI 0, WFE 1, SEV 2, SEVL 3, YIELD 4. */
  hint(kind: number): number {
    const pe = this.#pe;
    pe.work.charge(WORK.CALL);
    const state = this.#state;
    if (kind === 2) for (const other of pe.all()) other.events.send();
    if (kind >= 2) {
      if (kind === 3) pe.events.send();
      return GO_ON;
    }
    const isWfe = kind === 1;
    pe.account();
    if (isWfe && pe.events.take()) return GO_ON;
    if (pe.lines() !== 0 || pe.pendingInterrupt >= 0) return GO_ON;
    const el = state.get(L.EL);
    const sctlr = state.low(S.SCTLR);
    const esr = (EC.WFX << 26) | IL | (1 << 24) | (0xe << 20) | kind;
    if (el === 0 && (sctlr & (isWfe ? SCTLR.NTWE : SCTLR.NTWI)) === 0) {
      pe.wasm.takeSync(state.base, esr);
      return LEFT;
    }
    if (state.low(S.HCR) & (isWfe ? HCR.TWE : HCR.TWI)) {
      pe.wasm.enterEl2(state.base, esr);
      return LEFT;
    }
    state.set64(L.PC, state.get64(L.PC) + 4n);
    state.set(L.LEAVE, isWfe ? LEAVE.WAIT_EVENT : LEAVE.WAIT);
    if (isWfe) pe.events.wait();
    return LEFT;
  }
}

/**
 * What control registers switch on and off, worked out once when they change: FP access and SP checks by EL, and which
 * groups of registers have an active trap.
 */
import { HCR, MDCR, MDSCR, SCTLR } from "../exception/constants.ts";
import { M } from "../mmu/layout.ts";
import { S, type StateBlock, type SystemExports } from "../state/block.ts";
import { L } from "../state/layout.ts";
import { TrapGroup as T } from "./table.ts";

/** CPTR_EL2.TFP. */
const CPTR_TFP = 1 << 10;
const CPTR_TCPAC = 1 << 31;
/** CNTKCTL_EL1. */
export const CNTKCTL = { EL0PCTEN: 1, EL0VCTEN: 2, EVNTEN: 4, EL0VTEN: 1 << 8, EL0PTEN: 1 << 9 } as const;
/** CNTHCT_EL2 with HCR_EL2.E2H 0. */
export const CNTHCT = { EL1PCTEN: 1, EL1PCEN: 2 } as const;

/** PMUSERENR_EL0. */
const PMUSERENR = { EN: 1, SW: 2, CR: 4, ER: 8 } as const;

export function updateControls(state: StateBlock, wasm: SystemExports): void {
  const sctlr = state.low(S.SCTLR);
  const hcr = state.low(S.HCR);
  const mdcr = state.low(S.MDCR);
  const cptr = state.low(S.CPTR);
  const cntkctl = state.low(S.CNTKCTL);
  const cnthct = state.low(S.CNTHCT);
  const fpen = (state.low(S.CPACR) >>> 20) & 3;
  const fp = (cptr & CPTR_TFP) === 0;
  state.set(M.FP_BY_EL, fp && fpen === 3 ? 1 : 0);
  state.set(M.FP_BY_EL + 4, fp && (fpen & 1) !== 0 ? 1 : 0);
  state.set(M.SP_ALIGN_BY_EL, sctlr & SCTLR.SA0 ? 15 : 0);
  state.set(M.SP_ALIGN_BY_EL + 4, sctlr & SCTLR.SA ? 15 : 0);

  const user = (state.low(S.PMUSERENR) & PMUSERENR.EN) !== 0;
  const bit = (group: number, active: boolean | number) => (active ? 1 << group : 0);
  const both =
    bit(T.TVM, hcr & (HCR.TVM | HCR.TRVM)) |
    bit(T.TACR, hcr & HCR.TACR) |
    bit(T.TID1, hcr & HCR.TID1) |
    bit(T.TID2, hcr & HCR.TID2) |
    bit(T.TID3, hcr & HCR.TID3) |
    bit(T.DZ, hcr & HCR.TDZ) |
    bit(T.TDOSA, mdcr & MDCR.TDOSA) |
    bit(T.TDA, mdcr & MDCR.TDA) |
    bit(T.TDRA, mdcr & (MDCR.TDRA | MDCR.TDA)) |
    bit(T.TCPAC, cptr & CPTR_TCPAC) |
    bit(T.CNTP, (cnthct & CNTHCT.EL1PCEN) === 0) |
    bit(T.CNTPCT, (cnthct & CNTHCT.EL1PCTEN) === 0) |
    bit(T.DCC, mdcr & MDCR.TDA) |
    bit(T.PM, mdcr & MDCR.TPM) |
    bit(T.PM_CYCLES, mdcr & MDCR.TPM) |
    bit(T.PM_EVENTS, mdcr & MDCR.TPM) |
    bit(T.PM_SELECT, mdcr & MDCR.TPM) |
    bit(T.PM_SOFTWARE, mdcr & MDCR.TPM) |
    bit(T.PM_CONTROL, mdcr & (MDCR.TPM | MDCR.TPMCR)) |
    bit(T.PM_USER, mdcr & MDCR.TPM) |
    bit(T.APK, (state.high(S.HCR) & HCR.APK_HIGH) === 0);
  const el0 =
    bit(T.TID2, (sctlr & SCTLR.UCT) === 0) |
    bit(T.DZ, (sctlr & SCTLR.DZE) === 0) |
    bit(T.CNTVCT, (cntkctl & CNTKCTL.EL0VCTEN) === 0) |
    bit(T.CNTPCT, (cntkctl & CNTKCTL.EL0PCTEN) === 0) |
    bit(T.CNTV, (cntkctl & CNTKCTL.EL0VTEN) === 0) |
    bit(T.CNTP, (cntkctl & CNTKCTL.EL0PTEN) === 0) |
    bit(T.CNTFRQ, (cntkctl & (CNTKCTL.EL0PCTEN | CNTKCTL.EL0VCTEN)) === 0) |
    bit(T.DCC, state.low(S.MDSCR) & MDSCR.TDCC) |
    bit(T.PM, !user) |
    bit(T.PM_CYCLES, !user) |
    bit(T.PM_EVENTS, !user) |
    bit(T.PM_SELECT, !user) |
    bit(T.PM_SOFTWARE, !user) |
    bit(T.PM_CONTROL, !user) |
    bit(T.DAIF, (sctlr & SCTLR.UMA) === 0);
  state.set(L.TRAPS, both | el0);
  state.set(L.TRAPS + 4, both);
  wasm.contextChanged(state.base);
}

/** Who gets the access. */
export const Route = { ALLOWED: 0, EL1: 1, EL2: 2 } as const;
export type Route = (typeof Route)[keyof typeof Route];

/**
 * Decide an access to a register of a trap group. EL1's controls over EL0 come before EL2's.
 * Source: DDI 0487 D19.2, the accessibility pseudocode of each register.
 */
export function routeOf(state: StateBlock, group: number, el: number, isRead: boolean): Route {
  const hcr = state.low(S.HCR);
  const mdcr = state.low(S.MDCR);
  const ichHcr = state.low(S.ICH_HCR);
  const cntkctl = state.low(S.CNTKCTL);
  const cnthct = state.low(S.CNTHCT);
  const userEnable = state.low(S.PMUSERENR);
  const to2 = (active: number | boolean): Route => (active ? Route.EL2 : Route.ALLOWED);
  const el0Denied = (allowed: number | boolean): boolean => el === 0 && !allowed;
  switch (group) {
    case T.TVM:
      return to2(hcr & (isRead ? HCR.TRVM : HCR.TVM));
    case T.TACR:
      return to2(hcr & HCR.TACR);
    case T.TID1:
      return to2(hcr & HCR.TID1);
    case T.TID2:
      return el0Denied(state.low(S.SCTLR) & SCTLR.UCT) ? Route.EL1 : to2(hcr & HCR.TID2);
    case T.TID3:
      return to2(hcr & HCR.TID3);
    case T.TDOSA:
      return to2(mdcr & MDCR.TDOSA);
    case T.TDA:
      return to2(mdcr & MDCR.TDA);
    case T.TDRA:
      return to2(mdcr & (MDCR.TDRA | MDCR.TDA));
    case T.TCPAC:
      return to2(state.low(S.CPTR) & CPTR_TCPAC);
    case T.GIC_COMMON:
      return to2(ichHcr & (1 << 10));
    case T.GIC_GROUP0:
      return to2(ichHcr & (1 << 11));
    case T.GIC_GROUP1:
      return to2(ichHcr & (1 << 12));
    case T.GIC_DIR:
      return to2(ichHcr & ((1 << 10) | (1 << 14)));
    case T.GIC_SGI:
      return to2((hcr & (HCR.IMO | HCR.FMO)) !== 0 || (ichHcr & (1 << 10)) !== 0);
    case T.CNTVCT:
      return el0Denied(cntkctl & CNTKCTL.EL0VCTEN) ? Route.EL1 : Route.ALLOWED;
    case T.CNTPCT:
      return el0Denied(cntkctl & CNTKCTL.EL0PCTEN) ? Route.EL1 : to2((cnthct & CNTHCT.EL1PCTEN) === 0);
    case T.CNTV:
      return el0Denied(cntkctl & CNTKCTL.EL0VTEN) ? Route.EL1 : Route.ALLOWED;
    case T.CNTP:
      return el0Denied(cntkctl & CNTKCTL.EL0PTEN) ? Route.EL1 : to2((cnthct & CNTHCT.EL1PCEN) === 0);
    case T.CNTFRQ:
      return el0Denied(cntkctl & (CNTKCTL.EL0PCTEN | CNTKCTL.EL0VCTEN)) ? Route.EL1 : Route.ALLOWED;
    case T.DCC:
      return el0Denied(!(state.low(S.MDSCR) & MDSCR.TDCC)) ? Route.EL1 : to2(mdcr & MDCR.TDA);
    case T.PM:
      return el0Denied(userEnable & PMUSERENR.EN) ? Route.EL1 : to2(mdcr & MDCR.TPM);
    case T.PM_CYCLES:
      return el0Denied(userEnable & (PMUSERENR.EN | (isRead ? PMUSERENR.CR : 0))) ? Route.EL1 : to2(mdcr & MDCR.TPM);
    case T.PM_EVENTS:
      return el0Denied(userEnable & (PMUSERENR.EN | (isRead ? PMUSERENR.ER : 0))) ? Route.EL1 : to2(mdcr & MDCR.TPM);
    case T.PM_SELECT:
      return el0Denied(userEnable & (PMUSERENR.EN | PMUSERENR.ER)) ? Route.EL1 : to2(mdcr & MDCR.TPM);
    case T.PM_SOFTWARE:
      return el0Denied(userEnable & (PMUSERENR.EN | PMUSERENR.SW)) ? Route.EL1 : to2(mdcr & MDCR.TPM);
    case T.PM_CONTROL:
      return el0Denied(userEnable & PMUSERENR.EN) ? Route.EL1 : to2(mdcr & (MDCR.TPM | MDCR.TPMCR));
    case T.PM_USER:
      return to2(mdcr & MDCR.TPM);
    case T.APK:
      return to2((state.high(S.HCR) & HCR.APK_HIGH) === 0);
    case T.DAIF:
      return el0Denied(state.low(S.SCTLR) & SCTLR.UMA) ? Route.EL1 : Route.ALLOWED;
    default:
      return Route.ALLOWED;
  }
}

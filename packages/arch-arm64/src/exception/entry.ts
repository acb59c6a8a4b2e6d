/**
 * Exception entry and return, in WebAssembly.
 *
 * Source: DDI 0487 K.a, D1.3 (exceptions), pseudocode AArch64.TakeException, AArch64.ExceptionReturn, SetPSTATEFromPSR.
 */
import { M } from "../mmu/layout.ts";
import { readSlot, readSlot32, readSlotHigh, sysregOffset, writeSlot } from "../state/access.ts";
import { L, LEAVE, PENDING, PSTATE } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import {
  add,
  and,
  atomicRmw,
  call,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  I32,
  i32,
  i64,
  load,
  type ModuleBuilder,
  ne,
  or,
  select,
  shl,
  shrU,
  toI64U,
  xor,
} from "../wasm/index.ts";
import { EC, HCR, MDCR, SCTLR, VECTOR } from "./constants.ts";

export interface EntryFunctions {
  /** (s) -> SPSR of the current state. */
  readonly composeSpsr: FunctionRef;
  /** (s, spsr): take over NZCV, DAIF, EL, SP and the rest; an illegal mode sets PSTATE.IL and keeps EL and SP. */
  readonly setPstate: FunctionRef;
  /** (s, esr, offset): ELR is PC; `offset` is a `VECTOR`. */
  readonly enterEl1: FunctionRef;
  /** (s, esr): ELR_EL2 is PC; LEAVE becomes SYNC. */
  readonly enterEl2: FunctionRef;
  /** (s, esr): a synchronous exception from the current EL to EL1, or to EL2 when HCR_EL2.TGE takes those of EL0. */
  readonly takeSync: FunctionRef;
  /** (s, el, spsel): bank the stack pointer and change mode. */
  readonly setMode: FunctionRef;
  /** (s): fields that depend on EL. */
  readonly contextChanged: FunctionRef;
  readonly eret: FunctionRef;
  readonly undefined: FunctionRef;
  readonly svc: FunctionRef;
  readonly hvc: FunctionRef;
  readonly smc: FunctionRef;
  readonly brk: FunctionRef;
  readonly fpTrap: FunctionRef;
  readonly pcAlignment: FunctionRef;
  readonly spAlignment: FunctionRef;
  /** (s): PSTATE.PAN went from 0 to 1: drop EL1's translations of pages that EL0 may access. */
  readonly panRaised: FunctionRef;
}

export interface EntryNeeds {
  readonly packNzcv: FunctionRef;
  readonly unpackNzcv: FunctionRef;
  /** (s, spsr) -> PSTATE.SS after a return with this SPSR. */
  readonly returnSs: FunctionRef;
}

const IL = 1 << 25;
export const esrOf = (ec: number, iss: number | Expr<I32> = 0): Expr<I32> =>
  typeof iss === "number" ? i32((ec << 26) | IL | iss) : or(iss, (ec << 26) | IL);

/** Ask the run loop to look up. Another thread may set bits at the same time. */
export function setPending(f: FunctionBuilder, s: Expr<I32>, bits: number): void {
  f.drop(atomicRmw("or", "i32", s, i32(bits), L.PENDING));
}

export function defineEntry(module: ModuleBuilder, needs: EntryNeeds): EntryFunctions {
  const composeSpsr = module.func(
    "composeSpsr",
    [I32],
    [I32],
    (f, s) => {
      const el = load("i32", s, L.EL);
      f.return(
        or(
          or(call<I32>(needs.packNzcv, s), or(load("i32", s, L.PSTATE), load("i32", s, L.DAIF))),
          // M[3:0]: EL0t 0, EL1t 4, EL1h 5
          or(shl(el, 2), and(el, load("i32", s, L.SPSEL))),
        ),
      );
    },
    { export: true },
  );

  const panRaised = module.func("panRaised", [I32], [], (f, s) => {
    const count = f.local(I32);
    f.set(count, load("i32", s, M.PAN_COUNT));
    f.loop((again) => {
      f.if(count, () => {
        f.set(count, add(count, -1));
        f.store("i64", load("i32", add(s, shl(count, 2)), M.PAN_LOG), i64(-1));
        f.br(again);
      });
    });
    f.store("i32", s, i32(0), M.PAN_COUNT);
  });

  const contextChanged = module.func(
    "contextChanged",
    [I32],
    [],
    (f, s) => {
      const el = f.temp(load("i32", s, L.EL));
      const byEl = f.temp(add(s, shl(el, 2)));
      f.store("i32", s, load("i32", byEl, M.FP_BY_EL), L.FP_ENABLED);
      f.store("i32", s, load("i32", byEl, M.SP_ALIGN_BY_EL), L.SP_ALIGN);
      f.store("i32", s, add(s, select(el, i32(L.TLB_EL1), L.TLB_EL0)), L.TLB_SET);
      f.if(and(load("i32", s, M.LINES), xor(load("i32", s, L.DAIF), -1)), () => setPending(f, s, PENDING.INTERRUPT));
      f.if(load("i32", s, M.DEBUG), () => setPending(f, s, PENDING.SYNC));
    },
    { export: true },
  );

  /** Save the live stack pointer in its bank, change EL and SPSel, load the new one. */
  const setMode = module.func(
    "setMode",
    [I32, I32, I32],
    [],
    (f, s, el, spsel) => {
      const bank = (selected: Expr<I32>) =>
        add(s, select(selected, i32(sysregOffset("SP_EL1")), sysregOffset("SP_EL0")));
      f.store("i64", bank(and(load("i32", s, L.EL), load("i32", s, L.SPSEL))), load("i64", s, L.SP));
      f.store("i64", s, load("i64", bank(and(el, spsel))), L.SP);
      f.store("i32", s, el, L.EL);
      f.store("i32", s, spsel, L.SPSEL);
    },
    { export: true },
  );

  const enterEl1 = module.func(
    "enterEl1",
    [I32, I32, I32],
    [],
    (f, s, esr, offset) => {
      writeSlot(f, s, "SPSR_EL1", toI64U(call<I32>(composeSpsr, s)));
      writeSlot(f, s, "ELR_EL1", load("i64", s, L.PC));
      f.if(eq(offset, VECTOR.SYNC), () => writeSlot(f, s, "ESR_EL1", toI64U(esr)));
      f.if(eq(offset, VECTOR.SERROR), () => writeSlot(f, s, "ESR_EL1", toI64U(esr)));
      const from = select(load("i32", s, L.EL), select(load("i32", s, L.SPSEL), i32(0x200), 0), 0x400);
      f.store("i64", s, add(readSlot(s, "VBAR_EL1"), toI64U(add(from, offset))), L.PC);
      f.call(setMode, [s, i32(1), i32(1)]);
      f.store("i32", s, i32(0x3c0), L.DAIF);
      const old = f.temp(load("i32", s, L.PSTATE));
      const sctlr = f.temp(readSlot32(s, "SCTLR_EL1"));
      const pan = f.temp(
        and(select(and(sctlr, SCTLR.SPAN), and(old, PSTATE.PAN), PSTATE.PAN), load("i32", i32(REGION.PSTATE_BITS))),
      );
      f.store(
        "i32",
        s,
        or(pan, select(and(readSlotHigh(s, "SCTLR_EL1"), SCTLR.DSSBS_HIGH), i32(PSTATE.SSBS), 0)),
        L.PSTATE,
      );
      f.if(and(and(pan, xor(old, -1)), PSTATE.PAN), () => f.call(panRaised, [s]));
      f.call(contextChanged, [s]);
    },
    { export: true },
  );

  const enterEl2 = module.func(
    "enterEl2",
    [I32, I32],
    [],
    (f, s, esr) => {
      writeSlot(f, s, "ESR_EL2", toI64U(esr));
      writeSlot(f, s, "SPSR_EL2", toI64U(call<I32>(composeSpsr, s)));
      writeSlot(f, s, "ELR_EL2", load("i64", s, L.PC));
      f.store("i32", s, i32(LEAVE.SYNC), L.LEAVE);
      // The return from it clears the exclusive monitor; nothing of EL2 needs it.
      f.store("i64", s, i64(-1), L.EXCL_ADDRESS);
    },
    { export: true },
  );

  const takeSync = module.func(
    "takeSync",
    [I32, I32],
    [],
    (f, s, esr) => {
      f.if(
        and(eqz(load("i32", s, L.EL)), ne(and(readSlot32(s, "HCR_EL2"), HCR.TGE), 0)),
        () => f.call(enterEl2, [s, esr]),
        () => f.call(enterEl1, [s, esr, i32(VECTOR.SYNC)]),
      );
    },
    { export: true },
  );

  const setPstate = module.func(
    "setPstate",
    [I32, I32],
    [],
    (f, s, spsr) => {
      f.call(needs.unpackNzcv, [s, and(spsr, 0xf000_0000 | 0)]);
      const mode = f.temp(and(spsr, 0x1f));
      const legal = f.temp(or(eqz(mode), or(eq(mode, 4), eq(mode, 5))));
      const old = f.temp(load("i32", s, L.PSTATE));
      f.store(
        "i32",
        s,
        or(and(spsr, load("i32", i32(REGION.PSTATE_BITS))), select(legal, i32(0), PSTATE.IL)),
        L.PSTATE,
      );
      f.store("i32", s, and(spsr, 0x3c0), L.DAIF);
      f.if(legal, () => f.call(setMode, [s, and(shrU(mode, 2), 1), and(mode, 1)]));
      f.if(and(and(load("i32", s, L.PSTATE), xor(old, -1)), PSTATE.PAN), () => f.call(panRaised, [s]));
      f.call(contextChanged, [s]);
    },
    { export: true },
  );

  const undefined_ = module.func("undefined", [I32], [], (f, s) => f.call(takeSync, [s, esrOf(EC.UNKNOWN)]), {
    export: true,
  });

  const eret = module.func("eret", [I32], [], (f, s) => {
    f.if(eqz(load("i32", s, L.EL)), () => {
      f.call(undefined_, [s]);
      f.return();
    });
    const spsr = f.local(I32);
    f.set(spsr, readSlot32(s, "SPSR_EL1"));
    f.if(
      and(readSlot32(s, "MDSCR_EL1"), 1),
      () => f.set(spsr, or(and(spsr, ~PSTATE.SS), call<I32>(needs.returnSs, s, spsr))),
      () => f.set(spsr, and(spsr, ~PSTATE.SS)),
    );
    f.store("i64", s, readSlot(s, "ELR_EL1"), L.PC);
    f.store("i64", s, i64(-1), L.EXCL_ADDRESS);
    f.call(setPstate, [s, spsr]);
    // PSTATE.IL: the next instruction takes the Illegal Execution state exception, whatever it is.
    f.if(and(load("i32", s, L.PSTATE), PSTATE.IL), () => f.call(takeSync, [s, esrOf(EC.ILLEGAL_STATE)]));
  });

  /** The instruction completed: PC moves on, and so does software step (SSAdvance). */
  const advance = (f: FunctionBuilder, s: Expr<I32>) => {
    f.store("i64", s, add(load("i64", s, L.PC), 4), L.PC);
    f.store("i32", s, and(load("i32", s, L.PSTATE), ~PSTATE.SS), L.PSTATE);
  };
  const immediate = (imm: Expr<I32>) => and(imm, 0xffff);

  const svc = module.func("svc", [I32, I32], [], (f, s, imm) => {
    advance(f, s);
    f.call(takeSync, [s, esrOf(EC.SVC64, immediate(imm))]);
  });
  const hvc = module.func("hvc", [I32, I32], [], (f, s, imm) => {
    f.if(or(eqz(load("i32", s, L.EL)), ne(and(readSlot32(s, "HCR_EL2"), HCR.HCD), 0)), () => {
      f.call(undefined_, [s]);
      f.return();
    });
    advance(f, s);
    f.call(enterEl2, [s, esrOf(EC.HVC64, immediate(imm))]);
  });
  const smc = module.func("smc", [I32, I32], [], (f, s, imm) => {
    // No EL3: UNDEFINED, unless HCR_EL2.TSC traps it. ELR_EL2 is the SMC itself then.
    f.if(
      and(ne(load("i32", s, L.EL), 0), ne(and(readSlot32(s, "HCR_EL2"), HCR.TSC), 0)),
      () => f.call(enterEl2, [s, esrOf(EC.SMC64, immediate(imm))]),
      () => f.call(undefined_, [s]),
    );
  });
  const brk = module.func("brk", [I32, I32], [], (f, s, imm) => {
    const esr = f.temp(esrOf(EC.BRK64, immediate(imm)));
    f.if(
      ne(and(readSlot32(s, "MDCR_EL2"), MDCR.TDE), 0),
      () => f.call(enterEl2, [s, esr]),
      () => f.call(takeSync, [s, esr]),
    );
  });
  const fpTrap = module.func("fpTrap", [I32], [], (f, s) => {
    // ISS: CV 1, COND 0b1110
    const esr = esrOf(EC.FP_ACCESS, 0x01e0_0000);
    const fpen = f.temp(and(shrU(readSlot32(s, "CPACR_EL1"), 20), 3));
    const toEl1 = or(eqz(and(fpen, 1)), and(eq(fpen, 1), eqz(load("i32", s, L.EL))));
    f.if(
      toEl1,
      () => f.call(takeSync, [s, esr]),
      () => f.call(enterEl2, [s, esr]),
    );
  });
  const pcAlignment = module.func("pcAlignment", [I32], [], (f, s) => {
    const route = and(eqz(load("i32", s, L.EL)), ne(and(readSlot32(s, "HCR_EL2"), HCR.TGE), 0));
    const pc = load("i64", s, L.PC);
    f.if(
      route,
      () => writeSlot(f, s, "FAR_EL2", pc),
      () => writeSlot(f, s, "FAR_EL1", pc),
    );
    f.call(takeSync, [s, esrOf(EC.PC_ALIGNMENT)]);
  });
  const spAlignment = module.func("spAlignment", [I32], [], (f, s) => f.call(takeSync, [s, esrOf(EC.SP_ALIGNMENT)]));

  return {
    composeSpsr,
    setPstate,
    enterEl1,
    enterEl2,
    takeSync,
    contextChanged,
    eret,
    undefined: undefined_,
    svc,
    hvc,
    smc,
    brk,
    fpTrap,
    pcAlignment,
    spAlignment,
    panRaised,
    setMode,
  };
}

/**
 * Exception entry, in WebAssembly, and the set of functions that exceptions are made of.
 *
 * Source: DDI 0487 K.a, D1.3 (exceptions), pseudocode AArch64.TakeException.
 */
import { L, LEAVE, PSTATE } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import { readSlot, readSlot32, readSlotHigh, writeSlot } from "../state/slots.ts";
import {
  add,
  and,
  call,
  eq,
  eqz,
  type FunctionRef,
  I32,
  i32,
  i64,
  load,
  type ModuleBuilder,
  ne,
  or,
  select,
  toI64U,
  xor,
} from "../wasm/index.ts";
import { HCR, SCTLR, VECTOR } from "./constants.ts";
import {
  defineBrk,
  defineEret,
  defineEretTo,
  defineFpTrap,
  defineHvc,
  definePauthTrap,
  definePcAlignment,
  defineSmc,
  defineSpAlignment,
  defineSvc,
  defineUndefined,
} from "./instructions.ts";
import { defineComposeSpsr, defineContextChanged, definePanRaised, defineSetMode, defineSetPstate } from "./pstate.ts";

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
  readonly eretTo: FunctionRef;
  readonly pauth: FunctionRef;
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
  /** (s): the counters take what has retired at this EL. */
  readonly pmuSync: FunctionRef;
}

/** All of it, in the order that its parts need each other. */
export function defineEntry(
  module: ModuleBuilder,
  { packNzcv, unpackNzcv, returnSs, pmuSync }: EntryNeeds,
): EntryFunctions {
  const composeSpsr = defineComposeSpsr(module, packNzcv);
  const panRaised = definePanRaised(module);
  const contextChanged = defineContextChanged(module);
  const setMode = defineSetMode(module, pmuSync);
  const enterEl1 = defineEnterEl1(module, { composeSpsr, setMode, panRaised, contextChanged });
  const enterEl2 = defineEnterEl2(module, composeSpsr);
  const takeSync = defineTakeSync(module, { enterEl1, enterEl2 });
  const setPstate = defineSetPstate(module, { unpackNzcv, setMode, panRaised, contextChanged });
  const undefinedAtPc = defineUndefined(module, takeSync);
  const eretTo = defineEretTo(module, { setPstate, takeSync, returnSs });
  const undefinedOrEl2 = { undefined: undefinedAtPc, enterEl2 };
  return {
    composeSpsr,
    panRaised,
    contextChanged,
    setMode,
    enterEl1,
    enterEl2,
    takeSync,
    setPstate,
    undefined: undefinedAtPc,
    eret: defineEret(module, undefinedAtPc, eretTo),
    eretTo,
    pauth: definePauthTrap(module, enterEl2),
    svc: defineSvc(module, takeSync),
    hvc: defineHvc(module, undefinedOrEl2),
    smc: defineSmc(module, undefinedOrEl2),
    brk: defineBrk(module, { takeSync, enterEl2 }),
    fpTrap: defineFpTrap(module, { takeSync, enterEl2 }),
    pcAlignment: definePcAlignment(module, takeSync),
    spAlignment: defineSpAlignment(module, takeSync),
  };
}

interface EnterEl1Needs {
  readonly composeSpsr: FunctionRef;
  readonly setMode: FunctionRef;
  readonly panRaised: FunctionRef;
  readonly contextChanged: FunctionRef;
}

/** (s, esr, offset): ELR is PC; `offset` is a `VECTOR`. */
function defineEnterEl1(module: ModuleBuilder, needs: EnterEl1Needs): FunctionRef {
  return module.func(
    "enterEl1",
    [I32, I32, I32],
    [],
    (f, s, esr, offset) => {
      writeSlot(f, s, "SPSR_EL1", toI64U(call<I32>(needs.composeSpsr, s)));
      writeSlot(f, s, "ELR_EL1", load("i64", s, L.PC));
      f.if(eq(offset, VECTOR.SYNC), () => writeSlot(f, s, "ESR_EL1", toI64U(esr)));
      f.if(eq(offset, VECTOR.SERROR), () => writeSlot(f, s, "ESR_EL1", toI64U(esr)));
      const from = select(load("i32", s, L.EL), select(load("i32", s, L.SPSEL), i32(0x200), 0), 0x400);
      f.store("i64", s, add(readSlot(s, "VBAR_EL1"), toI64U(add(from, offset))), L.PC);
      f.call(needs.setMode, [s, i32(1), i32(1)]);
      f.store("i32", s, i32(0x3c0), L.DAIF);
      const old = f.temp(load("i32", s, L.PSTATE));
      const sctlr = f.temp(readSlot32(s, "SCTLR_EL1"));
      const pan = f.temp(
        and(select(and(sctlr, SCTLR.SPAN), and(old, PSTATE.PAN), PSTATE.PAN), load("i32", i32(REGION.PSTATE_BITS))),
      );
      f.store(
        "i32",
        s,
        // UAO becomes 0, DIT stays
        or(
          or(pan, and(old, PSTATE.DIT)),
          select(and(readSlotHigh(s, "SCTLR_EL1"), SCTLR.DSSBS_HIGH), i32(PSTATE.SSBS), 0),
        ),
        L.PSTATE,
      );
      f.if(and(and(pan, xor(old, -1)), PSTATE.PAN), () => f.call(needs.panRaised, [s]));
      f.call(needs.contextChanged, [s]);
    },
    { export: true },
  );
}

/** (s, esr): ELR_EL2 is PC; LEAVE becomes SYNC. */
function defineEnterEl2(module: ModuleBuilder, composeSpsr: FunctionRef): FunctionRef {
  return module.func(
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
}

/** (s, esr): from the current EL to EL1, or to EL2 when HCR_EL2.TGE takes those of EL0. */
function defineTakeSync(
  module: ModuleBuilder,
  needs: { readonly enterEl1: FunctionRef; readonly enterEl2: FunctionRef },
): FunctionRef {
  return module.func(
    "takeSync",
    [I32, I32],
    [],
    (f, s, esr) => {
      f.if(
        and(eqz(load("i32", s, L.EL)), ne(and(readSlot32(s, "HCR_EL2"), HCR.TGE), 0)),
        () => f.call(needs.enterEl2, [s, esr]),
        () => f.call(needs.enterEl1, [s, esr, i32(VECTOR.SYNC)]),
      );
    },
    { export: true },
  );
}

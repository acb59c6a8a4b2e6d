/**
 * Instructions that take an exception or return from one, and the exceptions that any instruction may take. In WebAssembly,
 * as `SYSTEM_FUNCTIONS` of the seam has them.
 *
 * Source: DDI 0487 K.a, C6.2 (SVC, HVC, SMC, BRK, ERET), D1.3; pseudocode AArch64.ExceptionReturn.
 */
import { L, PSTATE } from "../state/layout.ts";
import { readSlot, readSlot32, writeSlot } from "../state/slots.ts";
import {
  add,
  and,
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
  shrU,
} from "../wasm/index.ts";
import { EC, HCR, MDCR } from "./constants.ts";
import { esrOf } from "./syndrome.ts";

/** (s): UNDEFINED: EC 0 at PC. */
export function defineUndefined(module: ModuleBuilder, takeSync: FunctionRef): FunctionRef {
  return module.func("undefined", [I32], [], (f, s) => f.call(takeSync, [s, esrOf(EC.UNKNOWN)]), {
    export: true,
  });
}

export interface EretNeeds {
  readonly setPstate: FunctionRef;
  readonly takeSync: FunctionRef;
  readonly returnSs: FunctionRef;
}

/** (s): ERET of EL1; UNDEFINED at EL0. */
export function defineEret(module: ModuleBuilder, undefinedAtPc: FunctionRef, eretTo: FunctionRef): FunctionRef {
  return module.func("eret", [I32], [], (f, s) => {
    f.if(eqz(load("i32", s, L.EL)), () => {
      f.call(undefinedAtPc, [s]);
      f.return();
    });
    f.store("i64", s, readSlot(s, "ELR_EL1"), L.SYS_VALUE);
    f.call(eretTo, [s]);
  });
}

/** (s): an exception return at EL1, to the address in SYS_VALUE. */
export function defineEretTo(module: ModuleBuilder, needs: EretNeeds): FunctionRef {
  return module.func("eretTo", [I32], [], (f, s) => {
    const spsr = f.local(I32);
    f.set(spsr, readSlot32(s, "SPSR_EL1"));
    f.if(
      and(readSlot32(s, "MDSCR_EL1"), 1),
      () => f.set(spsr, or(and(spsr, ~PSTATE.SS), call<I32>(needs.returnSs, s, spsr))),
      () => f.set(spsr, and(spsr, ~PSTATE.SS)),
    );
    f.store("i64", s, load("i64", s, L.SYS_VALUE), L.PC);
    f.store("i64", s, i64(-1), L.EXCL_ADDRESS);
    // An exception return is an event too: what a handler did between a test and its WFE is not slept through.
    f.store("i32", s, i32(1), L.EVENT);
    f.call(needs.setPstate, [s, spsr]);
    // PSTATE.IL: the next instruction takes the Illegal Execution state exception, whatever it is.
    f.if(and(load("i32", s, L.PSTATE), PSTATE.IL), () => f.call(needs.takeSync, [s, esrOf(EC.ILLEGAL_STATE)]));
  });
}

/** The instruction completed: PC moves on, and so does software step (SSAdvance). */
const advance = (f: FunctionBuilder, s: Expr<I32>) => {
  f.store("i64", s, add(load("i64", s, L.PC), 4), L.PC);
  f.store("i32", s, and(load("i32", s, L.PSTATE), ~PSTATE.SS), L.PSTATE);
};
const immediate = (imm: Expr<I32>) => and(imm, 0xffff);

/** (s, immediate). */
export function defineSvc(module: ModuleBuilder, takeSync: FunctionRef): FunctionRef {
  return module.func("svc", [I32, I32], [], (f, s, imm) => {
    advance(f, s);
    f.call(takeSync, [s, esrOf(EC.SVC64, immediate(imm))]);
  });
}

interface TrapNeeds {
  readonly undefined: FunctionRef;
  readonly enterEl2: FunctionRef;
}

/** (s, immediate). */
export function defineHvc(module: ModuleBuilder, needs: TrapNeeds): FunctionRef {
  return module.func("hvc", [I32, I32], [], (f, s, imm) => {
    f.if(or(eqz(load("i32", s, L.EL)), ne(and(readSlot32(s, "HCR_EL2"), HCR.HCD), 0)), () => {
      f.call(needs.undefined, [s]);
      f.return();
    });
    advance(f, s);
    f.call(needs.enterEl2, [s, esrOf(EC.HVC64, immediate(imm))]);
  });
}

/** (s, immediate). */
export function defineSmc(module: ModuleBuilder, needs: TrapNeeds): FunctionRef {
  return module.func("smc", [I32, I32], [], (f, s, imm) => {
    // No EL3: UNDEFINED, unless HCR_EL2.TSC traps it. ELR_EL2 is the SMC itself then.
    f.if(
      and(ne(load("i32", s, L.EL), 0), ne(and(readSlot32(s, "HCR_EL2"), HCR.TSC), 0)),
      () => f.call(needs.enterEl2, [s, esrOf(EC.SMC64, immediate(imm))]),
      () => f.call(needs.undefined, [s]),
    );
  });
}

interface RouteNeeds {
  readonly takeSync: FunctionRef;
  readonly enterEl2: FunctionRef;
}

/** (s, immediate). */
export function defineBrk(module: ModuleBuilder, needs: RouteNeeds): FunctionRef {
  return module.func("brk", [I32, I32], [], (f, s, imm) => {
    const esr = f.temp(esrOf(EC.BRK64, immediate(imm)));
    f.if(
      ne(and(readSlot32(s, "MDCR_EL2"), MDCR.TDE), 0),
      () => f.call(needs.enterEl2, [s, esr]),
      () => f.call(needs.takeSync, [s, esr]),
    );
  });
}

/** (s): FP or Advanced SIMD instruction while FP_ENABLED is 0. */
export function defineFpTrap(module: ModuleBuilder, needs: RouteNeeds): FunctionRef {
  return module.func("fpTrap", [I32], [], (f, s) => {
    // ISS: CV 1, COND 0b1110
    const esr = esrOf(EC.FP_ACCESS, 0x01e0_0000);
    const fpen = f.temp(and(shrU(readSlot32(s, "CPACR_EL1"), 20), 3));
    const toEl1 = or(eqz(and(fpen, 1)), and(eq(fpen, 1), eqz(load("i32", s, L.EL))));
    f.if(
      toEl1,
      () => f.call(needs.takeSync, [s, esr]),
      () => f.call(needs.enterEl2, [s, esr]),
    );
  });
}

/** (s): use of pointer authentication while HCR_EL2.API is 0. */
export function definePauthTrap(module: ModuleBuilder, enterEl2: FunctionRef): FunctionRef {
  return module.func("pauth", [I32], [], (f, s) => f.call(enterEl2, [s, esrOf(EC.PAUTH)]));
}

/** (s): PC misaligned, at the target. */
export function definePcAlignment(module: ModuleBuilder, takeSync: FunctionRef): FunctionRef {
  return module.func("pcAlignment", [I32], [], (f, s) => {
    const route = and(eqz(load("i32", s, L.EL)), ne(and(readSlot32(s, "HCR_EL2"), HCR.TGE), 0));
    const pc = load("i64", s, L.PC);
    f.if(
      route,
      () => writeSlot(f, s, "FAR_EL2", pc),
      () => writeSlot(f, s, "FAR_EL1", pc),
    );
    f.call(takeSync, [s, esrOf(EC.PC_ALIGNMENT)]);
  });
}

/** (s): SP misaligned while SP_ALIGN asks for 16 bytes. */
export function defineSpAlignment(module: ModuleBuilder, takeSync: FunctionRef): FunctionRef {
  return module.func("spAlignment", [I32], [], (f, s) => f.call(takeSync, [s, esrOf(EC.SP_ALIGNMENT)]));
}

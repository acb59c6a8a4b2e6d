/**
 * MRS, MSR and SYS in WebAssembly: what needs no decision is done here, the rest goes to TypeScript (`access.ts`).
 *
 * Source: DDI 0487 K.a, C5.1.3 (op0 to op2), C6.2.228-231 (MRS, MSR).
 */

import { EC } from "../exception/constants.ts";
import type { EntryFunctions } from "../exception/entry.ts";
import { esrOf } from "../exception/syndrome.ts";
import { M } from "../mmu/layout.ts";
import { L, PSTATE } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import { sysregOffset } from "../state/slots.ts";
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
  load,
  type ModuleBuilder,
  ne,
  or,
  shl,
  shrU,
  toI32,
  toI64U,
  xor,
} from "../wasm/index.ts";
import { dispatchIndex, type SystemRegister } from "./table.ts";

/** Fields of a dispatch word. Bits 9:0 are the slot, 20:16 the trap group, 27:24 the inline kind. */
export const D = {
  READ_EL0: 1 << 10,
  READ_EL1: 1 << 11,
  WRITE_EL0: 1 << 12,
  WRITE_EL1: 1 << 13,
  LOW32: 1 << 14,
  TRAP_SHIFT: 16,
  INLINE_SHIFT: 24,
} as const;

/** Registers that live elsewhere in the state block. */
export const INLINE = [
  "",
  "NZCV",
  "DAIF",
  "CurrentEL",
  "SPSel",
  "PAN",
  "SSBS",
  "FPCR",
  "FPSR",
  "SP_EL0",
  "UAO",
  "DIT",
] as const;

function dispatchWord(r: SystemRegister): number {
  const inline = INLINE.indexOf(r.name as (typeof INLINE)[number]);
  let word = r.slot | (r.trap << D.TRAP_SHIFT) | (Math.max(inline, 0) << D.INLINE_SHIFT);
  const direct = r.kind === "slot" || inline > 0;
  const plain =
    inline > 0 ||
    (r.effect === "none" && r.kind === "slot" && (r.mask === 0xffff_ffff_ffff_ffffn || r.mask === 0xffff_ffffn));
  if (direct && r.el0.includes("r")) word |= D.READ_EL0;
  if (direct && r.el1.includes("r")) word |= D.READ_EL1;
  if (plain && r.el0.includes("w")) word |= D.WRITE_EL0;
  if (plain && r.el1.includes("w")) word |= D.WRITE_EL1;
  if (r.mask === 0xffff_ffffn) word |= D.LOW32;
  return word;
}

/** Fill the dispatch table in the reserved region. Encodings without a register stay 0: TypeScript decides. */
export function writeDispatchTable(words: Int32Array, registers: readonly SystemRegister[]): void {
  const base = REGION.SYSREG_DISPATCH >> 2;
  words.fill(0, base, base + 32768);
  for (const r of registers) words[base + dispatchIndex(r.op0, r.op1, r.crn, r.crm, r.op2)] = dispatchWord(r);
}

export interface DispatchFunctions {
  readonly sysRead: FunctionRef;
  readonly sysWrite: FunctionRef;
  readonly msrImmediate: FunctionRef;
}

export interface DispatchNeeds {
  readonly packNzcv: FunctionRef;
  readonly unpackNzcv: FunctionRef;
  /** (s, word) -> as `SYSTEM_FUNCTIONS.sysRead`, sysWrite; in TypeScript. */
  readonly slowRead: FunctionRef;
  readonly slowWrite: FunctionRef;
}

export function defineDispatch(module: ModuleBuilder, entry: EntryFunctions, needs: DispatchNeeds): DispatchFunctions {
  const sysRead = defineSysRead(module, entry, needs);
  const setDaif = defineSetDaif(module, entry);
  const setPan = defineSetPan(module, entry);
  const pstate = { setDaif, setPan, setUao: defineSetUao(module, entry) };
  const sysWrite = defineSysWrite(module, entry, pstate, needs);
  const msrImmediate = defineMsrImmediate(module, entry, pstate);
  return { sysRead, sysWrite, msrImmediate };
}

/** Functions that change a field of PSTATE. */
interface PstateFunctions {
  readonly setDaif: FunctionRef;
  readonly setPan: FunctionRef;
  readonly setUao: FunctionRef;
}

/** Whether an access of this class may be made here and now: allowed at this EL and its trap group is quiet. */
const mayAccess = (s: Expr<I32>, e: Expr<I32>, el: Expr<I32>, el0Bit: number) => {
  const traps = load("i32", add(s, shl(el, 2)), L.TRAPS);
  return and(and(shrU(e, add(el, Math.log2(el0Bit))), 1), eqz(and(shrU(traps, and(shrU(e, D.TRAP_SHIFT), 31)), 1)));
};
const dispatchWordOf = (f: FunctionBuilder, word: Expr<I32>) =>
  f.temp(load("i32", and(shrU(word, 3), 0x1fffc), REGION.SYSREG_DISPATCH));

/** MRS: what is allowed and lies in the state block; the rest by `slowRead`. */
function defineSysRead(module: ModuleBuilder, entry: EntryFunctions, needs: DispatchNeeds): FunctionRef {
  return module.func(
    "sysRead",
    [I32, I32],
    [I32],
    (f, s, word) => {
      const give = (value: Expr) => {
        f.store("i64", s, value, L.SYS_VALUE);
        f.return(1);
      };
      const fpGive = (offset: number) => {
        f.if(eqz(load("i32", s, L.FP_ENABLED)), () => {
          f.call(entry.fpTrap, [s]);
          f.return(0);
        });
        give(toI64U(load("i32", s, offset)));
      };
      f.if(and(word, 1 << 20), () => {
        const e = dispatchWordOf(f, word);
        const el = f.temp(load("i32", s, L.EL));
        f.if(mayAccess(s, e, el, D.READ_EL0), () => {
          const inline = shrU(e, D.INLINE_SHIFT);
          const pstate = (bit: number) => toI64U(and(load("i32", s, L.PSTATE), bit));
          f.switch(inline, [
            () => give(load("i64", add(s, shl(and(e, 0x3ff), 3)), L.SYSREG)),
            () => give(toI64U(call<I32>(needs.packNzcv, s))),
            () => give(toI64U(load("i32", s, L.DAIF))),
            () => give(toI64U(shl(el, 2))),
            () => give(toI64U(load("i32", s, L.SPSEL))),
            () => give(pstate(PSTATE.PAN)),
            () => give(pstate(PSTATE.SSBS)),
            () => fpGive(L.FPCR),
            () => fpGive(L.FPSR),
            // SP_EL0 while it is the current stack pointer is UNDEFINED
            () => f.if(load("i32", s, L.SPSEL), () => give(load("i64", s, sysregOffset("SP_EL0")))),
            () => give(pstate(PSTATE.UAO)),
            () => give(pstate(PSTATE.DIT)),
          ]);
        });
      });
      f.return(call<I32>(needs.slowRead, s, word));
    },
    { export: true },
  );
}

/** (s, value): change DAIF; 2 when an interrupt may now be taken. */
function defineSetDaif(module: ModuleBuilder, entry: EntryFunctions): FunctionRef {
  return module.func("setDaif", [I32, I32], [I32], (f, s, value) => {
    f.store("i32", s, value, L.DAIF);
    f.if(or(and(load("i32", s, M.LINES), xor(value, -1)), load("i32", s, M.DEBUG)), () => {
      f.call(entry.contextChanged, [s]);
      f.return(2);
    });
    f.return(1);
  });
}

/** (s, value in bit 22): change PAN. */
function defineSetPan(module: ModuleBuilder, entry: EntryFunctions): FunctionRef {
  return module.func("setPan", [I32, I32], [], (f, s, value) => {
    const old = f.temp(load("i32", s, L.PSTATE));
    f.store("i32", s, or(and(old, ~PSTATE.PAN), value), L.PSTATE);
    f.if(and(value, xor(old, -1)), () => f.call(entry.panRaised, [s]));
  });
}

/** (s, value in bit 23): change UAO, which LDTR and STTR look at. */
function defineSetUao(module: ModuleBuilder, entry: EntryFunctions): FunctionRef {
  return module.func("setUao", [I32, I32], [], (f, s, value) => {
    setBit(f, s, PSTATE.UAO, value);
    f.call(entry.contextChanged, [s]);
  });
}

/** Change one bit of PSTATE that nothing follows from. */
const setBit = (f: FunctionBuilder, s: Expr<I32>, bit: number, value: Expr<I32>) =>
  f.store("i32", s, or(and(load("i32", s, L.PSTATE), ~bit), value), L.PSTATE);

/** MSR (register) and SYS: writes without an effect beyond the register; the rest by `slowWrite`. */
function defineSysWrite(
  module: ModuleBuilder,
  entry: EntryFunctions,
  { setDaif, setPan, setUao }: PstateFunctions,
  needs: DispatchNeeds,
): FunctionRef {
  return module.func(
    "sysWrite",
    [I32, I32],
    [I32],
    (f, s, word) => {
      f.if(and(word, 1 << 20), () => {
        const e = dispatchWordOf(f, word);
        const el = f.temp(load("i32", s, L.EL));
        const value = load("i64", s, L.SYS_VALUE);
        const low = toI32(value);
        const done = (result = 1) => f.return(result);
        const fpStore = (offset: number, mask: Expr<I32>) => {
          f.if(eqz(load("i32", s, L.FP_ENABLED)), () => {
            f.call(entry.fpTrap, [s]);
            f.return(0);
          });
          f.store("i32", s, and(low, mask), offset);
          // rounding mode and flush-to-zero may select other code
          done(offset === L.FPCR ? 2 : 1);
        };
        f.if(mayAccess(s, e, el, D.WRITE_EL0), () => {
          f.switch(shrU(e, D.INLINE_SHIFT), [
            () => {
              const slot = add(s, shl(and(e, 0x3ff), 3));
              f.if(
                and(e, D.LOW32),
                () => f.store("i64", slot, and(value, 0xffff_ffff), L.SYSREG),
                () => f.store("i64", slot, value, L.SYSREG),
              );
              done();
            },
            () => {
              f.call(needs.unpackNzcv, [s, and(low, 0xf000_0000 | 0)]);
              done();
            },
            () => f.return(call<I32>(setDaif, s, and(low, 0x3c0))),
            () => undefined,
            () => {
              f.call(entry.setMode, [s, i32(1), and(low, 1)]);
              done(2);
            },
            () => {
              f.call(setPan, [s, and(low, PSTATE.PAN)]);
              done();
            },
            () => {
              setBit(f, s, PSTATE.SSBS, and(low, PSTATE.SSBS));
              done();
            },
            () => fpStore(L.FPCR, load("i32", i32(REGION.FPCR_BITS))),
            () => fpStore(L.FPSR, i32(0x0800_009f)),
            () =>
              f.if(load("i32", s, L.SPSEL), () => {
                f.store("i64", s, value, sysregOffset("SP_EL0"));
                done();
              }),
            () => {
              f.call(setUao, [s, and(low, PSTATE.UAO)]);
              done();
            },
            () => {
              setBit(f, s, PSTATE.DIT, and(low, PSTATE.DIT));
              done();
            },
          ]);
        });
      });
      f.return(call<I32>(needs.slowWrite, s, word));
    },
    { export: true },
  );
}

/** MSR (immediate). */
function defineMsrImmediate(
  module: ModuleBuilder,
  entry: EntryFunctions,
  { setDaif, setPan, setUao }: PstateFunctions,
): FunctionRef {
  return module.func(
    "msrImmediate",
    [I32, I32],
    [I32],
    (f, s, word) => {
      const field = f.temp(and(word, 0x0007_00e0));
      const imm = f.temp(and(shrU(word, 8), 15));
      const code = (op1: number, op2: number) => eq(field, (op1 << 16) | (op2 << 5));
      const exists = (bit: number) => ne(and(load("i32", i32(REGION.PSTATE_BITS)), bit), 0);
      const el1 = f.temp(load("i32", s, L.EL));
      f.if(el1, () => {
        f.if(code(3, 6), () => f.return(call<I32>(setDaif, s, or(load("i32", s, L.DAIF), shl(imm, 6)))));
        f.if(code(3, 7), () => f.return(call<I32>(setDaif, s, and(load("i32", s, L.DAIF), xor(shl(imm, 6), -1)))));
        f.if(code(0, 5), () => {
          f.call(entry.setMode, [s, i32(1), and(imm, 1)]);
          f.return(2);
        });
        f.if(and(code(0, 3), exists(PSTATE.UAO)), () => {
          f.call(setUao, [s, shl(and(imm, 1), 23)]);
          f.return(1);
        });
        f.if(and(code(0, 4), exists(PSTATE.PAN)), () => {
          f.call(setPan, [s, shl(and(imm, 1), 22)]);
          f.return(1);
        });
      });
      f.if(and(code(3, 1), exists(PSTATE.SSBS)), () => {
        setBit(f, s, PSTATE.SSBS, shl(and(imm, 1), 12));
        f.return(1);
      });
      f.if(and(code(3, 2), exists(PSTATE.DIT)), () => {
        setBit(f, s, PSTATE.DIT, shl(and(imm, 1), 24));
        f.return(1);
      });
      f.if(eqz(el1), () => {
        // SCTLR_EL1.UMA lets EL0 mask interrupts; without it DAIFSet and DAIFClr trap like a system register.
        const isSet = code(3, 6);
        const isClear = code(3, 7);
        f.if(or(isSet, isClear), () => {
          f.if(and(load("i32", s, sysregOffset("SCTLR_EL1")), 1 << 9), () => {
            const mask = f.temp(shl(imm, 6));
            const daif = f.temp(load("i32", s, L.DAIF));
            f.if(isSet, () => f.return(call<I32>(setDaif, s, or(daif, mask))));
            f.return(call<I32>(setDaif, s, and(daif, xor(mask, -1))));
          });
          // ISS: Op0 0, Op2 19:17, Op1 16:14, CRn 13:10, Rt 9:5, CRm 4:1, write
          const iss = or(
            or(shl(and(shrU(word, 5), 7), 17), shl(and(shrU(word, 16), 7), 14)),
            or(or(i32((4 << 10) | (31 << 5)), shl(imm, 1)), 0),
          );
          f.call(entry.takeSync, [s, esrOf(EC.SYSREG, iss)]);
          f.return(0);
        });
      });
      f.call(entry.undefined, [s]);
      f.return(0);
    },
    { export: true },
  );
}

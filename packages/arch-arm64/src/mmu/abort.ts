/**
 * Aborts of translation: to which EL, with which syndrome. In WebAssembly.
 *
 * Source: DDI 0487 K.a, D1.3.4 and pseudocode AArch64.DataAbort, AArch64.InstructionAbort; D19.2.40 (ISS).
 */
import { EC, HCR } from "../exception/constants.ts";
import type { EntryFunctions } from "../exception/entry.ts";
import { esrOf } from "../exception/syndrome.ts";
import { ACCDESC, L } from "../state/layout.ts";
import { readSlot32, readSlotHigh, writeSlot } from "../state/slots.ts";
import {
  add,
  and,
  call,
  eq,
  eqz,
  type FunctionRef,
  I32,
  I64,
  i32,
  load,
  type ModuleBuilder,
  ne,
  or,
  select,
  shl,
  shrU,
} from "../wasm/index.ts";
import { FAULT, M } from "./layout.ts";

/** (s, va, esr, fault): to EL2 or EL1 with FAR and HPFAR. `esr` has the class of an abort from a lower EL. */
export function defineAbort(module: ModuleBuilder, entry: Pick<EntryFunctions, "enterEl1" | "enterEl2">): FunctionRef {
  return module.func("abort", [I32, I64, I32, I32], [], (f, s, va, esr, fault) => {
    const el = f.temp(load("i32", s, L.EL));
    const external = eq(and(fault, 0x38), FAULT.EXTERNAL);
    const toEl2 = or(
      ne(and(fault, FAULT.STAGE2), 0),
      or(
        and(external, ne(and(readSlotHigh(s, "HCR_EL2"), HCR.TEA_HIGH), 0)),
        and(eqz(el), ne(and(readSlot32(s, "HCR_EL2"), HCR.TGE), 0)),
      ),
    );
    f.if(
      toEl2,
      () => {
        writeSlot(f, s, "FAR_EL2", va);
        f.if(and(fault, FAULT.STAGE2), () =>
          writeSlot(f, s, "HPFAR_EL2", and(shrU(load("i64", s, M.OUT_FAULT_IPA), 8), 0x0fff_ffff_fff0)),
        );
        f.call(entry.enterEl2, [s, esr]);
      },
      () => {
        writeSlot(f, s, "FAR_EL1", va);
        // Current-EL classes are one above lower-EL ones.
        f.call(entry.enterEl1, [s, add(esr, shl(el, 26)), i32(0)]);
      },
    );
  });
}

export interface DataAbortNeeds {
  readonly translate: FunctionRef;
  readonly abort: FunctionRef;
  readonly instructionSyndrome: FunctionRef;
}

/** (s, va, accdesc, fault): take the data abort. */
export function defineDataAbort(
  module: ModuleBuilder,
  { translate, abort, instructionSyndrome }: DataAbortNeeds,
): FunctionRef {
  return module.func("dataAbort", [I32, I64, I32, I32], [], (f, s, va, accdesc, fault) => {
    const iss = f.local(I32);
    const word = f.temp(load("i32", s, L.WORD));
    f.set(iss, and(fault, FAULT.FSC_MASK));
    f.if(and(fault, FAULT.S1PTW), () => f.set(iss, or(iss, 1 << 7)));
    f.if(
      and(accdesc, ACCDESC.MAINTENANCE),
      () => f.set(iss, or(iss, (1 << 8) | (1 << 6))),
      () =>
        f.if(and(accdesc, ACCDESC.WRITE), () => {
          // An access that reads and writes reports a write only when the read alone would have been allowed.
          const isStoreExclusive = or(
            eq(and(word, 0x3fa0_0000), 0x0800_0000),
            eq(and(word, 0xbfa0_0000 | 0), 0x8820_0000 | 0),
          );
          const wnr = f.local(I32);
          f.set(wnr, 1);
          f.if(
            and(
              ne(and(accdesc, ACCDESC.ATOMIC), 0),
              and(eqz(isStoreExclusive), ne(and(fault, FAULT.FSC_MASK), FAULT.ALIGNMENT)),
            ),
            () => {
              const el = select(and(accdesc, ACCDESC.UNPRIVILEGED), i32(0), load("i32", s, L.EL));
              const ipa = f.temp(load("i64", s, M.OUT_FAULT_IPA));
              f.set(wnr, eqz(call<I32>(translate, s, va, and(accdesc, ~(ACCDESC.WRITE | ACCDESC.ATOMIC)), el)));
              f.store("i64", s, ipa, M.OUT_FAULT_IPA);
            },
          );
          f.if(and(fault, FAULT.S1PTW), () => f.set(wnr, 0));
          f.set(iss, or(iss, shl(wnr, 6)));
        }),
    );
    f.if(eq(and(fault, FAULT.STAGE2 | FAULT.S1PTW), FAULT.STAGE2), () => {
      f.if(eqz(and(accdesc, ACCDESC.MAINTENANCE)), () => f.set(iss, or(iss, call<I32>(instructionSyndrome, word))));
    });
    f.call(abort, [s, va, esrOf(EC.DATA_ABORT_LOWER, iss), fault]);
  });
}

/**
 * Translation table walks, in WebAssembly: stage 1 of the EL1&0 regime, stage 2 of every stage 1 descriptor fetch and of
 * the result. Descriptors are read straight from DRAM in the linear memory.
 *
 * Source: DDI 0487 K.a, D8 (VMSAv8-64), pseudocode AArch64.FullTranslate.
 */
import { ACCDESC } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import { readSlot, readSlot32 } from "../state/slots.ts";
import {
  add,
  and,
  call,
  type Expr,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  I32,
  I64,
  i32,
  type Local,
  load,
  ltU,
  type ModuleBuilder,
  ne,
  or,
  select,
  shl,
  sub,
  toI32,
} from "../wasm/index.ts";
import { bit64, emitTopByteIgnored, HCR_DC, misalignedDevice } from "./descriptor.ts";
import { ATTR, FAULT, M, WALK } from "./layout.ts";
import { emitStage1, emitStage1Off, type Translation, type WalkNeeds } from "./stage1.ts";
import { defineStage2 } from "./stage2.ts";

export interface WalkFunctions {
  /** (s, va, accdesc, el) -> fault word, 0 when none. Results in `M.OUT_*`. */
  readonly translate: FunctionRef;
  /** (s, pa) -> linear-memory offset, or 0 when pa is not DRAM. */
  readonly hostOf: FunctionRef;
}

export function defineWalk(module: ModuleBuilder): WalkFunctions {
  const stage2Result = { pa: module.global(I64, 0), attr: module.global(I32, 0) };
  const hostOf = defineHostOf(module);
  const stage2 = defineStage2(module, hostOf, stage2Result);
  const translate = defineTranslate(module, { stage2, stage2Result, hostOf });
  return { translate, hostOf };
}

function defineHostOf(module: ModuleBuilder): FunctionRef {
  return module.func("hostOf", [I64], [I32], (f, pa) => {
    const offset = f.temp(sub(pa, load("i64", i32(REGION.DRAM_BASE))));
    f.if(ltU(offset, load("i64", i32(REGION.DRAM_SIZE))), () =>
      f.return(add(toI32(offset), load("i32", i32(REGION.DRAM_OFFSET)))),
    );
    f.return(0);
  });
}

/**
 * The rights that an access needs. Cache maintenance needs no permission beyond a mapping at EL1, readability at EL0.
 */
function emitNeed(f: FunctionBuilder, accdesc: Expr<I32>, el: Expr<I32>, isFetch: Expr<I32>): Local<I32> {
  const need = f.local(I32);
  f.if(
    isFetch,
    () => f.set(need, ATTR.EXECUTE),
    () =>
      f.if(
        and(accdesc, ACCDESC.MAINTENANCE),
        () => f.set(need, select(el, i32(0), ATTR.READ)),
        () =>
          f.set(
            need,
            select(
              ne(and(accdesc, ACCDESC.WRITE), 0),
              select(ne(and(accdesc, ACCDESC.ATOMIC), 0), i32(ATTR.READ | ATTR.WRITE), ATTR.WRITE),
              ATTR.READ,
            ),
          ),
      ),
  );
  return need;
}

/** Stage 2 of the result: both stages must allow it; the stricter memory type wins. */
function emitFinalStage2(
  { f, s, va, accdesc, el, isFetch, need, ipa, attr, size, fault, done }: Translation,
  needs: WalkNeeds,
) {
  f.set(fault, call<I32>(needs.stage2, s, ipa, need, el, i32(0)));
  f.if(fault, () => done(fault));
  f.store("i64", s, needs.stage2Result.pa, M.OUT_PA);
  f.set(attr, or(and(attr, or(needs.stage2Result.attr, ~7)), and(needs.stage2Result.attr, ATTR.DEVICE)));
  f.if(misalignedDevice(attr, va, accdesc, isFetch), () => {
    f.store("i64", s, ipa, M.OUT_FAULT_IPA);
    done(i32(FAULT.VALID | FAULT.ALIGNMENT));
  });
  f.set(attr, or(attr, shl(size, ATTR.SIZE_SHIFT)));
  f.store("i32", s, attr, M.OUT_ATTR);
}

/** `WalkFunctions.translate`. */
function defineTranslate(module: ModuleBuilder, needs: WalkNeeds): FunctionRef {
  return module.func(
    "translate",
    [I32, I64, I32, I32],
    [I32],
    (f, s, va, accdesc, el) => {
      const fault = f.local(I32);
      const ipa = f.local(I64);
      const attr = f.local(I32);
      const size = f.local(I32);
      const isFetch = f.temp(ne(and(accdesc, ACCDESC.FETCH), 0));
      const need = emitNeed(f, accdesc, el, isFetch);
      const done = (code: Expr<I32>) => {
        f.set(fault, code);
        f.store("i32", s, fault, M.OUT_FAULT);
        f.return(fault);
      };
      const tcr = f.temp(readSlot(s, "TCR_EL1"));
      const tcrLow = f.temp(toI32(tcr));
      const upper = f.temp(bit64(va, 55));
      const tbi = f.temp(emitTopByteIgnored(tcr, upper, isFetch));
      const hcr = f.temp(readSlot32(s, "HCR_EL2"));
      const t: Translation = {
        f,
        s,
        va,
        accdesc,
        el,
        isFetch,
        need,
        ipa,
        attr,
        size,
        done,
        fault,
        hcr,
        tcr,
        tcrLow,
        upper,
        tbi,
      };
      f.if(
        or(eqz(and(readSlot32(s, "SCTLR_EL1"), 1)), ne(and(hcr, HCR_DC), 0)),
        () => emitStage1Off(t),
        () => emitStage1(t, needs),
      );
      f.if(misalignedDevice(attr, va, accdesc, isFetch), () => done(i32(FAULT.VALID | FAULT.ALIGNMENT)));
      f.store("i64", s, ipa, M.OUT_IPA);
      f.store("i32", s, attr, M.OUT_ATTR);
      f.if(and(accdesc, WALK.STAGE1_ONLY), () => done(i32(0)));
      emitFinalStage2(t, needs);
      done(i32(0));
    },
    { export: true },
  );
}

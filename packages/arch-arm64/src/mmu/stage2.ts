/**
 * The stage 2 walk, in WebAssembly: of an IPA, and of every stage 1 descriptor's address.
 *
 * Source: DDI 0487 K.a, D8 (VMSAv8-64), pseudocode AArch64.S2Translate, AArch64.S2Walk.
 */
import { readSlot, readSlot32 } from "../state/slots.ts";
import {
  add,
  and,
  call,
  type Expr,
  eq,
  eqz,
  type FunctionRef,
  type GlobalRef,
  gtS,
  I32,
  I64,
  i32,
  i64,
  leU,
  load,
  ltS,
  ltU,
  type ModuleBuilder,
  mul,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  toI32,
  toI64U,
  xor,
} from "../wasm/index.ts";
import {
  ADDRESS_47_0,
  field,
  HCR_DC,
  HCR_PTW,
  HCR_VM,
  invalidLeaf,
  outputBits,
  PA_BITS,
  strideOf,
  tableAddress,
} from "./descriptor.ts";
import { ATTR, FAULT, M } from "./layout.ts";

/** What a stage 2 translation leaves besides its fault. */
export interface Stage2Result {
  readonly pa: GlobalRef<I64>;
  /** `ATTR` bits READ, WRITE, EXECUTE, DEVICE. */
  readonly attr: GlobalRef<I32>;
}

/** (s, ipa, need, el, onWalk) -> fault. `need` is ATTR.READ, WRITE, EXECUTE. */
export function defineStage2(module: ModuleBuilder, hostOf: FunctionRef, out: Stage2Result): FunctionRef {
  return module.func("stage2", [I32, I64, I32, I32, I32], [I32], (f, s, ipa, need, el, onWalk) => {
    const hcr = f.temp(readSlot32(s, "HCR_EL2"));
    f.if(eqz(and(hcr, HCR_VM | HCR_DC)), () => {
      f.set(out.pa, ipa);
      f.set(out.attr, ATTR.READ | ATTR.WRITE | ATTR.EXECUTE);
      f.return(0);
    });
    const flags = f.temp(select(onWalk, i32(FAULT.VALID | FAULT.STAGE2 | FAULT.S1PTW), FAULT.VALID | FAULT.STAGE2));
    const fail = (code: Expr<I32>) => {
      f.store("i64", s, ipa, M.OUT_FAULT_IPA);
      f.return(or(flags, code));
    };
    const vtcr = f.temp(readSlot32(s, "VTCR_EL2"));
    const iaBits = f.temp(sub(i32(64), field(vtcr, 5, 0)));
    const tg = f.temp(field(vtcr, 15, 14));
    const grain = f.temp(select(eq(tg, 1), i32(16), select(eq(tg, 2), i32(14), 12)));
    const stride = strideOf(f, grain);
    const level = f.local(I32);
    const sl0 = field(vtcr, 7, 6);
    f.set(level, sub(select(eq(grain, 12), i32(2), 3), sl0));
    const lsb = f.local(I32);
    f.set(lsb, add(grain, mul(sub(i32(3), level), stride)));
    // SL0 must fit T0SZ: up to 16 concatenated tables at the first level.
    const top = f.temp(add(lsb, stride));
    f.if(or(or(ltS(level, 0), or(gtS(iaBits, PA_BITS), leU(iaBits, lsb))), gtS(iaBits, add(top, 4))), () =>
      fail(i32(FAULT.TRANSLATION)),
    );
    f.if(ne(shrU(ipa, toI64U(iaBits)), 0), () => fail(i32(FAULT.TRANSLATION)));
    const paBits = outputBits(f, field(vtcr, 18, 16));
    const table = f.local(I64);
    f.set(table, and(readSlot(s, "VTTBR_EL2"), 0x0000_ffff_ffff_fffen));
    f.if(ne(shrU(table, toI64U(paBits)), 0), () => fail(i32(FAULT.ADDRESS_SIZE)));
    const descriptor = f.local(I64);
    const index = f.local(I64);
    f.set(index, shrU(ipa, toI64U(lsb)));
    f.loop((again) => {
      const host = f.temp(call<I32>(hostOf, add(table, shl(index, 3))));
      f.if(eqz(host), () => fail(or(level, FAULT.EXTERNAL_WALK)));
      f.set(descriptor, load("i64", host));
      const low = f.temp(toI32(descriptor));
      f.if(eqz(and(low, 1)), () => fail(or(level, FAULT.TRANSLATION)));
      f.if(and(and(shrU(low, 1), 1), ltS(level, 3)), () => {
        // table descriptor
        f.set(table, tableAddress(descriptor, grain));
        f.if(ne(shrU(table, toI64U(paBits)), 0), () => fail(or(level, FAULT.ADDRESS_SIZE)));
        f.set(level, add(level, 1));
        f.set(lsb, sub(lsb, stride));
        f.set(index, and(shrU(ipa, toI64U(lsb)), sub(shl(i64(1), toI64U(stride)), 1)));
        f.br(again);
      });
      f.if(invalidLeaf(low, level, grain), () => fail(or(level, FAULT.TRANSLATION)));
    });
    const low = f.temp(toI32(descriptor));
    const offsetMask = f.temp(sub(shl(i64(1), toI64U(lsb)), 1));
    const base = f.temp(and(and(descriptor, ADDRESS_47_0), xor(offsetMask, -1)));
    f.if(ne(shrU(base, toI64U(paBits)), 0), () => fail(or(level, FAULT.ADDRESS_SIZE)));
    f.if(eqz(and(low, 1 << 10)), () => fail(or(level, FAULT.ACCESS_FLAG)));
    const xn = f.temp(and(toI32(shrU(descriptor, 53)), 3));
    // XN[1:0]: 00 both may execute, 01 EL0 only, 10 neither, 11 EL1 only
    const executable = f.temp(select(el, or(eqz(xn), eq(xn, 3)), ltU(xn, 2)));
    const attr = f.local(I32);
    f.set(attr, or(and(shrU(low, 6), ATTR.READ | ATTR.WRITE), select(executable, i32(ATTR.EXECUTE), 0)));
    f.if(eqz(and(low, 0x30)), () => f.set(attr, or(attr, ATTR.DEVICE)));
    // HCR_EL2.PTW: a stage 1 table in Device memory
    f.if(or(ne(and(attr, need), need), and(onWalk, and(ne(and(hcr, HCR_PTW), 0), ne(and(attr, ATTR.DEVICE), 0)))), () =>
      fail(or(level, FAULT.PERMISSION)),
    );
    f.set(out.pa, or(base, and(ipa, offsetMask)));
    f.set(out.attr, attr);
    f.return(0);
  });
}

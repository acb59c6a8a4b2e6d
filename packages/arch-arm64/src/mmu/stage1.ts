/**
 * Stage 1 of the EL1&0 regime, in WebAssembly. Emitted into `translate` (`walk.ts`), piece by piece.
 *
 * Source: DDI 0487 K.a, D8 (VMSAv8-64), pseudocode AArch64.S1Translate, AArch64.S1Walk.
 */
import { ACCDESC, L, PSTATE } from "../state/layout.ts";
import { readSlot, readSlot32 } from "../state/slots.ts";
import {
  add,
  and,
  call,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  gtS,
  I32,
  I64,
  i32,
  i64,
  type Local,
  load,
  ltS,
  ne,
  or,
  select,
  shl,
  shrS,
  shrU,
  sub,
  toI32,
  toI64U,
  xor,
} from "../wasm/index.ts";
import {
  ADDRESS_47_0,
  bit64,
  field,
  HCR_DC,
  invalidLeaf,
  misalignedDevice,
  outputBits,
  PA_BITS,
  strideOf,
  tableAddress,
} from "./descriptor.ts";
import { ATTR, FAULT, WALK } from "./layout.ts";
import type { Stage2Result } from "./stage2.ts";

/** The translation that `translate` is generating code for. */
export interface Translation {
  readonly f: FunctionBuilder;
  readonly s: Expr<I32>;
  readonly va: Expr<I64>;
  readonly accdesc: Expr<I32>;
  readonly el: Expr<I32>;
  readonly isFetch: Expr<I32>;
  /** `ATTR` bits that the access needs. */
  readonly need: Expr<I32>;
  /** Results of stage 1: the IPA, `ATTR` bits, log2 of the size of the mapping. */
  readonly ipa: Local<I64>;
  readonly attr: Local<I32>;
  readonly size: Local<I32>;
  /** Leave `translate` with a fault word. */
  readonly done: (fault: Expr<I32>) => void;
  readonly fault: Local<I32>;
  readonly hcr: Expr<I32>;
  readonly tcr: Expr<I64>;
  readonly tcrLow: Expr<I32>;
  /** Bit 55 of the VA: TTBR1 and the fields of TCR with a 1. */
  readonly upper: Expr<I32>;
  readonly tbi: Expr<I32>;
}

/** What the walk reads memory with. */
export interface WalkNeeds {
  readonly stage2: FunctionRef;
  readonly stage2Result: Stage2Result;
  readonly hostOf: FunctionRef;
}

/** A leaf, and what the tables on the way to it said. */
interface Leaf {
  readonly descriptor: Expr<I64>;
  /** Its bits 31:0. */
  readonly low: Expr<I32>;
  readonly level: Expr<I32>;
  /** Bits 63:59 of the table descriptors on the way, or-ed. */
  readonly inherited: Expr<I64>;
}

/** Stage 1 off: the VA is the IPA; data is Device-nGnRnE unless HCR_EL2.DC. */
export function emitStage1Off({ f, va, tbi, hcr, ipa, attr, size, isFetch, done }: Translation): void {
  f.set(ipa, select(tbi, shrS(shl(va, 8), 8), va));
  f.set(ipa, select(tbi, and(ipa, 0x00ff_ffff_ffff_ffffn), ipa));
  f.if(ne(shrU(ipa, PA_BITS), 0), () => done(i32(FAULT.VALID | FAULT.ADDRESS_SIZE)));
  f.set(attr, ATTR.READ | ATTR.WRITE | ATTR.EXECUTE);
  f.if(
    ne(and(hcr, HCR_DC), 0),
    () => f.set(attr, or(attr, 0xff << ATTR.MAIR_SHIFT)),
    () => f.if(eqz(isFetch), () => f.set(attr, or(attr, ATTR.DEVICE | (2 << ATTR.SH_SHIFT)))),
  );
  f.set(size, 47);
}

/** Stage 1 on: walk the tables, then check attributes, alignment to Device memory and permissions, in this order. */
export function emitStage1(t: Translation, needs: WalkNeeds): void {
  const { f, va, accdesc, attr, isFetch, need, done } = t;
  const leaf = emitTableWalk(t, needs);
  emitAttributes(t, leaf);
  // Device memory wants alignment; that fault comes before permission.
  f.if(misalignedDevice(attr, va, accdesc, isFetch), () => done(i32(FAULT.VALID | FAULT.ALIGNMENT)));
  f.if(ne(and(attr, need), need), () => done(or(leaf.level, FAULT.VALID | FAULT.PERMISSION)));
}

/** log2 of the granule: TCR_EL1.TG0, TG1. */
function granuleOf({ f, tcrLow, upper }: Translation): Expr<I32> {
  const tg0 = f.temp(field(tcrLow, 15, 14));
  const tg1 = f.temp(shrU(tcrLow, 30));
  return f.temp(
    select(
      upper,
      select(eq(tg1, 1), i32(14), select(eq(tg1, 3), i32(16), 12)),
      select(eq(tg0, 1), i32(16), select(eq(tg0, 2), i32(14), 12)),
    ),
  );
}

/** Bits of the input address: TCR_EL1.TxSZ. Faults when EPDx or E0PDx closes the half or bits above do not fit. */
function inputBits({ f, va, el, tcr, tcrLow, upper, tbi, done }: Translation): Expr<I32> {
  const translation0 = FAULT.VALID | FAULT.TRANSLATION;
  // EPD0, EPD1, E0PD0, E0PD1
  f.if(and(shrU(tcrLow, select(upper, i32(23), 7)), 1), () => done(i32(translation0)));
  f.if(and(eqz(el), select(upper, bit64(tcr, 56), bit64(tcr, 55))), () => done(i32(translation0)));
  const txsz = f.local(I32);
  f.set(txsz, and(shrU(tcrLow, select(upper, i32(16), 0)), 0x3f));
  // Outside 16-39 is constrained unpredictable: the nearest legal value.
  f.set(txsz, select(ltS(txsz, 16), i32(16), select(gtS(txsz, 39), i32(39), txsz)));
  const iaBits = f.temp(sub(i32(64), txsz));
  // Bits above the input range must repeat bit 55; bits 63:56 count unless TBI.
  const extended = f.temp(select(tbi, shrS(shl(va, 8), 8), va));
  f.if(ne(shrS(extended, toI64U(iaBits)), select(upper, i64(-1), i64(0))), () => done(i32(translation0)));
  return iaBits;
}

/** From TTBR to the leaf; sets `ipa` and `size`. */
function emitTableWalk(t: Translation, { stage2, stage2Result, hostOf }: WalkNeeds): Leaf {
  const { f, s, va, tcr, upper, fault, ipa, size, done } = t;
  const iaBits = inputBits(t);
  const grain = granuleOf(t);
  const stride = strideOf(f, grain);
  const ipaBits = outputBits(f, and(toI32(shrU(tcr, 32)), 7));
  // level = 4 - ceil((iaBits - grain) / stride); iaBits - grain is 9..36
  const level = f.local(I32);
  const lsb = f.local(I32);
  f.set(level, 3);
  f.set(lsb, grain);
  f.loop((again) => {
    f.if(gtS(iaBits, add(lsb, stride)), () => {
      f.set(level, sub(level, 1));
      f.set(lsb, add(lsb, stride));
      f.br(again);
    });
  });
  const table = f.local(I64);
  f.set(table, and(select(upper, readSlot(s, "TTBR1_EL1"), readSlot(s, "TTBR0_EL1")), 0x0000_ffff_ffff_fffen));
  f.if(ne(shrU(table, toI64U(ipaBits)), 0), () => done(i32(FAULT.VALID | FAULT.ADDRESS_SIZE)));
  const index = f.local(I64);
  const inputMask = f.temp(sub(shl(i64(1), toI64U(iaBits)), 1));
  f.set(index, shrU(and(va, inputMask), toI64U(lsb)));
  // A table of fewer than 8 entries is aligned to its size, never below 8 bytes: low bits of TTBR are RES0.
  f.set(table, and(table, sub(i64(0), shl(i64(8), toI64U(sub(iaBits, lsb))))));
  const descriptor = f.local(I64);
  const inherited = f.local(I64);
  f.set(inherited, 0);
  f.loop((again) => {
    const address = f.temp(add(table, shl(index, 3)));
    f.set(fault, call<I32>(stage2, s, address, i32(ATTR.READ), i32(1), i32(1)));
    f.if(fault, () => done(fault));
    const host = f.temp(call<I32>(hostOf, stage2Result.pa));
    f.if(eqz(host), () => done(or(level, FAULT.VALID | FAULT.EXTERNAL_WALK)));
    f.set(descriptor, load("i64", host));
    const low = f.temp(toI32(descriptor));
    f.if(eqz(and(low, 1)), () => done(or(level, FAULT.VALID | FAULT.TRANSLATION)));
    f.if(and(and(shrU(low, 1), 1), ltS(level, 3)), () => {
      f.set(inherited, or(inherited, descriptor));
      f.set(table, tableAddress(descriptor, grain));
      f.if(ne(shrU(table, toI64U(ipaBits)), 0), () => done(or(level, FAULT.VALID | FAULT.ADDRESS_SIZE)));
      f.set(level, add(level, 1));
      f.set(lsb, sub(lsb, stride));
      f.set(index, and(shrU(va, toI64U(lsb)), sub(shl(i64(1), toI64U(stride)), 1)));
      f.br(again);
    });
    f.if(invalidLeaf(low, level, grain), () => done(or(level, FAULT.VALID | FAULT.TRANSLATION)));
  });
  const low = f.temp(toI32(descriptor));
  const offsetMask = f.temp(sub(shl(i64(1), toI64U(lsb)), 1));
  const base = f.temp(and(and(descriptor, ADDRESS_47_0), xor(offsetMask, -1)));
  f.if(ne(shrU(base, toI64U(ipaBits)), 0), () => done(or(level, FAULT.VALID | FAULT.ADDRESS_SIZE)));
  f.if(eqz(and(low, 1 << 10)), () => done(or(level, FAULT.VALID | FAULT.ACCESS_FLAG)));
  f.set(ipa, or(base, and(va, offsetMask)));
  f.set(size, lsb);
  // TCR_EL1.HPD0, HPD1: what tables say counts for nothing
  f.if(select(upper, bit64(tcr, 42), bit64(tcr, 41)), () => f.set(inherited, 0));
  return { descriptor, low, level, inherited };
}

/** `attr` from a leaf: memory type, shareability, and what this EL may do there. */
function emitAttributes({ f, s, el, accdesc, attr }: Translation, { descriptor, low, inherited }: Leaf): void {
  const mair = f.temp(and(toI32(shrU(readSlot(s, "MAIR_EL1"), toI64U(shl(field(low, 4, 2), 3)))), 0xff));
  f.set(attr, or(shl(mair, ATTR.MAIR_SHIFT), shl(field(low, 9, 8), ATTR.SH_SHIFT)));
  f.if(eqz(and(mair, 0xf0)), () => f.set(attr, or(attr, ATTR.DEVICE)));
  f.if(and(low, 1 << 11), () => f.set(attr, or(attr, ATTR.NON_GLOBAL)));
  // APTable[0] (61) takes EL0 access away, APTable[1] (62) write access; UXNTable (60), PXNTable (59)
  const user = f.temp(and(and(shrU(low, 6), 1), xor(bit64(inherited, 61), 1)));
  const writable = f.temp(xor(or(and(shrU(low, 7), 1), bit64(inherited, 62)), 1));
  const uxn = or(bit64(descriptor, 54), bit64(inherited, 60));
  const pxn = or(bit64(descriptor, 53), bit64(inherited, 59));
  const wxn = f.temp(and(shrU(readSlot32(s, "SCTLR_EL1"), 19), 1));
  const userWritable = f.temp(and(user, writable));
  f.if(user, () => f.set(attr, or(attr, ATTR.USER)));
  f.if(
    el,
    () => {
      // Writable at EL0 is never executable at EL1.
      const noExecute = or(or(pxn, userWritable), and(wxn, writable));
      f.set(attr, or(attr, select(noExecute, i32(0), ATTR.EXECUTE)));
      const pan = and(
        user,
        and(ne(and(load("i32", s, L.PSTATE), PSTATE.PAN), 0), eqz(and(accdesc, WALK.NO_PAN | ACCDESC.MAINTENANCE))),
      );
      f.if(eqz(pan), () => f.set(attr, or(attr, select(writable, i32(ATTR.READ | ATTR.WRITE), ATTR.READ))));
    },
    () => {
      const noExecute = or(uxn, and(wxn, userWritable));
      f.set(attr, or(attr, select(noExecute, i32(0), ATTR.EXECUTE)));
      f.if(user, () => f.set(attr, or(attr, select(writable, i32(ATTR.READ | ATTR.WRITE), ATTR.READ))));
    },
  );
}

/**
 * Pointer authentication codes in pointers: where they lie, how they are inserted, checked and stripped.
 *
 * FEAT_PAuth with QARMA5, without FEAT_EPAC, FEAT_PAuth2 and FEAT_FPAC: a pointer that fails the check becomes one that does
 * not translate.
 *
 * Source: DDI 0487 K.a, D8.8 (pointer authentication), pseudocode AddPAC, Auth, Strip, CalculateBottomPACBit.
 */
import { emitTopByteIgnored } from "../mmu/descriptor.ts";
import { readSlot, sysregOffset } from "../state/slots.ts";
import {
  add,
  and,
  call,
  type Expr,
  eq,
  type FunctionBuilder,
  type FunctionRef,
  gtS,
  I32,
  I64,
  i32,
  i64,
  load,
  ltS,
  type ModuleBuilder,
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
import { defineComputePac } from "./qarma5.ts";

export interface PauthFunctions {
  /** computePac(data, modifier, key<127:64>, key<63:0>) -> 64 bits. */
  readonly computePac: FunctionRef;
  /** addPac(s, pointer, modifier, offset of the key's low half in the state block, isData) -> pointer. */
  readonly addPac: FunctionRef;
  /** auth(s, pointer, modifier, key, isData) -> pointer, with an error code in it when its code is wrong. */
  readonly auth: FunctionRef;
  /** strip(s, pointer, isData) -> pointer. */
  readonly strip: FunctionRef;
}

export function definePauth(module: ModuleBuilder): PauthFunctions {
  const computePac = defineComputePac(module);
  return {
    computePac,
    addPac: defineAddPac(module, computePac),
    auth: defineAuth(module, computePac),
    strip: defineStrip(module),
  };
}

/** Mask of the bits below the code: CalculateBottomPACBit. */
function addressMask(f: FunctionBuilder, tcr: Expr<I64>, upper: Expr<I32>): Expr<I64> {
  const tsz = f.local(I32);
  f.set(tsz, and(shrU(toI32(tcr), select(upper, i32(16), 0)), 0x3f));
  f.set(tsz, select(ltS(tsz, 16), i32(16), select(gtS(tsz, 39), i32(39), tsz)));
  return f.temp(sub(shl(i64(1), toI64U(sub(i32(64), tsz))), 1));
}
const BIT_55 = 1n << 55n;
const TOP_BYTE = -(1n << 56n);
/** key<127:64> and key<63:0>: the Hi register follows the Lo register. */
const keyAt = (s: Expr<I32>, offset: Expr<I32>) => {
  const low = add(s, offset);
  return [load("i64", low, 8), load("i64", low)] as const;
};
const bit55 = (pointer: Expr<I64>) => and(toI32(shrU(pointer, 55)), 1);
/** All 64 bits are the bit. */
const replicate = (bit: Expr<I32>) => select(bit, i64(-1), i64(0));

function defineAddPac(module: ModuleBuilder, computePac: FunctionRef): FunctionRef {
  return module.func("addPac", [I32, I64, I64, I32, I32], [I64], (f, s, pointer, modifier, offset, isData) => {
    const tcr = f.temp(readSlot(s, "TCR_EL1"));
    const upper = f.temp(bit55(pointer));
    const tbi = f.temp(emitTopByteIgnored(tcr, upper, xor(isData, 1)));
    // With TBI of either half bit 55 tells the halves apart, otherwise bit 63.
    const eitherTbi = or(
      emitTopByteIgnored(tcr, i32(0), xor(isData, 1)),
      emitTopByteIgnored(tcr, i32(1), xor(isData, 1)),
    );
    const half = f.temp(select(eitherTbi, upper, toI32(shrU(pointer, 63))));
    const address = addressMask(f, tcr, half);
    const extension = f.temp(replicate(half));
    // Bits that are neither address nor, with TBI, tag.
    const field = f.temp(and(xor(address, -1), select(tbi, i64(~TOP_BYTE), i64(-1))));
    const extended = f.temp(or(and(pointer, xor(field, -1)), and(extension, field)));
    const pac = f.local(I64);
    f.set(pac, call<I64>(computePac, extended, modifier, ...keyAt(s, offset)));
    const bits = f.temp(and(pointer, field));
    f.if(and(ne(bits, 0), ne(bits, field)), () => f.set(pac, xor(pac, select(tbi, i64(1n << 54n), i64(1n << 62n)))));
    const code = f.temp(and(field, ~BIT_55));
    f.return(or(or(and(pointer, xor(field, -1)), and(pac, code)), and(extension, BIT_55)));
  });
}

function defineAuth(module: ModuleBuilder, computePac: FunctionRef): FunctionRef {
  return module.func("auth", [I32, I64, I64, I32, I32], [I64], (f, s, pointer, modifier, offset, isData) => {
    const tcr = f.temp(readSlot(s, "TCR_EL1"));
    const upper = f.temp(bit55(pointer));
    const tbi = f.temp(emitTopByteIgnored(tcr, upper, xor(isData, 1)));
    const field = f.temp(and(xor(addressMask(f, tcr, upper), -1), select(tbi, i64(~TOP_BYTE), i64(-1))));
    const original = f.temp(or(and(pointer, xor(field, -1)), and(replicate(upper), field)));
    const pac = call<I64>(computePac, original, modifier, ...keyAt(s, offset));
    f.if(eq(and(xor(pac, pointer), and(field, ~BIT_55)), i64(0)), () => f.return(original));
    // keynumber:NOT(keynumber) under the top bits: 01 for an A key, 10 for a B key
    const isB = or(eq(offset, sysregOffset("APIBKeyLo_EL1")), eq(offset, sysregOffset("APDBKeyLo_EL1")));
    const error = toI64U(select(isB, i32(2), 1));
    const at = f.temp(select(tbi, i64(53), i64(61)));
    f.return(or(and(original, xor(shl(i64(3), at), -1)), shl(error, at)));
  });
}

function defineStrip(module: ModuleBuilder): FunctionRef {
  return module.func("strip", [I32, I64, I32], [I64], (f, s, pointer, isData) => {
    const tcr = f.temp(readSlot(s, "TCR_EL1"));
    const upper = f.temp(bit55(pointer));
    const tbi = emitTopByteIgnored(tcr, upper, xor(isData, 1));
    const field = f.temp(and(xor(addressMask(f, tcr, upper), -1), select(tbi, i64(~TOP_BYTE), i64(-1))));
    f.return(or(and(pointer, xor(field, -1)), and(replicate(upper), field)));
  });
}

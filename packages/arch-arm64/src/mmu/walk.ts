/**
 * Translation table walks, in WebAssembly: stage 1 of the EL1&0 regime, stage 2 of every stage 1 descriptor fetch and of
 * the result. Descriptors are read straight from DRAM in the linear memory.
 *
 * Source: DDI 0487 K.a, D8 (VMSAv8-64), pseudocode AArch64.S1Translate, AArch64.S2Translate, AArch64.S1Walk, AArch64.S2Walk.
 */
import { readSlot, readSlot32 } from "../state/access.ts";
import { ACCESS, L, PSTATE } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
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
  shrS,
  shrU,
  sub,
  toI32,
  toI64U,
  xor,
} from "../wasm/index.ts";
import { ATTR, FAULT, M } from "./layout.ts";

/** `access` bits that only AT uses. */
export const WALK = {
  /** Stop after stage 1: OUT_IPA is the result. */
  STAGE1_ONLY: 1 << 24,
  /** PSTATE.PAN does not count. */
  NO_PAN: 1 << 25,
} as const;

/** Physical address size: ID_AA64MMFR0_EL1.PARange is 5, 48 bits. */
const PA_BITS = 48;
const ADDRESS_47_0 = 0x0000_ffff_ffff_ffffn;

const field = (e: Expr<I32>, high: number, low: number): Expr<I32> => and(shrU(e, low), (1 << (high - low + 1)) - 1);
const bit64 = (e: Expr<I64>, n: number): Expr<I32> => and(toI32(shrU(e, n)), 1);

/** HCR_EL2 bits. */
const HCR_VM = 1;
const HCR_PTW = 1 << 2;
const HCR_DC = 1 << 12;

export interface WalkFunctions {
  /** (s, va, access, el) -> fault word, 0 when none. Results in `M.OUT_*`. */
  readonly translate: FunctionRef;
  /** (s, pa) -> linear-memory offset, or 0 when pa is not DRAM. */
  readonly hostOf: FunctionRef;
}

/** Level-dependent numbers of a granule: log2 of the granule, index bits a level. */
function granule(f: FunctionBuilder, grain: Expr<I32>): Expr<I32> {
  return f.temp(sub(grain, 3));
}

/** Address bits of IPS and PS. Source: D19.2.137 TCR_EL1.IPS. */
function outputBits(f: FunctionBuilder, ps: Expr<I32>): Expr<I32> {
  const out = f.local(I32);
  f.set(out, PA_BITS);
  for (const [code, bits] of [
    [0, 32],
    [1, 36],
    [2, 40],
    [3, 42],
    [4, 44],
  ] as const)
    f.if(eq(ps, code), () => f.set(out, bits));
  return out;
}

export function defineWalk(module: ModuleBuilder): WalkFunctions {
  const s2Pa = module.global(I64, 0);
  const s2Attr = module.global(I32, 0);

  const hostOf = module.func("hostOf", [I64], [I32], (f, pa) => {
    const offset = f.temp(sub(pa, load("i64", i32(REGION.DRAM_BASE))));
    f.if(ltU(offset, load("i64", i32(REGION.DRAM_SIZE))), () =>
      f.return(add(toI32(offset), load("i32", i32(REGION.DRAM_OFFSET)))),
    );
    f.return(0);
  });

  /** (s, ipa, need, el, onWalk) -> fault. `need` is ATTR.READ, WRITE, EXECUTE. */
  const stage2 = module.func("stage2", [I32, I64, I32, I32, I32], [I32], (f, s, ipa, need, el, onWalk) => {
    const hcr = f.temp(readSlot32(s, "HCR_EL2"));
    f.if(eqz(and(hcr, HCR_VM | HCR_DC)), () => {
      f.set(s2Pa, ipa);
      f.set(s2Attr, ATTR.READ | ATTR.WRITE | ATTR.EXECUTE);
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
    const stride = granule(f, grain);
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
    f.set(s2Pa, or(base, and(ipa, offsetMask)));
    f.set(s2Attr, attr);
    f.return(0);
  });

  const translate = module.func(
    "translate",
    [I32, I64, I32, I32],
    [I32],
    (f, s, va, access, el) => {
      const fault = f.local(I32);
      const ipa = f.local(I64);
      const attr = f.local(I32);
      const size = f.local(I32);
      const isFetch = f.temp(ne(and(access, ACCESS.FETCH), 0));
      // What the access needs. Cache maintenance needs no permission beyond a mapping at EL1, readability at EL0.
      const need = f.local(I32);
      f.if(
        isFetch,
        () => f.set(need, ATTR.EXECUTE),
        () =>
          f.if(
            and(access, ACCESS.MAINTENANCE),
            () => f.set(need, select(el, i32(0), ATTR.READ)),
            () =>
              f.set(
                need,
                select(
                  ne(and(access, ACCESS.WRITE), 0),
                  select(ne(and(access, ACCESS.ATOMIC), 0), i32(ATTR.READ | ATTR.WRITE), ATTR.WRITE),
                  ATTR.READ,
                ),
              ),
          ),
      );
      const done = (code: Expr<I32>) => {
        f.set(fault, code);
        f.store("i32", s, fault, M.OUT_FAULT);
        f.return(fault);
      };
      const tcr = f.temp(readSlot(s, "TCR_EL1"));
      const tcrLow = f.temp(toI32(tcr));
      const upper = f.temp(bit64(va, 55));
      const tbi = f.temp(select(upper, bit64(tcr, 38), bit64(tcr, 37)));
      const hcr = f.temp(readSlot32(s, "HCR_EL2"));
      f.if(
        or(eqz(and(readSlot32(s, "SCTLR_EL1"), 1)), ne(and(hcr, HCR_DC), 0)),
        () => {
          // Stage 1 off: the VA is the IPA; data is Device-nGnRnE unless HCR_EL2.DC.
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
        },
        () => {
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
          const tg0 = f.temp(field(tcrLow, 15, 14));
          const tg1 = f.temp(shrU(tcrLow, 30));
          const grain = f.temp(
            select(
              upper,
              select(eq(tg1, 1), i32(14), select(eq(tg1, 3), i32(16), 12)),
              select(eq(tg0, 1), i32(16), select(eq(tg0, 2), i32(14), 12)),
            ),
          );
          const stride = granule(f, grain);
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
          /** Bits 63:59 of the table descriptors on the way, or-ed. */
          const inherited = f.local(I64);
          f.set(inherited, 0);
          f.loop((again) => {
            const address = f.temp(add(table, shl(index, 3)));
            f.set(fault, call<I32>(stage2, s, address, i32(ATTR.READ), i32(1), i32(1)));
            f.if(fault, () => done(fault));
            const host = f.temp(call<I32>(hostOf, s2Pa));
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
                and(
                  ne(and(load("i32", s, L.PSTATE), PSTATE.PAN), 0),
                  eqz(and(access, WALK.NO_PAN | ACCESS.MAINTENANCE)),
                ),
              );
              f.if(eqz(pan), () => f.set(attr, or(attr, select(writable, i32(ATTR.READ | ATTR.WRITE), ATTR.READ))));
            },
            () => {
              const noExecute = or(uxn, and(wxn, userWritable));
              f.set(attr, or(attr, select(noExecute, i32(0), ATTR.EXECUTE)));
              f.if(user, () => f.set(attr, or(attr, select(writable, i32(ATTR.READ | ATTR.WRITE), ATTR.READ))));
            },
          );
          // Device memory wants alignment; that fault comes before permission.
          f.if(misalignedDevice(attr, va, access, isFetch), () => done(i32(FAULT.VALID | FAULT.ALIGNMENT)));
          f.if(ne(and(attr, need), need), () => done(or(level, FAULT.VALID | FAULT.PERMISSION)));
        },
      );
      f.if(misalignedDevice(attr, va, access, isFetch), () => done(i32(FAULT.VALID | FAULT.ALIGNMENT)));
      f.store("i64", s, ipa, M.OUT_IPA);
      f.store("i32", s, attr, M.OUT_ATTR);
      f.if(and(access, WALK.STAGE1_ONLY), () => done(i32(0)));
      f.set(fault, call<I32>(stage2, s, ipa, need, el, i32(0)));
      f.if(fault, () => done(fault));
      f.store("i64", s, s2Pa, M.OUT_PA);
      // Both stages must allow it; the stricter memory type wins.
      f.set(attr, or(and(attr, or(s2Attr, ~7)), and(s2Attr, ATTR.DEVICE)));
      f.if(misalignedDevice(attr, va, access, isFetch), () => {
        f.store("i64", s, ipa, M.OUT_FAULT_IPA);
        done(i32(FAULT.VALID | FAULT.ALIGNMENT));
      });
      f.set(attr, or(attr, shl(size, ATTR.SIZE_SHIFT)));
      f.store("i32", s, attr, M.OUT_ATTR);
      done(i32(0));
    },
    { export: true },
  );

  return { translate, hostOf };
}

/** Next table: descriptor[47:grain]. */
function tableAddress(descriptor: Expr<I64>, grain: Expr<I32>): Expr<I64> {
  return and(and(descriptor, ADDRESS_47_0), shl(i64(-1), toI64U(grain)));
}

/**
 * Whether a valid descriptor that is no table is also no leaf: at level 3 only 0b11 is a page; blocks exist at level 1
 * (4 KiB granule) and 2.
 */
function invalidLeaf(low: Expr<I32>, level: Expr<I32>, grain: Expr<I32>): Expr<I32> {
  return select(eq(level, 3), eqz(and(low, 2)), and(ne(level, 2), or(ne(level, 1), ne(grain, 12))));
}

/** An access to Device memory that is not aligned to its elements. */
function misalignedDevice(attr: Expr<I32>, va: Expr<I64>, access: Expr<I32>, isFetch: Expr<I32>): Expr<I32> {
  const mask = sub(shl(i32(1), and(shrU(access, ACCESS.ELEMENT_SHIFT), 7)), 1);
  return and(and(ne(and(attr, ATTR.DEVICE), 0), eqz(isFetch)), ne(and(toI32(va), mask), 0));
}

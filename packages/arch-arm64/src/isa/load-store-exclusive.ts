/**
 * Exclusives, load-acquire, store-release, compare-and-swap. Source: DDI 0487 K.a C4.1.90 (load/store exclusive, CAS, CASP).
 */
import { L } from "../state/layout.ts";
import {
  add,
  and,
  atomicCmpxchg,
  atomicLoad,
  type Expr,
  eq,
  eqz,
  type I64,
  i32,
  or,
  select,
  shl,
  shrU,
  toI64U,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, type FieldValues } from "./description.ts";
import { baseIsSp } from "./load-store-register.ts";
import { reg, regSp } from "./syntax.ts";

/** Atomic access kinds by log2 of the size, as i64 values. */
export const ATOMIC_KIND = ["i64_8", "i64_16", "i64_32", "i64"] as const;
/** The low `1 << size` bytes of a register, zero-extended. */
export function truncated(c: Context, size: number, slot: "d" | "n" | "m" | "a"): Expr<I64> {
  return size === 3 ? c.x(slot) : size === 2 ? toI64U(c.w(slot)) : and(c.x(slot), size === 1 ? 0xffff : 0xff);
}

/** Of LDAR, STLR and their like. */
export const ORDERED_ACCESS = { aligned: true, ordered: true, orderedOnly: true } as const;

const SIZE_SUFFIX = ["b", "h", "", ""] as const;
const base = (f: FieldValues<"Rn">) => `[${regSp(1, f.Rn)}]`;
const checkBase = (c: Context, sp: number) => {
  if (sp) c.checkSpAlignment();
};

const loadExclusive = define({
  name: "LDXR/LDAXR",
  pattern: "size:2 001000 0 1 0 xxxxx o0 xxxxx Rn:5 Rt:5",
  statics: { size: "size", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rt"), n: w.spSlot("Rn") }),
  execute: (c, { size, sp }) => {
    checkBase(c, sp);
    const host = c.load(c.temp(c.x("n")), 1 << size, { aligned: true, ordered: true });
    const value = c.temp(atomicLoad(ATOMIC_KIND[size as 0], host));
    c.setExclusive(host, 1 << size, value);
    c.setX("d", value);
  },
  syntax: (f) => `ld${f.o0 ? "a" : ""}xr${SIZE_SUFFIX[f.size as 0]} ${reg(+(f.size === 3), f.Rt)}, ${base(f)}`,
  test: { memoryBytes: 8 },
});

const storeExclusive = define({
  name: "STXR/STLXR",
  pattern: "size:2 001000 0 0 0 Rs:5 o0 xxxxx Rn:5 Rt:5",
  statics: { size: "size", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rs"), m: w.xSlot("Rt"), n: w.spSlot("Rn") }),
  execute: (c, { size, sp }) => {
    checkBase(c, sp);
    const host = c.writeAddress(c.temp(c.x("n")), 1 << size, { aligned: true, ordered: true });
    c.setW("d", c.storeExclusive(host, 1 << size, c.temp(truncated(c, size, "m"))));
  },
  syntax: (f) =>
    `st${f.o0 ? "l" : ""}xr${SIZE_SUFFIX[f.size as 0]} ${reg(0, f.Rs)}, ${reg(+(f.size === 3), f.Rt)}, ${base(f)}`,
  test: { memoryBytes: 8 },
});

const loadExclusivePair = define({
  name: "LDXP/LDAXP",
  pattern: "1 sz 001000 0 1 1 xxxxx o0 Rt2:5 Rn:5 Rt:5",
  statics: { sz: "sz", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rt"), m: w.sinkSlot("Rt2"), n: w.spSlot("Rn") }),
  execute: (c, { sz, sp }) => {
    checkBase(c, sp);
    const host = c.load(c.temp(c.x("n")), sz ? 16 : 8, { aligned: true, ordered: true });
    const low = c.temp(atomicLoad("i64", host));
    if (sz) {
      const high = c.temp(atomicLoad("i64", host, 8));
      c.setExclusive(host, 16, low, high);
      c.setX("d", low);
      c.setX("m", high);
    } else {
      c.setExclusive(host, 8, low);
      c.setX("d", and(low, 0xffff_ffff));
      c.setX("m", shrU(low, 32));
    }
  },
  syntax: (f) => `ld${f.o0 ? "a" : ""}xp ${reg(f.sz, f.Rt)}, ${reg(f.sz, f.Rt2)}, ${base(f)}`,
  test: { memoryBytes: 16 },
});

const storeExclusivePair = define({
  name: "STXP/STLXP",
  pattern: "1 sz 001000 0 0 1 Rs:5 o0 Rt2:5 Rn:5 Rt:5",
  statics: { sz: "sz", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rs"), m: w.xSlot("Rt"), a: w.xSlot("Rt2"), n: w.spSlot("Rn") }),
  execute: (c, { sz, sp }) => {
    checkBase(c, sp);
    const host = c.writeAddress(c.temp(c.x("n")), sz ? 16 : 8, { aligned: true, ordered: true });
    if (sz) c.setW("d", c.storeExclusive(host, 16, c.temp(c.x("m")), c.temp(c.x("a"))));
    else c.setW("d", c.storeExclusive(host, 8, c.temp(or(toI64U(c.w("m")), shl(toI64U(c.w("a")), 32)))));
  },
  syntax: (f) => `st${f.o0 ? "l" : ""}xp ${reg(0, f.Rs)}, ${reg(f.sz, f.Rt)}, ${reg(f.sz, f.Rt2)}, ${base(f)}`,
  test: { memoryBytes: 16 },
});

/** LDAR and LDLAR; STLR and STLLR (o0 0 is LORegion's, with the same effect here). */
const loadAcquire = define({
  name: "LDAR/LDLAR",
  pattern: "size:2 001000 1 1 0 xxxxx o0 xxxxx Rn:5 Rt:5",
  statics: { size: "size", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rt"), n: w.spSlot("Rn") }),
  execute: (c, { size, sp }) => {
    checkBase(c, sp);
    const host = c.load(c.temp(c.x("n")), 1 << size, ORDERED_ACCESS);
    c.setX("d", atomicLoad(ATOMIC_KIND[size as 0], host));
  },
  syntax: (f) => `ld${f.o0 ? "" : "l"}ar${SIZE_SUFFIX[f.size as 0]} ${reg(+(f.size === 3), f.Rt)}, ${base(f)}`,
  test: { memoryBytes: 8 },
});
const storeRelease = define({
  name: "STLR/STLLR",
  pattern: "size:2 001000 1 0 0 xxxxx o0 xxxxx Rn:5 Rt:5",
  statics: { size: "size", sp: baseIsSp },
  operands: (w) => ({ d: w.xSlot("Rt"), n: w.spSlot("Rn") }),
  execute: (c, { size, sp }) => {
    checkBase(c, sp);
    const value = c.temp(c.x("d"));
    c.store(
      c.temp(c.x("n")),
      1 << size,
      (host) => c.f.atomicStore(ATOMIC_KIND[size as 0], host, value),
      ORDERED_ACCESS,
    );
  },
  syntax: (f) =>
    `st${f.o0 ? "" : "l"}lr${SIZE_SUFFIX[f.size as 0]} ${reg(+(f.size === 3), f.Rt)}, ${base(f)}`.replace(
      "stllr",
      f.o0 ? "stlr" : "stllr",
    ),
  test: { memoryBytes: 8 },
});

const compareAndSwap = define({
  name: "CAS",
  feature: "FEAT_LSE",
  pattern: "size:2 001000 1 L 1 Rs:5 o0 11111 Rn:5 Rt:5",
  statics: { size: "size", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rs"), a: w.xSlot("Rs"), m: w.xSlot("Rt"), n: w.spSlot("Rn") }),
  execute: (c, { size, sp }) => {
    checkBase(c, sp);
    const expected = c.temp(truncated(c, size, "a"));
    const replacement = c.temp(truncated(c, size, "m"));
    const host = c.writeAddress(c.temp(c.x("n")), 1 << size, { aligned: true, atomic: true, ordered: true });
    c.setX("d", atomicCmpxchg(ATOMIC_KIND[size as 0], host, expected, replacement));
    c.commit(host);
  },
  syntax: (f) =>
    `cas${f.L ? "a" : ""}${f.o0 ? "l" : ""}${SIZE_SUFFIX[f.size as 0]} ${reg(+(f.size === 3), f.Rs)}, ${reg(+(f.size === 3), f.Rt)}, ${base(f)}`,
  test: { memoryBytes: 8 },
});

/** Rs and Rt are even; the second register of a pair is the next one, and X31 is the zero register as everywhere. */
const compareAndSwapPair = define({
  name: "CASP",
  feature: "FEAT_LSE",
  pattern: "0 sz 001000 0 L 1 Rs4:4 Rs0 o0 11111 Rn:5 Rt4:4 Rt0",
  statics: { sz: "sz", sp: baseIsSp },
  valid: (w) => eqz(or(w.field("Rs0"), w.field("Rt0"))),
  operands: (w) => {
    const s = w.temp(shl(w.field("Rs4"), 4));
    const t = shl(w.field("Rt4"), 4);
    // d and m: the pairs' first registers; imm: the second register of Rs as a source, imm2: as a destination
    return { d: s, m: t, n: w.spSlot("Rn"), imm: add(s, 8), imm2: select(eq(s, 8 * 30), i32(L.SINK), add(s, 8)) };
  },
  execute: (c, { sz, sp }) => {
    checkBase(c, sp);
    const second = c.temp(c.imm());
    const low = c.temp(truncated(c, sz ? 3 : 2, "d"));
    const high = c.temp(c.field("i64", second));
    const newLow = c.temp(truncated(c, sz ? 3 : 2, "m"));
    const newHigh = c.temp(c.field("i64", add(c.operand("m"), 8)));
    const host = c.writeAddress(c.temp(c.x("n")), sz ? 16 : 8, { aligned: true, atomic: true, ordered: true });
    if (sz) {
      const old = c.compareAndSwap128(host, [low, high], [newLow, newHigh]);
      c.setX("d", old[0]);
      c.setField("i64", c.imm2(), old[1]);
      return;
    }
    const join = (a: Expr<I64>, b: Expr<I64>) => or(a, shl(b, 32));
    const old = c.temp(atomicCmpxchg("i64", host, c.temp(join(low, high)), c.temp(join(newLow, newHigh))));
    c.commit(host);
    c.setX("d", and(old, 0xffff_ffff));
    c.setField("i64", c.imm2(), shrU(old, 32));
  },
  syntax: (f) => {
    const s = f.Rs4 * 2;
    const t = f.Rt4 * 2;
    const r = (n: number) => reg(f.sz, n);
    return `casp${f.L ? "a" : ""}${f.o0 ? "l" : ""} ${r(s)}, ${r(s + 1)}, ${r(t)}, ${r(t + 1)}, ${base(f)}`;
  },
  test: { memoryBytes: 16 },
});

export const LOAD_STORE_EXCLUSIVE: readonly Description[] = [
  loadExclusive,
  storeExclusive,
  loadExclusivePair,
  storeExclusivePair,
  loadAcquire,
  storeRelease,
  compareAndSwap,
  compareAndSwapPair,
];

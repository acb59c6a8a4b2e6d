/**
 * Atomic memory operations (FEAT_LSE), LDAPR (FEAT_LRCPC), LDAPUR and STLUR (FEAT_LRCPC2). Source: DDI 0487 K.a C4.1.90 (atomic memory operations).
 */
import {
  add,
  and,
  atomicCmpxchg,
  atomicLoad,
  atomicRmw,
  type Expr,
  gtS,
  gtU,
  type I32,
  I64,
  ltS,
  ltU,
  ne,
  not,
  select,
  signExtend8,
  signExtend16,
  signExtend32,
  toI64S,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define } from "./description.ts";
import { ATOMIC_KIND, ORDERED_ACCESS, truncated } from "./load-store-exclusive.ts";
import { baseIsSp, dataSlot, singleAllocated } from "./load-store-register.ts";
import { reg, regSp, signExtend } from "./syntax.ts";

const OPERATION = ["add", "clr", "eor", "set", "smax", "smin", "umax", "umin"] as const;
const SIGN_EXTEND = [signExtend8, signExtend16, signExtend32, (e: Expr<I64>) => e] as const;
const widthMask = (size: number) => [0xff, 0xffff, 0xffff_ffff, -1][size] as number;

/** SMAX, SMIN, UMAX, UMIN: WebAssembly has no such operation, so compare-and-swap until it holds. */
function minMax(c: Context, size: number, opc: number, host: Expr<I32>, operand: Expr<I64>): Expr<I64> {
  const kind = ATOMIC_KIND[size as 0];
  const signed = SIGN_EXTEND[size] as (e: Expr<I64>) => Expr<I64>;
  const wins = [gtS, ltS, gtU, ltU][opc - 4] as typeof gtS;
  const old = c.local(I64);
  const seen = c.local(I64);
  c.f.set(old, atomicLoad(kind, host));
  c.f.loop((again) => {
    const keep = opc < 6 ? wins(signed(old), signed(operand)) : wins(old, operand);
    c.f.set(seen, atomicCmpxchg(kind, host, old, select(keep, old as Expr<I64>, operand)));
    c.f.if(ne(seen, old), () => {
      c.f.set(old, seen);
      c.f.br(again);
    });
  });
  return old;
}

/** ADD, CLR, EOR, SET. */
function readModifyWrite(size: number, opc: number, host: Expr<I32>, operand: Expr<I64>): Expr<I64> {
  const operation = (["add", "and", "xor", "or"] as const)[opc as 0];
  const value = opc === 1 ? and(not(operand), widthMask(size)) : operand;
  return atomicRmw(operation, ATOMIC_KIND[size as 0], host, value) as Expr<I64>;
}

const atomicOperation = define({
  name: "LD<op>",
  feature: "FEAT_LSE",
  pattern: "size:2 111 0 00 A R 1 Rs:5 0 opc:3 00 Rn:5 Rt:5",
  statics: { size: "size", opc: "opc", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rt"), m: w.xSlot("Rs"), n: w.spSlot("Rn") }),
  execute: (c, { size, opc, sp }) => {
    if (sp) c.checkSpAlignment();
    const operand = c.temp(truncated(c, size, "m"));
    const host = c.writeAddress(c.temp(c.x("n")), 1 << size, { aligned: true, atomic: true, ordered: true });
    c.setX("d", opc < 4 ? readModifyWrite(size, opc, host, operand) : minMax(c, size, opc, host, operand));
    c.commit(host);
  },
  syntax: (f) => {
    const sf = +(f.size === 3);
    const suffix = `${f.A ? "a" : ""}${f.R ? "l" : ""}${["b", "h", "", ""][f.size as 0]}`;
    return `ld${OPERATION[f.opc as 0]}${suffix} ${reg(sf, f.Rs)}, ${reg(sf, f.Rt)}, [${regSp(1, f.Rn)}]`;
  },
  test: { memoryBytes: 8 },
});

const swap = define({
  name: "SWP",
  feature: "FEAT_LSE",
  pattern: "size:2 111 0 00 A R 1 Rs:5 1 000 00 Rn:5 Rt:5",
  statics: { size: "size", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rt"), m: w.xSlot("Rs"), n: w.spSlot("Rn") }),
  execute: (c, { size, sp }) => {
    if (sp) c.checkSpAlignment();
    const value = c.temp(truncated(c, size, "m"));
    const host = c.writeAddress(c.temp(c.x("n")), 1 << size, { aligned: true, atomic: true, ordered: true });
    c.setX("d", atomicRmw("xchg", ATOMIC_KIND[size as 0], host, value) as Expr<I64>);
    c.commit(host);
  },
  syntax: (f) => {
    const sf = +(f.size === 3);
    const suffix = `${f.A ? "a" : ""}${f.R ? "l" : ""}${["b", "h", "", ""][f.size as 0]}`;
    return `swp${suffix} ${reg(sf, f.Rs)}, ${reg(sf, f.Rt)}, [${regSp(1, f.Rn)}]`;
  },
  test: { memoryBytes: 8 },
});

const loadAcquireRcpc = define({
  name: "LDAPR",
  feature: "FEAT_LRCPC",
  pattern: "size:2 111 0 00 1 0 1 11111 1 100 00 Rn:5 Rt:5",
  statics: { size: "size", sp: baseIsSp },
  operands: (w) => ({ d: w.sinkSlot("Rt"), n: w.spSlot("Rn") }),
  execute: (c, { size, sp }) => {
    if (sp) c.checkSpAlignment();
    const host = c.load(c.temp(c.x("n")), 1 << size, ORDERED_ACCESS);
    c.setX("d", atomicLoad(ATOMIC_KIND[size as 0], host) as Expr<I64>);
  },
  syntax: (f) => `ldapr${["b", "h", "", ""][f.size as 0]} ${reg(+(f.size === 3), f.Rt)}, [${regSp(1, f.Rn)}]`,
  test: { memoryBytes: 8 },
});

/** LDAPUR, LDAPURS and STLUR: an offset, and no write-back. */
const unscaledOrdered = define({
  name: "LDAPUR/STLUR",
  pattern: "size:2 011 0 01 opc:2 0 imm9:9 00 Rn:5 Rt:5",
  feature: "FEAT_LRCPC2",
  statics: { size: "size", opc: "opc", sp: baseIsSp },
  allocated: singleAllocated,
  operands: (w) => ({ d: dataSlot(w), n: w.spSlot("Rn"), imm: w.signed("imm9") }),
  execute: (c, { size, opc, sp }) => {
    if (sp) c.checkSpAlignment();
    const address = c.temp(add(c.x("n"), toI64S(c.imm())));
    if (opc === 0) {
      const value = c.temp(truncated(c, size, "d"));
      c.store(address, 1 << size, (host) => c.f.atomicStore(ATOMIC_KIND[size as 0], host, value), ORDERED_ACCESS);
      return;
    }
    const value = atomicLoad(ATOMIC_KIND[size as 0], c.load(address, 1 << size, ORDERED_ACCESS));
    const signed = opc === 1 ? value : (SIGN_EXTEND[size] as (e: Expr<I64>) => Expr<I64>)(value);
    c.setX("d", opc === 3 ? and(signed, 0xffff_ffff) : signed);
  },
  syntax: (f) => {
    const name = `${f.opc === 0 ? "stl" : "ldap"}ur${f.opc > 1 ? "s" : ""}${["b", "h", f.opc > 1 ? "w" : "", ""][f.size]}`;
    const offset = signExtend(f.imm9, 9);
    return `${name} ${reg(+(f.size === 3 || f.opc === 2), f.Rt)}, [${regSp(1, f.Rn)}${offset === 0 ? "" : `, #${offset}`}]`;
  },
  test: { memoryBytes: 8 },
});

export const ATOMICS: readonly Description[] = [atomicOperation, swap, loadAcquireRcpc, unscaledOrdered];

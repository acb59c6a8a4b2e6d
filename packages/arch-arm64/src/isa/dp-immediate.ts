/**
 * Data processing, immediate. Source: DDI 0487 K.a C4.1.86.
 */
import {
  add,
  and,
  clz,
  type Expr,
  eq,
  eqz,
  gtU,
  type I32,
  type I64,
  i32,
  i64,
  leU,
  ltU,
  ne,
  not,
  or,
  rotr,
  select,
  shl,
  shrS,
  shrU,
  sub,
  toI64S,
  toI64U,
  xor,
} from "../wasm/index.ts";
import { addSub, readReg, writeReg } from "./arithmetic.ts";
import { type Description, define, type Operands, type Word } from "./description.ts";
import { hex, immediate, reg, regSp, signExtend } from "./syntax.ts";

/** DecodeBitMasks for logical immediates, 64 bits wide. Source: DDI 0487, shared/functions/common/DecodeBitMasks. */
function bitMask(w: Word<"imms" | "immr" | "N">): Expr<I64> {
  const levels = w.temp(bitMaskLevels(w));
  const s = w.temp(and(w.field("imms"), levels));
  const r = w.temp(and(w.field("immr"), levels));
  const size = w.temp(toI64U(add(levels, 1)));
  // s + 1 ones, rotated right by r within an element of `size` bits
  const ones = w.temp(shrU(i64(-1), toI64U(sub(i32(63), s))));
  const elementMask = w.temp(shrU(i64(-1), toI64U(sub(i32(63), levels))));
  const right = toI64U(r);
  const rotated = select(eqz(r), ones, and(or(shrU(ones, right), shl(ones, sub(size, right))), elementMask));
  let pattern = w.temp(rotated);
  // double until 64 bits are filled
  for (const width of [2, 4, 8, 16, 32])
    pattern = w.temp(select(leU(size, width), or(pattern, shl(pattern, width)), pattern));
  return pattern;
}
/** Element size - 1: 1, 3, 7, 15, 31 or 63; the highest set bit of N:NOT(imms) decides. */
function bitMaskLevels(w: Word<"N" | "imms">): Expr<I32> {
  const key = or(shl(w.field("N"), 6), xor(w.field("imms"), 63));
  return shrU(i32(0x7fffffff), clz(w.temp(key)));
}
/** N:NOT(imms) above 1, N clear for W registers, and not all ones in an element. */
function bitMaskValid(w: Word<"N" | "imms" | "sf">): Expr<I32> {
  const key = w.temp(or(shl(w.field("N"), 6), xor(w.field("imms"), 63)));
  const levels = w.temp(shrU(i32(0x7fffffff), clz(key)));
  const notAllOnes = ne(and(w.field("imms"), levels), levels);
  return and(and(gtU(key, 1), notAllOnes), or(w.field("sf"), eqz(w.field("N"))));
}

/** The value that `bitMask` gives, for the disassembler. */
export function decodeBitMask(n: number, imms: number, immr: number): bigint {
  const key = (n << 6) | (imms ^ 63);
  const levels = 0x7fffffff >>> Math.clz32(key);
  const size = BigInt(levels + 1);
  const s = BigInt(imms & levels);
  const r = BigInt(immr & levels);
  const mask = (1n << size) - 1n;
  const ones = (1n << (s + 1n)) - 1n;
  let element = ((ones >> r) | (ones << (size - r))) & mask;
  for (let width = size; width < 64n; width *= 2n) element |= element << width;
  return element;
}

const pcRelative = (page: boolean): Description =>
  define({
    name: page ? "ADRP" : "ADR",
    pattern: `${page ? 1 : 0} immlo:2 10000 immhi:19 Rd:5`,
    operands: (w): Operands => {
      const offset = w.temp(toI64S(or(shl(w.signed("immhi"), 2), w.field("immlo"))));
      return { d: w.sinkSlot("Rd"), imm64: page ? shl(offset, 12) : offset };
    },
    execute: (c) => c.setX("d", add(page ? and(c.pc(), -4096) : c.pc(), c.imm64())),
    syntax: (f, pc) => {
      const offset = signExtend((f.immhi << 2) | f.immlo, 21);
      return `${page ? "adrp" : "adr"} ${reg(1, f.Rd)}, ${hex(page ? pc - (pc % 4096) + offset * 4096 : pc + offset)}`;
    },
    test: { skip: "reads PC" },
  });

/** MOVN and MOVZ differ in the operand only. */
const moveWide = define({
  name: "MOVN/MOVZ",
  pattern: "sf op 0 100101 hw:2 imm16:16 Rd:5",
  valid: (w) => or(w.field("sf"), ltU(w.field("hw"), 2)),
  operands: (w) => {
    const shifted = w.temp(shl(toI64U(w.field("imm16")), toI64U(shl(w.field("hw"), 4))));
    const value = w.temp(select(w.field("op"), shifted, not(shifted)));
    return { d: w.sinkSlot("Rd"), imm64: select(w.field("sf"), value, and(value, 0xffff_ffff)) };
  },
  execute: (c) => c.setX("d", c.imm64()),
  syntax: (f) => `mov${f.op ? "z" : "n"} ${reg(f.sf, f.Rd)}, ${immediate(f.imm16)}${f.hw ? `, lsl #${16 * f.hw}` : ""}`,
});

const moveKeep = define({
  name: "MOVK",
  pattern: "sf 11 100101 hw:2 imm16:16 Rd:5",
  statics: { sf: "sf", hw: "hw" },
  allocated: ({ sf, hw }) => sf === 1 || hw < 2,
  operands: (w) => ({ d: w.sinkSlot("Rd"), imm: w.field("imm16") }),
  execute: (c, { sf, hw }) => {
    const kept = and(c.x("d"), BigInt.asUintN(sf ? 64 : 32, ~(0xffffn << BigInt(16 * hw))));
    c.setX("d", or(kept, shl(toI64U(c.imm()), 16 * hw)));
  },
  syntax: (f) => `movk ${reg(f.sf, f.Rd)}, ${immediate(f.imm16)}${f.hw ? `, lsl #${16 * f.hw}` : ""}`,
});

const addSubImmediate = define({
  name: "ADD/SUB (immediate)",
  pattern: "sf op S 100010 sh imm12:12 Rn:5 Rd:5",
  statics: { sf: "sf", op: "op", S: "S" },
  operands: (w) => ({
    d: select(w.field("S"), w.sinkSlot("Rd"), w.spSlot("Rd")),
    n: w.spSlot("Rn"),
    imm: shl(w.field("imm12"), select(w.field("sh"), i32(12), 0)),
  }),
  execute: (c, { sf, op, S }) => addSub(c, sf, op, S, readReg(c, sf, "n"), sf ? toI64U(c.imm()) : c.imm()),
  syntax: (f) =>
    `${f.op ? "sub" : "add"}${f.S ? "s" : ""} ${f.S ? reg(f.sf, f.Rd) : regSp(f.sf, f.Rd)}, ${regSp(f.sf, f.Rn)}, ` +
    `${immediate(f.imm12)}${f.sh ? ", lsl #12" : ""}`,
});

const LOGICAL_NAME = ["and", "orr", "eor", "ands"] as const;

const logicalImmediate = define({
  name: "Logical (immediate)",
  pattern: "sf opc:2 100100 N immr:6 imms:6 Rn:5 Rd:5",
  statics: { sf: "sf", opc: "opc" },
  valid: bitMaskValid,
  operands: (w) => ({
    d: select(eq(w.field("opc"), 3), w.sinkSlot("Rd"), w.spSlot("Rd")),
    n: w.xSlot("Rn"),
    imm64: bitMask(w),
  }),
  execute: (c, { sf, opc }) => {
    const a = readReg(c, sf, "n");
    const b = sf ? c.imm64() : c.imm();
    if (opc === 3) {
      const result = c.temp(and(a, b as never));
      writeReg(c, sf, "d", result);
      c.setFlagsLogic(result);
    } else writeReg(c, sf, "d", opc === 0 ? and(a, b as never) : opc === 1 ? or(a, b as never) : xor(a, b as never));
  },
  syntax: (f) => {
    const mask = decodeBitMask(f.N, f.imms, f.immr);
    const value = f.sf ? BigInt.asUintN(64, mask) : mask & 0xffffffffn;
    return `${LOGICAL_NAME[f.opc as 0]} ${f.opc === 3 ? reg(f.sf, f.Rd) : regSp(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${immediate(value)}`;
  },
});

/**
 * SBFM, BFM, UBFM: shift left by imm, then right by imm2. That one formula serves every alias: with
 * left = width - 1 - imms and right = (immr - imms - 1) mod width, the field arrives where it belongs.
 */
const bitField = define({
  name: "Bitfield",
  pattern: "sf opc:2 100110 N immr:6 imms:6 Rn:5 Rd:5",
  statics: { sf: "sf", opc: "opc" },
  allocated: ({ opc }) => opc < 3,
  valid: (w) =>
    and(eq(w.field("N"), w.field("sf")), or(w.field("sf"), eqz(and(or(w.field("immr"), w.field("imms")), 32)))),
  operands: (w) => {
    const top = w.temp(or(shl(w.field("sf"), 5), 31));
    return {
      d: w.sinkSlot("Rd"),
      n: w.xSlot("Rn"),
      imm: sub(top, w.field("imms")),
      imm2: and(sub(sub(w.field("immr"), w.field("imms")), 1), top),
    };
  },
  execute: (c, { sf, opc }) => {
    const value = readReg(c, sf, "n");
    const left = (sf ? toI64U(c.imm()) : c.imm()) as Expr<I32>;
    const right = (sf ? toI64U(c.imm2()) : c.imm2()) as Expr<I32>;
    const placed = shl(value as Expr<I32>, left);
    if (opc === 0) writeReg(c, sf, "d", shrS(placed, right));
    else if (opc === 2) writeReg(c, sf, "d", shrU(placed, right));
    else {
      const field = c.temp(shrU(shl((sf ? i64(-1) : i32(-1)) as Expr<I32>, left), right));
      writeReg(c, sf, "d", or(and(readReg(c, sf, "d") as Expr<I32>, not(field)), shrU(placed, right)));
    }
  },
  syntax: (f) => `${["sbfm", "bfm", "ubfm"][f.opc]} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, #${f.immr}, #${f.imms}`,
});

const extract = define({
  name: "EXTR",
  pattern: "sf 00 100111 N 0 Rm:5 imms:6 Rn:5 Rd:5",
  statics: { sf: "sf", rotate: { count: 2, of: (w) => eq(w.field("Rn"), w.field("Rm")) } },
  valid: (w) => and(eq(w.field("N"), w.field("sf")), or(w.field("sf"), eqz(and(w.field("imms"), 32)))),
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm"), imm: w.field("imms") }),
  execute: (c, { sf, rotate }) => {
    const count = (sf ? toI64U(c.imm()) : c.imm()) as Expr<I32>;
    const low = readReg(c, sf, "m") as Expr<I32>;
    if (rotate) {
      writeReg(c, sf, "d", rotr(low, count));
      return;
    }
    // the high part moves left by width - count; in two steps, because count may be 0
    const high = shl(shl(readReg(c, sf, "n") as Expr<I32>, sub((sf ? i64(63) : i32(31)) as Expr<I32>, count)), 1);
    writeReg(c, sf, "d", or(shrU(low, count), high));
  },
  syntax: (f) => `extr ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}, #${f.imms}`,
});

export const DP_IMMEDIATE: readonly Description[] = [
  pcRelative(false),
  pcRelative(true),
  addSubImmediate,
  logicalImmediate,
  moveWide,
  moveKeep,
  bitField,
  extract,
];

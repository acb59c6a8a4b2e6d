/**
 * Data processing, register. Source: DDI 0487 K.a C4.1.89.
 */
import {
  add,
  and,
  call,
  clz,
  divS,
  divU,
  type Expr,
  eq,
  eqz,
  type I32,
  type I64,
  i32,
  ltU,
  mul,
  ne,
  not,
  or,
  rotr,
  select,
  shl,
  shrS,
  shrU,
  sub,
  toI32,
  toI64S,
  toI64U,
  xor,
} from "../wasm/index.ts";
import {
  addInt,
  addSub,
  constantOf,
  extendReg,
  type Int,
  readReg,
  reverseBytes32,
  reverseBytes64,
  shiftedReg,
  subInt,
  widen,
  writeReg,
} from "./arithmetic.ts";
import type { Context } from "./context.ts";
import { CRC32_POLYNOMIAL, CRC32C_POLYNOMIAL, crcHelper } from "./crc32.ts";
import { type Description, define, type FieldValues, type Word } from "./description.ts";
import { CONDITION_NAME, EXTEND_NAME, reg, regSp, SHIFT_NAME } from "./syntax.ts";

type Same = Expr<I32>;

/** LSL #0 needs no shift: it has a handler of its own because it is the common case. */
const shiftStatic = {
  count: 5,
  of: (w: Word<"imm6" | "shift">) => select(eqz(w.field("imm6")), i32(4), w.field("shift")),
};
/** A shift count of 32 or more is unallocated for W registers. */
const shiftFits = (w: Word<"sf" | "imm6">) => or(w.field("sf"), eqz(and(w.field("imm6"), 32)));
const shiftText = (f: FieldValues<"imm6" | "shift">) =>
  f.imm6 || f.shift ? `, ${SHIFT_NAME[f.shift as 0]} #${f.imm6}` : "";

const addSubShifted = define({
  name: "ADD/SUB (shifted register)",
  pattern: "sf op S 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5",
  statics: { sf: "sf", op: "op", S: "S", shift: shiftStatic },
  allocated: ({ shift }) => shift !== 3,
  valid: (w) => and(shiftFits(w), ne(w.field("shift"), 3)),
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm"), imm: w.field("imm6") }),
  execute: (c, { sf, op, S, shift }) => addSub(c, sf, op, S, readReg(c, sf, "n"), shiftedReg(c, sf, shift, "m")),
  syntax: (f) =>
    `${f.op ? "sub" : "add"}${f.S ? "s" : ""} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}${shiftText(f)}`,
});

const addSubExtended = define({
  name: "ADD/SUB (extended register)",
  pattern: "sf op S 01011 00 1 Rm:5 option:3 imm3:3 Rn:5 Rd:5",
  statics: { sf: "sf", op: "op", S: "S", option: "option" },
  valid: (w) => ltU(w.field("imm3"), 5),
  operands: (w) => ({
    d: select(w.field("S"), w.sinkSlot("Rd"), w.spSlot("Rd")),
    n: w.spSlot("Rn"),
    m: w.xSlot("Rm"),
    imm: w.field("imm3"),
  }),
  execute: (c, { sf, op, S, option }) => {
    const extended = shl(extendReg(c, option, "m"), toI64U(c.imm()));
    addSub(c, sf, op, S, readReg(c, sf, "n"), sf ? extended : toI32(extended));
  },
  syntax: (f) =>
    `${f.op ? "sub" : "add"}${f.S ? "s" : ""} ${f.S ? reg(f.sf, f.Rd) : regSp(f.sf, f.Rd)}, ${regSp(f.sf, f.Rn)}, ` +
    `${reg(f.sf & +((f.option & 3) === 3), f.Rm)}, ${EXTEND_NAME[f.option as 0]}${f.imm3 ? ` #${f.imm3}` : ""}`,
});

const addSubCarry = define({
  name: "ADC/SBC",
  pattern: "sf op S 11010000 Rm:5 000000 Rn:5 Rd:5",
  statics: { sf: "sf", op: "op", S: "S" },
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm") }),
  execute: (c, { sf, op, S }) => {
    const a = c.temp(readReg(c, sf, "n")) as Same;
    const b = c.temp(op ? not(readReg(c, sf, "m") as Same) : readReg(c, sf, "m")) as Same;
    const carryIn = widen(sf, c.carry()) as Same;
    if (!S) {
      writeReg(c, sf, "d", add(add(a, b), carryIn));
      return;
    }
    const partial = c.temp(add(a, b));
    const result = c.temp(add(partial, carryIn));
    c.setFlags(result, or(ltU(partial, a), ltU(result, partial)), and(xor(a, result), xor(b, result)));
    writeReg(c, sf, "d", result);
  },
  syntax: (f) => `${f.op ? "sbc" : "adc"}${f.S ? "s" : ""} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}`,
});

/** RMIF: bits of a rotated register into the flags that `mask` names (FEAT_FlagM). */
const rotateIntoFlags = define({
  name: "RMIF",
  feature: "FEAT_FlagM",
  pattern: "1 0 1 11010000 imm6:6 00001 Rn:5 0 mask:4",
  operands: (w) => ({ n: w.xSlot("Rn"), imm: w.field("imm6"), imm2: w.field("mask") }),
  execute: (c) => {
    const rotated = toI32(rotr(c.x("n"), toI64U(c.imm())));
    c.setNzcv(c.temp(or(and(rotated, c.imm2()), and(c.nzcv(), xor(c.imm2(), 15)))));
  },
  syntax: (f) => `rmif ${reg(1, f.Rn)}, #${f.imm6}, #${f.mask}`,
});

/** SETF8, SETF16: N, Z and V from an 8 or 16-bit value; C stays (FEAT_FlagM). */
const evaluateIntoFlags = define({
  name: "SETF8/SETF16",
  feature: "FEAT_FlagM",
  pattern: "0 0 1 11010000 000000 sz 0010 Rn:5 0 1101",
  statics: { sz: "sz" },
  operands: (w) => ({ n: w.xSlot("Rn") }),
  execute: (c, { sz }) => {
    const top = sz ? 15 : 7;
    const value = c.temp(c.w("n"));
    const n = and(shrU(value, top), 1);
    const z = eqz(and(value, sz ? 0xffff : 0xff));
    const v = and(xor(shrU(value, top), shrU(value, top + 1)), 1);
    c.setNzcv(c.temp(or(or(shl(n, 3), shl(z, 2)), or(and(c.nzcv(), 2), v))));
  },
  syntax: (f) => `setf${f.sz ? 16 : 8} ${reg(0, f.Rn)}`,
});

const LOGICAL = [
  ["and", "bic"],
  ["orr", "orn"],
  ["eor", "eon"],
  ["ands", "bics"],
] as const;

const logicalShifted = define({
  name: "Logical (shifted register)",
  pattern: "sf opc:2 01010 shift:2 N Rm:5 imm6:6 Rn:5 Rd:5",
  // `move`: ORR with XZR and no shift is MOV, a sixth of all ORRs' work
  statics: {
    sf: "sf",
    opc: "opc",
    N: "N",
    shift: shiftStatic,
    move: { count: 2, of: (w) => and(and(eq(w.field("opc"), 1), eq(w.field("Rn"), 31)), eqz(w.field("imm6"))) },
  },
  allocated: ({ move, opc, shift }) => !move || (opc === 1 && shift === 4),
  valid: shiftFits,
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm"), imm: w.field("imm6") }),
  execute: (c, { sf, opc, N, shift, move }) => {
    const shifted = shiftedReg(c, sf, shift, "m") as Same;
    const b = N ? not(shifted) : shifted;
    if (move) {
      writeReg(c, sf, "d", b);
      return;
    }
    const a = readReg(c, sf, "n") as Same;
    const result = opc === 1 ? or(a, b) : opc === 2 ? xor(a, b) : and(a, b);
    if (opc === 3) {
      const named = c.temp(result);
      c.setFlagsLogic(named);
      writeReg(c, sf, "d", named);
    } else writeReg(c, sf, "d", result);
  },
  syntax: (f) =>
    `${LOGICAL[f.opc as 0][f.N as 0]} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}${shiftText(f)}`,
});

const conditionalSelect = define({
  name: "CSEL/CSINC/CSINV/CSNEG",
  pattern: "sf op 0 11010100 Rm:5 cond:4 0 o2 Rn:5 Rd:5",
  statics: { sf: "sf", op: "op", o2: "o2", cond: "cond" },
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm") }),
  execute: (c, { sf, op, o2, cond }) => {
    let other = readReg(c, sf, "m") as Same;
    if (op) other = not(other);
    if (o2) other = add(other, 1);
    writeReg(c, sf, "d", select(c.condition(cond), readReg(c, sf, "n") as Same, other));
  },
  syntax: (f) =>
    `${
      [
        ["csel", "csinc"],
        ["csinv", "csneg"],
      ][f.op as 0]?.[f.o2 as 0]
    } ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}, ${CONDITION_NAME[f.cond as 0]}`,
});

const conditionalCompare = (immediate: boolean): Description =>
  define({
    name: immediate ? "CCMN/CCMP (immediate)" : "CCMN/CCMP (register)",
    pattern: immediate
      ? "sf op 1 11010010 imm5:5 cond:4 1 0 Rn:5 0 nzcv:4"
      : "sf op 1 11010010 Rm:5 cond:4 0 0 Rn:5 0 nzcv:4",
    statics: { sf: "sf", op: "op", cond: "cond" },
    operands: (w) => ({
      n: w.xSlot("Rn"),
      ...(immediate ? { imm: w.field("imm5") } : { m: w.xSlot("Rm") }),
      imm2: w.field("nzcv"),
    }),
    execute: (c, { sf, op, cond }) =>
      c.f.if(
        c.condition(cond),
        () => {
          const a = c.temp(readReg(c, sf, "n"));
          const b = c.temp(immediate ? widen(sf, c.imm()) : readReg(c, sf, "m"));
          if (op) c.setFlagsSub(a, b);
          else c.setFlagsAdd(a, b);
        },
        () => c.setNzcv(c.imm2()),
      ),
    syntax: (f) =>
      `${f.op ? "ccmp" : "ccmn"} ${reg(f.sf, f.Rn)}, ${immediate ? `#0x${f.imm5.toString(16)}` : reg(f.sf, f.Rm)}, #0x${f.nzcv.toString(16)}, ${CONDITION_NAME[f.cond as 0]}`,
  });

const multiplyAdd = define({
  name: "MADD/MSUB",
  pattern: "sf 00 11011 000 Rm:5 o0 Ra:5 Rn:5 Rd:5",
  statics: { sf: "sf", o0: "o0", plain: { count: 2, of: (w) => eq(w.field("Ra"), 31) } },
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm"), a: w.xSlot("Ra") }),
  execute: (c, { sf, o0, plain }) => {
    const product = mul(readReg(c, sf, "n") as Same, readReg(c, sf, "m") as Same);
    const accumulator = plain ? constantOf(sf, 0) : readReg(c, sf, "a");
    writeReg(c, sf, "d", o0 ? subInt(accumulator, product) : addInt(product, accumulator));
  },
  syntax: (f) =>
    `${f.o0 ? "msub" : "madd"} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}, ${reg(f.sf, f.Ra)}`,
});

const multiplyAddLong = define({
  name: "SMADDL/SMSUBL/UMADDL/UMSUBL",
  pattern: "1 00 11011 U 01 Rm:5 o0 Ra:5 Rn:5 Rd:5",
  statics: { U: "U", o0: "o0" },
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm"), a: w.xSlot("Ra") }),
  execute: (c, { U, o0 }) => {
    const extend = U ? toI64U : toI64S;
    const product = mul(extend(c.w("n")), extend(c.w("m")));
    c.setX("d", o0 ? sub(c.x("a"), product) : add(c.x("a"), product));
  },
  syntax: (f) =>
    `${f.U ? "u" : "s"}${f.o0 ? "msubl" : "maddl"} ${reg(1, f.Rd)}, ${reg(0, f.Rn)}, ${reg(0, f.Rm)}, ${reg(1, f.Ra)}`,
});

/** Bits 127:64 of an unsigned product, from four 32-bit products. Operands must be named. */
export function multiplyHighUnsigned(c: Context, a: Expr<I64>, b: Expr<I64>): Expr<I64> {
  const LOW = 0xffff_ffff;
  const aLow = c.temp(and(a, LOW));
  const aHigh = c.temp(shrU(a, 32));
  const bLow = c.temp(and(b, LOW));
  const bHigh = c.temp(shrU(b, 32));
  const middle = c.temp(add(mul(aHigh, bLow), shrU(mul(aLow, bLow), 32)));
  const carry = add(mul(aLow, bHigh), and(middle, LOW));
  return add(add(mul(aHigh, bHigh), shrU(middle, 32)), shrU(carry, 32));
}

const multiplyHigh = define({
  name: "SMULH/UMULH",
  pattern: "1 00 11011 U 10 Rm:5 0 xxxxx Rn:5 Rd:5",
  statics: { U: "U" },
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm") }),
  execute: (c, { U }) => {
    const a = c.temp(c.x("n"));
    const b = c.temp(c.x("m"));
    const high = multiplyHighUnsigned(c, a, b);
    c.setX("d", U ? high : sub(sub(high, and(shrS(a, 63), b)), and(shrS(b, 63), a)));
  },
  syntax: (f) => `${f.U ? "umulh" : "smulh"} ${reg(1, f.Rd)}, ${reg(1, f.Rn)}, ${reg(1, f.Rm)}`,
});

const divide = define({
  name: "UDIV/SDIV",
  pattern: "sf 0 0 11010110 Rm:5 00001 S Rn:5 Rd:5",
  statics: { sf: "sf", S: "S" },
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm") }),
  execute: (c, { sf, S }) => {
    const a = c.temp(readReg(c, sf, "n")) as Same;
    const b = c.temp(readReg(c, sf, "m")) as Same;
    const zero = constantOf(sf, 0) as Same;
    c.f.if(
      eqz(b),
      () => writeReg(c, sf, "d", zero),
      () => {
        if (!S) writeReg(c, sf, "d", divU(a, b));
        // the most negative number divided by -1 wraps; wasm would trap
        else
          c.f.if(
            eq(b, -1),
            () => writeReg(c, sf, "d", sub(zero, a)),
            () => writeReg(c, sf, "d", divS(a, b)),
          );
      },
    );
  },
  syntax: (f) => `${f.S ? "sdiv" : "udiv"} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}`,
});

const shiftVariable = define({
  name: "LSLV/LSRV/ASRV/RORV",
  pattern: "sf 0 0 11010110 Rm:5 0010 op2:2 Rn:5 Rd:5",
  statics: { sf: "sf", op2: "op2" },
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm") }),
  execute: (c, { sf, op2 }) => {
    const operation = [shl, shrU, shrS, rotr][op2] as typeof shl;
    writeReg(c, sf, "d", operation(readReg(c, sf, "n") as Same, readReg(c, sf, "m") as Same));
  },
  syntax: (f) =>
    `${["lslv", "lsrv", "asrv", "rorv"][f.op2 as 0]} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}`,
});

const crc32 = define({
  name: "CRC32/CRC32C",
  feature: "FEAT_CRC32",
  pattern: "sf 0 0 11010110 Rm:5 010 C sz:2 Rn:5 Rd:5",
  statics: { sf: "sf", C: "C", sz: "sz" },
  allocated: ({ sf, sz }) => (sf === 1) === (sz === 3),
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn"), m: w.xSlot("Rm") }),
  execute: (c, { C, sz }) => {
    const polynomial = C ? CRC32C_POLYNOMIAL : CRC32_POLYNOMIAL;
    c.setW("d", call<I32>(crcHelper(c, polynomial), c.w("n"), c.x("m"), i32(8 << sz)));
  },
  syntax: (f) =>
    `crc32${f.C ? "c" : ""}${"bhwx"[f.sz as 0]} ${reg(0, f.Rd)}, ${reg(0, f.Rn)}, ${reg(+(f.sz === 3), f.Rm)}`,
});

/** Exchange neighbouring groups of `bits` bits; `mask` selects the lower group of each pair. */
function swapGroups(c: Context, sf: number, value: Int, bits: number, mask: bigint): Int {
  const named = c.temp(value) as Same;
  const low = constantOf(sf, BigInt.asIntN(sf ? 64 : 32, mask)) as Same;
  return or(shl(and(named, low), bits), and(shrU(named, bits), low));
}
function reverseBytes(c: Context, sf: number, value: Int): Int {
  const named = c.temp(value);
  return sf ? reverseBytes64(c, named as Expr<I64>) : reverseBytes32(named as Expr<I32>);
}

const ONE_SOURCE = ["rbit", "rev16", "rev32", "rev", "clz", "cls"] as const;
const oneSource = define({
  name: "Data-processing (1 source)",
  pattern: "sf 1 0 11010110 00000 000 op:3 Rn:5 Rd:5",
  statics: { sf: "sf", op: "op" },
  allocated: ({ sf, op }) => op < 6 && !(op === 3 && !sf),
  operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.xSlot("Rn") }),
  execute: (c, { sf, op }) => {
    const value = c.temp(readReg(c, sf, "n"));
    let result: Int;
    switch (op) {
      case 0: {
        let swapped = swapGroups(c, sf, value, 1, 0x5555555555555555n);
        swapped = swapGroups(c, sf, swapped, 2, 0x3333333333333333n);
        swapped = swapGroups(c, sf, swapped, 4, 0x0f0f0f0f0f0f0f0fn);
        result = reverseBytes(c, sf, swapped);
        break;
      }
      case 1:
        result = swapGroups(c, sf, value, 8, 0x00ff00ff00ff00ffn);
        break;
      // REV32 of an X register reverses each word; the W form with this opcode is REV
      case 2:
        result = sf ? rotr(reverseBytes(c, 1, value) as Expr<I64>, 32) : reverseBytes(c, 0, value);
        break;
      case 3:
        result = reverseBytes(c, 1, value);
        break;
      case 4:
        result = clz(value as Same);
        break;
      default: {
        const folded = xor(value as Same, shrS(value as Same, constantOf(sf, sf ? 63 : 31) as Same));
        result = sub(clz(folded), 1);
      }
    }
    writeReg(c, sf, "d", result);
  },
  syntax: (f) => `${f.op === 2 && !f.sf ? "rev" : ONE_SOURCE[f.op as 0]} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}`,
});

export const DP_REGISTER: readonly Description[] = [
  addSubShifted,
  addSubExtended,
  addSubCarry,
  rotateIntoFlags,
  evaluateIntoFlags,
  logicalShifted,
  conditionalSelect,
  conditionalCompare(false),
  conditionalCompare(true),
  multiplyAdd,
  multiplyAddLong,
  multiplyHigh,
  divide,
  shiftVariable,
  crc32,
  oneSource,
];

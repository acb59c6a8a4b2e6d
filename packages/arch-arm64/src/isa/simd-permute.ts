/**
 * Advanced SIMD copy, permute, extract, table lookup and modified immediate.
 *
 * Source: DDI 0487 K.a C4.1.96 (Advanced SIMD copy, permute, extract, table lookup, modified immediate, scalar copy).
 */
import {
  add,
  and,
  ctz,
  type Expr,
  eqz,
  type I32,
  type I64,
  i32,
  i64,
  load,
  loadV128,
  or,
  select,
  shl,
  shrU,
  shuffle,
  simd,
  sub,
  toI32,
  toI64U,
  type V128,
  v128,
} from "../wasm/index.ts";
import { type Description, define, type FieldValues, type Word } from "./description.ts";
import { formatOf } from "./fp-helpers.ts";
import {
  arrangement,
  laneAt,
  op,
  readVector,
  splat,
  sreg,
  standardSlots,
  vAddressOf,
  vand,
  vandnot,
  vor,
  vreg,
  width,
  writeVector,
} from "./simd-lanes.ts";
import { reg } from "./syntax.ts";

/** imm5 as element size and index: the lowest set bit gives the size. Size 4 is unallocated. */
const imm5Size = { count: 8, of: (w: Word<"imm5">) => ctz(or(w.field("imm5"), 0b100000)) };
const sizeOf = (f: FieldValues<"imm5">) => 31 - Math.clz32(f.imm5 & -f.imm5);
const indexOf = (f: FieldValues<"imm5">) => f.imm5 >> (sizeOf(f) + 1);
/** Byte offset of the element that imm5 names. */
const imm5Offset = (w: Word<"imm5">): Expr<I32> => {
  const size = w.temp(ctz(or(w.field("imm5"), 0b100000)));
  return shl(shrU(w.field("imm5"), add(size, 1)), size);
};

/** Every element the same 64-bit value. */
function splatLane(size: number, value: Expr<I64>): Expr<V128> {
  return op("splat", size, size === 3 ? value : toI32(value));
}

const COPY: readonly Description[] = [
  define({
    name: "DUP (element, vector)",
    pattern: "0 Q 0 01110000 imm5:5 0 0000 1 Rn:5 Rd:5",
    statics: { Q: "Q", size: imm5Size },
    allocated: ({ Q, size }) => size < 3 || (size === 3 && Q === 1),
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), imm: imm5Offset(w) }),
    fp: true,
    execute: (c, { Q, size }) => writeVector(c, "d", width(Q), splatLane(size, laneAt(c, "n", size, c.imm()))),
    syntax: (f) => `dup ${vreg(f.Rd, arrangement(f.Q, sizeOf(f)))}, v${f.Rn}.${"bhsd"[sizeOf(f)]}[${indexOf(f)}]`,
  }),
  define({
    name: "DUP (element, scalar)",
    pattern: "01 0 11110000 imm5:5 0 0000 1 Rn:5 Rd:5",
    statics: { size: imm5Size },
    allocated: ({ size }) => size < 4,
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), imm: imm5Offset(w) }),
    fp: true,
    execute: (c, { size }) => c.setVLow("d", laneAt(c, "n", size, c.imm())),
    syntax: (f) => `dup ${sreg(sizeOf(f), f.Rd)}, v${f.Rn}.${"bhsd"[sizeOf(f)]}[${indexOf(f)}]`,
  }),
  define({
    name: "DUP (general)",
    pattern: "0 Q 0 01110000 imm5:5 0 0001 1 Rn:5 Rd:5",
    statics: { Q: "Q", size: imm5Size },
    allocated: ({ Q, size }) => size < 3 || (size === 3 && Q === 1),
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.xSlot("Rn") }),
    fp: true,
    execute: (c, { Q, size }) => writeVector(c, "d", width(Q), splatLane(size, c.x("n"))),
    syntax: (f) => `dup ${vreg(f.Rd, arrangement(f.Q, sizeOf(f)))}, ${reg(+(sizeOf(f) === 3), f.Rn)}`,
  }),
  ...[false, true].map((signed) =>
    define({
      name: signed ? "SMOV" : "UMOV",
      pattern: `0 Q 0 01110000 imm5:5 0 ${signed ? "0101" : "0111"} 1 Rn:5 Rd:5`,
      statics: { Q: "Q", size: imm5Size },
      allocated: ({ Q, size }) => (signed ? size < 2 || (size === 2 && Q === 1) : Q ? size === 3 : size < 3),
      operands: (w) => ({ d: w.sinkSlot("Rd"), n: w.vSlot("Rn"), imm: imm5Offset(w) }),
      fp: true,
      execute: (c, { Q, size }) => {
        const value = laneAt(c, "n", size, c.imm(), signed);
        if (Q) c.setX("d", value);
        else c.setW("d", toI32(value));
      },
      syntax: (f) => `${signed ? "smov" : "umov"} ${reg(f.Q, f.Rd)}, v${f.Rn}.${"bhsd"[sizeOf(f)]}[${indexOf(f)}]`,
    }),
  ),
  define({
    name: "INS (general)",
    pattern: "0 1 0 01110000 imm5:5 0 0011 1 Rn:5 Rd:5",
    statics: { size: imm5Size },
    allocated: ({ size }) => size < 4,
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.xSlot("Rn"), imm: imm5Offset(w) }),
    fp: true,
    execute: (c, { size }) =>
      c.f.store(
        (["i64_8", "i64_16", "i64_32", "i64"] as const)[size as 0],
        add(c.vAddress("d"), c.imm()),
        c.temp(c.x("n")),
      ),
    syntax: (f) => `ins v${f.Rd}.${"bhsd"[sizeOf(f)]}[${indexOf(f)}], ${reg(+(sizeOf(f) === 3), f.Rn)}`,
  }),
  define({
    name: "INS (element)",
    pattern: "0 1 1 01110000 imm5:5 0 imm4:4 1 Rn:5 Rd:5",
    statics: { size: imm5Size },
    allocated: ({ size }) => size < 4,
    operands: (w) => ({
      d: w.vSlot("Rd"),
      n: w.vSlot("Rn"),
      imm: imm5Offset(w),
      // the low `size` bits of imm4 are ignored
      imm2: and(w.field("imm4"), shl(i32(-1), ctz(or(w.field("imm5"), 0b100000)))),
    }),
    fp: true,
    execute: (c, { size }) =>
      c.f.store(
        (["i64_8", "i64_16", "i64_32", "i64"] as const)[size as 0],
        add(c.vAddress("d"), c.imm()),
        laneAt(c, "n", size, c.imm2()),
      ),
    syntax: (f) =>
      `ins v${f.Rd}.${"bhsd"[sizeOf(f)]}[${indexOf(f)}], v${f.Rn}.${"bhsd"[sizeOf(f)]}[${f.imm4 >> sizeOf(f)}]`,
  }),
];

/** Byte choice of UZP, TRN and ZIP over the concatenation n:m, `bits` wide. */
function permutation(kind: "uzp" | "trn" | "zip", part: number, size: number, bits: number): number[] {
  const count = bits >> (3 + size);
  const bytes = 1 << size;
  const source = (e: number): number => {
    if (kind === "uzp") return 2 * e + part;
    if (kind === "trn") return (e & ~1) + part + (e & 1 ? count : 0);
    return (e >> 1) + part * (count / 2) + (e & 1 ? count : 0);
  };
  return Array.from({ length: 16 }, (_, at) => {
    if (at >= bits >> 3) return 0;
    const from = source(at >> size);
    return (from < count ? from * bytes : 16 + (from - count) * bytes) + (at % bytes);
  });
}
const PERMUTE = (["uzp", "trn", "zip"] as const).flatMap((kind, k) =>
  [0, 1].map((part) =>
    define({
      name: `${kind.toUpperCase()}${part + 1}`,
      pattern: `0 Q 001110 size:2 0 Rm:5 0 ${part}${(k + 1).toString(2).padStart(2, "0")} 10 Rn:5 Rd:5`,
      statics: { Q: "Q", size: "size" },
      allocated: ({ Q, size }) => size < 3 || Q === 1,
      operands: standardSlots,
      fp: true,
      execute: (c, { Q, size }) =>
        writeVector(c, "d", width(Q), shuffle(c.v("n"), c.v("m"), permutation(kind, part, size, width(Q)))),
      syntax: (f) => {
        const t = arrangement(f.Q, f.size);
        return `${kind}${part + 1} ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}`;
      },
    }),
  ),
);

const BYTE_NUMBERS = (): Expr<V128> => v128(Uint8Array.from({ length: 16 }, (_, i) => i));

const extract = define({
  name: "EXT",
  pattern: "0 Q 101110 00 0 Rm:5 0 imm4:4 0 Rn:5 Rd:5",
  statics: { Q: "Q" },
  valid: (w) => or(w.field("Q"), eqz(and(w.field("imm4"), 8))),
  operands: (w) => ({ ...standardSlots(w), imm: w.field("imm4") }),
  fp: true,
  execute: (c, { Q }) => {
    if (!Q) {
      const low = load("i64", c.vAddress("n"));
      const high = load("i64", c.vAddress("m"));
      const count = toI64U(shl(c.imm(), 3));
      c.setVLow("d", select(eqz(c.imm()), low, or(shrU(low, count), shl(high, sub(i64(64), count)))));
      return;
    }
    const index = c.temp(op("add", 0, BYTE_NUMBERS(), op("splat", 0, c.imm())));
    c.setV("d", vor(op("swizzle", 0, c.v("n"), index), op("swizzle", 0, c.v("m"), op("sub", 0, index, splat(0, 16n)))));
  },
  syntax: (f) => {
    const t = arrangement(f.Q, 0);
    return `ext ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}, #${f.imm4}`;
  },
});

/** TBL gives zero for an index out of range, TBX keeps the element. */
const table = [0, 1].map((extension) =>
  define({
    name: extension ? "TBX" : "TBL",
    pattern: `0 Q 001110 00 0 Rm:5 0 len:2 ${extension} 00 Rn:5 Rd:5`,
    statics: { Q: "Q", len: "len" },
    operands: (w) => ({ d: w.vSlot("Rd"), m: w.vSlot("Rm"), imm: w.field("Rn") }),
    fp: true,
    execute: (c, { Q, len }) => {
      const index = readVector(c, "m", width(Q));
      let result: Expr<V128> | undefined;
      for (let i = 0; i <= len; i++) {
        const part = op(
          "swizzle",
          0,
          loadV128(vAddressOf(c, add(c.imm(), i))),
          i === 0 ? index : op("sub", 0, index, splat(0, BigInt(16 * i))),
        );
        result = result === undefined ? part : vor(result, part);
      }
      let value = c.temp(result as Expr<V128>);
      if (extension) value = vor(value, vandnot(c.v("d"), simd("i8x16.lt_u", index, splat(0, BigInt(16 * (len + 1))))));
      writeVector(c, "d", width(Q), value);
    },
    syntax: (f) => {
      const t = arrangement(f.Q, 0);
      const n = f.Rn;
      const count = f.len + 1;
      const names = Array.from({ length: count }, (_, i) => `v${(n + i) % 32}.16b`);
      const list = count > 1 && n + count <= 32 && count > 2 ? `${names[0]}-${names[count - 1]}` : names.join(", ");
      return `${extension ? "tbx" : "tbl"} ${vreg(f.Rd, t)}, {${list}}, ${vreg(f.Rm, t)}`;
    },
  }),
);

// --------------------------------------------------------------------------------------------- modified immediate

/** AdvSIMDExpandImm as an expression; cmode and op are known. */
function expandImmediate(w: Word<"abc" | "defgh">, cmode: number, isOp: number): Expr<I64> {
  const imm8 = w.temp(toI64U(or(shl(w.field("abc"), 5), w.field("defgh"))));
  const twice = (e: Expr<I64>) => or(e, shl(e, 32));
  const halves = (e: Expr<I64>) => {
    const word = w.temp(or(e, shl(e, 16)));
    return twice(word);
  };
  if (cmode < 8) return twice(w.temp(shl(imm8, 8 * (cmode >> 1))));
  if (cmode < 12) return halves(w.temp(shl(imm8, 8 * ((cmode >> 1) & 1))));
  if (cmode === 12) return twice(w.temp(or(shl(imm8, 8), 0xff)));
  if (cmode === 13) return twice(w.temp(or(shl(imm8, 16), 0xffff)));
  if (cmode === 14 && !isOp) return mulBytes(imm8);
  if (cmode === 14) {
    // each bit becomes a byte: spread the bits to bytes, then fill
    let spread: Expr<I64> = i64(0);
    for (let bit = 0; bit < 8; bit++) spread = or(spread, shl(and(shrU(imm8, bit), 1), 8 * bit));
    const bits = w.temp(spread);
    return sub(shl(bits, 8), bits);
  }
  return isOp ? vfpExpandImm(3, imm8) : twice(w.temp(vfpExpandImm(2, imm8)));
}
const mulBytes = (imm8: Expr<I64>): Expr<I64> => {
  let e = imm8;
  for (const by of [8, 16, 32]) e = or(e, shl(e, by));
  return e;
};
/** VFPExpandImm of half (1), single (2) or double (3): sign, NOT(b), b replicated, cd, efgh. */
export function vfpExpandImm(size: number, imm8: Expr<I64>): Expr<I64> {
  const { bits, fraction, bias } = formatOf(size);
  const b = and(shrU(imm8, 6), 1);
  const sign = shl(shrU(imm8, 7), bits - 1);
  // exponents from bias + 1 with b 0, from bias - 3 with b 1; two bits below come from imm8
  const exponent = (value: number) => i64(BigInt(value) << BigInt(fraction));
  return or(or(sign, select(eqz(b), exponent(bias + 1), exponent(bias - 3))), shl(and(imm8, 0x3f), fraction - 4));
}
/** The same as a number, for the disassembler. */
function vfpImmediate(imm8: number): number {
  const exponent = ((imm8 >> 4) & 3) + (imm8 & 0x40 ? -3 : 1);
  return (imm8 & 0x80 ? -1 : 1) * (1 + (imm8 & 15) / 16) * 2 ** exponent;
}
/** As objdump prints it: 19 digits, two of the exponent. */
export function vfpImmediateText(imm8: number): string {
  return vfpImmediate(imm8)
    .toExponential(18)
    .replace(/(e[+-])(\d)$/, "$10$2");
}

const ORR_BIC = (cmode: number) => cmode < 12 && (cmode & 1) === 1;
const immediates = [0, 1].flatMap((isOp) =>
  Array.from({ length: 16 }, (_, cmode) => {
    const kind = ORR_BIC(cmode)
      ? isOp
        ? "bic"
        : "orr"
      : cmode === 15
        ? "fmov"
        : isOp && cmode !== 14
          ? "mvni"
          : "movi";
    const shiftText =
      cmode < 8
        ? cmode >> 1
          ? `, lsl #${8 * (cmode >> 1)}`
          : ""
        : cmode < 12
          ? cmode & 2
            ? ", lsl #8"
            : ""
          : cmode < 14
            ? `, msl #${cmode === 12 ? 8 : 16}`
            : "";
    const size =
      cmode < 8 || cmode === 12 || cmode === 13 ? 2 : cmode < 12 ? 1 : cmode === 14 ? (isOp ? 3 : 0) : isOp ? 3 : 2;
    return define({
      name: `${kind.toUpperCase()} (vector, immediate, op ${isOp} cmode ${cmode.toString(2).padStart(4, "0")})`,
      pattern: `0 Q ${isOp} 0111100000 abc:3 ${cmode.toString(2).padStart(4, "0")} 01 defgh:5 Rd:5`,
      statics: { Q: "Q" },
      allocated: ({ Q }) => !(cmode === 15 && isOp === 1 && Q === 0),
      operands: (w) => {
        const value = expandImmediate(w, cmode, isOp);
        const inverted = kind === "mvni" || kind === "bic";
        return { d: w.vSlot("Rd"), imm64: inverted ? xor64(value) : value };
      },
      fp: true,
      execute: (c, { Q }) => {
        const value = c.imm64();
        const full = simd("i64x2.splat", value);
        if (kind === "orr" || kind === "bic") {
          const old = c.v("d");
          writeVector(c, "d", width(Q), kind === "orr" ? vor(old, full) : vand(old, full));
        } else if (Q) c.setV("d", full);
        else c.setVLow("d", value);
      },
      syntax: (f) => {
        const imm8 = (f.abc << 5) | f.defgh;
        const target = cmode === 14 && isOp && !f.Q ? `d${f.Rd}` : vreg(f.Rd, arrangement(f.Q, size));
        if (kind === "fmov") return `fmov ${target}, #${vfpImmediateText(imm8)}`;
        const value =
          cmode === 14 && isOp
            ? Array.from({ length: 8 }, (_, i) => ((imm8 >> (7 - i)) & 1 ? "ff" : "00")).join("")
            : imm8.toString(16);
        return `${kind} ${target}, #0x${value.replace(/^0+(?=.)/, "")}${shiftText}`;
      },
    });
  }),
);
/** FMOV of half precision: the one encoding of the class with o2 1. */
const immediateHalf = define({
  name: "FMOV (vector, immediate, half)",
  feature: "FEAT_FP16",
  pattern: "0 Q 0 0111100000 abc:3 1111 11 defgh:5 Rd:5",
  statics: { Q: "Q" },
  operands: (w) => {
    const imm8 = w.temp(toI64U(or(shl(w.field("abc"), 5), w.field("defgh"))));
    const pair = w.temp(mulHalves(w.temp(vfpExpandImm(1, imm8))));
    return { d: w.vSlot("Rd"), imm64: or(pair, shl(pair, 32)) };
  },
  fp: true,
  execute: (c, { Q }) => writeVector(c, "d", width(Q), simd("i64x2.splat", c.imm64())),
  syntax: (f) => `fmov ${vreg(f.Rd, arrangement(f.Q, 1))}, #${vfpImmediateText((f.abc << 5) | f.defgh)}`,
});
const mulHalves = (e: Expr<I64>): Expr<I64> => or(e, shl(e, 16));
const xor64 = (e: Expr<I64>): Expr<I64> => sub(i64(-1), e);

export const SIMD_PERMUTE: readonly Description[] = [
  ...COPY,
  ...PERMUTE,
  extract,
  ...table,
  ...immediates,
  immediateHalf,
];

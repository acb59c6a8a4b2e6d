/**
 * Advanced SIMD shift by immediate and scalar shift by immediate, integer operations.
 *
 * The element size and the shift count are one field, immh:immb; the count is an operand, so that one handler serves all.
 *
 * Source: DDI 0487 K.a C4.1.96 (Advanced SIMD shift by immediate, scalar shift by immediate).
 */
import { L } from "../state/layout.ts";
import {
  add,
  and,
  call,
  clz,
  type Expr,
  eqz,
  gtU,
  I32,
  I64,
  i32,
  i64,
  load,
  ltS,
  or,
  select,
  shl,
  shrS,
  shrU,
  sub,
  toI64U,
  type V128,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define, type FieldValues, type Word } from "./description.ts";
import {
  arrangement,
  bitselect,
  buildVector,
  lane,
  op,
  readVector,
  saturate,
  shift,
  splat,
  sreg,
  vand,
  vreg,
  width,
  writeHalf,
  writeVector,
} from "./simd-lanes.ts";
import { packLow, readHalf, widen } from "./simd-three-different.ts";
import { saturatingNarrow } from "./simd-two-reg.ts";

type Vector = Expr<V128>;

/** Size from immh: 0001 bytes, 001x halfwords, 01xx words, 1xxx doublewords. immh 0000 belongs to other encodings: value 4. */
const immhSize = { count: 5, of: (w: Word<"immh">) => sizeExpression(w) };
const sizeExpression = (w: Word<"immh">): Expr<I32> =>
  select(eqz(w.field("immh")), i32(4), sub(i32(31), clz(w.field("immh"))));
const immediate = (w: Word<"immh" | "immb">): Expr<I32> => add(shl(w.field("immh"), 3), w.field("immb"));
/** Right: 2 * esize - UInt(immh:immb). Left: UInt(immh:immb) - esize. */
const rightCount = (w: Word<"immh" | "immb">): Expr<I32> => sub(shl(i32(16), sizeExpression(w)), immediate(w));
const leftCount = (w: Word<"immh" | "immb">): Expr<I32> => sub(immediate(w), shl(i32(8), sizeExpression(w)));
const sizeOf = (f: FieldValues<"immh">) => 31 - Math.clz32(f.immh);
const countOf = (f: FieldValues<"immh" | "immb">, left: boolean) => {
  const value = f.immh * 8 + f.immb;
  return left ? value - (8 << sizeOf(f)) : (16 << sizeOf(f)) - value;
};

type Run = (c: Context, a: Vector, size: number, bits: number) => Vector;
interface ShiftImmediate {
  readonly mnemonic: string;
  readonly U: number;
  readonly opcode: string;
  readonly left: boolean;
  readonly scalar?: readonly number[];
  readonly run: Run;
}

function shiftImmediate({ mnemonic, U, opcode, left, scalar, run }: ShiftImmediate): Description[] {
  const operands = (w: Word<"Rd" | "Rn" | "immh" | "immb">) => ({
    d: w.vSlot("Rd"),
    n: w.vSlot("Rn"),
    imm: left ? leftCount(w) : rightCount(w),
  });
  const vector = define({
    name: `${mnemonic.toUpperCase()} (vector, immediate)`,
    pattern: `0 Q ${U} 011110 immh:4 immb:3 ${opcode} 1 Rn:5 Rd:5`,
    statics: { Q: "Q", size: immhSize },
    allocated: ({ Q, size }) => size < 3 || (size === 3 && Q === 1),
    operands,
    fp: true,
    execute: (c, { Q, size }) => writeVector(c, "d", width(Q), run(c, readVector(c, "n", width(Q)), size, width(Q))),
    syntax: (f) => {
      const t = arrangement(f.Q, sizeOf(f));
      return `${mnemonic} ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, #${countOf(f, left)}`;
    },
  });
  if (scalar === undefined) return [vector];
  return [
    vector,
    define({
      name: `${mnemonic.toUpperCase()} (scalar, immediate)`,
      pattern: `01 ${U} 111110 immh:4 immb:3 ${opcode} 1 Rn:5 Rd:5`,
      statics: { size: immhSize },
      allocated: ({ size }) => scalar.includes(size),
      operands,
      fp: true,
      execute: (c, { size }) => writeVector(c, "d", 8 << size, run(c, readVector(c, "n", 8 << size), size, 8 << size)),
      syntax: (f) => `${mnemonic} ${sreg(sizeOf(f), f.Rd)}, ${sreg(sizeOf(f), f.Rn)}, #${countOf(f, left)}`,
    }),
  ];
}

/** a >> count, for counts up to the element's width. */
function shiftRight(c: Context, signed: boolean, a: Vector, size: number): Vector {
  const bits = 8 << size;
  if (signed) return shift("shr_s", size, a, sub(c.imm(), select(eqz(sub(c.imm(), bits)), i32(1), i32(0))));
  // in two steps: a count of the whole width would wrap
  return shift("shr_u", size, shift("shr_u", size, a, sub(c.imm(), 1)), 1);
}
/** The same, rounded to nearest: the last bit that falls out is added. */
function shiftRightRounding(c: Context, signed: boolean, a: Vector, size: number): Vector {
  const name = signed ? "shr_s" : "shr_u";
  const almost = c.temp(shift(name, size, a, sub(c.imm(), 1)));
  return op("add", size, shift(name, size, almost, 1), vand(almost, splat(size, 1n)));
}
const right =
  (signed: boolean, rounding: boolean, accumulate: boolean): Run =>
  (c, a, size) => {
    const shifted = rounding ? shiftRightRounding(c, signed, a, size) : shiftRight(c, signed, a, size);
    return accumulate ? op("add", size, c.v("d"), c.temp(shifted)) : shifted;
  };
const insertRight: Run = (c, a, size) => {
  const ones = c.temp(shiftRight(c, false, splat(size, -1n), size));
  return bitselect(c.temp(shiftRight(c, false, a, size)), c.v("d"), ones);
};
const insertLeft: Run = (c, a, size) =>
  bitselect(shift("shl", size, a, c.imm()), c.v("d"), shift("shl", size, splat(size, -1n), c.imm()));

/** SQSHL, UQSHL, SQSHLU by an immediate: saturating left shift, element by element. */
const saturatingLeft =
  (signedInput: boolean, unsignedResult: boolean): Run =>
  (c, _a, size, bits) =>
    buildVector(c, bits, size, (i) => {
      const x = c.temp(lane(c, "n", size, i, signedInput));
      if (size < 2) return saturate(c, size, unsignedResult, shl(x, toI64U(c.imm())));
      return call(saturatingLeftHelper(c, size, signedInput, unsignedResult), c.state, x, toI64U(c.imm()));
    });
function saturatingLeftHelper(c: Context, size: number, signedInput: boolean, unsignedResult: boolean) {
  const bits = BigInt(8 << size);
  const name = `shiftLeft.${signedInput ? "s" : "u"}${unsignedResult ? "u" : "s"}${bits}`;
  return c.helper(name, (module) =>
    module.func(name, [I32, I64, I64], [I64], (f, s, x, count) => {
      const largest = unsignedResult ? (1n << bits) - 1n : (1n << (bits - 1n)) - 1n;
      const over = (value: bigint) => {
        f.store("i32", s, or(load("i32", s, L.FPSR), 1 << 27), L.FPSR);
        f.return(i64(value));
      };
      if (signedInput) {
        f.if(ltS(x, 0), () => {
          if (unsignedResult) over(0n);
          else {
            const smallest = -(1n << (bits - 1n));
            f.if(ltS(x, shrS(i64(smallest), count)), () => over(smallest));
            f.return(shl(x, count));
          }
        });
      }
      f.if(gtU(x, shrU(i64(largest), count)), () => over(largest));
      f.return(shl(x, count));
    }),
  );
}

// ------------------------------------------------------------------------------------------------------ narrowing

const NARROW = [
  ["shrn", 0, "10000", false, undefined],
  ["rshrn", 0, "10001", true, undefined],
  ["sqshrun", 1, "10000", false, "sqxtun"],
  ["sqrshrun", 1, "10001", true, "sqxtun"],
  ["sqshrn", 0, "10010", false, "sqxtn"],
  ["sqrshrn", 0, "10011", true, "sqxtn"],
  ["uqshrn", 1, "10010", false, "uqxtn"],
  ["uqrshrn", 1, "10011", true, "uqxtn"],
] as const;
const narrow = NARROW.flatMap(([mnemonic, U, opcode, rounding, kind]) => {
  const operands = (w: Word<"Rd" | "Rn" | "immh" | "immb">) => ({
    d: w.vSlot("Rd"),
    n: w.vSlot("Rn"),
    imm: rightCount(w),
  });
  const element =
    (c: Context, size: number, signed: boolean) =>
    (i: number): Expr<I64> => {
      const x = c.temp(lane(c, "n", size + 1, i, signed));
      const count = toI64U(c.imm());
      const shifted = signed ? shrS(x, count) : shrU(x, count);
      if (!rounding) return shifted;
      return add(shifted, and(shrU(x, sub(count, 1)), 1));
    };
  const vector = define({
    name: `${mnemonic.toUpperCase()} (vector)`,
    pattern: `0 Q ${U} 011110 immh:4 immb:3 ${opcode} 1 Rn:5 Rd:5`,
    statics: { Q: "Q", size: immhSize },
    allocated: ({ size }) => size < 3,
    operands,
    fp: true,
    execute: (c, { Q, size }) => {
      if (kind !== undefined) {
        writeHalf(c, "d", Q, saturatingNarrow(c, kind, 8 >> size, size, element(c, size, kind !== "uqxtn")));
        return;
      }
      const a = c.temp(c.v("n"));
      const shifted = rounding ? shiftRightRounding(c, false, a, size + 1) : shift("shr_u", size + 1, a, c.imm());
      writeHalf(c, "d", Q, packLow(c.temp(shifted), size));
    },
    syntax: (f) =>
      `${mnemonic}${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(f.Q, sizeOf(f)))}, ${vreg(f.Rn, arrangement(1, sizeOf(f) + 1))}, #${countOf(f, false)}`,
  });
  if (kind === undefined) return [vector];
  return [
    vector,
    define({
      name: `${mnemonic.toUpperCase()} (scalar)`,
      pattern: `01 ${U} 111110 immh:4 immb:3 ${opcode} 1 Rn:5 Rd:5`,
      statics: { size: immhSize },
      allocated: ({ size }) => size < 3,
      operands,
      fp: true,
      execute: (c, { size }) =>
        writeVector(c, "d", 8 << size, saturatingNarrow(c, kind, 1, size, element(c, size, kind !== "uqxtn"))),
      syntax: (f) => `${mnemonic} ${sreg(sizeOf(f), f.Rd)}, ${sreg(sizeOf(f) + 1, f.Rn)}, #${countOf(f, false)}`,
    }),
  ];
});

const widening = [0, 1].map((U) =>
  define({
    name: U ? "USHLL" : "SSHLL",
    pattern: `0 Q ${U} 011110 immh:4 immb:3 10100 1 Rn:5 Rd:5`,
    statics: { Q: "Q", size: immhSize },
    allocated: ({ size }) => size < 3,
    operands: (w) => ({ d: w.vSlot("Rd"), n: w.vSlot("Rn"), imm: leftCount(w) }),
    fp: true,
    execute: (c, { Q, size }) =>
      c.setV("d", shift("shl", size + 1, widen(U === 0, readHalf(c, "n", Q), size), c.imm())),
    syntax: (f) =>
      `${U ? "u" : "s"}shll${f.Q ? "2" : ""} ${vreg(f.Rd, arrangement(1, sizeOf(f) + 1))}, ${vreg(f.Rn, arrangement(f.Q, sizeOf(f)))}, #${countOf(f, true)}`,
  }),
);

const D = [3];
const ALL = [0, 1, 2, 3];
const RIGHT = [
  ["shr", "00000", false, false],
  ["sra", "00010", false, true],
  ["rshr", "00100", true, false],
  ["rsra", "00110", true, true],
] as const;

export const SIMD_SHIFT: readonly Description[] = [
  ...RIGHT.flatMap(([name, opcode, rounding, accumulate]) =>
    [0, 1].flatMap((U) =>
      shiftImmediate({
        mnemonic: `${U ? "u" : "s"}${name}`,
        U,
        opcode,
        left: false,
        scalar: D,
        run: right(U === 0, rounding, accumulate),
      }),
    ),
  ),
  ...shiftImmediate({ mnemonic: "sri", U: 1, opcode: "01000", left: false, scalar: D, run: insertRight }),
  ...shiftImmediate({
    mnemonic: "shl",
    U: 0,
    opcode: "01010",
    left: true,
    scalar: D,
    run: (c, a, size) => shift("shl", size, a, c.imm()),
  }),
  ...shiftImmediate({ mnemonic: "sli", U: 1, opcode: "01010", left: true, scalar: D, run: insertLeft }),
  ...shiftImmediate({
    mnemonic: "sqshlu",
    U: 1,
    opcode: "01100",
    left: true,
    scalar: ALL,
    run: saturatingLeft(true, true),
  }),
  ...shiftImmediate({
    mnemonic: "sqshl",
    U: 0,
    opcode: "01110",
    left: true,
    scalar: ALL,
    run: saturatingLeft(true, false),
  }),
  ...shiftImmediate({
    mnemonic: "uqshl",
    U: 1,
    opcode: "01110",
    left: true,
    scalar: ALL,
    run: saturatingLeft(false, true),
  }),
  ...narrow,
  ...widening,
];

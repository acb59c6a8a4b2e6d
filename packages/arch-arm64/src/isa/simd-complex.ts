/**
 * Complex numbers, real part in the even element: FCADD and FCMLA. FEAT_FCMA; with half precision it needs FEAT_FP16 too,
 * and no CPU model has the one without the other.
 *
 * Source: DDI 0487 K.a C7.2.64 (FCADD), C7.2.76-77 (FCMLA); C4.1.96 (three-register extension, vector by element).
 */

import { L } from "../state/layout.ts";
import { add, type Expr, eq, type I64, or, select, shl } from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type Description, define } from "./description.ts";
import { fp } from "./fp-helpers.ts";
import { arrangement, lane, laneAt, standardSlots, vreg, width, writeLanes } from "./simd-lanes.ts";

/** Halves, singles, doubles; one double is no pair. */
const isPairs = ({ Q, size }: { readonly Q: number; readonly size: number }) => size !== 0 && (size < 3 || Q === 1);

const addRotated = [90, 270].map((degrees) =>
  define({
    name: `FCADD (#${degrees})`,
    feature: "FEAT_FCMA",
    pattern: `0 Q 1 01110 size:2 0 Rm:5 111${+(degrees === 270)}01 Rn:5 Rd:5`,
    statics: { Q: "Q", size: "size" },
    allocated: isPairs,
    operands: standardSlots,
    fp: true,
    execute: (c, { Q, size }) =>
      writeLanes(c, "d", width(Q), size, (i) => {
        const other = lane(c, "m", size, i ^ 1);
        // times j: minus the imaginary part becomes the real one; times -j the other way round
        const isNegated = (degrees === 90) === ((i & 1) === 0);
        return fp.binary(c, "add", size, lane(c, "n", size, i), isNegated ? fp.neg(size, other) : other);
      }),
    syntax: (f) => {
      const t = arrangement(f.Q, f.size);
      return `fcadd ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}, #${degrees}`;
    },
  }),
);

/** Element `i` of FCMLA: d + n * m, of the parts that the rotation (in quarters) takes. `m` gives the real or imaginary part. */
function multiplyAccumulate(
  c: Context,
  size: number,
  rotation: number,
  i: number,
  m: (imaginary: number) => Expr<I64>,
): Expr<I64> {
  const imaginary = i & 1;
  const factor = lane(c, "n", size, (i & ~1) + (rotation & 1));
  const other = m(imaginary ^ (rotation & 1));
  // 0: + +; 90: - +; 180: - -; 270: + -
  const isNegated = imaginary ? rotation >= 2 : rotation === 1 || rotation === 2;
  return fp.fma(c, size, lane(c, "d", size, i), factor, isNegated ? fp.neg(size, other) : other);
}

const multiply = define({
  name: "FCMLA",
  feature: "FEAT_FCMA",
  pattern: "0 Q 1 01110 size:2 0 Rm:5 110 rot:2 1 Rn:5 Rd:5",
  statics: { Q: "Q", size: "size", rot: "rot" },
  allocated: isPairs,
  operands: standardSlots,
  fp: true,
  execute: (c, { Q, size, rot }) =>
    writeLanes(c, "d", width(Q), size, (i) =>
      multiplyAccumulate(c, size, rot, i, (part) => lane(c, "m", size, (i & ~1) + part)),
    ),
  syntax: (f) => {
    const t = arrangement(f.Q, f.size);
    return `fcmla ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, ${vreg(f.Rm, t)}, #${90 * f.rot}`;
  },
});

const multiplyByElement = define({
  name: "FCMLA (by element)",
  feature: "FEAT_FCMA",
  pattern: "0 Q 1 01111 size:2 L M Rm:4 0 rot:2 1 H 0 Rn:5 Rd:5",
  statics: { Q: "Q", size: "size", rot: "rot", L: "L", H: "H" },
  allocated: ({ Q, size, L: low, H }) => (size === 1 && (Q === 1 || H === 0)) || (size === 2 && Q === 1 && low === 0),
  operands: (w) => ({
    d: w.vSlot("Rd"),
    n: w.vSlot("Rn"),
    m: add(shl(or(w.field("Rm"), shl(w.field("M"), 4)), 4), L.V),
    // byte offset of the pair: index H:L of words, H of doublewords
    imm: add(shl(w.field("H"), 3), select(eq(w.field("size"), 1), shl(w.field("L"), 2), 0)),
  }),
  fp: true,
  execute: (c, { Q, size, rot }) => {
    const real = laneAt(c, "m", size, c.imm());
    const imaginary = laneAt(c, "m", size, add(c.imm(), 1 << size));
    writeLanes(c, "d", width(Q), size, (i) => multiplyAccumulate(c, size, rot, i, (part) => (part ? imaginary : real)));
  },
  syntax: (f) => {
    const t = arrangement(f.Q, f.size);
    const index = f.size === 1 ? 2 * f.H + f.L : f.H;
    return `fcmla ${vreg(f.Rd, t)}, ${vreg(f.Rn, t)}, v${16 * f.M + f.Rm}.${"bhsd"[f.size]}[${index}], #${90 * f.rot}`;
  },
});

export const SIMD_COMPLEX: readonly Description[] = [...addRotated, multiply, multiplyByElement];

/**
 * MRS without a decision: which reads a region may have, and what they are. Everything else is `sysRead`'s.
 */

import { L } from "../state/layout.ts";
import { sysregOffset } from "../state/slots.ts";
import { add, and, type Expr, eqz, type I32, type I64, i32, load, ne, shl, shrU, toI64U } from "../wasm/index.ts";
import { D, INLINE } from "./dispatch.ts";

const kindOf = (word: number) => INLINE[(word >>> D.INLINE_SHIFT) & 15];

/** Whether a register with this dispatch word is read here when the guard holds. */
export function isPlainRead(word: number): boolean {
  const kind = kindOf(word);
  const isReadable = (word & (D.READ_EL0 | D.READ_EL1)) !== 0;
  return isReadable && (kind === "" || kind === "DAIF" || kind === "CurrentEL" || kind === "SP_EL0");
}

/** Not 0 when the read may be done at this EL and nothing traps it. */
export function plainReadGuard(s: Expr<I32>, word: number): Expr<I32> {
  const el = load("i32", s, L.EL);
  const group = (word >>> D.TRAP_SHIFT) & 31;
  const permitted = and(shrU(i32(word), add(el, Math.log2(D.READ_EL0))), 1);
  const traps = load("i32", add(s, shl(el, 2)), L.TRAPS);
  const quiet = and(permitted, eqz(and(traps, 1 << group)));
  // SP_EL0 while it is the current stack pointer is UNDEFINED
  return kindOf(word) === "SP_EL0" ? and(quiet, ne(load("i32", s, L.SPSEL), 0)) : quiet;
}

/** The value, when the guard holds. */
export function plainReadValue(s: Expr<I32>, word: number): Expr<I64> {
  switch (kindOf(word)) {
    case "DAIF":
      return toI64U(load("i32", s, L.DAIF));
    case "CurrentEL":
      return toI64U(shl(load("i32", s, L.EL), 2));
    case "SP_EL0":
      return load("i64", s, sysregOffset("SP_EL0"));
    default:
      return load("i64", s, L.SYSREG + (word & 0x3ff) * 8);
  }
}

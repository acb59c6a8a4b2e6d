/**
 * Pieces that several integer descriptions share.
 */
import {
  add,
  and,
  type Expr,
  type I32,
  I64,
  i32,
  i64,
  or,
  rotr,
  shl,
  shrS,
  shrU,
  signExtend8,
  signExtend16,
  sub,
  toI32,
  toI64S,
  toI64U,
} from "../wasm/index.ts";
import type { Context } from "./context.ts";
import type { Slot } from "./description.ts";

/** An integer expression whose width a static decides. */
export type Int = Expr<I32 | I64>;

/** X or W. `sf` 1 is 64 bits. */
export function readReg(c: Context, sf: number, slot: Slot): Int {
  return sf ? c.x(slot) : c.w(slot);
}
export function writeReg(c: Context, sf: number, slot: Slot, value: Int): void {
  if (value.type === I64) c.setX(slot, value as Expr<I64>);
  else if (!sf) c.setW(slot, value as Expr<I32>);
  else throw new TypeError("a 32-bit value for an X register");
}
/** Integer constant of the operand width. */
export function constantOf(sf: number, value: number | bigint): Int {
  return sf ? i64(value) : i32(value);
}
/** An i32 operand at the operand width, zero-extended. */
export function widen(sf: number, value: Expr<I32>): Int {
  return sf ? toI64U(value) : value;
}

// Both operands always have the same width; TypeScript cannot see that through a static.
type Same = Expr<I32>;
export const addInt = (a: Int, b: Int): Int => add(a as Same, b as Same);
export const subInt = (a: Int, b: Int): Int => sub(a as Same, b as Same);

/** ADD, SUB, ADDS, SUBS. */
export function addSub(c: Context, sf: number, op: number, S: number, a: Int, b: Int): void {
  if (!S) {
    writeReg(c, sf, "d", op ? subInt(a, b) : addInt(a, b));
    return;
  }
  const left = c.temp(a);
  const right = c.temp(b);
  if (op) c.setFlagsSub(left, right);
  else c.setFlagsAdd(left, right);
  writeReg(c, sf, "d", op ? subInt(left, right) : addInt(left, right));
}

/** Rm shifted by the immediate in imm. `shift`: 0 LSL, 1 LSR, 2 ASR, 3 ROR, 4 no shift. */
export function shiftedReg(c: Context, sf: number, shift: number, slot: Slot): Int {
  const value = readReg(c, sf, slot) as Same;
  if (shift === 4) return value;
  const count = widen(sf, c.imm()) as Same;
  switch (shift) {
    case 0:
      return shl(value, count);
    case 1:
      return shrU(value, count);
    case 2:
      return shrS(value, count);
    default:
      return rotr(value, count);
  }
}

/** ExtendReg before its shift, 64 bits. `option`: UXTB, UXTH, UXTW, UXTX, SXTB, SXTH, SXTW, SXTX. */
export function extendReg(c: Context, option: number, slot: Slot): Expr<I64> {
  switch (option) {
    case 0:
      return and(c.x(slot), 0xff);
    case 1:
      return and(c.x(slot), 0xffff);
    case 2:
      return toI64U(c.w(slot));
    case 4:
      return signExtend8(c.x(slot));
    case 5:
      return signExtend16(c.x(slot));
    case 6:
      return toI64S(c.w(slot));
    default:
      return c.x(slot);
  }
}

/** Bytes in reverse order. */
export function reverseBytes32(value: Expr<I32>): Expr<I32> {
  return or(and(rotr(value, 8), 0xff00ff00), and(rotr(value, 24), 0x00ff00ff));
}
export function reverseBytes64(c: Context, value: Expr<I64>): Expr<I64> {
  const half = (e: Expr<I64>) => reverseBytes32(c.temp(toI32(e)) as Expr<I32>);
  return or(shl(toI64U(half(value)), 32), toI64U(half(shrU(value, 32))));
}

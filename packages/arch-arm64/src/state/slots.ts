/** Expressions that read and write the state block, for code generators. */
import { slotOf } from "../sysreg/table.ts";
import { type Expr, type FunctionBuilder, type I32, type I64, load } from "../wasm/index.ts";
import { L } from "./layout.ts";

/** Byte offset of a system register's slot in the state block. */
export function sysregOffset(name: string): number {
  return L.SYSREG + slotOf(name) * 8;
}
/** A system register's 64 bits. */
export function readSlot(s: Expr<I32>, name: string): Expr<I64> {
  return load("i64", s, sysregOffset(name));
}
/** A system register's low 32 bits. */
export function readSlot32(s: Expr<I32>, name: string): Expr<I32> {
  return load("i32", s, sysregOffset(name));
}
/** Bits 63:32. */
export function readSlotHigh(s: Expr<I32>, name: string): Expr<I32> {
  return load("i32", s, sysregOffset(name) + 4);
}
export function writeSlot(f: FunctionBuilder, s: Expr<I32>, name: string, value: Expr<I64>): void {
  f.store("i64", s, value, sysregOffset(name));
}

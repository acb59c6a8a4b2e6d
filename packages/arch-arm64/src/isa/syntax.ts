/**
 * Operand spelling of the assembly syntax, as GNU binutils prints it with `-M no-aliases`.
 */

/** X<n> or W<n>; 31 is the zero register. `sf` 1 is 64 bits. */
export function reg(sf: number, n: number): string {
  const letter = sf ? "x" : "w";
  return n === 31 ? `${letter}zr` : `${letter}${n}`;
}
/** X<n> or W<n>; 31 is the stack pointer. */
export function regSp(sf: number, n: number): string {
  return n === 31 ? (sf ? "sp" : "wsp") : reg(sf, n);
}
export const CONDITION_NAME = [
  "eq",
  "ne",
  "cs",
  "cc",
  "mi",
  "pl",
  "vs",
  "vc",
  "hi",
  "ls",
  "ge",
  "lt",
  "gt",
  "le",
  "al",
  "nv",
] as const;
export const SHIFT_NAME = ["lsl", "lsr", "asr", "ror"] as const;
export const EXTEND_NAME = ["uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"] as const;

export function hex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
export function signExtend(value: number, bits: number): number {
  return (value << (32 - bits)) >> (32 - bits);
}
/** `#0x1f` as objdump writes an immediate. */
export function immediate(value: number | bigint): string {
  return `#${hex(value)}`;
}

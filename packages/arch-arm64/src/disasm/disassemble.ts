/**
 * Decoding and disassembly of single words in TypeScript, for traces, debuggers and tests. The interpreter does not
 * use it: its predecoder is generated from the same descriptions.
 */
import { candidatesOf } from "../decode/predecode.ts";
import { type Description, type FieldValues, type StaticValues, Word } from "../isa/description.ts";
import { DESCRIPTIONS } from "../isa/index.ts";
import { fieldValue, matches } from "../isa/pattern.ts";
import { constValue, type Expr, type I32, i32 } from "../wasm/index.ts";

/** One decoded instruction. */
export interface Decoded {
  readonly description: Description;
  readonly fields: FieldValues;
  readonly statics: StaticValues;
}

let index: ((word: number) => readonly Description[]) | undefined;

function known(e: Expr<I32>): number {
  const value = constValue(e);
  if (typeof value !== "number") throw new Error("BUG: an operand of a constant word is not constant");
  return value;
}

/** Description and statics of a word, undefined where it is unallocated or not implemented. */
export function match(word: number): Omit<Decoded, "fields"> | undefined {
  index ??= candidatesOf(DESCRIPTIONS);
  const description = index(word).find((d) => matches(d.pattern, word));
  if (description === undefined) return undefined;
  const w = new Word<string>(description.pattern, i32(word), (e) => e);
  if (description.valid !== undefined && known(description.valid(w)) === 0) return undefined;
  const statics: Record<string, number> = {};
  for (const s of description.statics) statics[s.name] = known(s.of(w));
  if (!description.allocated(statics)) return undefined;
  return { description, statics };
}

/** The same with the values of its fields. */
export function decode(word: number): Decoded | undefined {
  const matched = match(word);
  if (matched === undefined) return undefined;
  const fields: Record<string, number> = {};
  for (const field of matched.description.pattern.fields.values()) fields[field.name] = fieldValue(field, word);
  return { ...matched, fields };
}

/**
 * Assembly text of a word, in the spelling of GNU binutils with `-M no-aliases`.
 *
 * @param pc address of the instruction, below 2^53, for operands relative to it
 * @returns `.inst 0x…` where the word is unallocated or not implemented
 */
export function disassemble(word: number, pc = 0): string {
  const decoded = decode(word);
  return decoded === undefined
    ? `.inst 0x${(word >>> 0).toString(16).padStart(8, "0")}`
    : decoded.description.syntax(decoded.fields, pc);
}

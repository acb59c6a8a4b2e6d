/**
 * Encoding patterns: 32 bits, most significant first, as the Arm ARM draws them.
 *
 * Tokens are separated by spaces: a run of `0`, `1` and `x` (any value), or a field `name:width` (`name` alone is one
 * bit). A field may appear once. Example: `"sf op S 100010 sh imm12:12 Rn:5 Rd:5"`.
 */
export interface BitField {
  readonly name: string;
  /** Lowest bit. */
  readonly shift: number;
  readonly width: number;
}

export interface Pattern {
  readonly text: string;
  /** Bits that the encoding fixes, unsigned 32 bits. */
  readonly mask: number;
  /** Their values. */
  readonly value: number;
  readonly fields: ReadonlyMap<string, BitField>;
}

/** The field that a token names; bits and what is not known when compiling name none. */
type FieldOfToken<Token extends string> = string extends Token
  ? never
  : Token extends "" | `${"0" | "1" | "x" | number}${string}`
    ? never
    : Token extends `${infer Name}:${number}`
      ? Name
      : Token;
/** Names of a pattern's fields, from its text: `"sf" | "Rn"` for `"sf 00 Rn:5"`. */
export type FieldsOf<Text extends string> = Text extends `${infer Token} ${infer Rest}`
  ? FieldOfToken<Token> | FieldsOf<Rest>
  : FieldOfToken<Text>;

export function parsePattern(text: string): Pattern {
  const fields = new Map<string, BitField>();
  let bit = 32;
  let mask = 0;
  let value = 0;
  for (const token of text.trim().split(/\s+/)) {
    if (/^[01x]+$/.test(token)) {
      for (const digit of token) {
        bit--;
        if (digit === "x") continue;
        mask |= 1 << bit;
        if (digit === "1") value |= 1 << bit;
      }
      continue;
    }
    const [name, digits = "1"] = token.split(":") as [string, string?];
    const width = Number(digits);
    if (!/^[A-Za-z]\w*$/.test(name) || !(width >= 1) || fields.has(name))
      throw new Error(`encoding pattern "${text}": bad field ${token}`);
    bit -= width;
    fields.set(name, { name, shift: bit, width });
  }
  if (bit !== 0) throw new Error(`encoding pattern "${text}" has ${32 - bit} bits`);
  return { text, mask: mask >>> 0, value: value >>> 0, fields };
}

export function matches(pattern: Pattern, word: number): boolean {
  return (word & pattern.mask) >>> 0 === pattern.value;
}

/** Value of one field of a word, unsigned. */
export function fieldValue(field: BitField, word: number): number {
  return field.width === 32 ? word >>> 0 : (word >>> field.shift) & ((1 << field.width) - 1);
}

/**
 * Bit fields of one register word, as a table that packs, unpacks and prints. The 32-bit kind works on numbers,
 * because every Gunyah attribute and flag word fits 32 bits; only `hyp_api_info` needs 64.
 */

/** [high bit, low bit], both included. */
export type BitRange = readonly [high: number, low: number];
type FieldsOf<Table> = { -readonly [Name in keyof Table]: number };

export interface Bitfield<Table extends Readonly<Record<string, BitRange>>> {
  readonly name: string;
  readonly fields: Table;
  /** Mask of every bit that a field covers. */
  readonly mask: number;
  /** Missing fields are 0. Throws RangeError when a value does not fit its field: that is a bug of the caller. */
  pack(values: Partial<FieldsOf<Table>>): number;
  unpack(word: number): FieldsOf<Table>;
  /** Bits of `word` that no field covers (reserved bits that are set). */
  reserved(word: number): number;
  format(word: number): string;
}

const widthMask = (high: number, low: number): number => (high - low === 31 ? 0xffffffff : (1 << (high - low + 1)) - 1);

/** A word of at most 32 bits. */
export function bitfield<const Table extends Readonly<Record<string, BitRange>>>(
  name: string,
  fields: Table,
): Bitfield<Table> {
  const entries = Object.entries(fields) as [keyof Table & string, BitRange][];
  let mask = 0;
  for (const [, [high, low]] of entries) mask = (mask | (widthMask(high, low) << low)) >>> 0;
  const unpack = (word: number): FieldsOf<Table> => {
    const out = {} as FieldsOf<Table>;
    for (const [field, [high, low]] of entries) out[field] = ((word >>> low) & widthMask(high, low)) >>> 0;
    return out;
  };
  return {
    name,
    fields,
    mask,
    pack(values) {
      let word = 0;
      for (const [field, [high, low]] of entries) {
        const value = values[field] ?? 0;
        if (!(value >= 0 && value <= widthMask(high, low) >>> 0 && Number.isInteger(value)))
          throw new RangeError(`${name}.${field} does not hold ${value}`);
        word = (word | (value << low)) >>> 0;
      }
      return word;
    },
    unpack,
    reserved: (word) => (word & ~mask) >>> 0,
    format(word) {
      const values = unpack(word);
      return `${name}{${entries.map(([field]) => `${field}=${values[field]}`).join(" ")}}`;
    },
  };
}

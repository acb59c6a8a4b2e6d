import { AbiError, AbiErrorCode, type Decoded } from "../errors.ts";
import { Cursor, type Field } from "./field.ts";

/**
 * A structure: an ordered list of fields without implicit padding. From that one list come encode, decode, size, the
 * offsets of fixed fields and a printer.
 */
// biome-ignore lint/suspicious/noExplicitAny: a list mixes fields of every value type; ValueOf gives each its own back.
type AnyField = Field<string, any, boolean>;
type Shown<F> = F extends Field<infer N, infer T, infer O> ? (N extends "" ? never : { n: N; t: T; o: O }) : never;
type Required<F> = Extract<Shown<F>, { o: false }>;
type Maybe<F> = Extract<Shown<F>, { o: true }>;
/** The value type of a list of fields. */
export type ValueOf<F extends readonly AnyField[]> = {
  [R in Required<F[number]> as R["n"]]: R["t"];
} & { [R in Maybe<F[number]> as R["n"]]?: R["t"] };

export interface Codec<T> {
  readonly name: string;
  /** Size in bytes when it never varies. */
  readonly fixedSize: number | undefined;
  /** Bytes that the shortest value takes. */
  readonly minSize: number;
  size(value: T): number;
  /** Throws AbiError (ABI_ENCODE) when a value does not fit its field: the caller made it up. */
  encode(value: T): Uint8Array;
  /** The whole of `bytes` must be one value. Never throws, never reads outside. */
  decode(bytes: Uint8Array): Decoded<T>;
  format(value: T): string;
}

export interface Struct<T> extends Codec<T> {
  readonly fields: readonly AnyField[];
  /** Offset of each field that stands behind fields of fixed size only. */
  readonly offsets: Readonly<Record<string, number>>;
  /** Write at `at`. @returns the offset behind it */
  write(value: T, view: DataView, at: number): number;
  read(cursor: Cursor): T;
}

export function struct<const F extends readonly AnyField[]>(name: string, fields: F): Struct<ValueOf<F>> {
  type T = ValueOf<F>;
  const list: readonly AnyField[] = fields;
  const offsets: Record<string, number> = {};
  let fixedSize: number | undefined = 0;
  let minSize = 0;
  for (const field of list) {
    if (fixedSize !== undefined && !field.hidden) offsets[field.name] = fixedSize;
    fixedSize = fixedSize === undefined || field.fixedSize === undefined ? undefined : fixedSize + field.fixedSize;
    minSize += field.fixedSize ?? (field.optional || field.kind === "tail" ? 0 : minimum(field));
  }
  const size = (value: T): number => {
    if (fixedSize !== undefined) return fixedSize;
    let total = 0;
    for (const field of list) total += field.sizeOf((value as Record<string, unknown>)[field.name]);
    return total;
  };
  const write = (value: T, view: DataView, at: number): number => {
    let next = at;
    for (const field of list) next = field.write((value as Record<string, unknown>)[field.name], view, next);
    return next;
  };
  const read = (cursor: Cursor): T => {
    const out: Record<string, unknown> = {};
    for (const field of list) {
      const value = field.read(cursor);
      if (cursor.code !== undefined) break;
      if (!field.hidden && value !== undefined) out[field.name] = value;
    }
    return out as T;
  };
  return {
    name,
    fields,
    offsets,
    fixedSize,
    minSize,
    size,
    write,
    read,
    encode(value) {
      const out = new Uint8Array(size(value));
      write(value, new DataView(out.buffer), 0);
      return out;
    },
    decode(bytes) {
      const cursor = new Cursor(bytes);
      const value = read(cursor);
      if (cursor.code === undefined && cursor.left > 0) cursor.fail(AbiErrorCode.TRAILING);
      return cursor.code === undefined ? { ok: true, value } : { ok: false, code: cursor.code, at: cursor.failedAt };
    },
    format(value) {
      const shown = list.filter((field) => !field.hidden);
      const parts = shown.map(
        (field) => `${field.name}=${field.format((value as Record<string, unknown>)[field.name])}`,
      );
      return `${name}{${parts.join(" ")}}`;
    },
  };
}

/** Bytes of the count word of a field that varies. */
function minimum(field: AnyField): number {
  if (field.kind === "tagged") return 4;
  return field.kind === "list" || field.kind === "numbers" || field.kind === "counted" ? field.sizeOf([]) : 0;
}

/** A structure inside a structure. */
export function nested<N extends string, T>(name: N, inner: Struct<T>): Field<N, T, false> {
  return {
    name,
    kind: "struct",
    element: inner.fields,
    fixedSize: inner.fixedSize,
    optional: false,
    hidden: false,
    sizeOf: (value) => inner.size(value),
    write: (value, view, at) => inner.write(value, view, at),
    read: (cursor) => inner.read(cursor),
    format: (value) => inner.format(value),
  };
}

export interface ListOptions {
  /** `u16`: u16 count and u16 zero. `u32`: u32 count. `u16 bare`: u16 count alone. */
  readonly count: "u16" | "u32" | "u16 bare";
  /** Most entries; more is ABI_COUNT. */
  readonly max?: number;
}

/** A count word and that many structures. */
export function list<N extends string, T>(
  name: N,
  entry: Struct<T>,
  options: ListOptions,
): Field<N, readonly T[], false> {
  const width = options.count === "u16 bare" ? 2 : 4;
  const max = Math.min(options.max ?? Number.MAX_SAFE_INTEGER, options.count === "u32" ? 0xffff_ffff : 0xffff);
  return {
    name,
    kind: "list",
    element: entry.fields,
    max,
    fixedSize: undefined,
    optional: false,
    hidden: false,
    sizeOf(value) {
      if (entry.fixedSize !== undefined) return width + value.length * entry.fixedSize;
      return value.reduce((total, v) => total + entry.size(v), width);
    },
    write(value, view, at) {
      if (value.length > max) throw new AbiError(`${name}: ${value.length} entries, at most ${max} fit`);
      if (options.count === "u32") view.setUint32(at, value.length, true);
      else view.setUint16(at, value.length, true);
      if (options.count === "u16") view.setUint16(at + 2, 0, true);
      let next = at + width;
      for (const v of value) next = entry.write(v, view, next);
      return next;
    },
    read(cursor) {
      const at = cursor.take(width);
      if (at < 0) return [];
      const count = options.count === "u32" ? cursor.view.getUint32(at, true) : cursor.view.getUint16(at, true);
      if (count > max) {
        cursor.fail(AbiErrorCode.COUNT, at);
        return [];
      }
      // A count that the rest of the buffer cannot hold is refused before anything is allocated for it.
      if (count * Math.max(entry.minSize, 1) > cursor.left) {
        cursor.fail(AbiErrorCode.TRUNCATED, at);
        return [];
      }
      const out: T[] = [];
      for (let i = 0; i < count && cursor.code === undefined; i++) out.push(entry.read(cursor));
      return out;
    },
    format: (value) => `[${value.map((v) => entry.format(v)).join(", ")}]`,
  };
}

/** A list of plain numbers or bigints, one field each. */
export function listOf<N extends string, T>(
  name: N,
  element: Field<string, T, false>,
  options: ListOptions,
): Field<N, readonly T[], false> {
  const entry = struct("", [element]) as unknown as Struct<Record<string, T>>;
  const inner = list(name, entry, options);
  return {
    ...inner,
    kind: "numbers",
    sizeOf: (value) => inner.sizeOf(value.map((v) => ({ [element.name]: v }))),
    write: (value, view, at) =>
      inner.write(
        value.map((v) => ({ [element.name]: v })),
        view,
        at,
      ),
    read: (cursor) => inner.read(cursor).map((v) => v[element.name] as T),
    format: (value) => `[${value.map((v) => element.format(v)).join(", ")}]`,
  };
}

/** A list whose count (u16) is followed by a u16 that means something. */
export interface Tagged<T> {
  readonly tag: number;
  readonly entries: readonly T[];
}

/** u16 count, u16 tag, entries. */
export function taggedList<N extends string, T>(name: N, entry: Struct<T>, max?: number): Field<N, Tagged<T>, false> {
  const inner = list(name, entry, max === undefined ? { count: "u16" } : { count: "u16", max });
  return {
    name,
    kind: "tagged",
    element: entry.fields,
    fixedSize: undefined,
    optional: false,
    hidden: false,
    sizeOf: (value) => inner.sizeOf(value.entries),
    write(value, view, at) {
      if (!(Number.isInteger(value.tag) && value.tag >= 0 && value.tag <= 0xffff))
        throw new AbiError(`${name}: tag ${value.tag} is not a u16`);
      const next = inner.write(value.entries, view, at);
      view.setUint16(at + 2, value.tag, true);
      return next;
    },
    read(cursor) {
      const at = cursor.at;
      const entries = inner.read(cursor);
      return { tag: cursor.code === undefined ? cursor.view.getUint16(at + 2, true) : 0, entries };
    },
    format: (value) => `${value.tag}:${inner.format(value.entries)}`,
  };
}

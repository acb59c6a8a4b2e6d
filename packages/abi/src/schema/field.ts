import { AbiError, AbiErrorCode } from "../errors.ts";

/**
 * Fields of a little-endian structure. A field knows its width, how to read and write itself and how to print itself;
 * a structure (`struct.ts`) is a list of fields. Readers take a cursor that remembers the first failure, so that
 * distrusting input needs no exceptions.
 */
export class Cursor {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  at = 0;
  readonly end: number;
  code: AbiErrorCode | undefined = undefined;
  failedAt = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = bytes.byteLength;
  }
  get left(): number {
    return this.end - this.at;
  }
  fail(code: AbiErrorCode, at = this.at): void {
    if (this.code === undefined) {
      this.code = code;
      this.failedAt = at;
    }
  }
  /** Move over `size` bytes. @returns their offset, or -1 (and fails) when they are not there */
  take(size: number): number {
    if (this.code !== undefined || this.end - this.at < size) {
      this.fail(AbiErrorCode.TRUNCATED);
      return -1;
    }
    const at = this.at;
    this.at += size;
    return at;
  }
}

export interface Field<Name extends string = string, T = unknown, Optional extends boolean = boolean> {
  readonly name: Name;
  /** For tables and tests: u8, u16, u32, s32, u64, pad, bytes, list, struct, tail. */
  readonly kind: string;
  /** Bytes, or undefined when it varies. */
  readonly fixedSize: number | undefined;
  /** May be absent at the end of the buffer. */
  readonly optional: Optional;
  /** Carries no value: padding and reserved bytes. */
  readonly hidden: boolean;
  /** Fields of the structures that this field contains (kinds list, tagged and struct) or of its numbers (numbers). */
  readonly element?: readonly Field[];
  /** Most entries or bytes. */
  readonly max?: number;
  sizeOf(value: T): number;
  /** @returns the offset behind the field */
  write(value: T, view: DataView, at: number): number;
  /** The value, or something to ignore when the cursor failed. */
  read(cursor: Cursor): T;
  format(value: T): string;
}

function integer<Name extends string>(
  name: Name,
  kind: string,
  size: 1 | 2 | 4,
  signed: boolean,
): Field<Name, number, false> {
  const low = signed ? -(2 ** (size * 8 - 1)) : 0;
  const high = low + 2 ** (size * 8) - 1;
  return {
    name,
    kind,
    fixedSize: size,
    optional: false,
    hidden: false,
    sizeOf: () => size,
    write(value, view, at) {
      if (!(Number.isInteger(value) && value >= low && value <= high))
        throw new AbiError(`${name}: ${value} is not a ${kind}`);
      if (size === 1) view.setUint8(at, value);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      return at + size;
    },
    read(cursor) {
      const at = cursor.take(size);
      if (at < 0) return 0;
      if (size === 1) return signed ? cursor.view.getInt8(at) : cursor.view.getUint8(at);
      if (size === 2) return signed ? cursor.view.getInt16(at, true) : cursor.view.getUint16(at, true);
      return signed ? cursor.view.getInt32(at, true) : cursor.view.getUint32(at, true);
    },
    format: (value) => (signed || value < 10 ? String(value) : `0x${value.toString(16)}`),
  };
}

export const u8 = <N extends string>(name: N) => integer(name, "u8", 1, false);
export const u16 = <N extends string>(name: N) => integer(name, "u16", 2, false);
export const u32 = <N extends string>(name: N) => integer(name, "u32", 4, false);
export const s32 = <N extends string>(name: N) => integer(name, "s32", 4, true);

export function u64<N extends string>(name: N): Field<N, bigint, false> {
  return {
    name,
    kind: "u64",
    fixedSize: 8,
    optional: false,
    hidden: false,
    sizeOf: () => 8,
    write(value, view, at) {
      if (!(typeof value === "bigint" && value >= 0n && value <= 0xffff_ffff_ffff_ffffn))
        throw new AbiError(`${name}: ${value} is not a u64`);
      view.setBigUint64(at, value, true);
      return at + 8;
    },
    read(cursor) {
      const at = cursor.take(8);
      return at < 0 ? 0n : cursor.view.getBigUint64(at, true);
    },
    format: (value) => `0x${value.toString(16)}`,
  };
}

/** Reserved bytes: written as zero, read without a look. */
export function pad(size: number): Field<"", undefined, false> {
  return {
    name: "",
    kind: "pad",
    fixedSize: size,
    optional: false,
    hidden: true,
    sizeOf: () => size,
    write(_value, view, at) {
      for (let i = 0; i < size; i++) view.setUint8(at + i, 0);
      return at + size;
    },
    read(cursor) {
      cursor.take(size);
      return undefined;
    },
    format: () => "",
  };
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

/** Exactly `size` bytes. Read as a copy. */
export function bytes<N extends string>(name: N, size: number): Field<N, Uint8Array, false> {
  return {
    name,
    kind: "bytes",
    fixedSize: size,
    optional: false,
    hidden: false,
    sizeOf: () => size,
    write(value, view, at) {
      if (value.length !== size) throw new AbiError(`${name}: ${value.length} bytes where ${size} belong`);
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
      return at + size;
    },
    read(cursor) {
      const at = cursor.take(size);
      return at < 0 ? new Uint8Array(size) : cursor.bytes.slice(at, at + size);
    },
    format: hex,
  };
}

/** Whatever is left, at most `max` bytes. */
export function tail<N extends string>(name: N, max = Number.MAX_SAFE_INTEGER): Field<N, Uint8Array, false> {
  return {
    name,
    kind: "tail",
    max,
    fixedSize: undefined,
    optional: false,
    hidden: false,
    sizeOf: (value) => value.length,
    write(value, view, at) {
      if (value.length > max) throw new AbiError(`${name}: ${value.length} bytes, at most ${max} fit`);
      new Uint8Array(view.buffer, view.byteOffset + at, value.length).set(value);
      return at + value.length;
    },
    read(cursor) {
      if (cursor.left > max) cursor.fail(AbiErrorCode.COUNT);
      const at = cursor.take(cursor.left);
      return at < 0 ? new Uint8Array(0) : cursor.bytes.slice(at);
    },
    format: hex,
  };
}

/** Bytes with a count of `count` width before them, then zeroes up to a multiple of `align` when that is given. */
export function counted<N extends string>(name: N, count: "u16" | "u32", align = 1): Field<N, Uint8Array, false> {
  const width = count === "u16" ? 2 : 4;
  const padded = (length: number): number => Math.ceil(length / align) * align;
  return {
    name,
    kind: "counted",
    fixedSize: undefined,
    optional: false,
    hidden: false,
    sizeOf: (value) => width + padded(value.length),
    write(value, view, at) {
      if (width === 2 && value.length > 0xffff) throw new AbiError(`${name}: ${value.length} bytes do not fit a u16`);
      if (width === 2) view.setUint16(at, value.length, true);
      else view.setUint32(at, value.length, true);
      const room = new Uint8Array(view.buffer, view.byteOffset + at + width, padded(value.length));
      room.fill(0);
      room.set(value);
      return at + width + room.length;
    },
    read(cursor) {
      const head = cursor.take(width);
      if (head < 0) return new Uint8Array(0);
      const length = width === 2 ? cursor.view.getUint16(head, true) : cursor.view.getUint32(head, true);
      const at = cursor.take(padded(length));
      return at < 0 ? new Uint8Array(0) : cursor.bytes.slice(at, at + length);
    },
    format: hex,
  };
}

/** A field that may be missing when the buffer ends before it. Undefined then. */
export function optional<N extends string, T>(field: Field<N, T, false>): Field<N, T | undefined, true> {
  return {
    name: field.name,
    kind: field.kind,
    ...(field.element === undefined ? {} : { element: field.element }),
    ...(field.max === undefined ? {} : { max: field.max }),
    fixedSize: undefined,
    optional: true,
    hidden: field.hidden,
    sizeOf: (value) => (value === undefined ? 0 : field.sizeOf(value)),
    write: (value, view, at) => (value === undefined ? at : field.write(value, view, at)),
    read: (cursor) => (cursor.left === 0 ? undefined : field.read(cursor)),
    format: (value) => (value === undefined ? "-" : field.format(value)),
  };
}

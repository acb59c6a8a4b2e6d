/**
 * Bytes of the WebAssembly binary format: value types, LEB128 and a growing buffer.
 *
 * Source: WebAssembly Core Specification 2.0, chapter 5 (binary format).
 */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export type I32 = typeof I32;
export type I64 = typeof I64;
export type F32 = typeof F32;
export type F64 = typeof F64;
export type V128 = typeof V128;
export type ValueType = I32 | I64 | F32 | F64 | V128;

/** Name of a value type in the text format. */
export const VALUE_TYPE_NAME: { readonly [type in ValueType]: string } = {
  [I32]: "i32",
  [I64]: "i64",
  [F32]: "f32",
  [F64]: "f64",
  [V128]: "v128",
};

/** Block type without result. */
export const VOID = 0x40;

/** A byte buffer that grows. All multi-byte integers are LEB128 unless the method says otherwise. */
export class ByteBuffer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.bytes);
    this.#bytes = grown;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  append(values: ArrayLike<number>): void {
    this.#reserve(values.length);
    this.#bytes.set(values, this.#length);
    this.#length += values.length;
  }

  /** Unsigned 32-bit LEB128. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest > 127) {
      this.byte((rest & 127) | 128);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed 32-bit LEB128. */
  s32(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 127;
      rest >>= 7;
      if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 128);
    }
  }

  /** Signed 64-bit LEB128. */
  s64(value: number | bigint): void {
    if (typeof value === "number" && (value | 0) === value) {
      this.s32(value);
      return;
    }
    let rest = BigInt.asIntN(64, BigInt(value));
    for (;;) {
      const low = Number(rest & 127n);
      rest >>= 7n;
      if ((rest === 0n && (low & 64) === 0) || (rest === -1n && (low & 64) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 128);
    }
  }

  f32(value: number): void {
    this.append(new Uint8Array(new Float32Array([value]).buffer));
  }

  f64(value: number): void {
    this.append(new Uint8Array(new Float64Array([value]).buffer));
  }

  /** A name: length in bytes, then UTF-8. */
  name(value: string): void {
    const encoded = new TextEncoder().encode(value);
    this.u32(encoded.length);
    this.append(encoded);
  }
}

/**
 * Why bytes are not a valid encoding, and the one way that encoding can fail. Decoding never throws; it returns one of
 * these codes and the offset at which the input stopped making sense.
 */
export const AbiErrorCode = {
  /** The buffer ends before the value does. */
  TRUNCATED: "ABI_TRUNCATED",
  /** Bytes are left over behind the value. */
  TRAILING: "ABI_TRAILING",
  /** A list announces more entries than its limit. */
  COUNT: "ABI_COUNT",
  /** A field holds a value that its format excludes. */
  VALUE: "ABI_VALUE",
  /** No codec is known for this message. */
  UNKNOWN: "ABI_UNKNOWN",
  /** Encoding only: a value does not fit its field. Thrown as `AbiError`, because the caller made it up. */
  ENCODE: "ABI_ENCODE",
} as const;
export type AbiErrorCode = (typeof AbiErrorCode)[keyof typeof AbiErrorCode];

/** A value that its field cannot hold was given to an encoder. */
export class AbiError extends Error {
  readonly code: AbiErrorCode = AbiErrorCode.ENCODE;
  constructor(message: string) {
    super(message);
    this.name = "AbiError";
  }
}

/** Result of decoding. `at` is the offset in bytes. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: AbiErrorCode; readonly at: number };

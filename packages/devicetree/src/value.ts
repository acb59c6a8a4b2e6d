import { DeviceTreeError } from "./errors.ts";

/** Encoders for property values. Every number is big endian. Source: Devicetree Specification v0.4, §2.2.4.1. */

const text = new TextEncoder();

/** 32-bit cells. Each number must be an integer in -2^31 … 2^32 - 1. */
export function cells(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff)
      throw new DeviceTreeError("DT_BAD_VALUE", `${value} is not a 32-bit cell`);
    view.setUint32(index * 4, value);
  });
  return bytes;
}

/** 64-bit values, two cells each. */
export function cells64(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    const wide = BigInt(value);
    if (wide < 0n || wide > 0xffff_ffff_ffff_ffffn)
      throw new DeviceTreeError("DT_BAD_VALUE", `${value} is not a 64-bit value`);
    view.setBigUint64(index * 8, wide);
  });
  return bytes;
}

/** NUL-terminated strings, one after the other. */
export function strings(...values: readonly string[]): Uint8Array {
  const joined = values.map((value) => {
    if (value.includes("\0")) throw new DeviceTreeError("DT_BAD_VALUE", "a string value contains NUL");
    return `${value}\0`;
  });
  return text.encode(joined.join(""));
}

/** The value of a property that only has to be there. */
export const EMPTY = new Uint8Array(0);

/** Read cells; undefined when the length is not a multiple of four. */
export function readCells(value: Uint8Array): number[] | undefined {
  if (value.length % 4 !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return Array.from({ length: value.length / 4 }, (_, index) => view.getUint32(index * 4));
}

/** Read 64-bit values; undefined when the length is not a multiple of eight. */
export function readCells64(value: Uint8Array): bigint[] | undefined {
  if (value.length % 8 !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return Array.from({ length: value.length / 8 }, (_, index) => view.getBigUint64(index * 8));
}

/** Read a list of strings; undefined when it is empty or the last one has no NUL. */
export function readStrings(value: Uint8Array): string[] | undefined {
  if (value.length === 0 || value[value.length - 1] !== 0) return undefined;
  return new TextDecoder().decode(value.subarray(0, value.length - 1)).split("\0");
}

/**
 * The compact form of recorded cases: initial states by profile and seed, final states as differences.
 *
 * File: deflated groups. Group: name (u8 length, bytes), u16 case count, cases. Case: u16 seed index, u8 profile, u8 word
 * count, words, u8 count of overrides (u8 register 0-31, u64), u8 outcome (0 ran, 1 undefined), u8 count of changes. Change:
 * u8 what, value: 0-30 X, 31 SP, 32-63 V (16 bytes), 64-95 V of which the upper half is zero (8 bytes), 96 NZCV (u8),
 * 97 FPSR (u32), 98 PC (i32, from the entry), 99 window (u8 offset, u8 length, bytes).
 */
import { CODE_ENTRY, FIELD, initialState, type Profile, seedOf, WINDOW_SIZE } from "./state.ts";

export interface VectorCase {
  readonly index: number;
  readonly profile: Profile;
  readonly words: readonly number[];
  /** Registers set after the initial state was made: 0-30 X, 31 SP. */
  readonly overrides: readonly (readonly [register: number, value: bigint])[];
  readonly undefined: boolean;
  /** Encoded changes. */
  readonly changes: Uint8Array;
  readonly changeCount: number;
}
export interface VectorGroup {
  readonly name: string;
  readonly cases: readonly VectorCase[];
}

/** Make the initial state of a case. */
export function prepare(
  into: DataView,
  name: string,
  c: Pick<VectorCase, "index" | "profile" | "words" | "overrides">,
): void {
  initialState(into, c.profile, seedOf(name) + c.index);
  into.setUint32(FIELD.WORD_COUNT, c.words.length, true);
  for (const [i, word] of c.words.entries()) into.setUint32(FIELD.WORDS + 4 * i, word, true);
  for (const [register, value] of c.overrides)
    into.setBigUint64(register === 31 ? FIELD.SP : FIELD.X + 8 * register, value, true);
}

const hex = (v: bigint, digits = 16) =>
  BigInt.asUintN(digits * 4, v)
    .toString(16)
    .padStart(digits, "0");

/** Bytes of the differences between two states, with their count. */
export function encodeChanges(before: DataView, after: DataView): { changes: Uint8Array; changeCount: number } {
  const out: number[] = [];
  let changeCount = 0;
  const push = (what: number, offset: number, length: number) => {
    out.push(what);
    for (let i = 0; i < length; i++) out.push(after.getUint8(offset + i));
    changeCount++;
  };
  const same = (offset: number) => before.getBigUint64(offset, true) === after.getBigUint64(offset, true);
  for (let n = 0; n < 32; n++) {
    const offset = n === 31 ? FIELD.SP : FIELD.X + 8 * n;
    if (!same(offset)) push(n, offset, 8);
  }
  for (let n = 0; n < 32; n++) {
    const offset = FIELD.V + 16 * n;
    if (same(offset) && same(offset + 8)) continue;
    if (after.getBigUint64(offset + 8, true) === 0n) push(64 + n, offset, 8);
    else push(32 + n, offset, 16);
  }
  const nzcv = after.getUint32(FIELD.NZCV, true);
  if (before.getUint32(FIELD.NZCV, true) !== nzcv) {
    out.push(96, nzcv >>> 28);
    changeCount++;
  }
  if (before.getUint32(FIELD.FPSR, true) !== after.getUint32(FIELD.FPSR, true)) push(97, FIELD.FPSR, 4);
  const distance = Number(BigInt.asIntN(64, after.getBigUint64(FIELD.PC, true) - BigInt(CODE_ENTRY)));
  if (distance !== 4 * before.getUint32(FIELD.WORD_COUNT, true)) {
    out.push(98, distance & 255, (distance >> 8) & 255, (distance >> 16) & 255, (distance >> 24) & 255);
    changeCount++;
  }
  for (let at = 0; at < WINDOW_SIZE; at++) {
    if (before.getUint8(FIELD.WINDOW + at) === after.getUint8(FIELD.WINDOW + at)) continue;
    // up to the last difference within the next 64 bytes
    let length = 1;
    for (let i = 1; i < 64 && at + i < WINDOW_SIZE; i++)
      if (before.getUint8(FIELD.WINDOW + at + i) !== after.getUint8(FIELD.WINDOW + at + i)) length = i + 1;
    out.push(99, at, length);
    for (let i = 0; i < length; i++) out.push(after.getUint8(FIELD.WINDOW + at + i));
    changeCount++;
    at += length - 1;
  }
  return { changes: Uint8Array.from(out), changeCount };
}

/** Apply a case's changes to its initial state: the expected final state. */
export function applyChanges(state: DataView, c: VectorCase): void {
  const data = new DataView(c.changes.buffer, c.changes.byteOffset, c.changes.byteLength);
  let at = 0;
  const copy = (offset: number, length: number) => {
    for (let i = 0; i < length; i++) state.setUint8(offset + i, data.getUint8(at++));
  };
  state.setBigUint64(FIELD.PC, BigInt(CODE_ENTRY + 4 * c.words.length), true);
  for (let i = 0; i < c.changeCount; i++) {
    const what = data.getUint8(at++);
    if (what < 32) copy(what === 31 ? FIELD.SP : FIELD.X + 8 * what, 8);
    else if (what < 64) copy(FIELD.V + 16 * (what - 32), 16);
    else if (what < 96) {
      copy(FIELD.V + 16 * (what - 64), 8);
      state.setBigUint64(FIELD.V + 16 * (what - 64) + 8, 0n, true);
    } else if (what === 96) state.setUint32(FIELD.NZCV, (data.getUint8(at++) << 28) >>> 0, true);
    else if (what === 97) copy(FIELD.FPSR, 4);
    else if (what === 98) {
      state.setBigUint64(FIELD.PC, BigInt(CODE_ENTRY + data.getInt32(at, true)), true);
      at += 4;
    } else {
      const offset = data.getUint8(at++);
      const length = data.getUint8(at++);
      copy(FIELD.WINDOW + offset, length);
    }
  }
}

/** Fields in which two states differ, for the message of a failing test. */
export function describeDifferences(actual: DataView, expected: DataView): string[] {
  const list: string[] = [];
  const check = (name: string, offset: number, digits: number) => {
    const [a, e] = [actual, expected].map((v) =>
      digits === 8 ? BigInt(v.getUint32(offset, true)) : v.getBigUint64(offset, true),
    ) as [bigint, bigint];
    if (a !== e) list.push(`${name} ${hex(a, digits)}, expected ${hex(e, digits)}`);
  };
  for (let n = 0; n < 31; n++) check(`X${n}`, FIELD.X + 8 * n, 16);
  check("SP", FIELD.SP, 16);
  check("PC", FIELD.PC, 16);
  check("NZCV", FIELD.NZCV, 8);
  check("FPSR", FIELD.FPSR, 8);
  for (let n = 0; n < 32; n++) {
    check(`V${n}.D[0]`, FIELD.V + 16 * n, 16);
    check(`V${n}.D[1]`, FIELD.V + 16 * n + 8, 16);
  }
  for (let at = 0; at < WINDOW_SIZE; at += 8) check(`memory +${at}`, FIELD.WINDOW + at, 16);
  return list;
}

export function encodeGroups(groups: readonly VectorGroup[]): Uint8Array {
  const out: number[] = [];
  const u16 = (v: number) => out.push(v & 255, v >> 8);
  const u64 = (v: bigint) => {
    for (let i = 0n; i < 64n; i += 8n) out.push(Number((v >> i) & 255n));
  };
  for (const group of groups) {
    out.push(group.name.length, ...[...group.name].map((ch) => ch.charCodeAt(0)));
    u16(group.cases.length);
    for (const c of group.cases) {
      u16(c.index);
      out.push(c.profile, c.words.length);
      for (const word of c.words) out.push(word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24);
      out.push(c.overrides.length);
      for (const [register, value] of c.overrides) {
        out.push(register);
        u64(value);
      }
      out.push(c.undefined ? 1 : 0, c.changeCount, c.changes.length & 255, c.changes.length >> 8);
      for (const byte of c.changes) out.push(byte);
    }
  }
  return Uint8Array.from(out);
}

export function decodeGroups(bytes: Uint8Array): VectorGroup[] {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const groups: VectorGroup[] = [];
  let at = 0;
  const u8 = () => data.getUint8(at++);
  const u16 = () => u8() | (u8() << 8);
  while (at < bytes.length) {
    const name = String.fromCharCode(...Array.from({ length: u8() }, u8));
    const cases = Array.from({ length: u16() }, (): VectorCase => {
      const index = u16();
      const profile = u8() as Profile;
      const words = Array.from({ length: u8() }, () => {
        at += 4;
        return data.getUint32(at - 4, true);
      });
      const overrides = Array.from({ length: u8() }, (): readonly [number, bigint] => {
        const register = u8();
        at += 8;
        return [register, data.getBigUint64(at - 8, true)];
      });
      const isUndefined = u8() === 1;
      const changeCount = u8();
      const length = u16();
      at += length;
      return {
        index,
        profile,
        words,
        overrides,
        undefined: isUndefined,
        changeCount,
        changes: bytes.subarray(at - length, at),
      };
    });
    groups.push({ name, cases });
  }
  return groups;
}

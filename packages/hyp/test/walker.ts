/**
 * A stage-2 walker written from the Arm ARM alone: it reads the registers' fields and the descriptors' bits and knows
 * nothing of how the tables were made.
 * Source: DDI 0487 K.a D8.2 (address translation process), D8.3 (descriptors), D13.2 VTCR_EL2, VTTBR_EL2
 */

import type { PhysicalMemory } from "@gunyah-ts/kernel";

export interface WalkedLeaf {
  readonly ipa: number;
  readonly pa: number;
  readonly size: number;
  /** Access of EL1: 4 read, 2 write, 1 execute. */
  readonly access: number;
  readonly memAttr: number;
}

function field(value: bigint, high: number, low: number): number {
  return Number((value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n));
}

/** Every leaf that the table of VTTBR_EL2 translates. */
export function* walkStage2(memory: PhysicalMemory, vttbr: bigint, vtcr: bigint): Generator<WalkedLeaf> {
  if (field(vtcr, 15, 14) !== 0) throw new Error("not a 4 KiB granule");
  const ipaBits = 64 - field(vtcr, 5, 0);
  // SL0 with a 4 KiB granule: 0 starts at level 2, 1 at level 1, 2 at level 0.
  const startLevel = 2 - field(vtcr, 7, 6);
  const shift = 12 + 9 * (3 - startLevel);
  const table = Number(vttbr & 0xffff_ffff_fffen);
  yield* walkTable(memory, table, startLevel, 1 << (ipaBits - shift), 0);
}

function* walkTable(
  memory: PhysicalMemory,
  table: number,
  level: number,
  entries: number,
  base: number,
): Generator<WalkedLeaf> {
  const size = 2 ** (12 + 9 * (3 - level));
  for (let i = 0; i < entries; i++) {
    const at = memory.offsetOf(table + 8 * i);
    if ((memory.data.getUint8(at) & 1) === 0) continue;
    const descriptor = memory.data.getBigUint64(at, true);
    const ipa = base + i * size;
    const type = field(descriptor, 1, 0);
    const output = Number(descriptor & 0xffff_ffff_f000n);
    if (level < 3 && type === 3) {
      yield* walkTable(memory, output, level + 1, 512, ipa);
      continue;
    }
    if (level === 3 ? type !== 3 : level === 0) throw new Error(`reserved descriptor at level ${level}`);
    if (output % size !== 0) throw new Error(`misaligned output 0x${output.toString(16)} at level ${level}`);
    if (field(descriptor, 10, 10) !== 1) throw new Error("access flag clear");
    const s2ap = field(descriptor, 7, 6);
    // XN[1:0]: 0b00 and 0b11 let EL1 execute.
    const xn = field(descriptor, 54, 53);
    const execute = xn === 0 || xn === 3 ? 1 : 0;
    yield { ipa, pa: output, size, access: ((s2ap & 1) << 2) | (s2ap & 2) | execute, memAttr: field(descriptor, 5, 2) };
  }
}

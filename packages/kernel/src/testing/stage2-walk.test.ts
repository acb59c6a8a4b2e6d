import { describe, expect, it } from "vitest";
import { createPhysicalMemory } from "../soc/physical-memory.ts";
import { FaultStatus, isFault, walkStage2 } from "./stage2-walk.ts";

const TABLES = 0x8000_0000;
/** 39-bit IPA from level 1, 4 KiB granule, 32-bit output addresses. */
const VTCR = 25n | (1n << 6n);
const IPA = 0x1000;
/** AF, S2AP read and write, Normal write-back. */
const ATTRIBUTES = 0x4fcn;
const OUT_OF_RANGE = 1n << 40n;

/** Levels 1 and 2 are tables, the level 3 entry of `IPA` is `entry`. */
function walk(entry: bigint, { level1 = BigInt(TABLES + 0x1000) | 3n, vtcr = VTCR } = {}) {
  const memory = createPhysicalMemory({ dramBase: TABLES, dramSize: 1 << 20 });
  const put = (at: number, value: bigint) => memory.data.setBigUint64(memory.offsetOf(at), value, true);
  put(TABLES, level1);
  put(TABLES + 0x1000, BigInt(TABLES + 0x2000) | 3n);
  put(TABLES + 0x2000 + 8, entry);
  const result = walkStage2(memory, BigInt(TABLES), vtcr, IPA);
  return isFault(result) ? result.fault : result.pa;
}

describe("stage-2 walk", () => {
  it("finds the page", () => {
    expect(walk(0x8000_5003n | ATTRIBUTES)).toBe(0x8000_5000);
  });
  it("is an address size fault when the output address is too large for VTCR_EL2.PS", () => {
    expect(walk(OUT_OF_RANGE | 3n | ATTRIBUTES)).toBe(FaultStatus.ADDRESS_SIZE + 3);
    expect(walk(0n, { level1: OUT_OF_RANGE | 3n })).toBe(FaultStatus.ADDRESS_SIZE + 1);
    expect(walk(0n, { level1: OUT_OF_RANGE | 1n | ATTRIBUTES })).toBe(FaultStatus.ADDRESS_SIZE + 1);
  });
  it("is a translation fault for a reserved descriptor, whatever address it holds", () => {
    expect(walk(1n | ATTRIBUTES)).toBe(FaultStatus.TRANSLATION + 3);
    expect(walk(OUT_OF_RANGE | 1n | ATTRIBUTES)).toBe(FaultStatus.TRANSLATION + 3);
    // Level 0 has no blocks.
    expect(walk(0n, { level1: OUT_OF_RANGE | 1n | ATTRIBUTES, vtcr: 16n | (2n << 6n) })).toBe(FaultStatus.TRANSLATION);
  });
  it("puts the descriptor's type before the access flag", () => {
    expect(walk(0x8000_5003n)).toBe(FaultStatus.ACCESS_FLAG + 3);
    expect(walk(0x8000_5001n)).toBe(FaultStatus.TRANSLATION + 3);
    expect(walk(0x8000_5002n)).toBe(FaultStatus.TRANSLATION + 3);
  });
});

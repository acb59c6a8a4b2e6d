import { expect, it } from "vitest";
import { DeadEnd } from "./dead-end.ts";

/** How many aborts at `pcs`, in turn, each `apart` instructions after the one before, until the end is reached. */
function aborts(apart: number, ...pcs: bigint[]): number {
  const end = new DeadEnd();
  for (let i = 0; i < 30_000; i++) if (end.isReached(pcs[i % pcs.length] as bigint, i * apart)) return i + 1;
  return Number.POSITIVE_INFINITY;
}

it("is the same instruction, hardly any instruction apart, ten thousand times over", () => {
  expect(aborts(1, 0x8020_0200n)).toBe(10_001);
  expect(aborts(63, 0x8020_0200n)).toBe(10_001);
});

it("is not a handler that does something, nor aborts at two places", () => {
  expect(aborts(64, 0x8020_0200n)).toBe(Number.POSITIVE_INFINITY);
  expect(aborts(1, 0x8020_0200n, 0x8020_0204n)).toBe(Number.POSITIVE_INFINITY);
});

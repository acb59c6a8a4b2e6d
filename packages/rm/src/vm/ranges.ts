import type { Ipa } from "@gunyah-ts/kernel";
import type { IpaRange } from "./vm.ts";

/** Guest physical addresses below 1 GiB that nothing maps are the VMM's devices, for a VM without authentication. */
export const VMMIO_RANGE = { base: 0, size: 0x4000_0000 } as const;
const IPA_LIMIT = 2 ** 36;

/** Sorted, and what touches or overlaps made one. */
export function merge(ranges: readonly IpaRange[]): IpaRange[] {
  const out: { base: number; size: number }[] = [];
  for (const range of [...ranges].sort((a, b) => a.base - b.base)) {
    const last = out.at(-1);
    if (last !== undefined && range.base <= last.base + last.size)
      last.size = Math.max(last.size, range.base + range.size - last.base);
    else out.push({ ...range });
  }
  return out;
}

/** The first free place from `from` on. @returns undefined when there is none below 2^36 */
export function firstFree(taken: readonly IpaRange[], from: Ipa, size: number): Ipa | undefined {
  let base: number = from;
  for (const range of merge(taken))
    if (range.base < base + size && base < range.base + range.size) base = range.base + range.size;
  return base + size <= IPA_LIMIT ? base : undefined;
}

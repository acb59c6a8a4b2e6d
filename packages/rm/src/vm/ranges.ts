import type { IpaRange } from "./vm.ts";

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

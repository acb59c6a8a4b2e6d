import type { BoardConfig, MemoryRange } from "@gunyah-ts/kernel";

/** DRAM that is neither the hypervisor's, the root VM's nor the access control unit's, in order. */
export function hostMemory(board: BoardConfig): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  let at: number = board.dram.base;
  const others = [board.carveOut, board.rootVm, ...(board.accessControl === undefined ? [] : [board.accessControl])];
  for (const taken of others.sort((a, b) => a.base - b.base)) {
    if (taken.base > at) ranges.push({ base: at, size: taken.base - at });
    at = Math.max(at, taken.base + taken.size);
  }
  const end = board.dram.base + board.dram.size;
  if (at < end) ranges.push({ base: at, size: end - at });
  return ranges;
}

import { type BoardConfig, type HostLoad, type MemoryRange, ModelError, type PhysicalMemory } from "@gunyah-ts/kernel";

interface Part extends MemoryRange {
  readonly name: string;
}

/**
 * Put a host's image into memory. Everything is checked before the first byte is written.
 *
 * Errors: FIRMWARE_PLACE
 */
export function placeImage(
  board: BoardConfig,
  memory: PhysicalMemory,
  ranges: readonly MemoryRange[],
  { segments }: HostLoad,
): void {
  const parts: Part[] = [];
  for (const { name, address, bytes, memorySize } of segments) {
    const part = { name, base: address, size: Math.max(bytes.length, memorySize) };
    if (!ranges.some((range) => contains(range, part)))
      throw refused(board, `${describe(part)} does not fit into the host's memory: ${ranges.map(span).join(", ")}`);
    const other = parts.find(({ base, size }) => base < part.base + part.size && part.base < base + size);
    if (other !== undefined) throw refused(board, `${describe(part)} lies on ${describe(other)}`);
    parts.push(part);
  }
  if (!segments.some(({ address, bytes }) => contains({ base: address, size: bytes.length }, entry(board))))
    throw refused(board, `nothing lies at hostEntry 0x${board.hostEntry.toString(16)}, where the host starts`);
  for (const { address, bytes, memorySize } of segments) {
    memory.write(address, bytes);
    if (memorySize > bytes.length) memory.fill(address + bytes.length, memorySize - bytes.length, 0);
  }
}

/** The first instruction. */
const entry = (board: BoardConfig): MemoryRange => ({ base: board.hostEntry, size: 4 });

function contains(outer: MemoryRange, inner: MemoryRange): boolean {
  return inner.base >= outer.base && inner.base + inner.size <= outer.base + outer.size;
}

function span({ base, size }: MemoryRange): string {
  return `0x${base.toString(16)} to 0x${(base + size - 1).toString(16)}`;
}

function describe(part: Part): string {
  return `${part.name} (${span(part)})`;
}

function refused(board: BoardConfig, what: string): ModelError {
  return new ModelError(
    "FIRMWARE_PLACE",
    `board ${board.name}: ${what}; give the host more memory or a smaller image`,
    {
      path: "host",
    },
  );
}

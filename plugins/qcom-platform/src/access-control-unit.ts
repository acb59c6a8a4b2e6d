import type { AccessControl, Pa, PhysicalMemory } from "@gunyah-ts/kernel";

const PAGE = 4096;
/** Bytes of the table for each page of DRAM. */
const ENTRY = 8;

/** Bytes of table that a DRAM of this size needs, whole pages. */
export function accessControlTableSize(dramSize: number): number {
  return Math.ceil(((dramSize / PAGE) * ENTRY) / PAGE) * PAGE;
}

/**
 * The SoC's access control unit (XPU): for each page of DRAM a mask of the domains that may access it, kept in DRAM,
 * where the CPU backend's page walk reads it. What it refuses is an external abort.
 *
 * Differs: a real XPU also tells read from write; here a domain has a page or it has not, because stage 2 already
 * enforces rights.
 */
export class AccessControlUnit implements AccessControl {
  readonly masks: Uint32Array;
  readonly tableOffset: number;
  readonly #memory: PhysicalMemory;
  readonly #listeners = new Set<(pa: Pa, size: number) => void>();

  /** @param table where the masks lie; 8 bytes for each page of DRAM */
  constructor(memory: PhysicalMemory, table: Pa) {
    this.#memory = memory;
    this.tableOffset = memory.offsetOf(table);
    this.masks = new Uint32Array(memory.memory.buffer, this.tableOffset, (memory.dramSize / PAGE) * 2);
  }

  allows(domain: number, pa: Pa): boolean {
    if (!this.#memory.contains(pa)) return true;
    const word = this.masks[this.#index(pa) + (domain >> 5)] as number;
    return ((word >>> (domain & 31)) & 1) !== 0;
  }

  /** The domains of a page. */
  domains(pa: Pa): number[] {
    const out: number[] = [];
    for (let d = 0; d < 64; d++) if (this.allows(d, pa)) out.push(d);
    return out;
  }

  /** Whether every page of the range belongs to exactly `domains`. */
  belongsTo(pa: Pa, size: number, domains: readonly number[]): boolean {
    const [low, high] = halves(domains);
    for (let at = pa; at < pa + size; at += PAGE) {
      if (!this.#memory.contains(at)) return false;
      const index = this.#index(at);
      if (this.masks[index] !== low || this.masks[index + 1] !== high) return false;
    }
    return true;
  }

  /** Give the pages of the range to exactly `domains`. */
  assign(pa: Pa, size: number, domains: readonly number[]): void {
    const [low, high] = halves(domains);
    for (let at = pa; at < pa + size; at += PAGE) {
      const index = this.#index(at);
      this.masks[index] = low;
      this.masks[index + 1] = high;
    }
    for (const listener of this.#listeners) listener(pa, size);
  }

  onChange(listener: (pa: Pa, size: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #index(pa: Pa): number {
    return Math.floor((pa - this.#memory.dramBase) / PAGE) * 2;
  }
}

function halves(domains: readonly number[]): [low: number, high: number] {
  let low = 0;
  let high = 0;
  for (const d of domains) {
    if (d < 32) low |= 1 << d;
    else high |= 1 << (d - 32);
  }
  return [low >>> 0, high >>> 0];
}

/**
 * DRAM in one shared WebAssembly.Memory that never grows, so windows on it stay valid for its whole life.
 */
import type { Pa } from "../contracts/address.ts";
import type { AccessControl, PhysicalMemory } from "../contracts/physical-memory.ts";
import { bug, ModelError } from "../errors.ts";

const WASM_PAGE = 65536;
/** 4 GiB: the most that 32-bit WebAssembly addresses. Source: WebAssembly core 1.0 §2.5.5, memory types. */
const MAX_LINEAR_BYTES = 2 ** 32;

export interface PhysicalMemoryOptions {
  /** First DRAM address, bytes, a multiple of 64 KiB. */
  readonly dramBase: Pa;
  /** Bytes, a multiple of 64 KiB. */
  readonly dramSize: number;
  /** Bytes in front of DRAM for the CPU backend, a multiple of 64 KiB. */
  readonly reservedBytes?: number;
}

/** Room for the CPU backend's register files, TLBs and code maps. Untouched pages cost no process memory. */
export const DEFAULT_RESERVED_BYTES = 192 * 1024 * 1024;

/**
 * Reserve the linear memory of a SoC.
 *
 * Errors: KERNEL_MEMORY_LAYOUT, KERNEL_MEMORY_UNAVAILABLE
 */
export function createPhysicalMemory(options: PhysicalMemoryOptions): PhysicalMemory {
  return new LinearPhysicalMemory(options);
}

class LinearPhysicalMemory implements PhysicalMemory {
  readonly memory: WebAssembly.Memory;
  readonly reservedBytes: number;
  readonly dramOffset: number;
  readonly dramBase: Pa;
  readonly dramSize: number;
  readonly bytes: Uint8Array;
  readonly data: DataView;
  accessControl: AccessControl | undefined;
  #listeners: readonly ((pa: Pa, size: number) => void)[] = [];

  constructor({ dramBase, dramSize, reservedBytes = DEFAULT_RESERVED_BYTES }: PhysicalMemoryOptions) {
    requireLayout("dramBase", dramBase, 0);
    requireLayout("dramSize", dramSize, WASM_PAGE);
    requireLayout("reservedBytes", reservedBytes, 0);
    const total = reservedBytes + dramSize;
    if (total > MAX_LINEAR_BYTES) {
      throw new ModelError(
        "KERNEL_MEMORY_LAYOUT",
        `${reservedBytes} reserved bytes and ${dramSize} bytes of DRAM pass 4 GiB; give the SoC less DRAM`,
      );
    }
    const pages = total / WASM_PAGE;
    try {
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (cause) {
      throw new ModelError(
        "KERNEL_MEMORY_UNAVAILABLE",
        `cannot reserve ${total} bytes of shared linear memory; in a browser the page must be cross-origin isolated, elsewhere give the SoC less DRAM`,
        { cause },
      );
    }
    this.reservedBytes = reservedBytes;
    this.dramOffset = reservedBytes;
    this.dramBase = dramBase;
    this.dramSize = dramSize;
    this.bytes = new Uint8Array(this.memory.buffer);
    this.data = new DataView(this.memory.buffer);
  }

  contains(pa: Pa, size = 1): boolean {
    const offset = pa - this.dramBase;
    return offset >= 0 && size >= 0 && offset + size <= this.dramSize;
  }

  offsetOf(pa: Pa): number {
    const offset = pa - this.dramBase;
    if (!(offset >= 0 && offset < this.dramSize)) bug("BUG_NOT_DRAM", "physical address is not DRAM", { pa });
    return offset + this.dramOffset;
  }

  view(pa: Pa, size: number): Uint8Array {
    this.#require(pa, size);
    const start = pa - this.dramBase + this.dramOffset;
    return this.bytes.subarray(start, start + size);
  }

  write(pa: Pa, bytes: Uint8Array): void {
    this.#require(pa, bytes.length);
    this.bytes.set(bytes, pa - this.dramBase + this.dramOffset);
    this.wrote(pa, bytes.length);
  }

  fill(pa: Pa, size: number, value: number): void {
    this.#require(pa, size);
    const start = pa - this.dramBase + this.dramOffset;
    this.bytes.fill(value, start, start + size);
    this.wrote(pa, size);
  }

  wrote(pa: Pa, size: number): void {
    const listeners = this.#listeners;
    for (let i = 0; i < listeners.length; i++) (listeners[i] as (pa: Pa, size: number) => void)(pa, size);
  }

  onWrite(listener: (pa: Pa, size: number) => void): () => void {
    // A fresh entry, so that one function can listen twice and each registration ends by itself.
    const entry = (pa: Pa, size: number) => listener(pa, size);
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  #require(pa: Pa, size: number): void {
    if (!this.contains(pa, size)) bug("BUG_NOT_DRAM", "physical range is not DRAM", { pa, size });
  }
}

function requireLayout(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least && value % WASM_PAGE === 0) return;
  throw new ModelError(
    "KERNEL_MEMORY_LAYOUT",
    `${name} is ${value}; it must be a multiple of 65536${least > 0 ? `, at least ${least}` : ""}`,
    { path: name },
  );
}

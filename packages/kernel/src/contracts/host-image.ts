import { token } from "../token.ts";
import type { Pa } from "./address.ts";
import type { BoardConfig } from "./hypervisor.ts";

/**
 * A kernel image as the host VM's software. Whoever provides it replaces `VmManager`, whose host is a program of this
 * process. Firmware loads it before it enters the hypervisor.
 */
export interface HostImage {
  /** Decide what goes where; nothing is written yet. @param memory DRAM that the host VM will have, in order */
  load(board: BoardConfig, memory: readonly MemoryRange[]): Promise<HostLoad>;
}
export const HostImage = token<HostImage>("contract/HostImage");

export interface MemoryRange {
  readonly base: Pa;
  /** Bytes. */
  readonly size: number;
}

export interface HostLoad {
  /** Bytes to put into the host's memory. The one at the board's `hostEntry` holds the first instruction. */
  readonly segments: readonly HostSegment[];
  /**
   * Complete the device tree that firmware made of the board, or put another in its place.
   * @param dtb flattened, with memory, CPUs, PSCI, GIC and timer; no `/chosen` properties
   * @returns flattened, at most `hostDtb.size` bytes with what the Resource Manager adds
   */
  describe(dtb: Uint8Array): Uint8Array;
}

export interface HostSegment {
  /** For messages: `kernel`, `initrd`. */
  readonly name: string;
  readonly address: Pa;
  readonly bytes: Uint8Array;
  /** Bytes that it occupies; those behind `bytes` are zero. */
  readonly memorySize: number;
}

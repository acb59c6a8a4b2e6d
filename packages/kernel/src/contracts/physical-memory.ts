import { token } from "../token.ts";
import type { Pa } from "./address.ts";

/**
 * The SoC's DRAM and the one linear memory that it lives in.
 *
 * `memory` is a shared WebAssembly.Memory. Its first `reservedBytes` belong to the CPU backend
 * (register files, TLBs, decoded code); DRAM follows, so physical address `pa` is byte
 * `pa - dramBase + dramOffset` of the linear memory. All of it reads as zero until written;
 * untouched pages cost no process memory.
 *
 * Nothing here checks who may access a page: that is the work of stage 2 and of `accessControl`.
 */
export interface PhysicalMemory {
  readonly memory: WebAssembly.Memory;
  /** Bytes at the start of the linear memory that only the CPU backend uses. Multiple of 64 KiB. */
  readonly reservedBytes: number;
  /** Byte of the linear memory that holds `dramBase`. Equal to `reservedBytes`. */
  readonly dramOffset: number;
  readonly dramBase: Pa;
  /** Multiple of 64 KiB. */
  readonly dramSize: number;
  /** The whole linear memory as bytes. Fetch it anew after nothing: it never moves (the memory does not grow). */
  readonly bytes: Uint8Array;
  readonly data: DataView;

  /** Whether [pa, pa + size) is DRAM. */
  contains(pa: Pa, size?: number): boolean;
  /** Offset of `pa` in the linear memory. BUG_ if it is not DRAM. */
  offsetOf(pa: Pa): number;
  /** A live window on DRAM; the caller reports stores through it with `wrote`. */
  view(pa: Pa, size: number): Uint8Array;
  /** Store bytes and report them. */
  write(pa: Pa, bytes: Uint8Array): void;
  fill(pa: Pa, size: number, value: number): void;
  /**
   * Tell listeners that someone other than the CPU backend stored to [pa, pa + size). The CPU backend
   * drops decoded code of these pages: instruction fetch is coherent (CTR_EL0.DIC and IDC are 1).
   */
  wrote(pa: Pa, size: number): void;
  /** Listen to `wrote`, `write` and `fill`. Returns the function that ends it. */
  onWrite(listener: (pa: Pa, size: number) => void): () => void;

  /**
   * SoC access control (XPU), absent on SoCs without one. The CPU backend consults it when it fills a
   * TLB entry, the hypervisor when a native vCPU touches memory.
   */
  accessControl: AccessControl | undefined;
}
export const PhysicalMemory = token<PhysicalMemory>("contract/PhysicalMemory");

/**
 * Which security domains (Qualcomm VMIDs, 0-63) may access each page. A refused access is a synchronous
 * external abort. Kept as a table so that a page walk in WebAssembly can read it.
 */
export interface AccessControl {
  /** 64-bit little-endian masks, one per DRAM page: bit d set means that domain d may access the page. */
  readonly masks: Uint32Array;
  /** Byte offset of `masks` in the linear memory (it lies inside DRAM that the access control unit carved out). */
  readonly tableOffset: number;
  allows(domain: number, pa: Pa): boolean;
  /** Called after masks of [pa, pa + size) changed, so that cached translations can be dropped. */
  onChange(listener: (pa: Pa, size: number) => void): () => void;
}

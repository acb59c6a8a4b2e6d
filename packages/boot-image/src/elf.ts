import { ModelError } from "@gunyah-ts/kernel";

/** One loadable part of an ELF file. */
export interface ElfSegment {
  /** p_paddr, guest physical, bytes. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** p_memsz: what lies behind `bytes` is zero. */
  readonly memorySize: number;
}
export interface ElfImage {
  /** e_entry as a physical address, bytes. */
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
}

const EM_AARCH64 = 183;
const PT_LOAD = 1;

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Read an AArch64 ELF executable. Nothing in it is trusted.
 *
 * Errors: IMAGE_TRUNCATED, IMAGE_INVALID
 * Source: System V ABI, ELF-64 Object File Format; ELF for the Arm 64-bit Architecture (AAELF64).
 */
export function readElf(bytes: Uint8Array): ElfImage {
  if (bytes.length < 64) throw new ModelError("IMAGE_TRUNCATED", `the ELF file has only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[4] !== 2 || bytes[5] !== 1 || view.getUint16(18, true) !== EM_AARCH64)
    throw new ModelError("IMAGE_INVALID", "the ELF file is not little-endian AArch64");

  const wide = (offset: number): number => Number(view.getBigUint64(offset, true));
  // Kernels are linked at the top of the virtual address space, where numbers are not exact.
  const entry = view.getBigUint64(24, true);
  const headers = wide(32);
  const headerSize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (headerSize < 56 || headers + headerSize * count > bytes.length)
    throw new ModelError("IMAGE_TRUNCATED", "the ELF program headers lie outside the file");

  const segments: ElfSegment[] = [];
  let entryAddress: number | undefined;
  for (let index = 0; index < count; index++) {
    const header = headers + index * headerSize;
    if (view.getUint32(header, true) !== PT_LOAD) continue;
    const offset = wide(header + 8);
    const virtual = view.getBigUint64(header + 16, true);
    const physical = wide(header + 24);
    const fileSize = wide(header + 32);
    const memorySize = wide(header + 40);
    if (memorySize === 0) continue;
    if (offset + fileSize > bytes.length)
      throw new ModelError("IMAGE_TRUNCATED", `ELF segment ${index} ends behind the file`);
    if (fileSize > memorySize)
      throw new ModelError("IMAGE_INVALID", `ELF segment ${index} has more bytes in the file than in memory`);
    segments.push({ address: physical, bytes: bytes.subarray(offset, offset + fileSize), memorySize });
    // The entry is a virtual address; the CPU starts with the MMU off.
    if (entry >= virtual && entry - virtual < memorySize) entryAddress = Number(entry - virtual) + physical;
  }
  if (segments.length === 0) throw new ModelError("IMAGE_INVALID", "the ELF file has nothing to load");
  if (entryAddress === undefined)
    throw new ModelError("IMAGE_INVALID", `the ELF entry 0x${entry.toString(16)} lies in no segment`);
  return { entry: entryAddress, segments };
}

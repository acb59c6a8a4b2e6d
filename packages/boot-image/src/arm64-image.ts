import { ModelError } from "@gunyah-ts/kernel";

/**
 * The header of an arm64 `Image`.
 * Source: Linux Documentation/arm64/booting.rst §4, "Call the kernel image".
 */
export interface Arm64ImageHeader {
  /** Bytes from a 2 MiB aligned base to the load address. */
  readonly textOffset: number;
  /** Bytes that the kernel occupies, with what lies behind the file (bss). */
  readonly imageSize: number;
  /** The kernel may lie anywhere in memory. */
  readonly anywhere: boolean;
  /** Bytes of the kernel's pages: 4, 16 or 64 KiB; undefined in kernels that do not say. */
  readonly pageSize: number | undefined;
}

/** By flags 2:1. */
const PAGE_SIZES = [undefined, 0x1000, 0x4000, 0x1_0000] as const;
const HEADER_SIZE = 64;
const MAGIC_OFFSET = 56;
/** "ARM\x64", little endian. */
const MAGIC = 0x644d5241;

export function isArm64Image(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_SIZE && view(bytes).getUint32(MAGIC_OFFSET, true) === MAGIC;
}

/** Errors: IMAGE_TRUNCATED, IMAGE_INVALID */
export function readArm64Header(bytes: Uint8Array): Arm64ImageHeader {
  if (bytes.length < HEADER_SIZE)
    throw new ModelError("IMAGE_TRUNCATED", `the kernel has ${bytes.length} bytes, its header alone has 64`);
  const data = view(bytes);
  const textOffset = Number(data.getBigUint64(8, true));
  const imageSize = Number(data.getBigUint64(16, true));
  const flags = data.getUint32(24, true);
  if ((flags & 1) !== 0) throw new ModelError("IMAGE_INVALID", "the kernel is big endian; build it little endian");
  // Kernels before 3.17 leave image_size zero and mean 0x80000 by text_offset.
  const size = imageSize === 0 ? bytes.length : imageSize;
  const offset = imageSize === 0 ? 0x8_0000 : textOffset;
  if (size > 0x1_0000_0000 || offset >= 0x20_0000)
    throw new ModelError("IMAGE_INVALID", `the kernel's header says size ${size}, text offset ${offset}`);
  return {
    textOffset: offset,
    imageSize: Math.max(size, bytes.length),
    anywhere: (flags & 8) !== 0,
    pageSize: PAGE_SIZES[(flags >> 1) & 3],
  };
}

/**
 * The file of a truncated download still has a whole header: compare what it should hold with what is there.
 * `image_size` counts bss too, so the smallest whole file is not known exactly; a file of less than a tenth is cut.
 */
export function looksTruncated(bytes: Uint8Array, header: Arm64ImageHeader): boolean {
  return bytes.length * 10 < header.imageSize;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

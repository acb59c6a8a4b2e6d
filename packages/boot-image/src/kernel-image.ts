import { ModelError } from "@gunyah-ts/kernel";
import { isArm64Image, looksTruncated, readArm64Header } from "./arm64-image.ts";
import { isElf, readElf } from "./elf.ts";
import { unpackImage } from "./unpack.ts";

/** Bytes at a guest physical address; what follows up to `memorySize` has to be free and zero. */
export interface LoadSegment {
  readonly name: string;
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly memorySize: number;
}
export interface LoadedKernel {
  readonly format: "Image" | "ELF" | "flat";
  /** Where the boot vCPU starts. */
  readonly entry: number;
  readonly segments: readonly LoadSegment[];
}
export interface LoadOptions {
  /** First byte of guest memory. */
  readonly ramBase: number;
  /** Where to put a flat binary or an Image, instead of the default. */
  readonly address?: number | undefined;
  /** Treat anything unknown as a flat binary instead of refusing it. */
  readonly flat?: boolean | undefined;
}

const IMAGE_ALIGNMENT = 0x20_0000;

/**
 * Recognise a kernel and say where it goes: arm64 `Image` (raw, gzip, zstd, or the payload of an EFI-zboot file), ELF, flat.
 *
 * Errors: IMAGE_EMPTY, IMAGE_UNKNOWN, IMAGE_TRUNCATED, IMAGE_INVALID, IMAGE_TOO_LARGE
 */
export async function loadKernel(file: Uint8Array, options: LoadOptions): Promise<LoadedKernel> {
  if (file.length === 0) throw new ModelError("IMAGE_EMPTY", "the kernel file is empty");
  const bytes = await unpackImage(file);
  if (isElf(bytes)) {
    const { entry, segments } = readElf(bytes);
    return {
      format: "ELF",
      entry,
      segments: segments.map((segment, index) => ({ name: `kernel segment ${index}`, ...segment })),
    };
  }
  if (isArm64Image(bytes)) return placeImage(bytes, options);
  if (options.flat !== true && options.address === undefined)
    throw new ModelError(
      "IMAGE_UNKNOWN",
      `the kernel file (${bytes.length} bytes, starts with ${hex(bytes.subarray(0, 4))}) is no arm64 Image, ELF, gzip, zstd or ` +
        "EFI-zboot file; give a load address to run it as a flat binary",
    );
  const address = options.address ?? options.ramBase;
  return {
    format: "flat",
    entry: address,
    segments: [{ name: "flat binary", address, bytes, memorySize: bytes.length }],
  };
}

function placeImage(bytes: Uint8Array, { ramBase, address }: LoadOptions): LoadedKernel {
  const header = readArm64Header(bytes);
  if (looksTruncated(bytes, header))
    throw new ModelError(
      "IMAGE_TRUNCATED",
      `the kernel has ${bytes.length} bytes, its header says that it needs ${header.imageSize}`,
    );
  const base = Math.ceil(ramBase / IMAGE_ALIGNMENT) * IMAGE_ALIGNMENT;
  const at = address ?? base + header.textOffset;
  if ((at - header.textOffset) % IMAGE_ALIGNMENT !== 0)
    throw new ModelError(
      "IMAGE_INVALID",
      `an Image starts 0x${header.textOffset.toString(16)} bytes behind a 2 MiB boundary, not at 0x${at.toString(16)}`,
    );
  return {
    format: "Image",
    entry: at,
    segments: [{ name: "kernel", address: at, bytes, memorySize: header.imageSize }],
  };
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

import { ModelError } from "@gunyah-ts/kernel";

/**
 * The payload of an EFI-zboot image: a small PE that carries the compressed `Image`.
 * Source: Linux drivers/firmware/efi/libstub/zboot-header.S.
 */
export function isZboot(bytes: Uint8Array): boolean {
  return bytes.length >= 64 && text(bytes, 0, 2) === "MZ" && text(bytes, 4, 4) === "zimg";
}

/** @returns the compressed payload. Errors: IMAGE_TRUNCATED, IMAGE_INVALID (a compression other than gzip and zstd) */
export function zbootPayload(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getUint32(8, true);
  const size = view.getUint32(12, true);
  const compression = text(bytes, 24, 32).replace(/\0.*$/s, "");
  if (offset + size > bytes.length)
    throw new ModelError(
      "IMAGE_TRUNCATED",
      `the zboot payload ends at byte ${offset + size}, the file has ${bytes.length}`,
    );
  // Linux names the method, not the format: "zstd22" in versions up to 6.x.
  if (compression !== "gzip" && !compression.startsWith("zstd"))
    throw new ModelError(
      "IMAGE_INVALID",
      `the zboot payload is compressed with ${compression}; unpack it first, or build with CONFIG_KERNEL_GZIP or CONFIG_KERNEL_ZSTD`,
    );
  return bytes.subarray(offset, offset + size);
}

function text(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

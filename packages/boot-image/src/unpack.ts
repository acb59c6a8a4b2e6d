import { ModelError } from "@gunyah-ts/kernel";
import { gunzip, isGzip } from "./gzip.ts";
import { isZboot, zbootPayload } from "./zboot.ts";
import { isZstd, unzstd } from "./zstd.ts";

/** Bytes: more than any kernel has, and little enough for a process to hold twice. */
const MAX_UNPACKED = 512 * 2 ** 20;

/**
 * What is inside a kernel file: the payload of an EFI-zboot file, gzip or zstd undone. Anything else comes back as it is.
 *
 * @param limit most bytes that it may unpack to
 * Errors: IMAGE_TRUNCATED (cut or corrupt), IMAGE_INVALID (a zboot payload that is neither), IMAGE_TOO_LARGE
 */
export async function unpackImage(file: Uint8Array, limit = MAX_UNPACKED): Promise<Uint8Array> {
  const packed = isZboot(file) ? zbootPayload(file) : file;
  const format = isGzip(packed) ? "gzip" : isZstd(packed) ? "zstd" : undefined;
  if (format === undefined) return packed;
  let unpacked: Uint8Array | undefined;
  try {
    unpacked = format === "gzip" ? await gunzip(packed, limit) : await unzstd(packed, limit);
  } catch (cause) {
    throw new ModelError(
      "IMAGE_TRUNCATED",
      `the ${format}-compressed kernel (${file.length} bytes) is cut or corrupt`,
      { cause },
    );
  }
  if (unpacked !== undefined) return unpacked;
  throw new ModelError(
    "IMAGE_TOO_LARGE",
    `the ${format}-compressed kernel (${file.length} bytes) unpacks to more than ${limit} bytes`,
  );
}

import { concatenate } from "./gzip.ts";

const TOO_LARGE = Symbol("too large");
/** Source: RFC 8878 §3.1.1. */
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;
export function isZstd(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, index) => bytes[index] === byte);
}

/**
 * Decompress one zstd frame. Rejects when it is corrupt or cut off.
 * @returns undefined when it unpacks to more than `limit` bytes
 */
export async function unzstd(bytes: Uint8Array, limit: number): Promise<Uint8Array | undefined> {
  // Few kernels need it, and none of those that come with the command.
  const { Decompress } = await import("fzstd");
  const chunks: Uint8Array[] = [];
  let size = 0;
  const stream = new Decompress((chunk) => {
    size += chunk.length;
    // A few bytes can stand for gigabytes: the decoder has no other way to be stopped.
    if (size > limit) throw TOO_LARGE;
    chunks.push(chunk);
  });
  try {
    stream.push(bytes, true);
  } catch (error) {
    if (error === TOO_LARGE) return undefined;
    throw error;
  }
  return concatenate(chunks, size);
}

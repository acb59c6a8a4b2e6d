/** gzip members, through the Compression Streams that Node and browsers share. Source: RFC 1952. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Decompress one gzip member. Rejects with a TypeError when it is corrupt or cut off.
 * @returns undefined when it unpacks to more than `limit` bytes
 */
export async function gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array | undefined> {
  // A Blob and a Response would do this in one line, but their first use alone takes Node 20 some 40 ms.
  const { readable, writable } = new DecompressionStream("gzip");
  const writer = writable.getWriter();
  const written = Promise.all([writer.write(bytes as Uint8Array<ArrayBuffer>), writer.close()]);
  // Whoever stops reading early makes the writer fail; the reader's own failure is the one to tell.
  written.catch(() => {});
  const reader = readable.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    size += part.value.length;
    if (size <= limit) continue;
    await reader.cancel();
    return undefined;
  }
  await written;
  return concatenate(chunks, size);
}

/** One array of all chunks, `size` bytes together. */
export function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

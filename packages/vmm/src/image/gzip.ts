/** gzip members, through the Compression Streams that Node and browsers share. Source: RFC 1952. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Decompress one gzip member. Rejects with a TypeError when it is corrupt or cut off. */
export async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  // A Blob and a Response would do this in one line, but their first use alone takes Node 20 some 40 ms.
  const { readable, writable } = new DecompressionStream("gzip");
  const writer = writable.getWriter();
  const written = [writer.write(bytes as Uint8Array<ArrayBuffer>), writer.close()];
  const [whole] = await Promise.all([concatenate(readable.getReader()), ...written]);
  return whole;
}

async function concatenate(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    size += part.value.length;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

import { readFile } from "node:fs/promises";

/** Read a file of this package. */
export async function readAsset(url: URL): Promise<Uint8Array> {
  return new Uint8Array(await readFile(url));
}

import { readFileSync } from "node:fs";

/** The binary that the build put beside this module; undefined in a source tree, where nothing was built. */
export function prebuiltModule(): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(readFileSync(new URL("./interpreter.wasm", import.meta.url)));
  } catch {
    return undefined;
  }
}

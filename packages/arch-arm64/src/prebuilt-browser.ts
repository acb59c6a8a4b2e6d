/** A page cannot read a file without waiting, so the binary is generated there. */
export function prebuiltModule(): Uint8Array<ArrayBuffer> | undefined {
  return undefined;
}

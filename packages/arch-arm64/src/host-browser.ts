/** What this package needs of a browser itself. `host-node.ts` has the same functions. */

/** A page has no environment. */
export function environment(_name: string): string | undefined {
  return undefined;
}

/** What this package needs of Node itself. `host-browser.ts` has the same functions. */

/** A variable of the process's environment. */
export function environment(name: string): string | undefined {
  return process.env[name];
}

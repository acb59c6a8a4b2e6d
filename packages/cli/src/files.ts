import { readFileSync } from "node:fs";
import { ModelError } from "@gunyah-ts/kernel";

/** Read a file that the user named. Errors: CLI_FILE */
export function readUserFile(path: string, what: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw new ModelError("CLI_FILE", `cannot read the ${what} ${path}: ${reason(cause)}`, { cause });
  }
}

/** Node's message without the system call that it ends in. */
export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
    ENOSPC: "no space left on the device",
  };
  return known[code ?? ""] ?? message;
}

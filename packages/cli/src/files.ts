import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { ModelError } from "@gunyah-ts/kernel";
import { formatBytes } from "./size.ts";

const PIECE = 1 << 20;

/**
 * Read a file that the user named: also a pipe or a device, as long as it ends.
 *
 * @param limit most bytes that can be of use. A file of its own size is read all the same: what is wrong with it, who
 * places it says better
 * Errors: CLI_FILE
 */
export function readUserFile(path: string, what: string, limit: number): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readBounded(path, limit);
  } catch (cause) {
    throw new ModelError("CLI_FILE", `cannot read the ${what} ${path}: ${reason(cause)}`, { cause });
  }
  if (bytes === undefined)
    throw new ModelError(
      "CLI_FILE",
      `the ${what} ${path} does not end within ${formatBytes(limit)}, all that there is for it`,
    );
  return bytes;
}

/** undefined when it does not end within `limit` bytes. */
function readBounded(path: string, limit: number): Uint8Array | undefined {
  const fd = openSync(path, "r");
  try {
    const stat = fstatSync(fd);
    if (stat.isFile() || stat.isDirectory()) return new Uint8Array(readFileSync(fd));
    const pieces: Uint8Array[] = [];
    for (let total = 0; total <= limit; ) {
      const piece = new Uint8Array(PIECE);
      const length = readSync(fd, piece);
      if (length === 0) return new Uint8Array(Buffer.concat(pieces));
      pieces.push(piece.subarray(0, length));
      total += length;
    }
    return undefined;
  } finally {
    closeSync(fd);
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

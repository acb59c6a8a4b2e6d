import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ImageStore } from "../packages/cli/src/image/store.ts";

/** The shell of both images asks here; what stands before it differs. */
export const SHELL_PROMPT = "# \x1b[6n";

export interface BootImage {
  readonly name: string;
  /** Files that this project and QEMU can both load. */
  readonly kernel: string;
  readonly initrd: string;
  readonly cmdline: string;
  /** Bytes. */
  readonly memory: number;
}

const MiB = 2 ** 20;

/** What can be booted on this machine. */
export function imageNames(): readonly string[] {
  return ["embedded", ...new ImageStore().list().map(({ name }) => name)];
}

/** @returns undefined when it was never made on this machine */
export function bootImage(name: string): BootImage | undefined {
  if (name === "embedded") {
    const asset = (file: string): string =>
      fileURLToPath(new URL(`../packages/guest-linux/assets/${file}`, import.meta.url));
    const files = { kernel: asset("Image.gz"), initrd: asset("initramfs.cpio.gz") };
    return { name, ...files, cmdline: "console=ttyAMA0", memory: 256 * MiB };
  }
  const stored = new ImageStore().find(name);
  if (stored === undefined || !existsSync(stored.kernel)) return undefined;
  const { kernel, initrd, cmdline } = stored;
  return { name, kernel, initrd, cmdline: `console=ttyAMA0 ${cmdline}`, memory: 512 * MiB };
}

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { guestInit } from "@gunyah-ts/guest-linux";
import { ModelError } from "@gunyah-ts/kernel";
import { Apt } from "./apt.ts";
import { type CpioEntry, CpioMode, writeCpio } from "./cpio.ts";
import type { ImageStore, StoredImage } from "./store.ts";

/** In the order in which they have to be loaded. */
const MODULES = ["virtio_ring", "virtio", "virtio_mmio", "virtio_blk", "rng-core", "virtio-rng", "virtio_console"];

/**
 * Devices may only touch memory that the guest shares: the kernel copies through one pool of 4 MiB (2,048 slots of
 * 2 KiB) instead of naming any page of its own.
 */
const CMDLINE = "swiotlb=2048,force";

/**
 * Debian's own arm64 cloud kernel, and an initramfs with Debian's static busybox and the kernel's virtio modules.
 * Errors: CLI_APT
 */
export async function makeDebianImage(
  store: ImageStore,
  progress: (step: string, done: number) => void,
): Promise<StoredImage> {
  const work = mkdtempSync(join(tmpdir(), "gunyah-image-"));
  try {
    const apt = new Apt(work);
    await apt.update((done) => progress("package lists", done));
    const kernelPackage = await apt.dependency("linux-image-cloud-arm64", "linux-image-");
    const kernel = await apt.fetch(kernelPackage, (done) => progress(kernelPackage, done));
    const busybox = await apt.fetch("busybox-static", (done) => progress("busybox-static", done));

    const boot = join(kernel.directory, "boot");
    const image = readdirSync(boot).find((name) => name.startsWith("vmlinuz-"));
    if (image === undefined) throw new ModelError("CLI_APT", `${kernel.version} has no kernel in /boot`);
    const initramfs = writeCpio(initramfsEntries(await guestInit(), busybox.directory, kernel.directory));
    return store.put("debian", {
      kernel: readFileSync(join(boot, image)),
      initrd: gzipSync(initramfs, { level: 9 }),
      cmdline: CMDLINE,
      versions: [kernel.version, busybox.version],
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function initramfsEntries(init: Uint8Array, busybox: string, kernel: string): CpioEntry[] {
  const modules = findModules(kernel);
  return [
    ...["bin", "dev", "proc", "sys", "tmp", "mnt", "etc", "lib", "lib/modules"].map((path) => ({
      path,
      mode: CpioMode.DIRECTORY,
    })),
    { path: "bin/busybox", mode: CpioMode.PROGRAM, data: readFileSync(join(busybox, "bin", "busybox")) },
    { path: "bin/sh", mode: CpioMode.SYMLINK, data: text("busybox") },
    { path: "init", mode: CpioMode.PROGRAM, data: init },
    ...modules.map(({ name, path }) => ({
      path: `lib/modules/${name}`,
      mode: CpioMode.FILE,
      data: readFileSync(path),
    })),
    { path: "etc/modules", mode: CpioMode.FILE, data: text(modules.map(({ name }) => `${name}\n`).join("")) },
  ];
}

/** Modules of the list that this kernel has as files; others are built in. */
function findModules(directory: string): { readonly name: string; readonly path: string }[] {
  const files = new Map<string, string>();
  const visit = (path: string): void => {
    if (!existsSync(path)) return;
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) visit(child);
      else if (entry.name.endsWith(".ko")) files.set(entry.name.slice(0, -3), child);
    }
  };
  visit(join(directory, "lib", "modules"));
  return MODULES.flatMap((name) => {
    const path = files.get(name);
    return path === undefined ? [] : [{ name: `${name}.ko`, path }];
  });
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

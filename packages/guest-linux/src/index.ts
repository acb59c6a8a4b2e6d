import { readAsset } from "#assets";

/**
 * The default guest: a small arm64 Linux and an initramfs with busybox, built by `scripts/build.sh` from Debian's
 * packages. The versions are in `assets/VERSIONS`, the checksums in `assets/SHA256SUMS`.
 */
export interface GuestLinux {
  /** `Image`, gzip-compressed (arm64 boot protocol; Linux Documentation/arm64/booting.rst). */
  readonly kernel: Uint8Array;
  /** newc cpio archive, gzip-compressed. */
  readonly initrd: Uint8Array;
  /** What the two were built from, one package and version a line. */
  readonly versions: string;
}

/** Load the default guest, about 3.5 MB. */
export async function guestLinux(): Promise<GuestLinux> {
  const asset = (name: string): Promise<Uint8Array> => readAsset(new URL(`../assets/${name}`, import.meta.url));
  const [kernel, initrd, versions] = await Promise.all([
    asset("Image.gz"),
    asset("initramfs.cpio.gz"),
    asset("VERSIONS"),
  ]);
  return { kernel, initrd, versions: new TextDecoder().decode(versions) };
}

/** The guest's `/init`: a script for busybox. It loads the modules that `/etc/modules` names, when there are any. */
export function guestInit(): Promise<Uint8Array> {
  return readAsset(new URL("../scripts/init", import.meta.url));
}

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { guestLinux } from "./index.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

it("ships what its checksums say", async () => {
  const guest = await guestLinux();
  const sums = readFileSync(new URL("../assets/SHA256SUMS", import.meta.url), "utf8");
  expect(sums).toBe(`${sha256(guest.kernel)}  Image.gz\n${sha256(guest.initrd)}  initramfs.cpio.gz\n`);
  expect(guest.versions).toMatch(/^linux-source-6\.1 \S+$/m);
});

it("holds an arm64 Image and a newc archive, under 5 MiB together", async () => {
  const { kernel, initrd } = await guestLinux();
  // "ARM\x64" at byte 56: Linux Documentation/arm64/booting.rst.
  expect(gunzipSync(kernel).toString("latin1", 56, 60)).toBe("ARMd");
  expect(gunzipSync(initrd).toString("latin1", 0, 6)).toBe("070701");
  expect(kernel.length + initrd.length).toBeLessThan(5 * 1024 * 1024);
});

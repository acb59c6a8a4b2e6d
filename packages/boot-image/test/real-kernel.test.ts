import { gunzipSync } from "node:zlib";
import { guestLinux } from "@gunyah-ts/guest-linux";
import { describe, expect, it } from "vitest";
import { readArm64Header } from "../src/arm64-image.ts";
import { loadKernel } from "../src/kernel-image.ts";

describe("the kernel of @gunyah-ts/guest-linux", async () => {
  const { kernel } = await guestLinux();

  it("loads at the base of memory and needs more than its file, for bss", async () => {
    const loaded = await loadKernel(kernel, { ramBase: 0x8000_0000 });
    const raw = gunzipSync(kernel);
    expect(loaded).toMatchObject({ format: "Image", entry: 0x8000_0000 });
    expect(loaded.segments[0]?.bytes.length).toBe(raw.length);
    expect(loaded.segments[0]?.memorySize).toBe(readArm64Header(raw).imageSize);
    expect(loaded.segments[0]?.memorySize).toBeGreaterThan(raw.length);
  });

  it.each([0.5, 0.99])("is refused when it is cut after %d of its bytes", async (part) => {
    const cut = kernel.subarray(0, Math.floor(kernel.length * part));
    await expect(loadKernel(cut, { ramBase: 0x8000_0000 })).rejects.toMatchObject({ code: "IMAGE_TRUNCATED" });
  });

  it("is refused unpacked when hardly more than its header is there", async () => {
    const cut = new Uint8Array(gunzipSync(kernel)).subarray(0, 4096);
    await expect(loadKernel(cut, { ramBase: 0x8000_0000 })).rejects.toMatchObject({ code: "IMAGE_TRUNCATED" });
  });
});

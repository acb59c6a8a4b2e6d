import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { loadKernel } from "./kernel-image.ts";

const RAM = { ramBase: 0x8000_0000 };

/** An Image of `length` bytes that needs `imageSize`; its payload is recognisable. */
function image(textOffset = 0, length = 0x1000, imageSize = 0x3000): Uint8Array {
  const bytes = new Uint8Array(length).fill(0x5a);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, BigInt(textOffset), true);
  view.setBigUint64(16, BigInt(imageSize), true);
  view.setUint32(24, 0b1010, true);
  view.setUint32(56, 0x644d5241, true);
  return bytes;
}

/** An EFI-zboot file around a payload. */
function zboot(payload: Uint8Array, compression: string, size = payload.length): Uint8Array {
  const bytes = new Uint8Array(0x200 + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("MZ"));
  bytes.set(new TextEncoder().encode("zimg"), 4);
  view.setUint32(8, 0x200, true);
  view.setUint32(12, size, true);
  bytes.set(new TextEncoder().encode(compression), 24);
  bytes.set(payload, 0x200);
  return bytes;
}

/** `image()` as `zstd -19` 1.5.4 compresses it. */
const ZSTD_IMAGE = new Uint8Array(
  Buffer.from("28b52ffd64000f0d0100a05a5a5a5a5a5a5a5a00300a0000005a41524d645a0400c007be7683be9811400eeee4734f", "hex"),
);

const refused = (code: string, message: RegExp | string) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe("a kernel file", () => {
  it("is an Image at its text offset behind a 2 MiB boundary", async () => {
    const kernel = await loadKernel(image(0x8_0000), { ramBase: 0x8010_0000 });
    expect(kernel).toMatchObject({ format: "Image", entry: 0x8028_0000 });
    expect(kernel.segments).toMatchObject([{ name: "kernel", address: 0x8028_0000, memorySize: 0x3000 }]);
  });

  it("goes where the user says, as far as the header allows", async () => {
    expect((await loadKernel(image(0x8_0000), { ...RAM, address: 0x8148_0000 })).entry).toBe(0x8148_0000);
    await expect(loadKernel(image(0x8_0000), { ...RAM, address: 0x8140_0000 })).rejects.toThrow(
      refused("IMAGE_INVALID", "0x80000 bytes behind a 2 MiB boundary, not at 0x81400000"),
    );
  });

  it("is the same raw, compressed with gzip, and as the payload of a zboot file", async () => {
    const raw = await loadKernel(image(), RAM);
    for (const file of [gzipSync(image()), zboot(gzipSync(image()), "gzip")]) {
      const kernel = await loadKernel(new Uint8Array(file), RAM);
      expect(kernel).toEqual(raw);
    }
  });

  it("is refused when gzip data is cut, alone or in a zboot file", async () => {
    const cut = new Uint8Array(gzipSync(image())).subarray(0, 30);
    await expect(loadKernel(cut, RAM)).rejects.toThrow(refused("IMAGE_TRUNCATED", "cut or corrupt"));
    await expect(loadKernel(zboot(cut, "gzip"), RAM)).rejects.toThrow(refused("IMAGE_TRUNCATED", "cut or corrupt"));
  });

  it("is refused when a zboot payload ends behind the file", async () => {
    await expect(loadKernel(zboot(gzipSync(image()), "gzip", 0x7fff_ffff), RAM)).rejects.toThrow(
      refused("IMAGE_TRUNCATED", "ends at byte 2147484159"),
    );
  });

  it.each([
    ["on its own", ZSTD_IMAGE],
    ["in a zboot file", zboot(ZSTD_IMAGE, "zstd22")],
  ])("is the same compressed with zstd, %s", async (_where, file) => {
    expect(await loadKernel(file, RAM)).toEqual(await loadKernel(image(), RAM));
  });

  it("is refused when zstd data is cut", async () => {
    await expect(loadKernel(ZSTD_IMAGE.subarray(0, 40), RAM)).rejects.toThrow(
      refused("IMAGE_TRUNCATED", "cut or corrupt"),
    );
  });

  it("is refused when a zboot payload is compressed otherwise, with the way out", async () => {
    await expect(loadKernel(zboot(Uint8Array.of(0xfd, 0x37, 0x7a, 0x58), "xzkern"), RAM)).rejects.toThrow(
      refused("IMAGE_INVALID", /xzkern; unpack it first/),
    );
  });

  it("is refused when most of an Image is missing", async () => {
    await expect(loadKernel(image(0, 0x1000, 0x10_0000), RAM)).rejects.toThrow(
      refused("IMAGE_TRUNCATED", "4096 bytes, its header says that it needs 1048576"),
    );
  });

  it("is a flat binary only where the user says so", async () => {
    const code = Uint8Array.of(0x20, 0, 0x80, 0xd2);
    await expect(loadKernel(code, RAM)).rejects.toThrow(refused("IMAGE_UNKNOWN", "starts with 20 00 80 d2"));
    expect(await loadKernel(code, { ...RAM, address: 0x8000_4000 })).toMatchObject({
      format: "flat",
      entry: 0x8000_4000,
    });
    expect(await loadKernel(code, { ...RAM, flat: true })).toMatchObject({ format: "flat", entry: 0x8000_0000 });
  });

  it("is refused when it is empty", async () => {
    await expect(loadKernel(new Uint8Array(0), RAM)).rejects.toThrow(refused("IMAGE_EMPTY", "empty"));
  });
});

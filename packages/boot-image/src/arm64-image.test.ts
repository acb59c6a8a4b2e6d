import { describe, expect, it } from "vitest";
import { isArm64Image, looksTruncated, readArm64Header } from "./arm64-image.ts";

const MAGIC = 0x644d5241;

function image(fields: { textOffset?: number; imageSize?: number; flags?: number; length?: number } = {}): Uint8Array {
  const bytes = new Uint8Array(fields.length ?? 0x1000);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, BigInt(fields.textOffset ?? 0), true);
  view.setBigUint64(16, BigInt(fields.imageSize ?? 0x2000), true);
  view.setUint32(24, fields.flags ?? 0b1010, true);
  view.setUint32(56, MAGIC, true);
  return bytes;
}

describe("arm64 Image header", () => {
  it("is recognised by its magic, not by a short or different file", () => {
    expect(isArm64Image(image())).toBe(true);
    expect(isArm64Image(image().subarray(0, 63))).toBe(false);
    expect(isArm64Image(new Uint8Array(64))).toBe(false);
  });

  it("gives size, text offset and placement", () => {
    expect(readArm64Header(image({ textOffset: 0x8_0000, imageSize: 0x123000 }))).toEqual({
      textOffset: 0x8_0000,
      imageSize: 0x12_3000,
      anywhere: true,
      pageSize: 4096,
    });
    expect(readArm64Header(image({ flags: 0b0010 })).anywhere).toBe(false);
  });

  it("counts the file when it is longer than image_size", () => {
    expect(readArm64Header(image({ imageSize: 16 })).imageSize).toBe(0x1000);
  });

  it("takes text_offset 0x80000 where image_size is zero, as kernels before 3.17 mean it", () => {
    expect(readArm64Header(image({ imageSize: 0, textOffset: 0x1234 }))).toMatchObject({
      textOffset: 0x8_0000,
      imageSize: 0x1000,
    });
  });

  it.each([
    ["big endian", { flags: 1 }, /big endian/],
    ["a text offset of 2 MiB", { textOffset: 0x20_0000 }, /text offset 2097152/],
    ["a size beyond 4 GiB", { imageSize: 2 ** 33 }, /size 8589934592/],
  ])("refuses %s", (_what, fields, message) => {
    expect(() => readArm64Header(image(fields))).toThrow(
      expect.objectContaining({ code: "IMAGE_INVALID", message: expect.stringMatching(message) }),
    );
  });

  it("accepts every granule: unspecified, 4, 16 and 64 KiB", () => {
    const sizes = [0b000, 0b010, 0b100, 0b110].map((flags) => readArm64Header(image({ flags })).pageSize);
    expect(sizes).toEqual([undefined, 4096, 16384, 65536]);
  });

  it("says how short a cut header is", () => {
    expect(() => readArm64Header(image().subarray(0, 40))).toThrow(
      expect.objectContaining({ code: "IMAGE_TRUNCATED", message: expect.stringContaining("40 bytes") }),
    );
  });

  it("suspects a file of less than a tenth of image_size", () => {
    const bytes = image({ length: 0x1000, imageSize: 0x1000 * 11 });
    expect(looksTruncated(bytes, readArm64Header(bytes))).toBe(true);
    const whole = image({ length: 0x1000, imageSize: 0x1000 * 9 });
    expect(looksTruncated(whole, readArm64Header(whole))).toBe(false);
  });
});

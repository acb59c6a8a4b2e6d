import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { unpackImage } from "./unpack.ts";

/** A zstd frame of RLE blocks, 128 KiB of zeroes each. Source: RFC 8878 §3.1.1.2. */
function zstdZeroes(blocks: number): Uint8Array {
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
  const rle = (isLast: boolean): number[] => {
    const word = (0x2_0000 << 3) | (1 << 1) | Number(isLast);
    return [word & 0xff, (word >> 8) & 0xff, word >> 16, 0];
  };
  return Uint8Array.from([...header, ...Array.from({ length: blocks }, (_, i) => rle(i === blocks - 1)).flat()]);
}

it.each([
  ["gzip", new Uint8Array(gzipSync(new Uint8Array(4 * 0x2_0000)))],
  ["zstd", zstdZeroes(4)],
])("undoes %s up to the limit, and refuses what has a byte more", async (format, file) => {
  const unpacked = await unpackImage(file, 4 * 0x2_0000);
  expect(unpacked.length).toBe(4 * 0x2_0000);
  expect(unpacked.every((byte) => byte === 0)).toBe(true);
  await expect(unpackImage(file, 4 * 0x2_0000 - 1)).rejects.toThrow(
    expect.objectContaining({ code: "IMAGE_TOO_LARGE", message: expect.stringContaining(`the ${format}-compressed`) }),
  );
});

it("does not unpack the rest of a zstd frame once the limit is passed", async () => {
  // 8 GiB: would not fit into an array at all.
  await expect(unpackImage(zstdZeroes(0x1_0000), 2 ** 20)).rejects.toMatchObject({ code: "IMAGE_TOO_LARGE" });
});

it("returns anything else as it is", async () => {
  const file = Uint8Array.of(1, 2, 3, 4);
  expect(await unpackImage(file)).toBe(file);
});

import { describe, expect, it } from "vitest";
import { isElf, readElf } from "./elf.ts";

interface Segment {
  readonly type?: number;
  readonly offset?: number;
  readonly virtual?: number | bigint;
  readonly physical?: number;
  readonly fileSize?: number | bigint;
  readonly memorySize?: number | bigint;
}

/** An ELF file with its program headers at byte 64 and data from byte 0x400 on. */
function elf(segments: Segment[], header: { entry?: number; machine?: number; phoff?: number; phnum?: number } = {}) {
  const bytes = new Uint8Array(0x1000).map((_, index) => index);
  bytes.fill(0, 0, 0x400);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const view = new DataView(bytes.buffer);
  view.setUint16(18, header.machine ?? 183, true);
  view.setBigUint64(24, BigInt(header.entry ?? 0x8000_0000), true);
  view.setBigUint64(32, BigInt(header.phoff ?? 64), true);
  view.setUint16(54, 56, true);
  view.setUint16(56, header.phnum ?? segments.length, true);
  for (const [index, segment] of segments.entries()) {
    const at = 64 + index * 56;
    view.setUint32(at, segment.type ?? 1, true);
    for (const [offset, value] of [
      [8, segment.offset ?? 0x400],
      [16, segment.virtual ?? 0x8000_0000],
      [24, segment.physical ?? 0x8000_0000],
      [32, segment.fileSize ?? 0x100],
      [40, segment.memorySize ?? 0x200],
    ] as const)
      view.setBigUint64(at + offset, BigInt(value), true);
  }
  return bytes;
}

const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe("ELF", () => {
  it("gives loadable segments with the bytes of the file and room for bss", () => {
    const { entry, segments } = readElf(
      elf([{ type: 4 }, {}, { virtual: 0x8010_0000, physical: 0x8010_0000, offset: 0x500, fileSize: 1 }]),
    );
    expect(entry).toBe(0x8000_0000);
    expect(segments.map(({ address, bytes, memorySize }) => [address, bytes.length, memorySize])).toEqual([
      [0x8000_0000, 0x100, 0x200],
      [0x8010_0000, 1, 0x200],
    ]);
    expect(segments[0]?.bytes[3]).toBe(3);
  });

  it("turns a virtual entry into a physical one", () => {
    const bytes = elf([{ virtual: 0xffff_8000_0800_0000n, physical: 0x8000_0000 }]);
    new DataView(bytes.buffer).setBigUint64(24, 0xffff_8000_0800_0104n, true);
    expect(readElf(bytes).entry).toBe(0x8000_0104);
  });

  it("leaves out segments without memory", () => {
    expect(readElf(elf([{}, { memorySize: 0, fileSize: 0 }])).segments).toHaveLength(1);
  });

  it("recognises the magic alone", () => {
    expect(isElf(elf([]))).toBe(true);
    expect(isElf(Uint8Array.of(0x7f, 0x45))).toBe(false);
  });

  it.each([
    ["a header cut short", elf([{}]).subarray(0, 63), "IMAGE_TRUNCATED", /63 bytes/],
    ["another machine", elf([{}], { machine: 62 }), "IMAGE_INVALID", /AArch64/],
    ["headers behind the file", elf([{}], { phoff: 0x1000 }), "IMAGE_TRUNCATED", /program headers/],
    ["more headers than fit", elf([{}], { phnum: 0xffff }), "IMAGE_TRUNCATED", /program headers/],
    ["a segment behind the file", elf([{ offset: 0xf80 }]), "IMAGE_TRUNCATED", /segment 0/],
    ["a segment of 2^64 - 1 bytes", elf([{ fileSize: 2n ** 64n - 1n }]), "IMAGE_TRUNCATED", /segment 0/],
    ["more file than memory", elf([{ memorySize: 0x80 }]), "IMAGE_INVALID", /segment 0/],
    ["nothing to load", elf([{ type: 2 }]), "IMAGE_INVALID", /nothing to load/],
    ["an entry in no segment", elf([{}], { entry: 0x9000_0000 }), "IMAGE_INVALID", /0x90000000/],
  ])("refuses %s", (_what, bytes, code, message) => {
    expect(() => readElf(bytes)).toThrow(refused(code, message));
  });
});

import { describe, expect, it } from "vitest";
import { AddressMap, describe as describePlacement, formatSize } from "./address-map.ts";

const RAM = { name: "guest memory", address: 0x8000_0000, size: 0x100_0000 };

describe("AddressMap", () => {
  it("accepts neighbours that touch", () => {
    const map = new AddressMap();
    map.add({ name: "a", address: 0x1000, size: 0x1000 });
    map.add({ name: "b", address: 0x2000, size: 0x1000 });
    map.add({ name: "c", address: 0, size: 0x1000 });
    expect(map.placements.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });

  it.each([
    ["at the end", 0x1fff],
    ["at the start", 0x0001],
    ["inside", 0x1400],
  ])("refuses an overlap %s and names both", (_where, address) => {
    const map = new AddressMap();
    map.add({ name: "kernel", address: 0x1000, size: 0x1000 });
    expect(() => map.add({ name: "initrd", address, size: 0x1000 })).toThrow(
      expect.objectContaining({
        code: "VMM_LAYOUT_OVERLAP",
        message: expect.stringMatching(/initrd \(0x.* collides with kernel \(0x1000 to 0x1fff, 4 KiB\)/),
      }),
    );
    expect(map.placements).toHaveLength(1);
  });

  it("refuses what reaches outside of its region and names both", () => {
    const map = new AddressMap();
    map.addInside({ name: "kernel", address: 0x8000_0000, size: RAM.size }, RAM);
    for (const [address, size] of [
      [0x7fff_f000, 0x1000],
      [0x80ff_f000, 0x1001],
      [0x9000_0000, 0x1000],
    ] as const)
      expect(() => map.addInside({ name: "initrd", address, size }, RAM)).toThrow(
        expect.objectContaining({
          code: "VMM_LAYOUT_OUTSIDE",
          message: expect.stringMatching(
            /initrd .* does not fit into guest memory \(0x80000000 to 0x80ffffff, 16 MiB\)/,
          ),
        }),
      );
  });

  it("describes ranges by their last byte", () => {
    expect(describePlacement({ name: "x", address: 0x10, size: 1 })).toBe("x (0x10 to 0x10, 1 bytes)");
  });

  it("formats sizes in the largest unit", () => {
    expect([1, 1023, 1024, 1536 * 1024, 2 ** 30].map(formatSize)).toEqual([
      "1 bytes",
      "1023 bytes",
      "1 KiB",
      "1.5 MiB",
      "1 GiB",
    ]);
  });
});

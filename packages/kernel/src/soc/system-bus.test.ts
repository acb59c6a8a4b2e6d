import { describe, expect, it } from "vitest";
import { createSystemBus } from "./system-bus.ts";

const device = { read: () => 0, write: () => {} };

describe("the system bus", () => {
  it("finds the device that an access lies in wholly, and no other", () => {
    const bus = createSystemBus();
    bus.add("b", 0x2000, 0x1000, device);
    bus.add("a", 0x1000, 0x1000, device);
    bus.add("c", 0x4000, 0x10, device);
    const names = [0xfff, 0x1000, 0x1ffc, 0x2000, 0x2fff, 0x3000, 0x400c, 0x4010].map((pa) => bus.find(pa, 1)?.name);
    expect(names).toEqual([undefined, "a", "a", "b", "b", undefined, "c", undefined]);
    expect(bus.find(0x1ffe, 4)).toBeUndefined();
    expect(bus.find(0x1ffc, 4)).toMatchObject({ name: "a", base: 0x1000, size: 0x1000, device });
  });

  it.each([
    ["the same place", 0x1000, 0x1000],
    ["one byte before its end", 0x1fff, 1],
    ["around it", 0, 0x1_0000],
  ])("refuses a second device at %s, names both, and has one slot still", (_where, base, size) => {
    const bus = createSystemBus();
    bus.add("uart", 0x1000, 0x1000, device);
    expect(() => bus.add("disk", base, size, device)).toThrow(
      expect.objectContaining({ code: "KERNEL_BUS_OVERLAP", message: expect.stringMatching(/disk .* uart \(0x1000/) }),
    );
    expect(bus.find(0x1000, 4)?.name).toBe("uart");
  });

  it("forgets a device that is taken away, once, and has room for another", () => {
    const bus = createSystemBus();
    const remove = bus.add("uart", 0x1000, 0x1000, device);
    remove();
    expect(bus.find(0x1000, 4)).toBeUndefined();
    bus.add("disk", 0x1000, 0x1000, device);
    remove();
    expect(bus.find(0x1000, 4)?.name).toBe("disk");
  });
});

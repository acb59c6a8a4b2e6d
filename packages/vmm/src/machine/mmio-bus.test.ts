import { VcpuRunPage } from "@gunyah-ts/abi";
import type { Device } from "@gunyah-ts/kernel";
import { VcpuExit } from "@gunyah-ts/vm-manager";
import { describe, expect, it } from "vitest";
import { MmioBus } from "./mmio-bus.ts";

/** A device that answers with what it is asked, and remembers. */
function device(name: string): Device & { readonly log: string[] } {
  const log: string[] = [];
  return {
    name,
    windowSize: 0x1000,
    interrupt: "level",
    description: { node: name, properties: {} },
    log,
    activate() {},
    read(offset, size) {
      log.push(`read ${offset.toString(16)} ${size}`);
      return offset;
    },
    write: (offset, size, value) => log.push(`write ${offset.toString(16)} ${size} ${value.toString(16)}`),
    dispose() {},
  };
}

function bus() {
  const [first, second] = [device("first"), device("second")];
  const bus = new MmioBus();
  bus.add(0x1000, first);
  bus.add(0x3000, second);
  return { bus, first, second };
}

/** An MMIO exit as the driver leaves it in the run page. */
function exit(address: number, length: number, isWrite: boolean, value: bigint) {
  const page = new VcpuRunPage(new Uint8Array(4096));
  Object.assign(page, { physAddr: address, mmioLength: length, mmioIsWrite: isWrite, mmioValue: value });
  return new VcpuExit(page);
}

describe("MmioBus", () => {
  it("serves exits: both words of an 8-byte store, only the bytes of a smaller one, loads zero-extended", () => {
    const { bus: mmio, first } = bus();
    const value = 0xdead_beef_1234_5678n;
    for (const [address, length] of [
      [0x1000, 8],
      [0x1010, 4],
      [0x1020, 2],
      [0x1031, 1],
    ] as const)
      expect(mmio.serve(exit(address, length, true, value))).toBe(true);
    expect(first.log).toEqual([
      ...["write 0 4 12345678", "write 4 4 deadbeef", "write 10 4 12345678", "write 20 2 5678", "write 31 1 78"],
    ]);
    const wide = exit(0x1ff8, 8, false, value);
    const narrow = exit(0x1014, 4, false, value);
    expect([mmio.serve(wide), mmio.serve(narrow)]).toEqual([true, true]);
    expect([wide.value64, narrow.value64]).toEqual([0xffc_0000_0ff8n, 0x14n]);
    expect(mmio.serve(exit(0x2000, 4, true, 0n))).toBe(false);
    expect(mmio.serve(exit(0x2000, 4, false, 0n))).toBe(false);
  });

  it("finds the device behind an address, whichever was used last", () => {
    const { bus: mmio, first, second } = bus();
    for (const address of [0x1004, 0x3008, 0x1ffc]) mmio.write(address, 4, 0xab, 0);
    expect(first.log).toEqual(["write 4 4 ab", "write ffc 4 ab"]);
    expect(second.log).toEqual(["write 8 4 ab"]);
  });

  it("splits an access of 8 bytes into two of 4, low word first", () => {
    const { bus: mmio, first } = bus();
    expect(mmio.read(0x1010, 8)).toEqual({ low: 0x10, high: 0x14 });
    expect(mmio.write(0x1010, 8, 0x11, 0x22)).toBe(true);
    expect(first.log).toEqual(["read 10 4", "read 14 4", "write 10 4 11", "write 14 4 22"]);
  });

  it.each([1, 2, 4])("passes an access of %i bytes on", (size) => {
    const { bus: mmio, first } = bus();
    expect(mmio.read(0x1010, size)).toEqual({ low: 0x10, high: 0 });
    expect(first.log).toEqual([`read 10 ${size}`]);
  });

  it("answers for nobody between, before and after windows, nor across their end", () => {
    const { bus: mmio, first } = bus();
    for (const [address, size] of [
      [0xfff, 1],
      [0x0ffe, 4],
      [0x2000, 4],
      [0x1ffe, 4],
      [0x1ffc, 8],
      [0x4000, 1],
    ] as const) {
      expect(mmio.read(address, size)).toBeUndefined();
      expect(mmio.write(address, size, 0, 0)).toBe(false);
    }
    expect(first.log).toEqual([]);
    expect(new MmioBus().read(0, 4)).toBeUndefined();
  });
});

import type { HostProcess } from "@gunyah-ts/kernel";
import type { GunyahVm } from "@gunyah-ts/vm-manager";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkRamSize } from "../src/machine/lent-ram.ts";
import { PinnedRam } from "../src/machine/pinned-ram.ts";
import { FakeGuest, lentRam, RAM_BASE } from "./fake-vm.ts";

const MiB = 2 ** 20;
const PAGE = 4096;

describe("lent memory", () => {
  it("is bound without gaps, all of it lent until the VM has started", async () => {
    const { guest } = await lentRam(16 * MiB, false);
    expect(guest.bindings.every(({ access }) => access === "lend")).toBe(true);
    let next = RAM_BASE;
    for (const { start, end, offset } of guest.bindings) {
      expect([start, offset]).toEqual([next, start - RAM_BASE]);
      next = end;
    }
    expect(next).toBe(RAM_BASE + 16 * MiB);
  });

  it("shares the devices' pool, exactly, once the VM has started", async () => {
    const { guest } = await lentRam();
    const shared = guest.bindings.filter(({ access }) => access === "share");
    expect(shared.map(({ start, end }) => [start - RAM_BASE, end - RAM_BASE])).toEqual([[10 * MiB, 14 * MiB]]);
  });

  it("needs fewer bindings than one SET_DEMAND_PAGING takes, also with 3 GiB", async () => {
    const size = 3 * 2 ** 30;
    const guest = new FakeGuest(0);
    Object.defineProperty(guest.file, "length", { value: size });
    const { LentRam } = await import("../src/machine/lent-ram.ts");
    const dmaPool = { address: RAM_BASE + size - 6 * MiB, size: 4 * MiB };
    const ram = await LentRam.create(guest.device, guest.vm, { address: RAM_BASE, size, dmaPool });
    await ram.attach();
    expect(guest.bindings.length).toBeLessThan(512);
    expect(guest.bindings.at(-1)?.end).toBe(RAM_BASE + size);
  });

  it("splits the binding around the page that a device touches, and keeps the contents", async () => {
    const { guest, ram } = await lentRam();
    const address = RAM_BASE + 0x10_0000;
    expect(ram.window(address, 4, "r")).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(guest.calls).toEqual([
      "unmap 80000000-80200000",
      "map 80000000-80100000 lend",
      "map 80100000-80101000 share",
      "map 80101000-80200000 lend",
    ]);
    expect(ram.window(address, 4, "rw")).toBeDefined();
    expect(guest.calls, "a second access changes nothing").toHaveLength(4);
  });

  it("does not bind an empty range at a binding's edges", async () => {
    const { guest, ram } = await lentRam();
    expect(ram.write(RAM_BASE, Uint8Array.of(9))).toBe(true);
    expect(guest.calls).toEqual([
      "unmap 80000000-80200000",
      "map 80000000-80001000 share",
      "map 80001000-80200000 lend",
    ]);
    guest.calls.length = 0;
    expect(ram.write(RAM_BASE + 2 * MiB - 1, Uint8Array.of(9))).toBe(true);
    expect(guest.calls).toEqual([
      "unmap 80001000-80200000",
      "map 80001000-801ff000 lend",
      "map 801ff000-80200000 share",
    ]);
  });

  it("copies across bindings where a window cannot", async () => {
    const { ram } = await lentRam();
    const edge = RAM_BASE + 2 * MiB - 3;
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6);
    expect(ram.window(edge, 6, "rw")).toBeUndefined();
    expect(ram.write(edge, bytes)).toBe(true);
    const back = new Uint8Array(6);
    expect(ram.read(edge, back)).toBe(true);
    expect(back).toEqual(bytes);
  });

  it("does nothing in the pool: it is shared already", async () => {
    const { guest, ram } = await lentRam();
    ram.window(RAM_BASE + 10 * MiB, 4 * MiB, "rw")?.fill(0xee);
    expect(guest.calls).toEqual([]);
    expect(guest.file[12 * MiB]).toBe(0xee);
    expect(guest.file[14 * MiB]).toBe(0);
  });

  it.each([
    ["before it", RAM_BASE - 1, 1],
    ["behind it", RAM_BASE + 16 * MiB, 1],
    ["across its end", RAM_BASE + 16 * MiB - 2, 4],
    ["far away", 0xffff_ffff_f000, 8],
    ["of nearly everything", RAM_BASE, 2 ** 40],
  ])("refuses an access %s and shares nothing", async (_where, address, length) => {
    const { guest, ram } = await lentRam();
    expect(ram.window(address, length, "rw")).toBeUndefined();
    if (length < MiB) {
      expect(ram.read(address, new Uint8Array(length))).toBe(false);
      expect(ram.write(address, new Uint8Array(length))).toBe(false);
    }
    expect(guest.calls).toEqual([]);
  });

  it("has no window of nothing", async () => {
    const { guest, ram } = await lentRam();
    expect(ram.window(RAM_BASE, 0, "r")).toBeUndefined();
    expect(guest.calls).toEqual([]);
  });

  it("stays whole under any accesses: no gap, no overlap, shared exactly where a device went", async () => {
    const size = 16 * MiB;
    const access = fc.record({ offset: fc.nat(size - 1), length: fc.integer({ min: 1, max: 3 * PAGE }) });
    await fc.assert(
      fc.asyncProperty(fc.array(access, { maxLength: 30 }), async (accesses) => {
        const { guest, ram } = await lentRam(size);
        const reference = guest.file.slice();
        const shared = new Set<number>();
        for (let page = 10 * MiB; page < 14 * MiB; page += PAGE) shared.add(page / PAGE);
        for (const [index, { offset, length }] of accesses.entries()) {
          const bytes = new Uint8Array(length).fill(index + 1);
          const fits = offset + length <= size;
          expect(ram.write(RAM_BASE + offset, bytes)).toBe(fits);
          if (!fits) continue;
          reference.set(bytes, offset);
          for (let at = Math.floor(offset / PAGE); at * PAGE < offset + length; at++) shared.add(at);
        }
        let next = RAM_BASE;
        for (const { start, end, access: kind } of guest.bindings) {
          expect(start).toBe(next);
          for (let at = start; at < end; at += PAGE)
            if (shared.has((at - RAM_BASE) / PAGE) !== (kind === "share"))
              throw new Error(`${at.toString(16)} is ${kind}`);
          next = end;
        }
        expect(next).toBe(RAM_BASE + size);
        expect(Buffer.compare(guest.file, reference)).toBe(0);
      }),
      { numRuns: 20 },
    );
  });
});

describe("pinned memory", () => {
  function pinned() {
    const user = 0x7f00_0000_0000n;
    const memory = new Uint8Array(MiB);
    const regions: unknown[] = [];
    const slice = (address: bigint, length: number) =>
      memory.subarray(Number(address - user), Number(address - user) + length);
    const process = {
      alloc: () => user,
      bytes: slice,
      read: (address: bigint, into: Uint8Array) => {
        into.set(slice(address, into.length));
        return true;
      },
      write: (address: bigint, bytes: Uint8Array) => {
        slice(address, bytes.length).set(bytes);
        return true;
      },
    } as unknown as HostProcess;
    const vm = { setUserMemoryRegion: async (region: unknown) => regions.push(region) } as unknown as GunyahVm;
    return { ram: new PinnedRam(process, vm, { address: RAM_BASE, size: MiB }), memory, regions, user };
  }

  it("is one region of the process, readable, writable, executable", async () => {
    const { ram, regions, user } = pinned();
    await ram.attach();
    expect(regions).toEqual([{ label: 0, flags: 7, guestAddress: RAM_BASE, size: MiB, userAddress: user }]);
    expect(ram.dmaPool).toBeUndefined();
  });

  it("is where guest addresses say", () => {
    const { ram, memory } = pinned();
    ram.load(RAM_BASE + 0x1000, Uint8Array.of(1, 2, 3));
    expect([...memory.subarray(0x1000, 0x1003)]).toEqual([1, 2, 3]);
    expect(ram.window(RAM_BASE + 0x1001, 2, "r")).toEqual(Uint8Array.of(2, 3));
    const into = new Uint8Array(2);
    expect(ram.read(RAM_BASE + 0x1001, into)).toBe(true);
    expect(into).toEqual(Uint8Array.of(2, 3));
  });

  it("refuses what lies outside", () => {
    const { ram } = pinned();
    for (const [address, length] of [
      [RAM_BASE - 1, 2],
      [RAM_BASE + MiB - 1, 2],
      [0, 1],
    ] as const) {
      expect(ram.window(address, length, "rw")).toBeUndefined();
      expect(ram.read(address, new Uint8Array(length))).toBe(false);
      expect(ram.write(address, new Uint8Array(length))).toBe(false);
      expect(() => ram.load(address, new Uint8Array(length))).toThrow(
        expect.objectContaining({ code: "VMM_LAYOUT_OUTSIDE" }),
      );
    }
  });
});

describe("the size of guest memory", () => {
  it.each([0, 3, 3 * MiB, 15 * MiB, 16 * MiB + 1, 17 * MiB, 4 * 2 ** 30, Number.NaN, 2 ** 60])("is not %d", (size) => {
    expect(() => checkRamSize(size)).toThrow(expect.objectContaining({ code: "VMM_MEMORY_SIZE" }));
  });

  it.each([16 * MiB, 18 * MiB, 3 * 2 ** 30])("may be %d", (size) => {
    expect(() => checkRamSize(size)).not.toThrow();
  });
});

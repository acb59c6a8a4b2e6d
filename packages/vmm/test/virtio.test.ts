import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MmioRegister as Reg, VirtioStatus } from "../src/devices/virtio/constants.ts";
import { VirtioMmio } from "../src/devices/virtio/mmio-transport.ts";
import { type Disk, MemoryDisk, OverlayDisk } from "../src/devices/virtio-blk/disk.ts";
import { VirtioBlk } from "../src/devices/virtio-blk/virtio-blk.ts";
import { VirtioConsole } from "../src/devices/virtio-console/virtio-console.ts";
import { VirtioRng } from "../src/devices/virtio-rng/virtio-rng.ts";
import { ArrayMemory, deviceContext, RecordedConsole } from "./support.ts";
import { VirtioDriver } from "./virtio-driver.ts";

const DATA = 0x8000_4000;

function rng() {
  const context = deviceContext();
  return {
    context,
    driver: new VirtioDriver(new VirtioMmio(context, new VirtioRng(context.entropy)), new ArrayMemory(0x8000)),
  };
}

function blk(disk: Disk) {
  const context = deviceContext();
  const device = new VirtioMmio(context, new VirtioBlk(disk, "serial-1", (message) => context.logged.push(message)));
  const driver = new VirtioDriver(device, new ArrayMemory(0x8000));
  driver.start(1);
  const request = (type: number, sector: number, data: { length: number; writable: boolean }) => {
    driver.memory.data.setUint32(0x3000, type, true);
    driver.memory.data.setBigUint64(0x3008, BigInt(sector), true);
    driver.memory.bytes[0x3010] = 0xff;
    driver.send(0, { address: 0x8000_3000, length: 16 }, ...(data.length > 0 ? [{ address: DATA, ...data }] : []), {
      address: 0x8000_3010,
      length: 1,
      writable: true,
    });
    return driver.memory.bytes[0x3010];
  };
  return { context, driver, request };
}

describe("virtio-mmio", () => {
  it("identifies itself (VIRTIO 1.2 §4.2.2)", () => {
    const { driver } = rng();
    expect([Reg.MAGIC, Reg.VERSION, Reg.DEVICE_ID].map((register) => driver.read(register))).toEqual([
      0x74726976, 2, 4,
    ]);
    expect(driver.read(Reg.SHM_LEN_LOW)).toBe(0xffff_ffff);
    expect(driver.device.read(Reg.MAGIC, 1)).toBe(0);
  });

  it("accepts features only with VERSION_1 and ACCESS_PLATFORM among them", () => {
    const { driver } = rng();
    expect(driver.negotiate() & VirtioStatus.FEATURES_OK).not.toBe(0);
    expect(driver.negotiate(~(1n << 32n)) & VirtioStatus.FEATURES_OK).toBe(0);
    expect(driver.negotiate(~(1n << 33n)) & VirtioStatus.FEATURES_OK).toBe(0);
  });

  it("refuses a feature that it did not offer", () => {
    const { driver } = rng();
    driver.negotiate();
    driver.write(Reg.STATUS, 0);
    driver.write(Reg.DRIVER_FEATURES_SEL, 1);
    driver.write(Reg.DRIVER_FEATURES, 0xffff_ffff);
    driver.write(Reg.STATUS, VirtioStatus.FEATURES_OK);
    expect(driver.status & VirtioStatus.FEATURES_OK).toBe(0);
  });

  it("serves nothing before DRIVER_OK and everything after", () => {
    const { driver } = rng();
    driver.start(1);
    driver.send(0, { address: DATA, length: 64, writable: true });
    expect(driver.used(0)).toEqual([64]);
    expect(driver.line.pulses).toBe(1);
    expect(driver.read(Reg.INTERRUPT_STATUS)).toBe(1);
    driver.write(Reg.INTERRUPT_ACK, 1);
    expect(driver.read(Reg.INTERRUPT_STATUS)).toBe(0);
    expect(driver.memory.bytes.subarray(0x4000, 0x4040).some((byte) => byte !== 0)).toBe(true);
  });

  it("does not interrupt a driver that asked for silence (§2.7.7)", () => {
    const { driver } = rng();
    driver.start(1);
    driver.memory.data.setUint16(driver.availableRing(0) - driver.memory.base, 1, true);
    driver.send(0, { address: DATA, length: 8, writable: true });
    expect(driver.used(0)).toEqual([8]);
    expect(driver.line.pulses).toBe(0);
  });

  it("forgets everything on reset", () => {
    const { driver } = rng();
    driver.start(1);
    driver.write(Reg.STATUS, 0);
    expect(driver.read(Reg.QUEUE_READY)).toBe(0);
    driver.send(0, { address: DATA, length: 8, writable: true });
    expect(driver.used(0)).toEqual([]);
  });

  it.each<[string, (driver: VirtioDriver) => void]>([
    ["a descriptor loop", (d) => d.offerRaw({ address: DATA, length: 4, writable: true }, 1, 0)],
    ["a next index outside the table", (d) => d.offerRaw({ address: DATA, length: 4 }, 1, 99)],
    ["a head outside the table", (d) => d.offer(0, 200)],
    ["a buffer outside memory", (d) => d.offerRaw({ address: 0x10, length: 4, writable: true }, 0, 0)],
    ["a buffer that wraps", (d) => d.offerRaw({ address: 2 ** 48, length: 0xffff_ffff, writable: true }, 0, 0)],
    ["an index that ran wild", (d) => d.memory.data.setUint16(d.availableRing(0) - d.memory.base + 2, 5000, true)],
    ["an indirect table of odd size", (d) => d.offerRaw({ address: DATA, length: 17 }, 4, 0)],
    [
      "an indirect table in an indirect table",
      (d) => {
        d.memory.data.setUint16(0x4000 + 12, 4, true);
        d.describe(0, 0, { address: DATA, length: 16 }, 4, 0);
        d.offer(0, 0);
      },
    ],
  ])("marks the device as needing a reset after %s", (_, misbehave) => {
    const { driver, context } = rng();
    driver.start(1);
    misbehave(driver);
    driver.write(Reg.QUEUE_NOTIFY, 0);
    expect(driver.status & VirtioStatus.NEEDS_RESET).not.toBe(0);
    expect(driver.read(Reg.INTERRUPT_STATUS) & 2).toBe(2);
    expect(context.logged).toHaveLength(1);
    driver.start(1);
    driver.send(0, { address: DATA, length: 4, writable: true });
    expect(driver.used(0)).toEqual([4]);
  });

  it("refuses a chain that is longer than the device's queue, whatever its indirect table can hold (§2.7.5.3.1)", () => {
    for (const [descriptors, fits] of [
      [64, true],
      [65, false],
    ] as const) {
      const { driver, context } = rng();
      driver.start(1);
      for (let index = 0; index < descriptors; index++) {
        driver.memory.data.setBigUint64(0x4000 + 16 * index, BigInt(DATA + 0x2000), true);
        driver.memory.data.setUint32(0x4008 + 16 * index, 1, true);
        driver.memory.data.setUint16(0x400c + 16 * index, index + 1 < descriptors ? 3 : 2, true);
        driver.memory.data.setUint16(0x400e + 16 * index, index + 1, true);
      }
      driver.describe(0, 0, { address: DATA, length: 16 * descriptors }, 4, 0);
      driver.offer(0, 0);
      driver.write(Reg.QUEUE_NOTIFY, 0);
      expect(driver.used(0)).toEqual(fits ? [descriptors] : []);
      expect(context.logged.join()).toMatch(fits ? /^$/ : /longer than the queue of 64/);
    }
  });

  it.each([
    [8, false],
    [9, true],
    [16, true],
    [128, true],
  ])("takes a queue of its largest size and refuses others: %i of 8, refused %s", (size, refused) => {
    const context = deviceContext();
    const device = new VirtioMmio(context, Object.assign(new VirtioRng(context.entropy), { queueSizes: [8] }));
    const driver = new VirtioDriver(device, new ArrayMemory(0x8000));
    driver.negotiate();
    driver.write(Reg.QUEUE_NUM, size);
    driver.write(Reg.QUEUE_READY, 1);
    expect(driver.read(Reg.QUEUE_READY)).toBe(refused ? 0 : 1);
    expect((driver.status & VirtioStatus.NEEDS_RESET) !== 0).toBe(refused);
  });

  it("walks an indirect table (§2.7.5.3)", () => {
    const { driver } = rng();
    driver.start(1);
    [0, 1].forEach((index) => {
      driver.memory.data.setBigUint64(0x4000 + 16 * index, BigInt(DATA + 0x100 * (index + 1)), true);
      driver.memory.data.setUint32(0x4008 + 16 * index, 32, true);
      driver.memory.data.setUint16(0x400c + 16 * index, index === 0 ? 3 : 2, true);
      driver.memory.data.setUint16(0x400e + 16 * index, 1, true);
    });
    driver.describe(0, 0, { address: DATA, length: 32 }, 4, 0);
    driver.offer(0, 0);
    driver.write(Reg.QUEUE_NOTIFY, 0);
    expect(driver.used(0)).toEqual([64]);
  });

  it("survives any register writes and any ring contents without an exception", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0x1ff), fc.constantFrom(1, 2, 4), fc.nat()), { maxLength: 60 }),
        fc.uint8Array({ minLength: 0x1000, maxLength: 0x1000 }),
        (writes, rings) => {
          const { driver } = rng();
          driver.start(1);
          driver.memory.bytes.set(rings.subarray(0, 0x1000));
          for (const [register, size, value] of writes) driver.device.write(register, size, value);
          driver.write(Reg.QUEUE_NOTIFY, 0);
          driver.start(1);
          expect(driver.status & VirtioStatus.NEEDS_RESET).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("virtio-blk", () => {
  const content = (): Uint8Array => Uint8Array.from({ length: 4096 }, (_, index) => (index / 512) | 0);

  it("tells its capacity in sectors", () => {
    expect(blk(new MemoryDisk(content())).driver.read(Reg.CONFIG)).toBe(8);
  });

  it("reads, writes, flushes and names itself", () => {
    const bytes = content();
    const { driver, request } = blk(new MemoryDisk(bytes));
    expect(request(0, 3, { length: 1024, writable: true })).toBe(0);
    expect([driver.memory.bytes[0x4000], driver.memory.bytes[0x4200]]).toEqual([3, 4]);
    driver.memory.bytes.fill(0xaa, 0x4000, 0x4200);
    expect(request(1, 7, { length: 512, writable: false })).toBe(0);
    expect(bytes[7 * 512]).toBe(0xaa);
    expect(request(4, 0, { length: 0, writable: false })).toBe(0);
    expect(request(8, 0, { length: 20, writable: true })).toBe(0);
    expect(new TextDecoder().decode(driver.memory.bytes.subarray(0x4000, 0x4008))).toBe("serial-1");
    expect(driver.used(0)).toEqual([1025, 1, 1, 21]);
  });

  /** One request of 64 descriptors, all of the same 64 KiB: 4 MiB, twice what is served in one go. */
  function large() {
    const size = 64 << 10;
    const disk = new MemoryDisk(new Uint8Array(64 * size).fill(9));
    const device = new VirtioMmio(deviceContext(), new VirtioBlk(disk, "large", () => {}));
    const driver = new VirtioDriver(device, new ArrayMemory(0x4_0000));
    driver.start(1);
    const { memory } = driver;
    const table = 0x2_0000;
    for (let index = 0; index < 66; index++) {
      const [at, length] = index === 0 ? [0x3000, 16] : index === 65 ? [0x3010, 1] : [0x1_0000, size];
      memory.data.setBigUint64(table + 16 * index, BigInt(memory.base + at), true);
      memory.data.setUint32(table + 16 * index + 8, length, true);
      memory.data.setUint16(table + 16 * index + 12, (index === 0 ? 0 : 2) | (index < 65 ? 1 : 0), true);
      memory.data.setUint16(table + 16 * index + 14, index + 1, true);
    }
    driver.describe(0, 0, { address: memory.base + table, length: 16 * 66 }, 4, 0);
    return { driver };
  }

  it("serves a long queue in parts, each with its interrupt, and lets a notification in between start nothing twice", () => {
    const { driver } = large();
    driver.offer(0, 0);
    driver.offer(0, 0);
    driver.write(Reg.QUEUE_NOTIFY, 0);
    const parts = [driver.used(0).length];
    while (driver.deferred.length > 0) {
      expect(driver.deferred).toHaveLength(1);
      driver.write(Reg.QUEUE_NOTIFY, 0);
      driver.deferred.shift()?.();
      parts.push(driver.used(0).length);
    }
    expect(parts.length).toBeGreaterThan(3);
    expect(parts.reduce((sum, part) => sum + part)).toBe(2);
    expect([driver.line.pulses, driver.read(Reg.INTERRUPT_STATUS)]).toEqual([2, 1]);
    // All of the second request came after the first was told of.
    expect(parts.findIndex((part) => part > 0)).toBeLessThan(parts.length - 1);
  });

  it("drops what it put off when the driver resets the device", () => {
    const { driver } = large();
    driver.offer(0, 0);
    driver.write(Reg.QUEUE_NOTIFY, 0);
    driver.write(Reg.STATUS, 0);
    driver.start(1);
    const used = driver.used(0).length;
    driver.memory.bytes.fill(0, 0x1_0000, 0x2_0000);
    for (const work of driver.deferred.splice(0)) work();
    expect([used, driver.used(0).length, driver.deferred.length]).toEqual([0, 0, 0]);
    expect(driver.memory.bytes[0x1_0000]).toBe(0);
  });

  it("answers IOERR behind the end, for half sectors and on a read-only disk; UNSUPP for the unknown", () => {
    const { request } = blk(new MemoryDisk(content()));
    expect(request(0, 8, { length: 512, writable: true })).toBe(1);
    expect(request(0, 2 ** 52, { length: 512, writable: true })).toBe(1);
    expect(request(0, 0, { length: 100, writable: true })).toBe(1);
    expect(request(77, 0, { length: 0, writable: false })).toBe(2);
    const readOnly = blk(Object.assign(new MemoryDisk(content()), { readOnly: true }));
    expect(readOnly.request(1, 0, { length: 512, writable: false })).toBe(1);
  });

  it("turns a failing medium into IOERR and one message", () => {
    const disk = new MemoryDisk(content());
    disk.write = () => {
      throw new Error("no space left on device");
    };
    const { request, context } = blk(disk);
    for (let count = 0; count < 3; count++) expect(request(1, 0, { length: 512, writable: false })).toBe(1);
    expect(context.logged).toEqual([
      "no space left on device (1 failed requests so far)",
      "no space left on device (2 failed requests so far)",
    ]);
  });

  it("needs a reset after a request without a status byte", () => {
    const { driver } = blk(new MemoryDisk(content()));
    driver.send(0, { address: DATA, length: 16 });
    expect(driver.status & VirtioStatus.NEEDS_RESET).not.toBe(0);
  });
});

describe("OverlayDisk", () => {
  it("reads what was written and leaves its base alone, like a plain array", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(200_000), fc.uint8Array({ minLength: 1, maxLength: 80_000 })), { maxLength: 8 }),
        (writes) => {
          const size = 512 * 600;
          const base = new Uint8Array(size).fill(7);
          const overlay = new OverlayDisk(new MemoryDisk(base));
          const model = base.slice();
          for (const [offset, bytes] of writes) {
            overlay.write(offset, bytes);
            model.set(bytes, offset);
          }
          const read = new Uint8Array(size);
          overlay.read(0, read);
          expect(Buffer.compare(read, model)).toBe(0);
          expect(base.every((byte) => byte === 7)).toBe(true);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe("virtio-console", () => {
  it("carries bytes both ways and tells the size of the terminal", () => {
    const console = new RecordedConsole();
    const context = deviceContext(console);
    const driver = new VirtioDriver(new VirtioMmio(context, new VirtioConsole(console)), new ArrayMemory(0x8000));
    driver.start(2);
    expect(driver.read(Reg.CONFIG)).toBe(100 + (30 << 16));
    driver.memory.bytes.set(new TextEncoder().encode("hello"), 0x4000);
    driver.send(1, { address: DATA, length: 5 });
    expect(console.text).toBe("hello");
    console.type("typed");
    expect(driver.used(0)).toEqual([]);
    driver.send(0, { address: DATA + 0x100, length: 16, writable: true });
    expect(driver.used(0)).toEqual([5]);
    expect(new TextDecoder().decode(driver.memory.bytes.subarray(0x4100, 0x4105))).toBe("typed");
    console.resize(120, 40);
    expect(driver.read(Reg.CONFIG)).toBe(120 + (40 << 16));
    expect(driver.read(Reg.INTERRUPT_STATUS) & 2).toBe(2);
  });
});

import { parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import { createSeededEntropy, type DeviceType } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { pl011 } from "../src/devices/pl011/index.ts";
import { virtioBlk } from "../src/devices/virtio-blk/index.ts";
import { virtioRng } from "../src/devices/virtio-rng/index.ts";
import { GuestLayout } from "../src/machine/layout.ts";
import type { VirtualMachineOptions } from "../src/machine/options.ts";
import { planVm } from "../src/machine/plan.ts";
import { deviceContext, RecordedConsole } from "./support.ts";

const MiB = 2 ** 20;
const RAM = 0x8000_0000;
const TYPES: Record<string, DeviceType> = {
  pl011: pl011 as DeviceType,
  "virtio-blk": virtioBlk as DeviceType,
  "virtio-rng": virtioRng as DeviceType,
};

/** An arm64 Image that needs `size` bytes. */
function image(size: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(16, BigInt(size), true);
  view.setUint32(24, 0b1010, true);
  view.setUint32(56, 0x644d5241, true);
  return bytes;
}

function plan(options: Partial<VirtualMachineOptions> = {}, memory = 64 * MiB, types = TYPES) {
  return planVm(
    { kernel: image(2 * MiB), console: new RecordedConsole(), ...options },
    {
      memory,
      deviceType: (type) => types[type],
      deviceContext: (name) => ({ ...deviceContext(), name }),
      entropy: createSeededEntropy(1),
    },
  );
}

const refused = (code: string, message: RegExp | string) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe("the plan of a VM", () => {
  it("puts kernel, initrd, DMA pool and device tree into guest memory, in that order", async () => {
    const { kernel, initrd, dmaPool, dtb } = await plan({
      initrd: new Uint8Array(5000),
      devices: [{ type: "virtio-rng" }],
    });
    expect(kernel.entry).toBe(RAM);
    expect(initrd).toMatchObject({ address: RAM + 2 * MiB, size: 5000 });
    expect(dtb).toMatchObject({ address: RAM + 64 * MiB - GuestLayout.DTB_SIZE, size: GuestLayout.DTB_SIZE });
    expect(dmaPool).toMatchObject({ address: dtb.address - 4 * MiB, size: 4 * MiB });
  });

  it("has no DMA pool under v14, where all memory is shared, nor where no device uses DMA", async () => {
    expect((await plan({ abi: "v14", devices: [{ type: "virtio-rng" }] })).dmaPool).toBeUndefined();
    expect((await plan()).dmaPool).toBeUndefined();
  });

  it("writes a tree that fits what was planned", async () => {
    const { dtbBytes, dtb } = await plan({
      cpus: 3,
      devices: [{ type: "pl011" }, { type: "virtio-rng" }, { type: "virtio-rng" }],
      cmdline: "quiet",
    });
    expect(dtbBytes.length).toBeLessThan(dtb.size);
    const tree = parseDtb(dtbBytes);
    expect(tree.node("/cpus").children.size).toBe(3);
    expect(tree.compatible("virtio,mmio").map(({ name }) => name)).toEqual([
      "virtio_mmio@9010000",
      "virtio_mmio@9020000",
    ]);
    expect(tree.node("/chosen").string("bootargs")).toBe("quiet");
    expect(tree.compatible("restricted-dma-pool")).toHaveLength(1);
  });

  it("leaves the pool out of the tree where no device uses DMA", async () => {
    expect(parseDtb((await plan()).dtbBytes).find("/reserved-memory")).toBeUndefined();
  });

  it("names devices by type and number", async () => {
    const { devices } = await plan({ devices: [{ type: "virtio-rng" }, { type: "pl011" }, { type: "virtio-rng" }] });
    expect(devices.map(({ name, address, spi }) => [name, address, spi])).toEqual([
      ["virtio-rng0", 0x0900_0000, 4],
      ["pl0110", 0x0901_0000, 5],
      ["virtio-rng1", 0x0902_0000, 6],
    ]);
  });
});

describe("a plan is refused", () => {
  it.each([0, 9, 1.5, -1, Number.NaN])("with %d vCPUs", async (cpus) => {
    await expect(plan({ cpus })).rejects.toThrow(refused("VMM_CPUS", "give 1 to 8"));
  });

  it("with an initrd of 0 bytes", async () => {
    await expect(plan({ initrd: new Uint8Array(0) })).rejects.toThrow(refused("IMAGE_EMPTY", "initrd"));
  });

  it("when the kernel does not fit, naming kernel and memory", async () => {
    await expect(plan({ kernel: image(65 * MiB) })).rejects.toThrow(
      refused("VMM_LAYOUT_OUTSIDE", /kernel \(0x80000000 .*65 MiB\) does not fit into guest memory \(.*64 MiB\)/),
    );
  });

  it("when the kernel reaches into what lies at the end of memory, naming both", async () => {
    await expect(plan({ kernel: image(62 * MiB), devices: [{ type: "virtio-rng" }] })).rejects.toThrow(
      refused("VMM_LAYOUT_OVERLAP", /DMA pool .* collides with kernel/),
    );
    await expect(plan({ kernel: image(64 * MiB - 4096) })).rejects.toThrow(
      refused("VMM_LAYOUT_OVERLAP", /device tree .* collides with kernel/),
    );
  });

  it("when the initrd reaches into the DMA pool, naming both", async () => {
    const initrd = new Uint8Array(59 * MiB);
    await expect(plan({ initrd, devices: [{ type: "virtio-rng" }] })).rejects.toThrow(
      expect.objectContaining({
        code: "VMM_LAYOUT_OVERLAP",
        message: expect.stringMatching(/(?=.*initrd \(0x80200000)(?=.*DMA pool \(0x83bf0000).* collides with /),
      }),
    );
  });

  it("when a flat binary lies outside of memory", async () => {
    await expect(plan({ kernel: new Uint8Array(64), kernelAddress: 0x7fff_ffff })).rejects.toThrow(
      refused("VMM_LAYOUT_OUTSIDE", "flat binary"),
    );
  });

  it("when the device tree is larger than the room for it", async () => {
    const { tree } = await plan();
    tree.root.set("too-much", new Uint8Array(GuestLayout.DTB_SIZE));
    await expect(plan({ dtb: writeDtb(tree) })).rejects.toThrow(
      refused("VMM_LAYOUT_OUTSIDE", /bytes do not fit into device tree/),
    );
  });

  it("with a device that nobody provides, with its place in the list", async () => {
    await expect(plan({ devices: [{ type: "pl011" }, { type: "floppy" }] })).rejects.toThrow(
      expect.objectContaining({ code: "VMM_DEVICE_UNKNOWN", path: "devices[1]" }),
    );
  });

  it("with a device option that is unknown or wrong, with its path", async () => {
    await expect(plan({ devices: [{ type: "pl011" }, { type: "virtio-blk", paht: "x" }] })).rejects.toThrow(
      expect.objectContaining({ code: "VMM_DEVICE_OPTION", path: "devices[1].paht" }),
    );
    await expect(plan({ devices: [{ type: "virtio-blk", path: 5 }] })).rejects.toThrow(
      expect.objectContaining({ code: "VMM_DEVICE_OPTION", path: "devices[0].path" }),
    );
    await expect(plan({ devices: [{ type: "virtio-rng", size: 5 }] })).rejects.toThrow(
      refused("VMM_DEVICE_OPTION", "has no options"),
    );
  });

  it("and lets go of the devices that were created by then", async () => {
    const disposed: string[] = [];
    const tracked: DeviceType = {
      ...(pl011 as DeviceType),
      create: (_options, context) => ({
        name: context.name,
        windowSize: 0x1000,
        interrupt: "level",
        description: { node: "tracked", properties: {} },
        activate() {},
        read: () => 0,
        write() {},
        dispose: () => {
          disposed.push(context.name);
        },
      }),
    };
    const types = { ...TYPES, tracked };
    await expect(plan({ devices: [{ type: "tracked" }, { type: "floppy" }] }, 64 * MiB, types)).rejects.toThrow();
    expect(disposed).toEqual(["tracked0"]);
    disposed.length = 0;
    await expect(
      plan(
        { devices: [{ type: "tracked" }, { type: "virtio-rng" }], initrd: new Uint8Array(59 * MiB) },
        64 * MiB,
        types,
      ),
    ).rejects.toMatchObject({ code: "VMM_LAYOUT_OVERLAP" });
    expect(disposed).toEqual(["tracked0"]);
    disposed.length = 0;
    await expect(
      plan({ devices: [{ type: "tracked" }], dtb: new Uint8Array(8) }, 64 * MiB, types),
    ).rejects.toMatchObject({ code: "VMM_DTB_INVALID" });
    expect(disposed, "a tree that cannot be read is refused before any device").toEqual([]);
  });
});

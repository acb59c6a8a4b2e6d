import { cells64, type DeviceTree, parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import { describe, expect, it } from "vitest";
import { buildGuestTree, type GuestTreeOptions, type PlacedDevice } from "../src/machine/guest-tree.ts";
import { UserTree } from "../src/machine/user-tree.ts";

const uart = (address: number, spi: number): PlacedDevice => ({
  name: "pl0110",
  address,
  windowSize: 0x1000,
  spi,
  interrupt: "level",
  description: { node: "serial", properties: { compatible: ["arm,pl011", "arm,primecell"] }, stdout: {} },
});
const OPTIONS: GuestTreeOptions = {
  ram: { address: 0x8000_0000, size: 0x1000_0000 },
  cpus: 2,
  devices: [uart(0x0a00_0000, 40)],
  cmdline: "quiet",
  gic: { distributor: 0x3000_0000, redistributors: 0x3010_0000 },
};

/** A user's blob: like ours, without what only a Gunyah VMM writes, and changed by `change`. */
function blob(change: (tree: DeviceTree) => void = () => {}): Uint8Array {
  const tree = buildGuestTree(OPTIONS);
  tree.root.removeChild("gunyah-vm-config");
  tree.root.removeChild("chosen");
  change(tree);
  return writeDtb(tree);
}

const invalid = (message: RegExp | string) =>
  expect.objectContaining({ code: "VMM_DTB_INVALID", message: expect.stringMatching(message) });

describe("a device tree of the user's", () => {
  it("gets chosen and gunyah-vm-config where it has none", () => {
    const tree = parseDtb(writeDtb(new UserTree(blob()).complete(OPTIONS)));
    expect(tree.node("/chosen").string("bootargs")).toBe("quiet");
    expect(tree.node("/gunyah-vm-config/vcpus").string("affinity")).toBe("proxy");
    expect(tree.node("/gunyah-vm-config/vdevices/bell-28").u32("label")).toBe(40);
    expect(tree.node("/gunyah-vm-config/interrupts").u32("config")).toBe(tree.compatible("arm,gic-v3")[0]?.phandle);
  });

  it("keeps its own gunyah-vm-config, nodes and properties", () => {
    const own = blob((tree) => {
      tree.root.set("model", "of my own").addChild("my-sensor", { "my,value": 5 });
      tree.root.addChild("gunyah-vm-config", { "image-name": "mine" });
    });
    const tree = new UserTree(own).complete(OPTIONS);
    expect(tree.root.string("model")).toBe("of my own");
    expect(tree.node("/my-sensor").u32("my,value")).toBe(5);
    expect(tree.node("/gunyah-vm-config").string("image-name")).toBe("mine");
    expect(tree.find("/gunyah-vm-config/vcpus")).toBeUndefined();
  });

  it("says where a device with a compatible string sits, the n-th for the n-th", () => {
    const tree = new UserTree(
      blob((t) =>
        t.root.addChild("serial@b000000", {
          compatible: "arm,pl011",
          reg: cells64(0x0b00_0000, 0x1000),
          interrupts: [0, 41, 4],
        }),
      ),
    );
    expect(tree.find("arm,pl011", 0)).toEqual({ address: 0x0a00_0000, spi: 40 });
    expect(tree.find("arm,pl011", 1)).toEqual({ address: 0x0b00_0000, spi: 41 });
    expect(tree.find("arm,pl011", 2)).toBeUndefined();
    expect(tree.find("virtio,mmio", 0)).toBeUndefined();
  });

  it("is not given a second node for a device that it describes, but one for a device that it does not", () => {
    const tree = new UserTree(blob()).complete({ ...OPTIONS, devices: [uart(0x0a00_0000, 40), uart(0x0c00_0000, 50)] });
    expect(tree.compatible("arm,pl011").map(({ name }) => name)).toEqual(["serial@a000000", "serial@c000000"]);
  });

  it("says where its GIC is", () => {
    expect(new UserTree(blob()).gic).toEqual(OPTIONS.gic);
    const without = blob((tree) => tree.root.removeChild("intc@30000000"));
    expect(new UserTree(without).gic).toBeUndefined();
  });

  it("has its memory node renamed to what the Resource Manager accepts", () => {
    const named = blob((tree) => {
      tree.root.removeChild("memory");
      tree.root.addChild("memory@80000000", { device_type: "memory", reg: cells64(0x8000_0000, 0x1000_0000) });
    });
    const tree = new UserTree(named).complete(OPTIONS);
    expect(tree.node("/memory").name).toBe("memory");
    expect([...tree.root.children].filter(({ name }) => name.startsWith("memory"))).toHaveLength(1);
  });

  it.each([
    ["size", 0x8000_0000, 0x2000_0000],
    ["address", 0x4000_0000, 0x1000_0000],
  ])("is refused when it lies about the memory's %s, with both numbers", (_what, address, size) => {
    const lying = blob((tree) => tree.node("/memory").set("reg", cells64(address, size)));
    expect(() => new UserTree(lying).complete(OPTIONS)).toThrow(
      invalid(
        `/memory says 0x${size.toString(16)} bytes at 0x${address.toString(16)}, the VM has 0x10000000 at 0x80000000`,
      ),
    );
  });

  it("is refused when it has another number of CPUs, with both numbers", () => {
    const user = new UserTree(blob());
    expect(() => user.complete({ ...OPTIONS, cpus: 4 })).toThrow(invalid("has 2 CPUs, the VM 4"));
  });

  it("is refused when it cannot be read", () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(64), blob().subarray(0, 100)])
      expect(() => new UserTree(bytes)).toThrow(invalid("cannot be read"));
  });

  it("is refused, not trusted, when a property has an impossible length", () => {
    const odd = blob((tree) => tree.node("/memory").set("reg", new Uint8Array(7)));
    expect(() => new UserTree(odd).complete(OPTIONS)).toThrow(invalid(/memory/));
    const gic = blob((tree) => tree.node("/intc@30000000").set("reg", new Uint8Array(20)));
    expect(() => new UserTree(gic).gic).toThrow(invalid(/intc/));
  });
});

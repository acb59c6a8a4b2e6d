import { spawnSync } from "node:child_process";
import { type DeviceTree, writeDtb } from "@gunyah-ts/devicetree";
import { describe, expect, it } from "vitest";
import { buildGuestTree, type GuestTreeOptions, type PlacedDevice } from "../src/machine/guest-tree.ts";

const UART: PlacedDevice = {
  name: "pl0110",
  address: 0x0900_0000,
  windowSize: 0x1000,
  spi: 4,
  interrupt: "level",
  description: {
    node: "pl011",
    properties: { compatible: ["arm,pl011", "arm,primecell"] },
    clocks: [
      { name: "uartclk", frequencyHz: 24_000_000 },
      { name: "apb_pclk", frequencyHz: 24_000_000 },
    ],
    stdout: {},
  },
};
const RNG: PlacedDevice = {
  name: "virtio-rng0",
  address: 0x0901_0000,
  windowSize: 0x1000,
  spi: 31,
  interrupt: "edge",
  description: { node: "virtio_mmio", properties: { compatible: "virtio,mmio", "dma-coherent": true }, dma: true },
};
const OPTIONS: GuestTreeOptions = {
  ram: { address: 0x8000_0000, size: 0x1000_0000 },
  cpus: 2,
  devices: [UART, RNG],
  cmdline: "console=ttyAMA0 quiet",
  initrd: { address: 0x8200_0000, size: 0x12345 },
  rngSeed: new Uint8Array(32).fill(7),
  dmaPool: { address: 0x8fa0_0000, size: 0x40_0000 },
  gic: { distributor: 0x3fff_0000, redistributors: 0x3ffb_0000 },
};

const hasDtc = spawnSync("dtc", ["--version"]).status === 0;
const reg = (tree: DeviceTree, path: string) => tree.node(path).reg.map((r) => [Number(r.address), Number(r.size)]);

describe("the guest's device tree", () => {
  const tree = buildGuestTree(OPTIONS);

  it("has memory as the only node of that device type, without unit address", () => {
    const nodes = [...tree.root.walk()].filter(
      (node) => node.has("device_type") && node.string("device_type") === "memory",
    );
    expect(nodes.map(({ path }) => path)).toEqual(["/memory"]);
    expect(reg(tree, "/memory")).toEqual([[0x8000_0000, 0x1000_0000]]);
  });

  it("has a CPU node for each vCPU, started by PSCI over HVC", () => {
    const cpus = [...tree.node("/cpus").children];
    expect(cpus.map((cpu) => [cpu.name, cpu.u32("reg"), cpu.string("enable-method")])).toEqual([
      ["cpu@0", 0, "psci"],
      ["cpu@1", 1, "psci"],
    ]);
    expect(tree.node("/psci").string("method")).toBe("hvc");
  });

  it("has a GICv3 with a redistributor for each vCPU, as everybody's interrupt parent", () => {
    const [gic] = tree.compatible("arm,gic-v3");
    expect(gic?.reg.map((r) => [Number(r.address), Number(r.size)])).toEqual([
      [0x3fff_0000, 0x1_0000],
      [0x3ffb_0000, 0x4_0000],
    ]);
    expect(gic?.u32("#interrupt-cells")).toBe(3);
    expect(tree.root.u32("interrupt-parent")).toBe(gic?.phandle);
  });

  it("has the timers' four private interrupts", () => {
    expect(tree.node("/timer").cells("interrupts")).toEqual([1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]);
  });

  it("tells the kernel its command line, initrd, seed and console", () => {
    const chosen = tree.node("/chosen");
    expect(chosen.string("bootargs")).toBe("console=ttyAMA0 quiet");
    expect([chosen.u64("linux,initrd-start"), chosen.u64("linux,initrd-end")]).toEqual([0x8200_0000n, 0x8201_2345n]);
    expect(chosen.get("rng-seed")).toEqual(new Uint8Array(32).fill(7));
    expect(chosen.string("stdout-path")).toBe("/pl011@9000000");
  });

  it("describes each device with its window, interrupt and clocks", () => {
    expect(reg(tree, "/pl011@9000000")).toEqual([[0x0900_0000, 0x1000]]);
    expect(tree.node("/pl011@9000000").cells("interrupts")).toEqual([0, 4, 4]);
    expect(tree.node("/virtio_mmio@9010000").cells("interrupts")).toEqual([0, 31, 1]);
    const clocks = tree.node("/pl011@9000000").cells("clocks") ?? [];
    expect(clocks).toHaveLength(2);
    for (const phandle of clocks) expect(tree.byPhandle(phandle)?.u32("clock-frequency")).toBe(24_000_000);
  });

  it("gives the pool to devices that use DMA and to no others", () => {
    const pool = tree.compatible("restricted-dma-pool")[0];
    expect(pool?.path).toBe("/reserved-memory/restricted-dma-pool@8fa00000");
    expect(tree.node("/virtio_mmio@9010000").u32("memory-region")).toBe(pool?.phandle);
    expect(tree.node("/pl011@9000000").has("memory-region")).toBe(false);
  });

  it("has gunyah-vm-config as crosvm writes it", () => {
    const config = tree.node("/gunyah-vm-config");
    expect(config.string("os-type")).toBe("linux");
    expect(config.string("image-name")).toMatch(/^.{1,79}$/);
    expect(tree.node("/gunyah-vm-config/memory").u64("base-address")).toBe(0x8000_0000n);
    expect(tree.node("/gunyah-vm-config/memory").cells("#address-cells")).toEqual([2]);
    expect(tree.node("/gunyah-vm-config/interrupts").u32("config")).toBe(tree.compatible("arm,gic-v3")[0]?.phandle);
    expect(tree.node("/gunyah-vm-config/vcpus").string("affinity")).toBe("proxy");
    const vdevices = tree.node("/gunyah-vm-config/vdevices");
    expect(vdevices.string("generate")).toBe("/hypervisor");
    expect(
      [...vdevices.children].map((bell) => [
        bell.name,
        bell.string("vdevice-type"),
        bell.string("generate"),
        bell.u32("label"),
        bell.has("peer-default"),
        bell.has("source-can-clear"),
        bell.cells("interrupts"),
      ]),
    ).toEqual([
      ["bell-4", "doorbell", "/hypervisor/bell-4", 4, true, true, [0, 4, 4]],
      ["bell-1f", "doorbell", "/hypervisor/bell-1f", 31, true, true, [0, 31, 1]],
    ]);
  });

  it("leaves out what a VM does not have", () => {
    const { initrd: _initrd, dmaPool: _pool, rngSeed: _seed, ...rest } = OPTIONS;
    const small = buildGuestTree({ ...rest, cmdline: "", devices: [], cpus: 1 });
    expect([...small.node("/chosen").properties.keys()]).toEqual([]);
    expect(small.find("/reserved-memory")).toBeUndefined();
    expect(small.node("/gunyah-vm-config/vdevices").children.size).toBe(0);
  });

  // Gunyah's binding itself breaks three of dtc's style rules: a label is a number there, RM wants `/memory` without a
  // unit address, and it reads the memory node with the cells of gunyah-vm-config.
  const style = ["label_is_string", "unit_address_vs_reg", "avoid_unnecessary_addr_size"];
  it.skipIf(!hasDtc)("is read by dtc without a warning (needs dtc)", () => {
    const checks = style.flatMap((name) => ["-W", `no-${name}`]);
    const { status, stdout, stderr } = spawnSync("dtc", ["-I", "dtb", "-O", "dts", ...checks, "-"], {
      input: writeDtb(tree),
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toContain('affinity = "proxy"');
  });
});

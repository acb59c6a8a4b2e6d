import { parseDtb } from "@gunyah-ts/devicetree";
import { type BoardConfig, createPhysicalMemory, type HostImage, type HostSegment } from "@gunyah-ts/kernel";
import { fakeHypervisor, fakeProgram, fakeResourceManager } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { powerOn, powerOnImage } from "./boot.ts";

const MIB = 2 ** 20;
const BASE = 0x8000_0000;
const board: BoardConfig = {
  name: "test board",
  dram: { base: BASE, size: 32 * MIB },
  carveOut: { base: BASE + 28 * MIB, size: 4 * MIB },
  rootVm: { base: BASE + 26 * MIB, size: 2 * MIB },
  rootVmEntry: BASE + 26 * MIB,
  hostEntry: BASE + 2 * MIB,
  hostDtb: { base: BASE, size: 0x1_0000 },
  hostVmid: 3,
  physicalCpus: 1,
  hostCpus: 1,
  hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
  timerFrequencyHz: 19_200_000,
  freeSpiStart: 960,
};

function parts() {
  const memory = createPhysicalMemory({ dramBase: BASE, dramSize: 32 * MIB, reservedBytes: 0 });
  return { board, memory, hypervisor: fakeHypervisor(), resourceManager: fakeResourceManager() };
}

function segment(change: Partial<HostSegment> = {}): HostSegment {
  return { name: "kernel", address: board.hostEntry, bytes: Uint8Array.of(1, 2, 3, 4), memorySize: 4096, ...change };
}

function image(segments: readonly HostSegment[], describe = (dtb: Uint8Array): Uint8Array => dtb): HostImage {
  return { load: async () => ({ segments, describe }) };
}

describe("a program as the host", () => {
  it("stands at hostEntry, the RM's at rootVmEntry, and both are there when the hypervisor is entered", () => {
    const p = parts();
    const host = fakeProgram("host");
    powerOn(p, host);
    expect(p.hypervisor.installed.get(board.hostEntry)).toBe(host);
    expect(p.hypervisor.installed.get(board.rootVmEntry)).toBe(p.resourceManager.program);
    expect(p.hypervisor.boots).toBe(1);
  });

  it("finds a tree that reserves its page and the tree itself", () => {
    const p = parts();
    powerOn(p, fakeProgram("host"));
    const tree = parseDtb(p.memory.view(board.hostDtb.base, board.hostDtb.size));
    expect([...tree.node("/reserved-memory").children].map(({ name }) => name)).toEqual([
      "image@80200000",
      "dtb@80000000",
    ]);
  });
});

describe("an image as the host", () => {
  it("lies where it says, with zeroes behind it, and no program at hostEntry", async () => {
    const p = parts();
    p.memory.fill(board.hostEntry, 8192, 0xff);
    await powerOnImage(p, image([segment()]));
    const bytes = p.memory.view(board.hostEntry, 4100);
    expect([...bytes.subarray(0, 5), ...bytes.subarray(4094)]).toEqual([1, 2, 3, 4, 0, 0, 0, 255, 255, 255, 255]);
    expect(p.hypervisor.installed.has(board.hostEntry)).toBe(false);
    expect(p.hypervisor.boots).toBe(1);
  });

  it("gets the tree that it completed, without reserved memory", async () => {
    const p = parts();
    let offered: Uint8Array | undefined;
    const own = Uint8Array.of(0xd0, 0x0d);
    await powerOnImage(
      p,
      image([segment()], (dtb) => {
        offered = dtb;
        return own;
      }),
    );
    const tree = parseDtb(offered as Uint8Array);
    expect(tree.root.child("reserved-memory")).toBeUndefined();
    expect(tree.node("/memory").reg).toEqual([{ address: BigInt(BASE), size: BigInt(26 * MIB) }]);
    expect([...p.memory.view(board.hostDtb.base, 3)]).toEqual([0xd0, 0x0d, 0]);
  });

  it.each([
    ["reaches into the root VM", [segment({ memorySize: 25 * MIB })], /kernel .* does not fit into the host's memory/],
    [
      "lies on the device tree",
      [segment(), segment({ name: "initrd", address: BASE })],
      /device tree .* lies on initrd/,
    ],
    [
      "lies on another part",
      [segment(), segment({ name: "initrd", address: board.hostEntry + 4095 })],
      /initrd .* lies on kernel/,
    ],
    ["has nothing at hostEntry", [segment({ address: board.hostEntry + 4 })], /nothing lies at hostEntry 0x80200000/],
    ["has no segment", [], /nothing lies at hostEntry/],
  ])("is refused when it %s, with nothing written and nothing entered", async (_what, segments, message) => {
    const p = parts();
    await expect(powerOnImage(p, image(segments))).rejects.toThrow(
      expect.objectContaining({ code: "FIRMWARE_PLACE", message: expect.stringMatching(message) }),
    );
    expect(Buffer.from(p.memory.view(BASE, 26 * MIB)).equals(Buffer.alloc(26 * MIB))).toBe(true);
    expect(p.hypervisor.boots).toBe(0);
  });

  it("is refused when its tree is larger than the board's place for it", async () => {
    const p = parts();
    await expect(
      powerOnImage(
        p,
        image([segment()], () => new Uint8Array(board.hostDtb.size + 1)),
      ),
    ).rejects.toThrow(
      expect.objectContaining({ code: "FIRMWARE_PLACE", message: expect.stringMatching(/device tree .*65537 bytes/) }),
    );
  });
});

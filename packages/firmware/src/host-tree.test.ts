import { parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import type { BoardConfig } from "@gunyah-ts/kernel";
import { expect, it } from "vitest";
import { hostMemory } from "./host-memory.ts";
import { buildHostTree } from "./host-tree.ts";

const board: BoardConfig = {
  name: "test board",
  dram: { base: 0x8000_0000, size: 0x4000_0000 },
  carveOut: { base: 0xbf00_0000, size: 0x100_0000 },
  rootVm: { base: 0x9000_0000, size: 0x20_0000 },
  rootVmEntry: 0x9000_0000,
  hostEntry: 0x8000_0000,
  hostDtb: { base: 0x8020_0000, size: 0x1_0000 },
  hostVmid: 3,
  physicalCpus: 2,
  hostCpus: 2,
  hostGic: { distributor: 0x1710_0000, redistributors: 0x1718_0000 },
  timerFrequencyHz: 19_200_000,
  freeSpiStart: 960,
};

it("gives the host all DRAM but the hypervisor's and the root VM's, and reserves what it is told to", () => {
  const reserved = [{ name: "image", base: board.hostEntry, size: 4096 }];
  const tree = parseDtb(writeDtb(buildHostTree(board, hostMemory(board), reserved)));
  expect(tree.node("/memory").reg).toEqual([
    { address: 0x8000_0000n, size: 0x1000_0000n },
    { address: 0x9020_0000n, size: 0x2ee0_0000n },
  ]);
  const nodes = [...tree.node("/reserved-memory").children];
  expect(nodes.map(({ name, reg }) => ({ name, reg }))).toEqual([
    { name: "image@80000000", reg: [{ address: 0x8000_0000n, size: 4096n }] },
  ]);
  expect(nodes[0]?.has("no-map")).toBe(true);
  expect(tree.node("/cpus").children.size).toBe(2);
  expect(tree.byPhandle(tree.root.u32("interrupt-parent") ?? 0)?.reg[1]?.size).toBe(0x4_0000n);
});

it("has no /reserved-memory where nothing is reserved", () => {
  expect(buildHostTree(board, hostMemory(board)).root.child("reserved-memory")).toBeUndefined();
});

it("keeps the access control unit's table out of the host's memory", () => {
  const accessControl = { base: 0x8800_0000, size: 0x10_0000 };
  expect(hostMemory({ ...board, accessControl })).toEqual([
    { base: 0x8000_0000, size: 0x800_0000 },
    { base: 0x8810_0000, size: 0x7f0_0000 },
    { base: 0x9020_0000, size: 0x2ee0_0000 },
  ]);
});

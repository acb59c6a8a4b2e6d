import { readFileSync } from "node:fs";
import { defineMachine, type HostKernel, type MemParcel, type PhysicalMemory } from "@gunyah-ts/kernel";
import { fakePhysicalMemory, platformConformance } from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import {
  QCOM_PLATFORM_ERRORS,
  QcomPlatform,
  qcomBoard,
  SecureFirmware,
  SM8550,
  SM8650,
  SM8750,
  VIRT,
} from "../src/index.ts";

const DRAM = 0x8000_0000;
const board = qcomBoard({ name: "test", dramBase: DRAM, dramSize: 64 << 20, cpus: 1, gic: VIRT.gic });

/** Secure firmware and a host kernel whose SMC reaches it. */
function world() {
  const memory: PhysicalMemory = fakePhysicalMemory({ dramSize: 64 << 20 });
  const firmware = new SecureFirmware(memory, board, board.accessControl as { base: number; size: number });
  const messages: string[] = [];
  const next = DRAM + 0x10_0000;
  let live = 0;
  const kernel: Pick<HostKernel, "allocPage" | "smc" | "log"> = {
    allocPage: () => {
      live++;
      return { bytes: memory.view(next, 4096), address: next, free: () => live-- };
    },
    smc: (x) => {
      if (!firmware.smc(3, x)) x[0] = 0xffff_ffff_ffff_ffffn;
    },
    log: (_level, message) => messages.push(message),
  };
  const platform = new QcomPlatform(kernel);
  return { memory, firmware, kernel, platform, messages, live: () => live };
}

const at = DRAM + 0x40_0000;
const parcel: MemParcel = {
  label: 0,
  acl: [{ vmid: 0x80, permissions: 7 }],
  entries: [
    { address: at, size: 0x2000 },
    { address: at + 0x8000, size: 0x1000 },
    { address: at + 0x10000, size: 0x1000 },
  ],
  handle: 0xffff_ffff,
};
const folio = { vmid: 0x80, access: 7, address: at + 0x20000, size: 0x1000 };

platformConformance({
  describe,
  it,
  name: "qcom-platform",
  parcel,
  folio,
  create: async () => {
    const { platform, firmware, live } = world();
    const setup = <S>(run: (s: S) => number, undo: (s: S) => number) => ({ call: run, unwind: (s: S) => void undo(s) });
    const hooks = {
      preMemShare: setup(
        (p: MemParcel) => platform.preMemShare(p),
        (p) => platform.postMemReclaim(p),
      ),
      postMemReclaim: setup(
        (p: MemParcel) => platform.postMemReclaim(p),
        (p) => platform.preMemShare(p),
      ),
      preDemandPage: setup(
        (f: typeof folio) => platform.preDemandPage(f),
        (f) => platform.releaseDemandPage(f),
      ),
      releaseDemandPage: setup(
        (f: typeof folio) => platform.releaseDemandPage(f),
        (f) => platform.preDemandPage(f),
      ),
    };
    fails.set(hooks, (n) => {
      let left = n;
      firmware.fault = () => --left === 0;
    });
    return { hooks, state: () => [[...firmware.unit.masks.subarray(0x400 * 2, 0x500 * 2)], live()] };
  },
  failFrom: ({ hooks }, n) => fails.get(hooks)?.(n),
});
const fails = new WeakMap<object, (n: number) => void>();

describe("memory assignment", () => {
  it("gives lent pages to the RM's domain alone and shared ones to both", () => {
    const { platform, firmware } = world();
    expect(platform.preDemandPage(folio)).toBe(0);
    expect(firmware.unit.domains(folio.address)).toEqual([0x3a]);
    const shared = { ...folio, access: 6, address: at + 0x30000 };
    expect(platform.preDemandPage(shared)).toBe(0);
    expect(firmware.unit.domains(shared.address)).toEqual([3, 0x3a]);
    expect(platform.releaseDemandPage(folio)).toBe(0);
    expect(platform.releaseDemandPage(shared)).toBe(0);
    expect(firmware.unit.domains(folio.address)).toEqual([3]);
    expect(firmware.unit.domains(shared.address)).toEqual([3]);
  });

  it("refuses what the sources do not own exactly", () => {
    const { platform } = world();
    expect(platform.preDemandPage(folio)).toBe(0);
    expect(platform.preDemandPage(folio)).toBe(-22);
    expect(platform.preDemandPage({ ...folio, address: board.carveOut.base })).toBe(-22);
    expect(platform.preDemandPage({ ...folio, address: board.rootVm.base })).toBe(-22);
    expect(platform.preDemandPage({ ...folio, address: 0x1000 })).toBe(-22);
  });

  it("is not there when secure firmware is someone else's", () => {
    const { kernel } = world();
    const platform = new QcomPlatform({ ...kernel, smc: (x) => void x.fill(0xffff_ffff_ffff_ffffn, 0, 4) });
    expect(platform.preMemShare(parcel)).toBe(-19);
  });

  it("answers malformed calls with an error value and changes nothing", () => {
    const { firmware, kernel, memory } = world();
    const before = firmware.unit.masks.slice();
    const page = kernel.allocPage() as { address: number };
    for (const [x1, x2, x3, x4, x5] of [
      [0x1116, page.address, 16, page.address, page.address],
      [0x1117, 0x1000, 16, page.address, page.address],
      [0x1117, page.address, 15, page.address, page.address],
      [0x1117, page.address, 16, page.address, board.carveOut.base],
    ] as const) {
      const x = new BigUint64Array(18);
      x.set([0xc2000c16n, BigInt(x1), BigInt(x2), BigInt(x3), BigInt(x4), BigInt(x5)]);
      expect(firmware.smc(3, x)).toBe(true);
      expect(BigInt.asIntN(64, x[0] as bigint)).toBeLessThan(0n);
    }
    expect(firmware.unit.masks).toEqual(before);
    expect(memory.accessControl).toBeUndefined();
  });
});

describe("boards", () => {
  it.each([SM8550, SM8650, SM8750, VIRT])(
    "$board.name is a board whose parts do not overlap",
    ({ board: b, clusters }) => {
      expect(() => defineMachine({ soc: b, plugins: [] })).not.toThrow();
      const parts = [b.accessControl as { base: number; size: number }, b.rootVm, b.carveOut];
      for (let i = 1; i < parts.length; i++) {
        const [low, high] = [parts[i - 1], parts[i]] as [(typeof parts)[0], (typeof parts)[0]];
        expect(low.base + low.size).toBe(high.base);
      }
      expect(b.carveOut.base + b.carveOut.size).toBe(b.dram.base + b.dram.size);
      expect(clusters.reduce((n, c) => n + c.mpidrs.length, 0)).toBe(b.physicalCpus);
    },
  );

  it("lists its error codes in the README", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    for (const code of Object.keys(QCOM_PLATFORM_ERRORS)) expect(readme).toContain(`\`${code}\``);
  });
});

import { Hypercall, MapFlag, MemextentDonateType } from "@gunyah-ts/abi";
import { PAGE_SIZE } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import type { Stage2 } from "../src/addrspace/stage2.ts";
import type { Memextent } from "../src/memory/memextent.ts";
import { checkOwnership } from "../src/ownership/check.ts";
import { OwnershipJournal } from "../src/ownership/journal.ts";
import { OwnershipWatch } from "../src/ownership/watch.ts";
import { createAddrspace, createWorld, DRAM_BASE, derive, objectOf, SPARSE_RWX } from "./fixture.ts";
import { Machine } from "./machine.ts";

const MIB = 0x10_0000;
const RWX_WB = 0xf0077;
const R_WB = 0xf0044;
const DESCRIPTOR_TABLE = 3;

/** A host with 32 MiB 1:1 and a guest extent beside it, watched. */
function watched(dramSize = 64 * MIB, hostSize = 32 * MIB) {
  const journal = new OwnershipJournal();
  const world = createWorld({ journal, dramSize });
  const { root, caps, core, memory } = world;
  const end = DRAM_BASE + hostSize;
  const hostAs = createAddrspace(world, 3);
  const guestAs = createAddrspace(world, 45);
  const host = derive(world, caps.ddr, 0, end, SPARSE_RWX);
  const guest = derive(world, caps.ddr, DRAM_BASE, hostSize, SPARSE_RWX);
  const watch = new OwnershipWatch(core, journal);
  root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, caps.ddr, host, DRAM_BASE, hostSize);
  root.ok(Hypercall.addrspace_map, hostAs, host, 0, RWX_WB, MapFlag.PARTIAL, 0, end);
  expect(watch.check()).toBeUndefined();
  const words = new Uint32Array(memory.memory.buffer);
  const stage2Of = (cap: bigint) => objectOf<Addrspace>(world, cap as never).stage2 as Stage2;
  return {
    world,
    watch,
    host,
    guest,
    hostAs,
    guestAs,
    hostStage2: stage2Of(hostAs),
    guestStage2: stage2Of(guestAs),
    words,
    /** Lend a page to the guest, which maps it at `ipa`. */
    lend(pa: number, ipa: number) {
      root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_PROTECTED, host, guest, pa, PAGE_SIZE);
      root.ok(Hypercall.addrspace_map, guestAs, guest, ipa, RWX_WB, MapFlag.PARTIAL, pa - DRAM_BASE, PAGE_SIZE);
    },
    /** Word index of the descriptor that maps `ipa`, a page. */
    wordOf(stage2: Stage2, ipa: number) {
      return memory.offsetOf(stage2.tableAt(ipa, 3)) / 4 + ((ipa % (2 * MIB)) / PAGE_SIZE) * 2;
    },
  };
}

type Watched = ReturnType<typeof watched>;

/** What each rule forbids, done to the page at `pa` that the guest has at `ipa`. */
const CORRUPTIONS: Record<string, (w: Watched, pa: number, ipa: number) => void> = {
  "carve-out": (w, _pa, ipa) => {
    const at = w.wordOf(w.guestStage2, ipa);
    w.words[at] = ((w.words[at]! & 0xfff) | w.world.core.carveOut.base) >>> 0;
  },
  unowned: (w, _pa, ipa) => {
    // A page of the partition's: no extent was made of it.
    const free = DRAM_BASE + 40 * MIB;
    w.world.core.memdb.update(free, PAGE_SIZE, w.world.core.rootPartition.id, w.world.ddr.id);
    const at = w.wordOf(w.guestStage2, ipa);
    w.words[at] = ((w.words[at]! & 0xfff) | free) >>> 0;
  },
  "no-intent": (w, _pa, ipa) => {
    // The host's page, in the guest.
    const at = w.wordOf(w.guestStage2, ipa);
    w.words[at] = ((w.words[at]! & 0xfff) | (DRAM_BASE + 30 * MIB)) >>> 0;
  },
  access: (w) => {
    objectOf<Memextent>(w.world, w.guest).access = 4;
  },
  missing: (w, _pa, ipa) => {
    w.words[w.wordOf(w.guestStage2, ipa)] = 0;
  },
  owner: (w, pa) => {
    const guest = objectOf<Memextent>(w.world, w.guest);
    w.world.core.memdb.update(pa, PAGE_SIZE, 0x7777, guest.id);
  },
  table: (w, _pa, ipa) => {
    // Its level 3 table becomes one of the host's too.
    const level2 = w.world.memory.offsetOf(w.hostStage2.tableAt(DRAM_BASE, 2)) / 4;
    w.words[level2 + 2 * 15] = (w.guestStage2.tableAt(ipa, 3) | DESCRIPTOR_TABLE) >>> 0;
  },
  count: (w, pa) => {
    const { memdb } = w.world.core;
    const { pagesOwned } = memdb;
    const guest = objectOf<Memextent>(w.world, w.guest).id;
    memdb.pagesOwned = (owner) => pagesOwned.call(memdb, owner) + (owner === guest && pa > 0 ? 1 : 0);
  },
};

describe("the ownership watch", () => {
  for (const [rule, corrupt] of Object.entries(CORRUPTIONS)) {
    it(`notices ${rule} in what a call touched`, () => {
      const w = watched();
      const pa = DRAM_BASE + 30 * MIB + 0x3000;
      w.lend(pa, 0x8000_0000);
      corrupt(w, pa, 0x8000_0000);
      expect(w.watch.check()?.rule).toBe(rule);
    });
    it(`leaves ${rule} elsewhere to the check of everything`, () => {
      const w = watched();
      w.lend(DRAM_BASE + 30 * MIB + 0x3000, 0x8000_0000);
      expect(w.watch.check()).toBeUndefined();
      corrupt(w, DRAM_BASE + 30 * MIB + 0x3000, 0x8000_0000);
      w.world.core.journal?.take();
      w.world.root.ok(Hypercall.addrspace_map, w.guestAs, w.guest, 0x1000_0000, R_WB, MapFlag.PARTIAL, 0x5000, 0x1000);
      expect(w.watch.check()).toBeUndefined();
      expect(w.watch.checkAll()?.rule).toBe(rule);
      expect(checkOwnership(w.world.core)?.rule).toBe(rule);
    });
  }

  it("notices what is left of a translation that moved with its page", () => {
    const w = watched();
    const pa = DRAM_BASE + 30 * MIB + 0x3000;
    const unmap = w.hostStage2.unmapMatching;
    w.hostStage2.unmapMatching = () => {};
    w.lend(pa, 0x8000_0000);
    w.hostStage2.unmapMatching = unmap;
    expect(w.watch.check()).toMatchObject({ pa, rule: "no-intent" });
  });

  it("notices what is left when an extent goes", () => {
    const w = watched();
    w.lend(DRAM_BASE, 0x8000_0000);
    expect(w.watch.check()).toBeUndefined();
    w.guestStage2.unmapMatching = () => {};
    w.world.root.ok(Hypercall.cspace_delete_cap_from, w.world.caps.cspace, w.guest);
    // Its page is the DRAM extent's again, which maps nothing.
    expect(w.watch.check()).toMatchObject({ pa: DRAM_BASE, rule: "no-intent" });
  });

  it("notices pages that stay with an extent that went", () => {
    const w = watched();
    w.lend(DRAM_BASE, 0x8000_0000);
    expect(w.watch.check()).toBeUndefined();
    w.world.core.memdb.walk = () => {};
    w.world.root.ok(Hypercall.cspace_delete_cap_from, w.world.caps.cspace, w.guest);
    expect(w.watch.check()).toMatchObject({ pa: DRAM_BASE, rule: "owner" });
  });

  it("notices a page of a block that was split wrongly", () => {
    const w = watched();
    w.lend(DRAM_BASE + 2 * MIB, 0x8000_0000);
    // The neighbour of the page that was taken out of the block.
    w.words[w.wordOf(w.hostStage2, DRAM_BASE + 2 * MIB + PAGE_SIZE)] = 0;
    expect(w.watch.check()).toMatchObject({ pa: DRAM_BASE + 2 * MIB + PAGE_SIZE, rule: "missing" });
  });

  it("notices tables that are not given back, and an address space that keeps its own", () => {
    const w = watched();
    w.lend(DRAM_BASE, 0x8000_0000);
    expect(w.watch.check()).toBeUndefined();
    w.guestStage2.destroy = () => {};
    w.world.root.ok(Hypercall.cspace_delete_cap_from, w.world.caps.cspace, w.guestAs);
    expect(w.watch.check()?.rule).toBe("table");
  });

  it("looks at what a call changed, whatever the size of the host", () => {
    const w = watched(512 * MIB, 480 * MIB);
    const before = w.watch.pagesLookedAt;
    // One page of a block: the block is split, its other pages are looked at too.
    w.lend(DRAM_BASE + 100 * MIB, 0x8000_0000);
    expect(w.watch.check()).toBeUndefined();
    expect(w.watch.pagesLookedAt - before).toBeLessThan(4 * 512);
    const split = w.watch.pagesLookedAt;
    w.lend(DRAM_BASE + 100 * MIB + PAGE_SIZE, 0x8000_1000);
    expect(w.watch.check()).toBeUndefined();
    expect(w.watch.pagesLookedAt - split).toBeLessThan(8);
    // A call that changes no memory costs nothing.
    const still = w.watch.pagesLookedAt;
    w.world.root.call(Hypercall.hypervisor_identify);
    expect(w.watch.check()).toBeUndefined();
    expect(w.watch.pagesLookedAt).toBe(still);
  });
});

describe("a machine with checkOwnership", () => {
  const make = (checkOwnership: boolean) => {
    const m = new Machine({ checkOwnership });
    const base = 0x8100_0000;
    const vm = m.createVm({ vmid: 40, base });
    (m.hypervisor.core.vmids.get(40)?.stage2 as Stage2).unmapMatching = () => {};
    return () => m.root.call(Hypercall.addrspace_unmap, vm.addrspace, vm.memory, base, 0, 0, 0);
  };

  it("stops at the hypercall that broke the invariant", () => {
    expect(make(true)).toThrow(expect.objectContaining({ code: "BUG_HYP_OWNERSHIP" }));
  });

  it("goes on without it", () => {
    expect(make(false)).not.toThrow();
  });
});

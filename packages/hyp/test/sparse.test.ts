import { GunyahError, Hypercall, MapFlag, MemextentDonateType } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import { checkOwnership } from "../src/ownership/check.ts";
import { createAddrspace, createWorld, DRAM_BASE, derive, objectOf, SPARSE_RWX } from "./fixture.ts";

const RWX_WB = 0xf0077;
const MIB = 0x10_0000;

/** A host with all DRAM 1:1 and a guest extent beside it, as the RM lays them out. */
function hostAndGuest() {
  const world = createWorld();
  const end = DRAM_BASE + 32 * MIB;
  const hostAs = createAddrspace(world, 3);
  const guestAs = createAddrspace(world, 45);
  const host = derive(world, world.caps.ddr, 0, end, SPARSE_RWX);
  const guest = derive(world, world.caps.ddr, 0, end, SPARSE_RWX);
  world.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, world.caps.ddr, host, DRAM_BASE, 32 * MIB);
  world.root.ok(Hypercall.addrspace_map, hostAs, host, 0, RWX_WB, MapFlag.PARTIAL, 0, end);
  return {
    world,
    hostAs,
    guestAs,
    host,
    guest,
    hostSpace: objectOf<Addrspace>(world, hostAs),
    guestSpace: objectOf<Addrspace>(world, guestAs),
  };
}

describe("sparse extents", () => {
  it("map the host's memory with 2 MiB blocks alone", () => {
    const { hostSpace, world } = hostAndGuest();
    // Root table, level 2 tables of the GiBs 0-2 (the intent starts at 0, translations at DRAM).
    expect(hostSpace.stage2?.pages).toBe((32 * MIB) / 4096);
    expect(hostSpace.stage2?.bytes).toBe(2 * 4096);
    expect(checkOwnership(world.core)).toBeUndefined();
  });

  it("lend a page: gone from the host, then in the guest where it asked for it", () => {
    const { world, hostSpace, guestSpace, host, guest, guestAs } = hostAndGuest();
    const pa = DRAM_BASE + 5 * MIB + 0x3000;
    const gpa = 0x8000_0000;
    world.tlbi.length = 0;
    world.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_PROTECTED, host, guest, pa, 0x1000);
    expect(world.tlbi).toEqual([{ vmid: 3, ipa: pa, size: 0x1000 }]);
    expect(hostSpace.translate(pa, 4)).toBeLessThan(0);
    expect(hostSpace.translate(pa + 0x1000, 4)).toBe(pa + 0x1000);
    world.root.ok(Hypercall.addrspace_map, guestAs, guest, gpa, RWX_WB, MapFlag.PARTIAL | MapFlag.PRIVATE, pa, 0x1000);
    expect(guestSpace.translate(gpa + 0x123, 7)).toBe(pa + 0x123);
    expect(checkOwnership(world.core)).toBeUndefined();

    world.root.ok(Hypercall.addrspace_unmap, guestAs, guest, gpa, MapFlag.PARTIAL | MapFlag.PRIVATE, pa, 0x1000);
    world.root.ok(Hypercall.memextent_donate, MemextentDonateType.FROM_PROTECTED, guest, host, pa, 0x1000);
    expect(guestSpace.translate(gpa, 4)).toBeLessThan(0);
    expect(hostSpace.translate(pa, 4)).toBe(pa);
    // The block is whole again and the level 3 table given back.
    expect(hostSpace.stage2?.bytes).toBe(2 * 4096);
    expect(guestSpace.stage2?.bytes).toBe(4096);
    expect(checkOwnership(world.core)).toBeUndefined();
  });

  it("leaves a translation that both extents want in place, without a TLB invalidation", () => {
    const { world, hostSpace, hostAs, host, guest } = hostAndGuest();
    const pa = DRAM_BASE + 0x4000;
    world.root.ok(Hypercall.addrspace_map, hostAs, guest, pa, RWX_WB, MapFlag.PARTIAL, pa, 0x1000);
    world.tlbi.length = 0;
    world.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_SIBLING, host, guest, pa, 0x1000);
    expect(hostSpace.translate(pa, 4)).toBe(pa);
    expect(world.tlbi).toEqual([]);
    expect(checkOwnership(world.core)).toBeUndefined();
  });

  it("gives a dead extent's memory and mappings back to the parent", () => {
    const { world, hostSpace, host, guest, guestAs } = hostAndGuest();
    const pa = DRAM_BASE + 0x7000;
    world.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_SIBLING, host, guest, pa, 0x2000);
    world.root.ok(Hypercall.addrspace_map, guestAs, guest, 0x1000, RWX_WB, MapFlag.PARTIAL, pa, 0x2000);
    const before = world.core.heap.used;
    world.root.ok(Hypercall.cspace_delete_cap_from, world.caps.cspace, guest);
    expect(world.core.heap.used).toBeLessThan(before);
    expect(world.core.memdb.owner(pa)).toBe(world.ddr.id);
    expect(hostSpace.translate(pa, 4)).toBeLessThan(0);
    expect(checkOwnership(world.core)).toBeUndefined();
  });

  it("keeps scattered pages in one slot, so that demand paging does not run out", () => {
    const { world, host, guest, guestAs } = hostAndGuest();
    for (let i = 0; i < 64; i++) {
      const pa = DRAM_BASE + ((i * 37) % 64) * 0x1000;
      world.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_PROTECTED, host, guest, pa, 0x1000);
      world.root.ok(Hypercall.addrspace_map, guestAs, guest, i * 0x1000, RWX_WB, MapFlag.PARTIAL, pa, 0x1000);
    }
    expect(checkOwnership(world.core)).toBeUndefined();
    expect(
      world.root.call(Hypercall.addrspace_map, guestAs, guest, 0x900000, RWX_WB, MapFlag.PARTIAL, DRAM_BASE, 0x1000),
    ).toBe(GunyahError.OK);
  });
});

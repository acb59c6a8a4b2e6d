/**
 * One extent mapped more than once at the same addresses of one address space: each map is a record of its own, there
 * is one translation, and the first unmap takes it away.
 */

import { GunyahError, Hypercall, MapFlag, MemextentDonateType, MemextentType } from "@gunyah-ts/abi";
import { type CapId, PAGE_SIZE } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import type { Stage2 } from "../src/addrspace/stage2.ts";
import type { HypCore } from "../src/core.ts";
import type { Memextent } from "../src/memory/memextent.ts";
import { checkOwnership } from "../src/ownership/check.ts";
import { inspectPage } from "../src/ownership/inspect.ts";
import { OwnershipJournal } from "../src/ownership/journal.ts";
import { OwnershipWatch } from "../src/ownership/watch.ts";
import { BASIC_RWX, createAddrspace, createWorld, DRAM_BASE, derive, objectOf, SPARSE_RWX } from "./fixture.ts";

const MIB = 0x10_0000;
const RWX = 7;
const R = 4;
const IPA = 0x4000_0000;
const SPARSE_R = R | (MemextentType.SPARSE << 16);

/** Call while the carve-out has no page left. */
function withoutMemory<T>({ carveOut }: HypCore, call: () => T): T {
  const taken: number[] = [];
  for (let page = carveOut.allocate(); page !== -1; page = carveOut.allocate()) taken.push(page);
  const result = call();
  for (const page of taken) carveOut.free(page);
  return result;
}

/** Two sparse siblings of 4 MiB, `a` with all of it, a VM, and the watch. Pages and addresses count in pages. */
function siblings(accessB = SPARSE_RWX) {
  const journal = new OwnershipJournal();
  const world = createWorld({ journal });
  const { root, caps, core } = world;
  const as = createAddrspace(world, 45);
  const a = derive(world, caps.ddr, DRAM_BASE, 4 * MIB, SPARSE_RWX);
  const b = derive(world, caps.ddr, DRAM_BASE, 4 * MIB, accessB);
  root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, caps.ddr, a, 0, 4 * MIB);
  const space = objectOf<Addrspace>(world, as);
  const stage2 = space.stage2 as Stage2;
  const watch = new OwnershipWatch(core, journal);
  const part = (first: number, pages: number) => [MapFlag.PARTIAL, first * PAGE_SIZE, pages * PAGE_SIZE] as const;
  const at = (page: number) => IPA + page * PAGE_SIZE;
  return {
    world,
    as,
    a,
    b,
    stage2,
    /** Map pages of an extent where they belong. @returns GunyahError */
    map(extent: CapId, first: number, pages: number, access = RWX): number {
      const attrs = access | (access << 4) | (15 << 16);
      return root.call(Hypercall.addrspace_map, as, extent, at(first), attrs, ...part(first, pages));
    },
    unmap(extent: CapId, first: number, pages: number): number {
      return root.call(Hypercall.addrspace_unmap, as, extent, at(first), ...part(first, pages));
    },
    donate(from: CapId, to: CapId, first: number, pages: number): number {
      const [, offset, size] = part(first, pages);
      return root.call(Hypercall.memextent_donate, MemextentDonateType.TO_SIBLING, from, to, offset, size);
    },
    /** Access of the kernel to each of the first pages, 0 where none leads to the page that belongs there. */
    seen(pages: number): number[] {
      return Array.from({ length: pages }, (_, i) => {
        if (!stage2.lookup(at(i))) return 0;
        const { pa, size, attrs } = stage2.found;
        return pa + (at(i) % size) === DRAM_BASE + i * PAGE_SIZE ? (attrs >>> 3) & 7 : 0;
      });
    },
    /** The invariant, by the watch and by a look at everything. */
    check() {
      expect(watch.check()).toBeUndefined();
      expect(checkOwnership(core)).toBeUndefined();
    },
  };
}

describe("a sparse extent mapped twice at one address", () => {
  it("loses the translation with the first unmap and the second record with the next", () => {
    const w = siblings();
    expect(w.map(w.a, 0, 2)).toBe(GunyahError.OK);
    expect(w.map(w.a, 0, 2)).toBe(GunyahError.OK);
    expect(w.seen(2)).toEqual([RWX, RWX]);
    w.check();
    expect(w.unmap(w.a, 0, 2)).toBe(GunyahError.OK);
    expect(w.seen(2)).toEqual([0, 0]);
    w.check();
    expect(w.unmap(w.a, 0, 2)).toBe(GunyahError.OK);
    expect(w.unmap(w.a, 0, 2)).toBe(GunyahError.ADDR_INVALID);
    w.check();
  });

  it("gets the translation back when its memory goes and comes", () => {
    const w = siblings();
    w.map(w.a, 0, 2);
    w.map(w.a, 0, 2);
    w.unmap(w.a, 0, 2);
    expect(w.donate(w.a, w.b, 0, 1)).toBe(GunyahError.OK);
    w.check();
    expect(w.donate(w.b, w.a, 0, 1)).toBe(GunyahError.OK);
    expect(w.seen(2)).toEqual([RWX, 0]);
    w.check();
  });

  it("unmaps what one record holds, of two that overlap", () => {
    const w = siblings();
    w.map(w.a, 0, 4);
    w.map(w.a, 2, 4);
    w.check();
    // No record holds pages 0 to 5.
    expect(w.unmap(w.a, 0, 6)).toBe(GunyahError.ADDR_INVALID);
    expect(w.seen(6)).toEqual([RWX, RWX, RWX, RWX, RWX, RWX]);
    expect(w.unmap(w.a, 3, 1)).toBe(GunyahError.OK);
    expect(w.seen(6)).toEqual([RWX, RWX, RWX, 0, RWX, RWX]);
    w.check();
    expect(w.unmap(w.a, 2, 4)).toBe(GunyahError.OK);
    expect(w.seen(6)).toEqual([RWX, RWX, 0, 0, 0, 0]);
    w.check();
    // Page 2 of the first record has no translation, and goes.
    expect(w.unmap(w.a, 0, 3)).toBe(GunyahError.OK);
    expect(w.seen(6)).toEqual([0, 0, 0, 0, 0, 0]);
    w.check();
  });

  it("has the access of the newest map, and no access again when the other goes", () => {
    const w = siblings();
    w.map(w.a, 0, 2, RWX);
    w.map(w.a, 0, 1, R);
    expect(w.seen(2)).toEqual([R, RWX]);
    w.check();
    expect(w.unmap(w.a, 0, 2)).toBe(GunyahError.OK);
    expect(w.seen(2)).toEqual([0, 0]);
    w.check();
  });

  it("fills its four records and no more", () => {
    const w = siblings();
    for (let i = 0; i < 4; i++) expect(w.map(w.a, 0, 1)).toBe(GunyahError.OK);
    expect(w.map(w.a, 0, 1)).toBe(GunyahError.MEMEXTENT_MAPPINGS_FULL);
    expect(w.seen(1)).toEqual([RWX]);
    w.check();
  });

  it("keeps the translation when the memory moves to an extent that has one of the two records", () => {
    for (const newest of [R, RWX]) {
      const w = siblings(SPARSE_R);
      w.map(w.a, 0, 1, newest === R ? RWX : R);
      w.map(w.a, 0, 1, newest);
      w.map(w.b, 0, 1, R);
      expect(w.seen(1)).toEqual([newest]);
      expect(w.donate(w.a, w.b, 0, 1)).toBe(GunyahError.OK);
      expect(w.seen(1)).toEqual([R]);
      w.check();
    }
  });

  it("gives a child that allows less no more than that", () => {
    const w = siblings();
    const { root, caps } = w.world;
    const basic = derive(w.world, caps.ddr, DRAM_BASE + 8 * MIB, 2 * MIB, BASIC_RWX);
    for (const access of [R, RWX])
      root.ok(Hypercall.addrspace_map, w.as, basic, 2 * IPA, access | (access << 4) | (15 << 16), 0, 0, 0, 0);
    const child = derive(w.world, basic, 0, PAGE_SIZE, SPARSE_R);
    w.check();
    expect(w.stage2.lookup(2 * IPA)).toBe(true);
    expect((w.stage2.found.attrs >>> 3) & 7).toBe(R);
    root.ok(Hypercall.cspace_delete_cap_from, caps.cspace, child);
    w.check();
    expect(w.stage2.lookup(2 * IPA)).toBe(true);
    expect((w.stage2.found.attrs >>> 3) & 7).toBe(RWX);
  });

  it("is one translation to those who ask for the page", () => {
    const w = siblings();
    w.map(w.a, 0, 1, R);
    w.map(w.a, 0, 1, RWX);
    expect(inspectPage(w.world.core, DRAM_BASE).mappings).toEqual([{ vmid: 45, ipa: IPA, access: "rwx" }]);
  });
});

describe("a basic extent mapped twice at one address", () => {
  function basic() {
    const w = siblings();
    const { root, caps } = w.world;
    const extent = derive(w.world, caps.ddr, DRAM_BASE + 8 * MIB, 2 * MIB, BASIC_RWX);
    const map = () => root.call(Hypercall.addrspace_map, w.as, extent, IPA, 0xf0077, 0, 0, 0, 0);
    const unmap = () => root.call(Hypercall.addrspace_unmap, w.as, extent, IPA, 0, 0, 0, 0);
    const update = (access: number) =>
      root.call(Hypercall.addrspace_update_access, w.as, extent, IPA, access | (access << 4), 0, 0, 0, 0);
    const access = () => (w.stage2.lookup(IPA + MIB) ? (w.stage2.found.attrs >>> 3) & 7 : 0);
    return { ...w, extent, map, unmap, update, access };
  }

  it("loses the translation with the first unmap", () => {
    const w = basic();
    expect([w.map(), w.map()]).toEqual([GunyahError.OK, GunyahError.OK]);
    w.check();
    expect(w.unmap()).toBe(GunyahError.OK);
    expect(w.access()).toBe(0);
    w.check();
    // The record that is left can be changed, which makes the translation again.
    expect(w.update(R)).toBe(GunyahError.OK);
    expect(w.access()).toBe(R);
    w.check();
    expect(w.unmap()).toBe(GunyahError.OK);
    expect(w.access()).toBe(0);
    expect(w.unmap()).toBe(GunyahError.ADDR_INVALID);
    w.check();
  });

  it("changes the access of the translation and of one record", () => {
    const w = basic();
    w.map();
    w.map();
    expect(w.update(R)).toBe(GunyahError.OK);
    expect(w.access()).toBe(R);
    w.check();
    const { slots } = objectOf<Memextent>(w.world, w.extent);
    const attrs = slots
      .filter((s) => s.addrspace !== undefined)
      .map((s) => s.intents.get((DRAM_BASE + 8 * MIB) / 4096));
    expect(new Set(attrs).size).toBe(2);
  });
});

describe("without memory for tables", () => {
  it("a second map that fails leaves the first record, and nothing that nobody wants", () => {
    const w = siblings();
    // A GiB boundary: the first page has its tables, the second would need two more.
    const { root } = w.world;
    const last = 0x8000_0000 - PAGE_SIZE;
    const map = (pages: number) =>
      root.call(Hypercall.addrspace_map, w.as, w.a, last, 0xf0077, MapFlag.PARTIAL, 0, pages * PAGE_SIZE);
    expect(map(1)).toBe(GunyahError.OK);
    expect(withoutMemory(w.world.core, () => map(2))).toBe(GunyahError.NOMEM);
    w.check();
    const { slots } = objectOf<Memextent>(w.world, w.a);
    expect(slots.map((s) => s.intents.pages)).toEqual([1, 0, 0, 0]);
  });

  it("a page whose heir allows less is taken away when its block cannot be split", () => {
    const w = siblings();
    const { root, caps, core } = w.world;
    const child = derive(w.world, w.a, 0, 2 * MIB, SPARSE_RWX);
    root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.a, child, 0, 2 * MIB);
    expect([w.map(child, 0, 512), w.map(w.a, 0, 1, R), w.map(w.a, 1, 511)]).toEqual([0, 0, 0]);
    expect(w.seen(2)).toEqual([RWX, RWX]);
    withoutMemory(core, () => root.ok(Hypercall.cspace_delete_cap_from, caps.cspace, child));
    expect(w.seen(1)).toEqual([0]);
    w.check();
  });

  it("an access update that fails leaves the record as it was", () => {
    const w = siblings();
    const { root, caps, core } = w.world;
    const extent = derive(w.world, caps.ddr, DRAM_BASE + 8 * MIB, 2 * PAGE_SIZE, BASIC_RWX);
    const last = 0x8000_0000 - PAGE_SIZE;
    const whole = [0, 0, 0, 0] as const;
    root.ok(Hypercall.addrspace_map, w.as, extent, last, 0xf0077, ...whole);
    root.ok(Hypercall.addrspace_map, w.as, extent, last, 0xf0077, ...whole);
    root.ok(Hypercall.addrspace_unmap, w.as, extent, last, ...whole);
    // The tables went with the translation; one comes back.
    root.ok(Hypercall.addrspace_map, w.as, w.a, last - PAGE_SIZE, 0xf0077, MapFlag.PARTIAL, 0, PAGE_SIZE);
    const update = () => root.call(Hypercall.addrspace_update_access, w.as, extent, last, 0x44, ...whole);
    expect(withoutMemory(core, update)).toBe(GunyahError.NOMEM);
    const { slots } = objectOf<Memextent>(w.world, extent);
    const record = slots.find((s) => s.addrspace !== undefined);
    expect(record?.intents.pages).toBe(2);
    expect(w.stage2.lookup(last)).toBe(false);
    w.check();
    expect(root.call(Hypercall.addrspace_unmap, w.as, extent, last, ...whole)).toBe(GunyahError.OK);
  });
});

describe("addrspace_lookup", () => {
  it("answers MEMDB_NOT_OWNER for a run of more than one owner, and for the part of one owner what is there", () => {
    const w = siblings();
    const { root } = w.world;
    w.map(w.a, 0, 4);
    w.map(w.b, 0, 4);
    w.donate(w.a, w.b, 2, 2);
    expect(w.seen(4)).toEqual([RWX, RWX, RWX, RWX]);
    const lookup = (extent: CapId, first: number, pages: number) =>
      root.call(Hypercall.addrspace_lookup, w.as, extent, IPA + first * PAGE_SIZE, pages * PAGE_SIZE);
    expect(lookup(w.a, 0, 4)).toBe(GunyahError.MEMDB_NOT_OWNER);
    expect(lookup(w.b, 0, 4)).toBe(GunyahError.MEMDB_NOT_OWNER);
    expect(lookup(w.a, 0, 2)).toBe(GunyahError.OK);
    expect([root.r.num(1), root.r.num(2)]).toEqual([0, 2 * PAGE_SIZE]);
    expect(lookup(w.b, 2, 4)).toBe(GunyahError.OK);
    expect([root.r.num(1), root.r.num(2)]).toEqual([2 * PAGE_SIZE, 2 * PAGE_SIZE]);
  });
});

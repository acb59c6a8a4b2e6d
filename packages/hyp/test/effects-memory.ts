/** Effects of the memory calls: translations, what a TLB was told, owners, contents. */

import {
  GunyahError as E,
  Hypercall,
  MapFlag,
  MemextentDonateType,
  MemextentModifyOp,
  MemextentType,
  VmmioOp,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { expect } from "vitest";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import type { Memextent } from "../src/memory/memextent.ts";
import { checkOwnership } from "../src/ownership/check.ts";
import {
  active,
  type Effect,
  type Effects,
  isForgotten,
  MIB,
  PAGE,
  pick,
  RWX_WB,
  seen,
  sight,
  sparse,
} from "./effects.ts";
import {
  BASIC_RWX,
  create,
  createAddrspace,
  DRAM_BASE,
  derive,
  type FakeThread,
  type FakeVic,
  objectOf,
  SPARSE_RWX,
  type World,
} from "./fixture.ts";

const VMID = 40;
const IPA = 0x10_0000;
const NO_SYNC = 0x8000_0000;
const BLOCK = 0x20_0000;

const mapPart = (w: World, as: CapId, me: CapId, ipa: number, offset: number, size: number, attrs = RWX_WB) =>
  w.root.call(Hypercall.addrspace_map, as, me, ipa, attrs, MapFlag.PARTIAL, offset, size, 0);
const ownerOf = (w: World, pa: number) => w.core.memdb.owner(pa);
const idOf = (w: World, cap: CapId) => objectOf(w, cap).id;
/** Take table memory until `pages` are left. @returns what gives it back */
function leave(w: World, pages: number): () => void {
  const taken: number[] = [];
  for (let pa = w.core.carveOut.allocate(); pa !== -1; pa = w.core.carveOut.allocate()) taken.push(pa);
  for (let i = 0; i < pages; i++) w.core.carveOut.free(taken.pop()!);
  return () => {
    for (const pa of taken) w.core.carveOut.free(pa);
  };
}

function donates(type: MemextentDonateType): Effect {
  return (w) => {
    const [hostAs, guestAs] = [createAddrspace(w, 3), createAddrspace(w, VMID)];
    const [host, guest] = [sparse(w), sparse(w, 0, 0)];
    mapPart(w, hostAs, host, 0, 0, MIB);
    mapPart(w, guestAs, guest, IPA, 0, MIB, 0xf0055);
    const since = w.tlbi.length;
    w.root.ok(Hypercall.memextent_donate, type, host, guest, PAGE, 2 * PAGE, 0);
    expect([0, 1, 2, 3].map((page) => ownerOf(w, DRAM_BASE + page * PAGE))).toEqual(
      [host, guest, guest, host].map((cap) => idOf(w, cap)),
    );
    expect([0, 1, 2, 3].map((page) => seen(w, hostAs, page * PAGE))).toEqual([
      sight(DRAM_BASE, RWX_WB),
      undefined,
      undefined,
      sight(DRAM_BASE + 3 * PAGE, RWX_WB),
    ]);
    expect([0, 1, 2, 3].map((page) => seen(w, guestAs, IPA + page * PAGE))).toEqual([
      undefined,
      sight(DRAM_BASE + PAGE, 0xf0055),
      sight(DRAM_BASE + 2 * PAGE, 0xf0055),
      undefined,
    ]);
    for (const page of [1, 2]) expect(isForgotten(w, 3, page * PAGE, since)).toBe(true);
  };
}

export const memoryEffects: Effects = {
  addrspace_map: {
    "translations of what the extent owns, with the attributes, nothing around them": (w) => {
      const as = createAddrspace(w, VMID);
      const me = sparse(w, PAGE, 3 * PAGE);
      expect(mapPart(w, as, me, IPA, 0, 4 * PAGE, 0xf0067)).toBe(E.OK);
      expect([-1, 0, 1, 2, 3, 4].map((page) => seen(w, as, IPA + page * PAGE))).toEqual([
        undefined,
        undefined,
        sight(DRAM_BASE + PAGE, 0xf0067),
        sight(DRAM_BASE + 2 * PAGE, 0xf0067),
        undefined,
        undefined,
      ]);
    },
    "a wish that holds for pages which come later": (w) => {
      const as = createAddrspace(w, VMID);
      const me = sparse(w, 0, 0);
      mapPart(w, as, me, IPA, PAGE, PAGE);
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.caps.ddr, me, 0, MIB);
      expect([0, 1].map((page) => seen(w, as, IPA + page * PAGE))).toEqual([
        sight(DRAM_BASE + PAGE, RWX_WB),
        undefined,
      ]);
    },
    "all of a basic extent, from its base": (w) => {
      const as = createAddrspace(w, VMID);
      const me = derive(w, w.caps.ddr, DRAM_BASE, 2 * PAGE, BASIC_RWX);
      w.root.ok(Hypercall.addrspace_map, as, me, IPA, (0x4_0044 & 0xff) | 0xf0000, 0, 0, 0, 0);
      expect([0, 1, 2].map((page) => seen(w, as, IPA + page * PAGE))).toEqual([
        sight(DRAM_BASE, 0xf0044),
        sight(DRAM_BASE + PAGE, 0xf0044),
        undefined,
      ]);
    },
    "blocks and pages where they fit, and a TLB that knew the address forgets it": (w) => {
      const as = createAddrspace(w, VMID);
      const me = derive(w, w.caps.ddr, DRAM_BASE, 2 * BLOCK, SPARSE_RWX);
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.caps.ddr, me, 0, 2 * BLOCK);
      const other = derive(w, w.caps.ddr, DRAM_BASE + 2 * BLOCK, PAGE, BASIC_RWX);
      w.root.ok(Hypercall.addrspace_map, as, other, BLOCK, RWX_WB, 0, 0, 0, 0);
      const since = w.tlbi.length;
      expect(mapPart(w, as, me, BLOCK, 0, BLOCK + PAGE)).toBe(E.OK);
      expect(seen(w, as, BLOCK)).toBe(sight(DRAM_BASE, RWX_WB));
      expect(seen(w, as, 2 * BLOCK)).toBe(sight(DRAM_BASE + BLOCK, RWX_WB));
      expect(isForgotten(w, VMID, BLOCK, since)).toBe(true);
    },
    "nothing at all when memory for tables ends in the middle": (w) => {
      const as = createAddrspace(w, VMID);
      const me = derive(w, w.caps.ddr, DRAM_BASE, 4 * BLOCK, SPARSE_RWX);
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.caps.ddr, me, 0, 4 * BLOCK);
      // One gap a block, so that each needs a table of its own.
      for (let i = 0; i < 4; i++)
        w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_PARENT, me, w.caps.ddr, i * BLOCK + PAGE, PAGE);
      const giveBack = leave(w, 3);
      const before = w.core.carveOut.pages;
      expect(mapPart(w, as, me, 0, 0, 4 * BLOCK)).toBe(E.NOMEM);
      for (let i = 0; i < 4; i++) expect(seen(w, as, i * BLOCK)).toBeUndefined();
      expect(w.core.carveOut.pages).toBe(before);
      giveBack();
      expect(objectOf<Memextent>(w, me).slots.every((slot) => slot.intents.isEmpty)).toBe(true);
      expect(w.root.call(Hypercall.addrspace_unmap, as, me, 0, MapFlag.PARTIAL, 0, 4 * BLOCK)).toBe(E.ADDR_INVALID);
    },
  },
  addrspace_unmap: {
    "the translations, the wish, and what a TLB knew": (w) => {
      const as = createAddrspace(w, VMID);
      const me = sparse(w, 0, 2 * PAGE);
      mapPart(w, as, me, IPA, 0, 4 * PAGE);
      const since = w.tlbi.length;
      w.root.ok(Hypercall.addrspace_unmap, as, me, IPA + PAGE, MapFlag.PARTIAL, PAGE, 2 * PAGE, 0);
      expect([0, 1].map((page) => seen(w, as, IPA + page * PAGE))).toEqual([sight(DRAM_BASE, RWX_WB), undefined]);
      expect(isForgotten(w, VMID, IPA + PAGE, since)).toBe(true);
      // Pages 2 and 3 come now: only 3 is still wanted.
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.caps.ddr, me, 2 * PAGE, 2 * PAGE);
      expect([1, 2, 3].map((page) => seen(w, as, IPA + page * PAGE))).toEqual([
        undefined,
        undefined,
        sight(DRAM_BASE + 3 * PAGE, RWX_WB),
      ]);
    },
    "one page": (w) => {
      const as = createAddrspace(w, VMID);
      const me = sparse(w);
      mapPart(w, as, me, IPA, 0, PAGE);
      const since = w.tlbi.length;
      w.root.ok(Hypercall.addrspace_unmap, as, me, IPA, MapFlag.PARTIAL, 0, PAGE, 0);
      expect(seen(w, as, IPA)).toBeUndefined();
      expect(isForgotten(w, VMID, IPA, since)).toBe(true);
    },
    "a whole basic extent, and its place among the four": (w) => {
      const as = createAddrspace(w, VMID);
      const me = derive(w, w.caps.ddr, DRAM_BASE, 2 * PAGE, BASIC_RWX);
      for (let i = 0; i < 6; i++) {
        w.root.ok(Hypercall.addrspace_map, as, me, IPA, RWX_WB, 0, 0, 0, 0);
        w.root.ok(Hypercall.addrspace_unmap, as, me, IPA, 0, 0, 0, 0);
      }
      expect([0, 1].map((page) => seen(w, as, IPA + page * PAGE))).toEqual([undefined, undefined]);
    },
  },
  addrspace_update_access: {
    "user and kernel access; memory type and address stay; a TLB forgets": (w) => {
      const as = createAddrspace(w, VMID);
      const me = derive(w, w.caps.ddr, DRAM_BASE, 2 * PAGE, BASIC_RWX);
      w.root.ok(Hypercall.addrspace_map, as, me, IPA, 0x5_0077, 0, 0, 0, 0);
      const since = w.tlbi.length;
      w.root.ok(Hypercall.addrspace_update_access, as, me, IPA, 0x45, 0, 0, 0, 0);
      for (const page of [0, 1]) {
        expect(seen(w, as, IPA + page * PAGE)).toBe(sight(DRAM_BASE + page * PAGE, 0x5_0045));
        expect(isForgotten(w, VMID, IPA + page * PAGE, since)).toBe(true);
      }
      expect(objectOf<Addrspace>(w, as).translate(IPA, 2)).toBeLessThan(0);
      expect(checkOwnership(w.core)).toBeUndefined();
      // The mapping is the same one: it can be taken away, and widened again.
      w.root.ok(Hypercall.addrspace_update_access, as, me, IPA, 0x77, 0, 0, 0, 0);
      expect(seen(w, as, IPA)).toBe(sight(DRAM_BASE, 0x5_0077));
      w.root.ok(Hypercall.addrspace_unmap, as, me, IPA, 0, 0, 0, 0);
      expect(seen(w, as, IPA)).toBeUndefined();
    },
    "only the mapping at that address": (w) => {
      const as = createAddrspace(w, VMID);
      const me = derive(w, w.caps.ddr, DRAM_BASE, PAGE, BASIC_RWX);
      w.root.ok(Hypercall.addrspace_map, as, me, IPA, RWX_WB, 0, 0, 0, 0);
      w.root.ok(Hypercall.addrspace_map, as, me, 2 * IPA, RWX_WB, 0, 0, 0, 0);
      w.root.ok(Hypercall.addrspace_update_access, as, me, 2 * IPA, 0x44, 0, 0, 0, 0);
      expect([seen(w, as, IPA), seen(w, as, 2 * IPA)]).toEqual([sight(DRAM_BASE, RWX_WB), sight(DRAM_BASE, 0xf0044)]);
    },
  },
  addrspace_configure: {
    "the VMID that activation takes": (w) => {
      const cap = create(w, "addrspace");
      w.root.ok(Hypercall.addrspace_configure, cap, 77);
      expect(w.core.vmids.has(77)).toBe(false);
      w.root.ok(Hypercall.object_activate, cap);
      expect(w.core.vmids.get(77) === objectOf(w, cap)).toBe(true);
      expect(objectOf<Addrspace>(w, cap).vttbr >> 48n).toBe(77n);
    },
  },
  addrspace_attach_thread: {
    "the thread's space, kept alive by it; the one before is let go": (w) => {
      const thread = create(w, "thread");
      const [first, second] = [createAddrspace(w, VMID), createAddrspace(w, VMID + 1)];
      w.root.ok(Hypercall.addrspace_attach_thread, first, thread);
      w.root.ok(Hypercall.addrspace_attach_thread, second, thread);
      expect(objectOf<FakeThread>(w, thread).addrspace === objectOf(w, second)).toBe(true);
      expect([first, second].map((cap) => objectOf(w, cap).references)).toEqual([1, 2]);
    },
  },
  addrspace_lookup: {
    "offset, the part that is contiguous, attributes": (w) => {
      const as = createAddrspace(w, VMID);
      const me = sparse(w);
      mapPart(w, as, me, IPA, 4 * PAGE, 2 * PAGE, 0xf0067);
      mapPart(w, as, me, IPA + 2 * PAGE, 8 * PAGE, PAGE, 0xf0067);
      w.root.ok(Hypercall.addrspace_lookup, as, me, IPA + PAGE, 4 * PAGE);
      expect([...w.root.r.x.subarray(1, 4)]).toEqual([BigInt(5 * PAGE), BigInt(PAGE), 0xf0067n]);
      w.root.ok(Hypercall.addrspace_lookup, as, me, IPA, PAGE);
      expect([...w.root.r.x.subarray(1, 3)]).toEqual([BigInt(4 * PAGE), BigInt(PAGE)]);
      w.root.ok(Hypercall.addrspace_lookup, as, me, IPA, 8 * PAGE);
      expect(w.root.r.x[2]).toBe(BigInt(2 * PAGE));
    },
  },
  addrspace_configure_info_area: {
    "zeroed at activation, at that address, and not for others meanwhile": (w) => {
      const page = derive(w, w.caps.ddr, DRAM_BASE, PAGE, BASIC_RWX);
      w.memory.write(DRAM_BASE + 8, Uint8Array.of(1, 2, 3));
      const cap = create(w, "addrspace");
      w.root.ok(Hypercall.addrspace_configure, cap, 77);
      w.root.ok(Hypercall.addrspace_configure_info_area, cap, page, 0x1_0000);
      w.root.ok(Hypercall.object_activate, cap);
      expect(objectOf<Addrspace>(w, cap).infoArea).toEqual({ ipa: 0x1_0000, size: PAGE, pa: DRAM_BASE });
      expect([...w.memory.view(DRAM_BASE + 8, 3)]).toEqual([0, 0, 0]);
      expect(objectOf<Memextent>(w, page).attachedSize).toBe(PAGE);
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, cap);
      expect(pick(objectOf<Memextent>(w, page), "attachedSize", "references")).toEqual([0, 1]);
    },
  },
  addrspace_configure_vmmio: {
    "accesses that lie whole in the range are the proxy's, until it is removed": (w) => {
      const as = createAddrspace(w, VMID);
      const space = objectOf<Addrspace>(w, as);
      const range = (op: number, size = PAGE) =>
        w.root.ok(Hypercall.addrspace_configure_vmmio, as, 0x1000_0000, size, op);
      range(VmmioOp.ADD, 2 * PAGE);
      const inside = () =>
        [0xfff_fffc, 0x1000_0000, 0x1000_0ffc, 0x1000_1ffc, 0x1000_1ffe].map((ipa) => space.isVmmio(ipa, 4));
      expect(inside()).toEqual([false, true, true, true, false]);
      range(VmmioOp.REMOVE);
      expect(inside()).toEqual([false, false, false, true, false]);
      range(VmmioOp.ADD_DEMAND_PAGED);
      expect([0xfff_ffff, 0x1000_0000, 0x1000_0fff, 0x1000_1000].map((ipa) => space.isDemandPaged(ipa))).toEqual([
        false,
        true,
        true,
        false,
      ]);
      range(VmmioOp.REMOVE_DEMAND_PAGED);
      expect(space.isDemandPaged(0x1000_0000)).toBe(false);
    },
  },
  addrspace_attach_vdevice: {
    "accesses there reach the device, with the index": (w) => {
      const as = createAddrspace(w, VMID);
      const vic = active(w, "vic");
      w.root.ok(Hypercall.addrspace_attach_vdevice, as, vic, 1, 0x800_0000, 0x1_0000, 0);
      const space = objectOf<Addrspace>(w, as);
      const frame = space.vdeviceAt(0x800_fffc, 4)!;
      expect(pick(frame, "index", "base")).toEqual([1, 0x800_0000]);
      expect(frame.device === objectOf<FakeVic>(w, vic)).toBe(true);
      expect(space.vdeviceAt(0x800_fffe, 4)).toBeUndefined();
      expect(space.vdeviceAt(0x7ff_fffc, 4)).toBeUndefined();
    },
  },

  memextent_modify: {
    "zero: pages that it owns, and no byte beside them": (w) => {
      const me = sparse(w, 0, 3 * PAGE);
      w.memory.fill(DRAM_BASE, 6 * PAGE, 0x77);
      w.root.ok(Hypercall.memextent_modify, me, (NO_SYNC | MemextentModifyOp.ZERO_RANGE) >>> 0, PAGE, 4 * PAGE);
      const bytes = [0, PAGE - 1, PAGE, 3 * PAGE - 1, 3 * PAGE, 5 * PAGE].map(
        (at) => w.memory.view(DRAM_BASE + at, 1)[0],
      );
      expect(bytes).toEqual([0x77, 0x77, 0, 0, 0x77, 0x77]);
      expect(w.memory.view(DRAM_BASE + PAGE, 2 * PAGE).every((byte) => byte === 0)).toBe(true);
    },
    "clean and flush: nothing": (w) => {
      const me = sparse(w);
      w.memory.fill(DRAM_BASE, PAGE, 0x77);
      for (const op of [MemextentModifyOp.CACHE_CLEAN_RANGE, MemextentModifyOp.CACHE_FLUSH_RANGE])
        w.root.ok(Hypercall.memextent_modify, me, (NO_SYNC | op) >>> 0, 0, PAGE);
      expect(w.memory.view(DRAM_BASE, PAGE).every((byte) => byte === 0x77)).toBe(true);
    },
    "unmap all: every space, also wishes for pages that others own; a TLB forgets": (w) => {
      const [one, two] = [createAddrspace(w, VMID), createAddrspace(w, VMID + 1)];
      const me = sparse(w, 0, PAGE);
      mapPart(w, one, me, IPA, 0, 2 * PAGE);
      mapPart(w, two, me, 0, 0, 2 * PAGE);
      const since = w.tlbi.length;
      w.root.ok(Hypercall.memextent_modify, me, MemextentModifyOp.UNMAP_ALL, 0, 0);
      expect([seen(w, one, IPA), seen(w, two, 0)]).toEqual([undefined, undefined]);
      expect(isForgotten(w, VMID, IPA, since) && isForgotten(w, VMID + 1, 0, since)).toBe(true);
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.caps.ddr, me, PAGE, PAGE);
      expect(seen(w, one, IPA + PAGE)).toBeUndefined();
    },
  },
  memextent_configure: {
    "range, access, type and memory type, and the partition's memory when it is basic": (w) => {
      w.root.ok(
        Hypercall.memextent_donate,
        MemextentDonateType.TO_PARENT,
        w.caps.ddr,
        w.caps.partition,
        DRAM_BASE,
        MIB,
      );
      const me = create(w, "memextent");
      w.root.ok(Hypercall.memextent_configure, me, DRAM_BASE + PAGE, 2 * PAGE, 5 | (2 << 8));
      expect(pick(objectOf<Memextent>(w, me), "physBase", "size", "access", "memtype", "kind", "parent")).toEqual([
        DRAM_BASE + PAGE,
        2 * PAGE,
        5,
        2,
        MemextentType.BASIC,
        undefined,
      ]);
      w.root.ok(Hypercall.object_activate, me);
      const owners = [0, 1, 2, 3].map((page) => ownerOf(w, DRAM_BASE + page * PAGE));
      const [partition, own] = [w.core.rootPartition.id, idOf(w, me)];
      expect(owners).toEqual([partition, own, own, partition]);
    },
  },
  memextent_configure_derive: {
    "a basic child takes its range from the parent, and gives it back": (w) => {
      const me = create(w, "memextent");
      w.root.ok(Hypercall.memextent_configure_derive, me, w.caps.ddr, DRAM_BASE + PAGE, PAGE, 4);
      const extent = objectOf<Memextent>(w, me);
      expect(pick(extent, "physBase", "size", "access")).toEqual([DRAM_BASE + PAGE, PAGE, 4]);
      expect(extent.parent === w.ddr).toBe(true);
      expect(w.ddr.references).toBe(2);
      w.root.ok(Hypercall.object_activate, me);
      expect(ownerOf(w, DRAM_BASE + PAGE)).toBe(extent.id);
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, me);
      expect([ownerOf(w, DRAM_BASE + PAGE), w.ddr.references]).toEqual([w.ddr.id, 1]);
    },
    "the parent's mappings, with no more access than its own": (w) => {
      const as = createAddrspace(w, VMID);
      const parent = sparse(w);
      mapPart(w, as, parent, IPA, 0, MIB);
      const since = w.tlbi.length;
      derive(w, parent, PAGE, PAGE, 4);
      expect([0, 1, 2].map((page) => seen(w, as, IPA + page * PAGE))).toEqual([
        sight(DRAM_BASE, RWX_WB),
        sight(DRAM_BASE + PAGE, 0xf0044),
        sight(DRAM_BASE + 2 * PAGE, RWX_WB),
      ]);
      expect(isForgotten(w, VMID, IPA + PAGE, since)).toBe(true);
    },
  },
  memextent_donate: {
    "to a sibling": donates(MemextentDonateType.TO_SIBLING),
    "to protected": donates(MemextentDonateType.TO_PROTECTED),
    "from protected": donates(MemextentDonateType.FROM_PROTECTED),
    "to a child and back: owner and translations, counted from the child's base": (w) => {
      const as = createAddrspace(w, VMID);
      const me = derive(w, w.caps.ddr, DRAM_BASE + MIB, MIB, SPARSE_RWX);
      mapPart(w, as, me, IPA, 0, MIB);
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.caps.ddr, me, PAGE, PAGE);
      expect(ownerOf(w, DRAM_BASE + MIB + PAGE)).toBe(idOf(w, me));
      expect([0, 1, 2].map((page) => seen(w, as, IPA + page * PAGE) !== undefined)).toEqual([false, true, false]);
      const since = w.tlbi.length;
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_PARENT, me, w.caps.ddr, PAGE, PAGE);
      expect(ownerOf(w, DRAM_BASE + MIB + PAGE)).toBe(w.ddr.id);
      expect(seen(w, as, IPA + PAGE)).toBeUndefined();
      expect(isForgotten(w, VMID, IPA + PAGE, since)).toBe(true);
    },
    "to the partition and back": (w) => {
      const as = createAddrspace(w, VMID);
      mapPart(w, as, w.caps.ddr, 0, DRAM_BASE, PAGE);
      w.root.ok(
        Hypercall.memextent_donate,
        MemextentDonateType.TO_PARENT,
        w.caps.ddr,
        w.caps.partition,
        DRAM_BASE,
        PAGE,
      );
      expect(ownerOf(w, DRAM_BASE)).toBe(w.core.rootPartition.id);
      expect(seen(w, as, 0)).toBeUndefined();
      w.root.ok(
        Hypercall.memextent_donate,
        MemextentDonateType.TO_CHILD,
        w.caps.partition,
        w.caps.ddr,
        DRAM_BASE,
        PAGE,
      );
      expect(ownerOf(w, DRAM_BASE)).toBe(w.ddr.id);
      expect(seen(w, as, 0)).toBe(sight(DRAM_BASE, RWX_WB));
    },
    "a translation that both want stays, and no TLB is told": (w) => {
      const as = createAddrspace(w, VMID);
      const [host, guest] = [sparse(w), sparse(w, 0, 0)];
      mapPart(w, as, host, IPA, 0, PAGE);
      mapPart(w, as, guest, IPA, 0, PAGE);
      const since = w.tlbi.length;
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_SIBLING, host, guest, 0, PAGE);
      expect(seen(w, as, IPA)).toBe(sight(DRAM_BASE, RWX_WB));
      expect(w.tlbi.length).toBe(since);
    },
    "nothing when memory for tables ends in the middle": (w) => {
      const [hostAs, guestAs] = [createAddrspace(w, 3), createAddrspace(w, VMID)];
      const make = () => derive(w, w.caps.ddr, DRAM_BASE, 4 * BLOCK, SPARSE_RWX);
      const [host, guest] = [make(), make()];
      w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, w.caps.ddr, host, 0, 4 * BLOCK);
      mapPart(w, hostAs, host, 0, 0, 4 * BLOCK);
      // Off by a page: the guest needs a table of pages for every block.
      mapPart(w, guestAs, guest, PAGE, 0, 4 * BLOCK);
      const giveBack = leave(w, 3);
      const before = w.core.carveOut.pages;
      expect(w.root.call(Hypercall.memextent_donate, MemextentDonateType.TO_SIBLING, host, guest, 0, 4 * BLOCK)).toBe(
        E.NOMEM,
      );
      for (let i = 0; i < 4; i++) {
        expect(ownerOf(w, DRAM_BASE + i * BLOCK)).toBe(idOf(w, host));
        expect(seen(w, hostAs, i * BLOCK)).toBe(sight(DRAM_BASE + i * BLOCK, RWX_WB));
        expect(seen(w, guestAs, i * BLOCK + PAGE)).toBeUndefined();
      }
      expect(w.core.carveOut.pages).toBe(before);
      giveBack();
    },
  },
};

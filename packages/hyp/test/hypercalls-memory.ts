/** Documented errors of the memory calls. Source: docs/api/gunyah_api.md, hyp/mem (December 2023). */

import {
  AddrspaceRight,
  GunyahError as E,
  Hypercall,
  MapFlag,
  MemextentDonateType,
  MemextentModifyOp,
  MemextentRight,
  MemextentType,
  OBJECT_ACTIVATE,
  PartitionRight,
  ThreadRight,
  VicRight,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import type { Memextent } from "../src/memory/memextent.ts";
import { BASIC_RWX, create, createAddrspace, DRAM_BASE, derive, objectOf, SPARSE_RWX, type World } from "./fixture.ts";
import type { Args, CallSpec, CapLookup, Fault } from "./hypercall-spec.ts";

const MIB = 0x10_0000;
const RWX_WB = 0xf0077;
const NO_SYNC = 0x8000_0000;
const TOP = 0xffff_ffff_ffff_f000n;
const IPA_LIMIT = 2 ** 36;

const set = (index: number, value: number | bigint) => (args: Args) => {
  args[index] = value;
};
const lookup = (
  arg: number,
  type: CapLookup["type"],
  right: number,
  mode: CapLookup["mode"] = "active",
): CapLookup => ({
  arg,
  type,
  right,
  mode,
});
const or = (index: number, bits: number) => (args: Args) => {
  args[index] = (Number(args[index]) | bits) >>> 0;
};

/** A sparse child of DDR that owns the first MiB of DRAM; its offset 0 is DRAM_BASE. */
export function ownedSparse(world: World, attrs = SPARSE_RWX): CapId {
  const cap = derive(world, world.caps.ddr, DRAM_BASE, MIB, attrs);
  world.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_CHILD, world.caps.ddr, cap, 0, MIB);
  return cap;
}

function activeVic(world: World): CapId {
  const cap = create(world, "vic");
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

/** Four address spaces hold all slots of an extent. */
function fillSlots(args: Args, world: World): void {
  for (let i = 0; i < 4; i++) {
    const as = createAddrspace(world, 900 + i);
    const error = world.root.call(Hypercall.addrspace_map, as, args[1] as CapId, 0, RWX_WB, 0, 0, 0);
    if (error !== E.OK) throw new Error(`slot ${i}: ${error}`);
  }
}

function readOnlySpace(args: Args, world: World): void {
  Object.defineProperty(objectOf(world, args[0] as CapId), "readOnly", { value: true });
}

const MAP_LOOKUPS = [lookup(0, "addrspace", AddrspaceRight.MAP), lookup(1, "memextent", MemextentRight.MAP)];
/** Whether the caps are still good; the harness spoils them for lookups that come earlier. */
const partFaults = (vbase: number, offset: number, size: number): Fault[] => [
  { when: "partial, vbase not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(vbase, 0x800) },
  { when: "partial, offset not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(offset, 0x800) },
  { when: "partial, size not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(size, 0x1001) },
  { when: "partial, size 0", error: E.ARGUMENT_SIZE, apply: set(size, 0), alone: true },
  {
    when: "partial, offset + size wraps",
    error: E.ARGUMENT_SIZE,
    apply: (a) => {
      a[offset] = TOP;
      a[size] = 0x2000;
    },
    alone: true,
  },
  {
    when: "partial, vbase + size wraps",
    error: E.ARGUMENT_SIZE,
    apply: (a) => {
      a[vbase] = TOP;
      a[size] = 0x2000;
    },
    alone: true,
  },
  { when: "partial, beyond the extent", error: E.ARGUMENT_SIZE, apply: set(offset, MIB), alone: true },
];

export const memorySpecs: readonly CallSpec[] = [
  {
    call: "addrspace_map",
    good: (w) => [createAddrspace(w, 40), ownedSparse(w), 0x10_0000, RWX_WB, MapFlag.PARTIAL, 0, 0x4000, 0],
    before: [
      { when: "reserved attribute bits", error: E.ARGUMENT_INVALID, apply: or(3, 0x100) },
      { when: "reserved flag bits", error: E.ARGUMENT_INVALID, apply: or(4, 0x10) },
    ],
    lookups: MAP_LOOKUPS,
    faults: [
      ...partFaults(2, 5, 6),
      {
        when: "partial, access wider than the extent's",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE, MIB, 4 | (MemextentType.SPARSE << 16));
        },
        alone: true,
      },
      {
        when: "partial, memory type that the extent excludes",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE, MIB, 7 | (2 << 8) | (MemextentType.SPARSE << 16));
        },
        alone: true,
      },
      { when: "memory type that does not exist", error: E.ARGUMENT_INVALID, apply: set(3, 0x4_0077), alone: true },
      { when: "address space read-only", error: E.DENIED, apply: readOnlySpace, alone: true },
      {
        when: "partial on a basic extent",
        error: E.MEMEXTENT_TYPE,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, MIB, BASIC_RWX);
        },
        alone: true,
      },
      { when: "beyond the address space", error: E.ADDR_INVALID, apply: set(2, IPA_LIMIT - 0x1000), alone: true },
      { when: "fifth address space", error: E.MEMEXTENT_MAPPINGS_FULL, apply: fillSlots, alone: true },
      {
        when: "whole, vbase not page-aligned",
        error: E.ARGUMENT_ALIGNMENT,
        apply: (a) => {
          a[4] = 0;
          a[2] = 0x800;
        },
        alone: true,
      },
      {
        when: "whole basic, vbase + size wraps",
        error: E.ADDR_OVERFLOW,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, MIB, BASIC_RWX);
          a[4] = 0;
          a[2] = TOP;
        },
        alone: true,
      },
      {
        when: "whole basic, fifth mapping",
        error: E.MEMEXTENT_MAPPINGS_FULL,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, MIB, BASIC_RWX);
          a[4] = 0;
          fillSlots(a, w);
        },
        alone: true,
      },
      {
        when: "whole, no table memory left",
        error: E.NOMEM,
        apply: (_a, w) => {
          while (w.core.carveOut.allocate() !== -1);
        },
        alone: true,
      },
    ],
  },
  {
    call: "addrspace_unmap",
    good: (w) => {
      const as = createAddrspace(w, 40);
      const me = ownedSparse(w);
      w.root.ok(Hypercall.addrspace_map, as, me, 0x10_0000, RWX_WB, MapFlag.PARTIAL, 0, 0x4000, 0);
      return [as, me, 0x10_0000, MapFlag.PARTIAL, 0, 0x4000, 0];
    },
    before: [{ when: "reserved flag bits", error: E.ARGUMENT_INVALID, apply: or(3, 0x10) }],
    lookups: MAP_LOOKUPS,
    faults: [
      ...partFaults(2, 4, 5),
      { when: "address space read-only", error: E.DENIED, apply: readOnlySpace, alone: true },
      {
        when: "partial on a basic extent",
        error: E.MEMEXTENT_TYPE,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, MIB, BASIC_RWX);
        },
        alone: true,
      },
      { when: "beyond the address space", error: E.ADDR_INVALID, apply: set(2, IPA_LIMIT - 0x1000), alone: true },
      { when: "nothing recorded there", error: E.ADDR_INVALID, apply: set(2, 0x20_0000), alone: true },
      { when: "recorded with another relation", error: E.ADDR_INVALID, apply: set(4, 0x1000), alone: true },
      {
        when: "whole, vbase not page-aligned",
        error: E.ARGUMENT_ALIGNMENT,
        apply: (a) => {
          a[3] = 0;
          a[2] = 0x800;
        },
        alone: true,
      },
    ],
  },
  {
    call: "addrspace_update_access",
    good: (w) => {
      const as = createAddrspace(w, 40);
      const me = derive(w, w.caps.ddr, DRAM_BASE + MIB, MIB, BASIC_RWX);
      w.root.ok(Hypercall.addrspace_map, as, me, 0x10_0000, RWX_WB, 0, 0, 0, 0);
      return [as, me, 0x10_0000, 0x44, 0, 0, 0, 0];
    },
    before: [
      { when: "reserved access bits", error: E.ARGUMENT_INVALID, apply: or(3, 0x1_0000) },
      { when: "reserved flag bits", error: E.ARGUMENT_INVALID, apply: or(4, 0x10) },
    ],
    lookups: MAP_LOOKUPS,
    faults: [
      {
        when: "access wider than the extent's",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + 4 * MIB, MIB, 4);
          a[3] = 0x77;
        },
        alone: true,
      },
      { when: "whole, vbase not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(2, 0x800) },
      { when: "address space read-only", error: E.DENIED, apply: readOnlySpace, alone: true },
      {
        when: "partial on a basic extent",
        error: E.MEMEXTENT_TYPE,
        apply: (a) => {
          a[4] = MapFlag.PARTIAL;
          a[6] = 0x1000;
        },
        alone: true,
      },
      {
        when: "partial, size 0",
        error: E.ARGUMENT_SIZE,
        apply: (a) => {
          a[4] = MapFlag.PARTIAL;
        },
        alone: true,
      },
      { when: "nothing recorded there", error: E.ADDR_INVALID, apply: set(2, 0x20_0000), alone: true },
      {
        when: "partial on a sparse extent (defect of the snapshot)",
        error: E.ADDR_INVALID,
        apply: (a, w) => {
          a[1] = ownedSparse(w);
          w.root.ok(Hypercall.addrspace_map, a[0] as CapId, a[1], 0x40_0000, RWX_WB, MapFlag.PARTIAL, 0, 0x1000, 0);
          a[2] = 0x40_0000;
          a[4] = MapFlag.PARTIAL;
          a[5] = 0;
          a[6] = 0x1000;
        },
        alone: true,
      },
    ],
  },
  {
    call: "addrspace_configure",
    good: (w) => [create(w, "addrspace"), 77, 0],
    lookups: [lookup(0, "addrspace", OBJECT_ACTIVATE, "configure")],
    faults: [
      { when: "VMID 0", error: E.ARGUMENT_INVALID, apply: set(1, 0) },
      { when: "VMID too large", error: E.ARGUMENT_INVALID, apply: set(1, 65536) },
    ],
  },
  {
    call: "addrspace_attach_thread",
    good: (w) => [createAddrspace(w, 40), create(w, "thread"), 0],
    lookups: [
      lookup(1, "thread", ThreadRight.OBJECT_ACTIVATE, "configure"),
      lookup(0, "addrspace", AddrspaceRight.ATTACH),
    ],
  },
  {
    call: "addrspace_attach_vdma",
    good: (w) => [createAddrspace(w, 40), 0, 0, 0],
    lookups: [lookup(0, "addrspace", AddrspaceRight.ATTACH)],
    result: E.CSPACE_WRONG_OBJECT_TYPE,
  },
  {
    call: "addrspace_lookup",
    good: (w) => {
      const as = createAddrspace(w, 40);
      const me = ownedSparse(w);
      w.root.ok(Hypercall.addrspace_map, as, me, 0x10_0000, RWX_WB, MapFlag.PARTIAL, 0, 0x4000, 0);
      return [as, me, 0x10_0000, 0x4000, 0];
    },
    lookups: [lookup(0, "addrspace", AddrspaceRight.LOOKUP), lookup(1, "memextent", MemextentRight.LOOKUP)],
    faults: [
      { when: "size 0", error: E.ARGUMENT_SIZE, apply: set(3, 0), alone: true },
      {
        when: "vbase + size wraps",
        error: E.ADDR_OVERFLOW,
        apply: (a) => {
          a[2] = TOP;
          a[3] = 0x2001;
        },
        alone: true,
      },
      { when: "vbase not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(2, 0x800) },
      { when: "size not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(3, 0x800) },
      { when: "not mapped", error: E.ADDR_INVALID, apply: set(2, 0x40_0000) },
      {
        when: "owned by another extent",
        error: E.MEMDB_NOT_OWNER,
        apply: (a, w) => {
          a[1] = w.caps.ddr;
        },
      },
    ],
  },
  {
    call: "addrspace_configure_info_area",
    good: (w) => [create(w, "addrspace"), derive(w, w.caps.ddr, DRAM_BASE, 0x1000, BASIC_RWX), 0x1_0000, 0],
    lookups: [lookup(0, "addrspace", OBJECT_ACTIVATE, "configure"), lookup(1, "memextent", MemextentRight.ATTACH)],
    faults: [
      {
        when: "extent too large",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, MIB, BASIC_RWX);
        },
        alone: true,
      },
      { when: "IPA not page-aligned", error: E.ADDR_INVALID, apply: set(2, 0x800) },
      { when: "beyond the address space", error: E.ADDR_INVALID, apply: set(2, IPA_LIMIT) },
      {
        when: "extent not basic",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, 0x1000, SPARSE_RWX);
        },
        alone: true,
      },
      {
        when: "extent not writable",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, 0x1000, 4);
        },
        alone: true,
      },
      {
        when: "extent not of type ANY",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + MIB, 0x1000, 6 | (2 << 8));
        },
        alone: true,
      },
    ],
  },
  {
    call: "addrspace_configure_vmmio",
    good: (w) => [createAddrspace(w, 40), 0x1000_0000, 0x1000, 0, 0],
    lookups: [lookup(0, "addrspace", AddrspaceRight.ADD_VMMIO_RANGE, "any")],
    faults: [
      { when: "unknown operation", error: E.UNIMPLEMENTED, apply: set(3, 9) },
      { when: "size 0", error: E.ARGUMENT_SIZE, apply: set(2, 0), alone: true },
      {
        when: "base + size wraps",
        error: E.ADDR_OVERFLOW,
        apply: (a) => {
          a[1] = TOP;
          a[2] = 0x2000;
        },
        alone: true,
      },
      {
        when: "129th range",
        error: E.NORESOURCES,
        apply: (a, w) => {
          for (let i = 0; i < 128; i++)
            w.root.ok(Hypercall.addrspace_configure_vmmio, a[0] as CapId, i * 0x2000, 0x1000, 0);
        },
        alone: true,
      },
      { when: "beyond the range table", error: E.ARGUMENT_SIZE, apply: set(1, 1n << 52n), alone: true },
      {
        when: "overlap",
        error: E.BUSY,
        apply: (a, w) => {
          w.root.ok(Hypercall.addrspace_configure_vmmio, a[0] as CapId, 0x1000_0800, 0x1000, 0);
        },
        alone: true,
      },
      { when: "remove what was not added", error: E.BUSY, apply: set(3, 1), alone: true },
      {
        when: "object failed",
        error: E.OBJECT_STATE,
        apply: (a, w) => {
          const cap = create(w, "addrspace");
          w.root.ok(Hypercall.addrspace_configure, cap, 40);
          w.root.call(Hypercall.object_activate, cap);
          a[0] = cap;
        },
        alone: true,
      },
    ],
  },
  {
    call: "addrspace_attach_vdevice",
    good: (w) => [createAddrspace(w, 40), activeVic(w), 0, 0x800_0000, 0x1_0000, 0],
    lookups: [lookup(0, "addrspace", AddrspaceRight.MAP), lookup(1, "vic", VicRight.ATTACH_VDEVICE)],
    faults: [
      {
        when: "vbase + size wraps",
        error: E.ARGUMENT_INVALID,
        apply: (a) => {
          a[3] = TOP;
          a[4] = 0x2000;
        },
        alone: true,
      },
      { when: "index out of range", error: E.ARGUMENT_INVALID, apply: set(2, 99) },
      {
        when: "range used",
        error: E.BUSY,
        apply: (a, w) => {
          w.root.ok(Hypercall.addrspace_attach_vdevice, ...(a as [CapId, CapId, number, number, number, number]));
        },
      },
    ],
  },
  {
    call: "memextent_modify",
    good: (w) => [ownedSparse(w), (NO_SYNC | MemextentModifyOp.ZERO_RANGE) >>> 0, 0, 0x1000],
    before: [{ when: "reserved flag bits", error: E.ARGUMENT_INVALID, apply: or(1, 0x100) }],
    lookups: [lookup(0, "memextent", MemextentRight.MAP)],
    faults: [
      { when: "unknown operation", error: E.ARGUMENT_INVALID, apply: set(1, (NO_SYNC | 9) >>> 0), alone: true },
      {
        when: "zero without NO_SYNC",
        error: E.ARGUMENT_INVALID,
        apply: set(1, MemextentModifyOp.ZERO_RANGE),
        alone: true,
      },
      {
        when: "clean without NO_SYNC",
        error: E.ARGUMENT_INVALID,
        apply: set(1, MemextentModifyOp.CACHE_CLEAN_RANGE),
        alone: true,
      },
      {
        when: "flush without NO_SYNC",
        error: E.ARGUMENT_INVALID,
        apply: set(1, MemextentModifyOp.CACHE_FLUSH_RANGE),
        alone: true,
      },
      {
        when: "sync with NO_SYNC",
        error: E.ARGUMENT_INVALID,
        apply: set(1, (NO_SYNC | MemextentModifyOp.SYNC_ALL) >>> 0),
        alone: true,
      },
      {
        when: "extent not writable",
        error: E.DENIED,
        apply: (a, w) => {
          a[0] = derive(w, w.caps.ddr, DRAM_BASE, MIB, 5 | (MemextentType.SPARSE << 16));
        },
        alone: true,
      },
      { when: "offset not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(2, 0x800) },
      { when: "base + offset wraps", error: E.ARGUMENT_INVALID, apply: set(2, TOP) },
      { when: "size 0", error: E.ARGUMENT_SIZE, apply: set(3, 0) },
      { when: "beyond the extent", error: E.ARGUMENT_INVALID, apply: set(2, MIB) },
      { when: "unmap all", error: E.OK, apply: set(1, MemextentModifyOp.UNMAP_ALL), alone: true },
      { when: "sync all", error: E.OK, apply: set(1, MemextentModifyOp.SYNC_ALL), alone: true },
      {
        when: "cache clean",
        error: E.OK,
        apply: set(1, (NO_SYNC | MemextentModifyOp.CACHE_CLEAN_RANGE) >>> 0),
        alone: true,
      },
    ],
  },
  {
    call: "memextent_configure",
    good: (w) => [create(w, "memextent"), 0x1000_0000, 0x1000, SPARSE_RWX, 0],
    lookups: [lookup(0, "memextent", OBJECT_ACTIVATE, "configure")],
    faults: [
      { when: "size 0", error: E.ARGUMENT_INVALID, apply: set(2, 0), alone: true },
      {
        when: "base + size wraps",
        error: E.ARGUMENT_INVALID,
        apply: (a) => {
          a[1] = 0xffff_ffff_ffff_f800n;
          a[2] = 0x801;
        },
        alone: true,
      },
      { when: "base not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(1, 0x800) },
      { when: "size not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(2, 0x800) },
      { when: "reserved attribute bits", error: E.ARGUMENT_INVALID, apply: or(3, 0x8) },
      { when: "append", error: E.ARGUMENT_INVALID, apply: or(3, 0x8000_0000) },
      { when: "unknown extent type", error: E.ARGUMENT_INVALID, apply: set(3, 7 | (2 << 16)) },
      { when: "memory type CACHED without forced write-back", error: E.ARGUMENT_INVALID, apply: set(3, 7 | (3 << 8)) },
      { when: "no access", error: E.ARGUMENT_INVALID, apply: set(3, 0) },
    ],
  },
  {
    call: "memextent_configure_derive",
    good: (w) => [create(w, "memextent"), w.caps.ddr, DRAM_BASE, 0x1000, SPARSE_RWX, 0],
    lookups: [lookup(1, "memextent", MemextentRight.DERIVE), lookup(0, "memextent", OBJECT_ACTIVATE, "configure")],
    faults: [
      { when: "size 0", error: E.ARGUMENT_INVALID, apply: set(3, 0), alone: true },
      {
        when: "offset + size wraps",
        error: E.ARGUMENT_INVALID,
        apply: (a) => {
          a[2] = TOP;
          a[3] = 0x2000;
        },
        alone: true,
      },
      {
        when: "beyond the parent",
        error: E.ADDR_INVALID,
        apply: (a, w) => {
          a[2] = objectOf<Memextent>(w, w.caps.ddr).size;
        },
        alone: true,
      },
      { when: "offset not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(2, DRAM_BASE + 0x800) },
      { when: "size not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(3, 0x800) },
      { when: "reserved attribute bits", error: E.ARGUMENT_INVALID, apply: or(4, 0x8) },
      { when: "no access", error: E.ARGUMENT_INVALID, apply: set(4, 1 << 16) },
      {
        when: "access wider than the parent's",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE, MIB, 4 | (1 << 16));
          a[2] = 0;
        },
        alone: true,
      },
      {
        when: "memory type other than the parent's",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE, MIB, 7 | (2 << 8) | (1 << 16));
          a[2] = 0;
        },
        alone: true,
      },
    ],
  },
  donateSpec("to a sibling", MemextentDonateType.TO_SIBLING),
  donateSpec("to protected", MemextentDonateType.TO_PROTECTED),
  donateSpec("from protected", MemextentDonateType.FROM_PROTECTED),
  {
    call: "memextent_donate",
    good: (w) => [
      MemextentDonateType.TO_CHILD,
      w.caps.ddr,
      derive(w, w.caps.ddr, DRAM_BASE, MIB, SPARSE_RWX),
      0,
      0x1000,
      0,
    ],
    lookups: [lookup(2, "memextent", MemextentRight.DONATE), lookup(1, "memextent", MemextentRight.DONATE)],
    faults: [
      {
        when: "to child, not its parent",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE, MIB, SPARSE_RWX);
        },
        alone: true,
      },
      { when: "to child, offset not page-aligned", error: E.ARGUMENT_ALIGNMENT, apply: set(3, 0x800) },
      { when: "to child, base + offset wraps", error: E.ARGUMENT_INVALID, apply: set(3, TOP) },
      { when: "to child, size 0", error: E.ARGUMENT_SIZE, apply: set(4, 0) },
      { when: "to child, beyond the extent", error: E.ARGUMENT_INVALID, apply: set(3, MIB) },
      {
        when: "to child, child basic",
        error: E.MEMEXTENT_TYPE,
        apply: (a, w) => {
          a[2] = derive(w, w.caps.ddr, DRAM_BASE + 4 * MIB, MIB, BASIC_RWX);
        },
        alone: true,
      },
      {
        when: "to child, parent basic",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + 4 * MIB, MIB, BASIC_RWX);
          a[2] = derive(w, a[1] as CapId, 0, MIB, SPARSE_RWX);
        },
        alone: true,
      },
      {
        when: "to child, parent does not own all of it",
        error: E.MEMDB_NOT_OWNER,
        apply: (_a, w) => {
          ownedSparse(w);
        },
        alone: true,
      },
    ],
  },
  {
    call: "memextent_donate",
    good: (w) => [MemextentDonateType.TO_PARENT, ownedSparse(w), w.caps.ddr, 0, 0x1000, 0],
    lookups: [lookup(1, "memextent", MemextentRight.DONATE), lookup(2, "memextent", MemextentRight.DONATE)],
    faults: [
      {
        when: "to parent, not its parent",
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[2] = derive(w, w.caps.ddr, DRAM_BASE, MIB, SPARSE_RWX);
        },
        alone: true,
      },
      {
        when: "to parent, child does not own all of it",
        error: E.MEMDB_NOT_OWNER,
        apply: (a, w) => {
          w.root.ok(Hypercall.memextent_donate, 1, a[1] as CapId, w.caps.ddr, 0, 0x1000);
        },
        alone: true,
      },
    ],
  },
  {
    call: "memextent_donate",
    good: (w) => {
      w.root.ok(
        Hypercall.memextent_donate,
        MemextentDonateType.TO_PARENT,
        w.caps.ddr,
        w.caps.partition,
        DRAM_BASE,
        MIB,
      );
      return [MemextentDonateType.TO_CHILD, w.caps.partition, w.caps.ddr, DRAM_BASE, MIB, 0];
    },
    lookups: [lookup(2, "memextent", MemextentRight.DONATE), lookup(1, "partition", PartitionRight.DONATE)],
    faults: [
      {
        when: "from the partition, which does not own all of it",
        error: E.MEMDB_NOT_OWNER,
        apply: set(4, 2 * MIB),
        alone: true,
      },
    ],
  },
];

function donateSpec(name: string, type: number): CallSpec {
  return {
    call: "memextent_donate",
    good: (w) => [type, ownedSparse(w), derive(w, w.caps.ddr, DRAM_BASE, MIB, SPARSE_RWX), 0, 0x1000, 0],
    before: [
      { when: `${name}, reserved option bits`, error: E.ARGUMENT_INVALID, apply: or(0, 0x100) },
      { when: `${name}, unknown type`, error: E.ARGUMENT_INVALID, apply: set(0, 77) },
    ],
    lookups: [lookup(1, "memextent", MemextentRight.DONATE), lookup(2, "memextent", MemextentRight.DONATE)],
    faults: [
      { when: `${name}, offset not page-aligned`, error: E.ARGUMENT_ALIGNMENT, apply: set(3, 0x800) },
      { when: `${name}, size not page-aligned`, error: E.ARGUMENT_ALIGNMENT, apply: set(4, 0x800) },
      { when: `${name}, base + offset wraps`, error: E.ARGUMENT_INVALID, apply: set(3, TOP), alone: true },
      { when: `${name}, size 0`, error: E.ARGUMENT_SIZE, apply: set(4, 0), alone: true },
      { when: `${name}, outside an extent`, error: E.ARGUMENT_INVALID, apply: set(3, MIB), alone: true },
      {
        when: `${name}, same extent`,
        error: E.ARGUMENT_INVALID,
        apply: (a) => {
          a[2] = a[1] as CapId;
        },
        alone: true,
      },
      {
        when: `${name}, other parent`,
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[2] = derive(w, a[1] as CapId, 0, MIB, SPARSE_RWX);
        },
        alone: true,
      },
      {
        when: `${name}, source basic`,
        error: E.MEMEXTENT_TYPE,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + 4 * MIB, MIB, BASIC_RWX);
          a[2] = derive(w, w.caps.ddr, DRAM_BASE + 4 * MIB, MIB, SPARSE_RWX);
        },
        alone: true,
      },
      {
        when: `${name}, destination not sparse`,
        error: E.ARGUMENT_INVALID,
        apply: (a, w) => {
          a[1] = derive(w, w.caps.ddr, DRAM_BASE + 4 * MIB, MIB, SPARSE_RWX);
          a[2] = derive(w, w.caps.ddr, DRAM_BASE + 4 * MIB, MIB, BASIC_RWX);
        },
        alone: true,
      },
      {
        when: `${name}, source does not own all of it`,
        error: E.MEMDB_NOT_OWNER,
        apply: (a, w) => {
          w.root.ok(Hypercall.memextent_donate, MemextentDonateType.TO_PARENT, a[1] as CapId, w.caps.ddr, 0, 0x1000);
        },
        alone: true,
      },
    ],
  };
}

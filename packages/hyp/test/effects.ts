/** How the effect of a call is written down: what it changes in the hypervisor, seen there and not in its answer. */

import { Hypercall, type HypercallName, ObjectRights, type ObjectType } from "@gunyah-ts/abi";
import type { CapId, Ipa } from "@gunyah-ts/kernel";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import { mapAttrsOf } from "../src/memory/intent.ts";
import { create, DRAM_BASE, derive, objectOf, SPARSE_RWX, type Vm, type World } from "./fixture.ts";

/** Makes the call in a new world and looks at what it did. */
export type Effect = (world: World) => void;
/** By call, then by what is looked at. */
export type Effects = { readonly [N in HypercallName]?: Readonly<Record<string, Effect>> };

export const MIB = 0x10_0000;
export const PAGE = 0x1000;
/** map_attrs: user and kernel RWX, write-back. */
export const RWX_WB = 0xf0077;

/** Every right that a capability of `vm` has. */
export function rightsOf(vm: Vm, cap: CapId): number {
  vm.r.x[1] = cap;
  let rights = 0;
  for (let bit = 0; bit < 32; bit++)
    if (typeof vm.cspace.lookupAny(vm.r.words[1]!, (1 << bit) >>> 0) !== "number") rights |= 1 << bit;
  return rights >>> 0;
}

export function allRightsOf(type: ObjectType): number {
  return Object.values(ObjectRights[type]).reduce((rights: number, right: number) => (rights | right) >>> 0, 0);
}

/** What a VM sees at an address: "physical address, map_attrs", undefined when nothing is mapped. */
export function seen(world: World, addrspace: CapId, ipa: Ipa): string | undefined {
  const { stage2 } = objectOf<Addrspace>(world, addrspace);
  if (stage2 === undefined || !stage2.lookup(ipa)) return undefined;
  const { pa, size, attrs } = stage2.found;
  return sight(pa + (ipa % size), mapAttrsOf(attrs));
}
export function sight(pa: number, mapAttrs: number): string {
  return `0x${pa.toString(16)} 0x${mapAttrs.toString(16)}`;
}

/** Whether a TLB that knew an address has been told to forget it since `tlbi` had `since` entries. */
export function isForgotten(world: World, vmid: number, ipa: Ipa, since: number): boolean {
  return world.tlbi.slice(since).some((t) => t.vmid === vmid && ipa >= t.ipa && ipa < t.ipa + t.size);
}

/** A sparse child of DDR with the first MiB of DRAM at its offset 0, which it owns from `from` to `to`. */
export function sparse(world: World, from = 0, to = MIB): CapId {
  const cap = derive(world, world.caps.ddr, DRAM_BASE, MIB, SPARSE_RWX);
  if (to > from) world.root.ok(Hypercall.memextent_donate, 0, world.caps.ddr, cap, from, to - from);
  return cap;
}

/** Some properties of a live object, which is too large to be compared or printed as a whole. */
export function pick<T, K extends keyof T>(object: T, ...keys: K[]): T[K][] {
  return keys.map((key) => object[key]);
}

export function active(world: World, type: string, configure: (cap: CapId) => void = () => {}): CapId {
  const cap = create(world, type);
  configure(cap);
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

export function msgqueue(world: World, depth = 4, size = 64): CapId {
  return active(world, "msgqueue", (cap) => {
    world.root.ok(Hypercall.msgqueue_configure, cap, depth | (size << 16));
  });
}

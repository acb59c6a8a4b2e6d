/**
 * Random life of four VMs over 64 units of memory, against a model. The ownership invariant and the whole view of
 * every VM are compared after every command.
 */

import { Hypercall, MapFlag, MemextentDonateType, MemextentModifyOp, MemextentType } from "@gunyah-ts/abi";
import { type CapId, PAGE_SIZE } from "@gunyah-ts/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import { checkOwnership } from "../src/ownership/check.ts";
import { OwnershipJournal } from "../src/ownership/journal.ts";
import { OwnershipWatch } from "../src/ownership/watch.ts";
import { createAddrspace, createWorld, DRAM_BASE, derive, objectOf, Vm, type World } from "./fixture.ts";
import { MemoryModel, MODEL_OK, ModelExtent } from "./memory-model.ts";
import { walkStage2 } from "./walker.ts";

const NIGHTLY = process.env["GUNYAH_NIGHTLY"] === "1";
const COMMANDS = NIGHTLY ? 200_000 : 10_000;
const UNITS = 64;
const VMS = 4;
const ACCESSES = [4, 5, 6, 7] as const;
const NO_SYNC = 0x8000_0000;

type Op =
  | "lend"
  | "share"
  | "reclaim"
  | "relinquish"
  | "derive"
  | "donateChild"
  | "donateParent"
  | "donateSibling"
  | "map"
  | "mapAgain"
  | "unmap"
  | "unmapAll"
  | "drop"
  | "kill"
  | "stop"
  | "zero"
  | "write";
const OPS: readonly Op[] = [
  "lend",
  "lend",
  "share",
  "share",
  "reclaim",
  "relinquish",
  "derive",
  "donateChild",
  "donateChild",
  "donateParent",
  "donateSibling",
  "donateSibling",
  "map",
  "map",
  "map",
  "mapAgain",
  "mapAgain",
  "unmap",
  "unmap",
  "unmapAll",
  "drop",
  "kill",
  "stop",
  "zero",
  "write",
  "write",
];

interface Command {
  readonly op: Op;
  readonly a: number;
  readonly b: number;
  readonly start: number;
  readonly length: number;
  readonly ipa: number;
  readonly access: number;
}

interface Guest {
  vmid: number;
  cap: CapId;
  vm: Vm;
}

/** The machine and its model, driven together. */
class Pair {
  readonly world: World;
  readonly journal = new OwnershipJournal();
  readonly watch: OwnershipWatch;
  readonly model: MemoryModel;
  readonly unit: number;
  readonly guests: Guest[] = [];
  readonly caps = new Map<ModelExtent, CapId>();
  readonly root: ModelExtent;
  readonly host: ModelExtent;
  readonly lenders: ModelExtent[] = [];
  readonly sharers: ModelExtent[] = [];
  #nextVmid = 100;
  /** A TLB that caches every translation until it is told not to: VMID and IPA to output address and access. */
  #tlb = new Map<number, number>();

  /** Whether addresses are mapped to what is not there yet alone, so that every wish of an owner shows. */
  readonly #keepsApart: boolean;

  constructor(unitPages: number, keepsApart: boolean) {
    this.#keepsApart = keepsApart;
    this.unit = unitPages * PAGE_SIZE;
    const bytes = UNITS * this.unit;
    const carveOut = 1024 * 1024;
    this.world = createWorld({
      dramSize: bytes + carveOut,
      carveOut: { base: DRAM_BASE + bytes, size: carveOut },
      seed: "property",
      journal: this.journal,
    });
    this.watch = new OwnershipWatch(this.world.core, this.journal);
    this.root = new ModelExtent(undefined, 0, UNITS, 7);
    this.model = new MemoryModel(UNITS, this.root);
    this.caps.set(this.root, this.world.caps.ddr);
    for (let vm = 0; vm < VMS; vm++) this.#boot(vm);
    this.host = this.derive(this.root, 0, UNITS, 7);
    this.donate(this.root, this.host, 0, UNITS, MemextentDonateType.TO_CHILD);
    this.map(this.host, 0, 0, UNITS, 0, 7);
    for (let vm = 0; vm < VMS; vm++) {
      this.lenders.push(this.derive(this.root, 0, UNITS, 7));
      const shared = this.derive(this.root, 0, UNITS, 7);
      this.sharers.push(shared);
      if (vm > 0) this.map(shared, 0, 0, UNITS, 0, 7);
    }
  }

  #boot(vm: number): void {
    const vmid = this.#nextVmid++;
    const cap = createAddrspace(this.world, vmid);
    const addrspace = objectOf<Addrspace>(this.world, cap);
    this.guests[vm] = { vmid, cap, vm: new Vm(this.world.core, this.world.root.cspace, addrspace) };
  }

  #pa(unit: number): number {
    return DRAM_BASE + unit * this.unit;
  }
  #offset(extent: ModelExtent, unit: number): number {
    return extent === this.root ? this.#pa(unit) : (unit - extent.start) * this.unit;
  }
  #cap(extent: ModelExtent): CapId {
    const cap = this.caps.get(extent);
    if (cap === undefined) throw new Error("unnamed extent");
    return cap;
  }

  derive(parent: ModelExtent, start: number, end: number, access: number): ModelExtent {
    const attrs = access | (MemextentType.SPARSE << 16);
    const cap = derive(this.world, this.#cap(parent), this.#offset(parent, start), (end - start) * this.unit, attrs);
    const child = this.model.derive(parent, start, end, access);
    this.caps.set(child, cap);
    return child;
  }

  donate(from: ModelExtent, to: ModelExtent, start: number, end: number, type: number): void {
    // The offset counts from the child of a parent and child, else from the source.
    const base = type === MemextentDonateType.TO_CHILD ? to : from;
    if (start < base.start) return;
    const error = this.world.root.call(
      Hypercall.memextent_donate,
      type,
      this.#cap(from),
      this.#cap(to),
      this.#offset(base, start),
      (end - start) * this.unit,
    );
    expect(error).toBe(this.model.donate(from, to, start, end));
  }

  map(extent: ModelExtent, vm: number, start: number, end: number, ipa: number, access: number): void {
    const guest = this.guests[vm] as Guest;
    const error = this.world.root.call(
      Hypercall.addrspace_map,
      guest.cap,
      this.#cap(extent),
      ipa * this.unit,
      access | (access << 4) | (15 << 16),
      MapFlag.PARTIAL,
      this.#offset(extent, start),
      (end - start) * this.unit,
    );
    expect(error).toBe(this.model.map(extent, vm, start, end, ipa, access));
  }

  unmap(extent: ModelExtent, vm: number, start: number, end: number, ipa: number): void {
    const guest = this.guests[vm] as Guest;
    const error = this.world.root.call(
      Hypercall.addrspace_unmap,
      guest.cap,
      this.#cap(extent),
      ipa * this.unit,
      MapFlag.PARTIAL,
      this.#offset(extent, start),
      (end - start) * this.unit,
    );
    expect(error).toBe(this.model.unmap(extent, vm, start, end, ipa));
  }

  run(command: Command): void {
    const named = this.model.extents.filter((e) => e.named);
    const extent = named[command.a % named.length] as ModelExtent;
    const guestIndex = 1 + (command.b % (VMS - 1));
    const start = command.start % UNITS;
    const end = Math.min(UNITS, start + command.length);
    const inExtent = Math.max(extent.start, Math.min(start, extent.end - 1));
    const inEnd = Math.min(extent.end, inExtent + command.length);
    const access = ACCESSES[command.access % ACCESSES.length] as number;
    const lender = this.lenders[guestIndex] as ModelExtent;
    const sharer = this.sharers[guestIndex] as ModelExtent;
    switch (command.op) {
      case "lend":
        this.donate(this.host, lender, start, end, MemextentDonateType.TO_PROTECTED);
        if (this.mayMap(guestIndex, command.ipa, end - start))
          this.map(lender, guestIndex, start, end, command.ipa, access);
        break;
      case "share":
        this.donate(this.host, sharer, start, end, MemextentDonateType.TO_SIBLING);
        if (this.mayMap(guestIndex, command.ipa, end - start))
          this.map(sharer, guestIndex, start, end, command.ipa, access);
        break;
      case "reclaim":
        this.unmapRecorded(lender, guestIndex, start, end);
        this.donate(lender, this.host, start, end, MemextentDonateType.FROM_PROTECTED);
        break;
      case "relinquish":
        this.unmapRecorded(sharer, guestIndex, start, end);
        this.donate(sharer, this.host, start, end, MemextentDonateType.TO_SIBLING);
        break;
      case "derive":
        // Depth and number stay small, so that commands meet.
        if (named.length < 16) this.derive(extent, inExtent, inEnd, access & extent.access || extent.access);
        break;
      case "donateChild":
        if (extent.parent?.named === true)
          this.donate(extent.parent, extent, inExtent, inEnd, MemextentDonateType.TO_CHILD);
        break;
      case "donateParent":
        if (extent.parent?.named === true)
          this.donate(extent, extent.parent, inExtent, inEnd, MemextentDonateType.TO_PARENT);
        break;
      case "donateSibling": {
        const siblings = [...(extent.parent?.children ?? [])].filter((e) => e.named && e !== extent);
        const to = siblings[command.b % (siblings.length || 1)];
        if (to !== undefined) this.donate(extent, to, inExtent, inEnd, MemextentDonateType.TO_SIBLING);
        break;
      }
      case "map": {
        const vm = command.b % VMS;
        if (this.mayMap(vm, command.ipa, inEnd - inExtent)) this.map(extent, vm, inExtent, inEnd, command.ipa, access);
        break;
      }
      case "mapAgain":
        this.mapAgain(extent, command.b % VMS, inExtent, inEnd, access);
        break;
      case "unmap":
        this.unmapRecorded(extent, command.b % VMS, inExtent, inEnd);
        this.unmap(extent, command.b % VMS, inExtent, inEnd, command.ipa);
        break;
      case "unmapAll":
        expect(
          this.world.root.call(Hypercall.memextent_modify, this.#cap(extent), MemextentModifyOp.UNMAP_ALL, 0, 0),
        ).toBe(MODEL_OK);
        this.model.unmapAll(extent);
        break;
      case "drop":
        if (
          extent !== this.root &&
          extent !== this.host &&
          !this.lenders.includes(extent) &&
          !this.sharers.includes(extent)
        ) {
          this.world.root.ok(Hypercall.cspace_delete_cap_from, this.world.caps.cspace, this.#cap(extent));
          this.caps.delete(extent);
          this.model.drop(extent);
        }
        break;
      case "kill":
        this.killVm(guestIndex);
        break;
      case "stop":
        // What an RM does when a VM stops: everything lent goes back, zeroed.
        for (const from of [lender, sharer]) {
          for (let unit = 0; unit < UNITS; unit++) {
            if (this.model.owner[unit] !== from) continue;
            this.zero(from, unit, unit + 1);
            this.donate(from, this.host, unit, unit + 1, MemextentDonateType.TO_SIBLING);
          }
        }
        this.killVm(guestIndex);
        break;
      case "zero":
        this.zero(extent, inExtent, inEnd);
        break;
      case "write":
        this.write(command.b % VMS, command.ipa, command.start);
        break;
    }
    this.compare();
  }

  mayMap(vm: number, ipa: number, count: number): boolean {
    return !this.#keepsApart || !this.model.isWished(vm, ipa, count);
  }

  /** Record a relation once more, where the extent has it for `start`; what follows may be new. */
  mapAgain(extent: ModelExtent, vm: number, start: number, end: number, access: number): void {
    const ipa = extent.slots.find((s) => s?.vm === vm && s.wishes.has(start))?.wishes.get(start)?.ipa;
    if (ipa !== undefined && !this.#keepsApart) this.map(extent, vm, start, end, ipa, access);
  }

  /** Unmap the largest run from `start` that was recorded with one relation. */
  unmapRecorded(extent: ModelExtent, vm: number, start: number, end: number): void {
    const slot = extent.slots.find((s) => s?.vm === vm && s.wishes.has(start));
    const ipa = slot?.wishes.get(start)?.ipa;
    if (slot === undefined || ipa === undefined) return;
    let stop = start + 1;
    while (stop < end && slot.wishes.get(stop)?.ipa === ipa + stop - start) stop++;
    this.unmap(extent, vm, start, stop, ipa);
  }

  killVm(vm: number): void {
    const guest = this.guests[vm] as Guest;
    this.world.root.ok(Hypercall.cspace_delete_cap_from, this.world.caps.cspace, guest.cap);
    expect(this.world.core.vmids.has(guest.vmid)).toBe(false);
    this.model.kill(vm);
    this.#boot(vm);
  }

  zero(extent: ModelExtent, start: number, end: number): void {
    const error = this.world.root.call(
      Hypercall.memextent_modify,
      this.#cap(extent),
      NO_SYNC | MemextentModifyOp.ZERO_RANGE,
      this.#offset(extent, start),
      (end - start) * this.unit,
    );
    if ((extent.access & 2) === 0) {
      expect(error).toBe(30);
      return;
    }
    expect(error).toBe(MODEL_OK);
    for (let unit = start; unit < end; unit++) if (this.model.owner[unit] === extent) this.model.content[unit] = 0;
  }

  write(vm: number, ipa: number, value: number): void {
    const seen = this.model.view.get(`${vm}:${ipa}`);
    const done = (this.guests[vm] as Guest).vm.guestWrite(ipa * this.unit, Uint8Array.of(value));
    expect(done).toBe(seen !== undefined && (seen.access & 2) !== 0);
    if (seen !== undefined && done) this.model.content[seen.unit] = value;
  }

  compare(): void {
    expect(this.watch.check()).toBeUndefined();
    expect(checkOwnership(this.world.core)).toBeUndefined();
    const expected = this.model.view;
    const current = new Map<number, number>();
    let leaves = 0;
    this.guests.forEach((guest, vm) => {
      const perUnit = this.unit / PAGE_SIZE;
      for (const leaf of walkStage2(this.world.memory, guest.vm.addrspace.vttbr, guest.vm.addrspace.vtcr)) {
        for (let at = 0; at < leaf.size; at += Math.min(this.unit, leaf.size)) {
          const ipa = leaf.ipa + at;
          const seen = expected.get(`${vm}:${Math.floor(ipa / this.unit)}`);
          const unit = Math.floor((leaf.pa + at - DRAM_BASE) / this.unit);
          if (seen === undefined || seen.unit !== unit || seen.access !== leaf.access)
            throw new Error(
              `VM ${vm} sees unit ${unit} at ${ipa / this.unit} (access ${leaf.access}), expected ${JSON.stringify(seen)}`,
            );
          current.set(guest.vmid * 2 ** 36 + ipa, (leaf.pa + at) * 8 + leaf.access);
          leaves += this.unit > leaf.size ? 1 / perUnit : 1;
        }
      }
    });
    if (Math.round(leaves) !== expected.size) throw new Error(`${leaves} units mapped, expected ${expected.size}`);
    this.compareTlb(current);
  }

  /** Whatever a TLB may still hold after the invalidations that were made must be true. */
  compareTlb(current: Map<number, number>): void {
    for (const { vmid, ipa, size } of this.world.tlbi)
      for (const key of this.#tlb.keys()) {
        const at = key - vmid * 2 ** 36;
        if (at >= ipa && at < Math.min(ipa + size, 2 ** 36)) this.#tlb.delete(key);
      }
    this.world.tlbi.length = 0;
    for (const [key, value] of this.#tlb)
      if (current.get(key) !== value) throw new Error(`stale TLB entry for VMID ${Math.floor(key / 2 ** 36)}`);
    this.#tlb = current;
  }

  /** addrspace_lookup answers for every page what an independent walk of the tables finds. */
  compareLookup(): void {
    const { root } = this.world;
    for (const guest of this.guests) {
      for (const leaf of walkStage2(this.world.memory, guest.vm.addrspace.vttbr, guest.vm.addrspace.vtcr)) {
        for (let at = 0; at < leaf.size; at += PAGE_SIZE) {
          const owner = this.model.owner[Math.floor((leaf.pa + at - DRAM_BASE) / this.unit)];
          const cap = owner === undefined ? undefined : this.caps.get(owner);
          if (owner === undefined || cap === undefined) continue;
          expect(root.call(Hypercall.addrspace_lookup, guest.cap, cap, leaf.ipa + at, PAGE_SIZE)).toBe(0);
          const base = owner === this.root ? 0 : this.#pa(owner.start);
          expect(root.r.num(1)).toBe(leaf.pa + at - base);
          expect(root.r.num(2)).toBe(PAGE_SIZE);
          expect(root.r.low(3)).toBe(leaf.access | (leaf.access << 4) | (leaf.memAttr << 16));
        }
      }
      expect(root.call(Hypercall.addrspace_lookup, guest.cap, this.world.caps.ddr, 0xf_0000_0000, PAGE_SIZE)).toBe(22);
    }
  }

  compareContent(): void {
    for (let unit = 0; unit < UNITS; unit++)
      expect(this.world.memory.view(this.#pa(unit), 1)[0]).toBe(this.model.content[unit]);
  }

  /** End: every VM and extent goes; nothing is left. */
  tearDown(): void {
    for (const cap of this.caps.values())
      if (cap !== this.world.caps.ddr)
        this.world.root.ok(Hypercall.cspace_delete_cap_from, this.world.caps.cspace, cap);
    for (const guest of this.guests)
      this.world.root.ok(Hypercall.cspace_delete_cap_from, this.world.caps.cspace, guest.cap);
    const { objects } = { objects: this.world.core.countObjects() };
    expect(objects).toEqual({ partition: 2, cspace: 1, addrspace: 1, memextent: 1 });
    expect(this.world.core.carveOut.pages).toBe(1);
    expect(this.world.core.memdb.pagesOwned(this.world.ddr.id)).toBe((UNITS * this.unit) / PAGE_SIZE);
  }
}

const command: fc.Arbitrary<Command> = fc.record({
  op: fc.constantFrom(...OPS),
  a: fc.nat(63),
  b: fc.nat(63),
  start: fc.nat(UNITS - 1),
  length: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: UNITS })),
  // Few addresses, multiples of a block among them.
  ipa: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(64, 128, 192, 256, 320)),
  access: fc.nat(3),
});

describe("memory of four VMs over 64 units", () => {
  for (const [unitPages, share, name] of [
    [1, 0.75, "4 KiB units"],
    [16, 0.25, "64 KiB units, so that 2 MiB blocks are split and merged"],
  ] as const) {
    it(`agrees with the model, ${name}`, { timeout: NIGHTLY ? 3_600_000 : 120_000 }, () => {
      let commands = 0;
      const target = COMMANDS * share;
      const perRun = 100;
      const lists = fc.array(command, { minLength: 0, maxLength: perRun * 2, size: "max" });
      const property = fc.property(fc.boolean(), lists, (keepsApart, list) => {
        const pair = new Pair(unitPages, keepsApart);
        for (const c of list) pair.run(c);
        pair.compareContent();
        pair.compareLookup();
        pair.tearDown();
        commands += list.length;
      });
      // Lists have any length, so the number of runs follows from what they held.
      while (commands < target)
        fc.assert(property, {
          numRuns: Math.ceil((target - commands) / perRun) + 1,
          verbose: fc.VerbosityLevel.None,
          endOnFailure: false,
        });
      expect(commands).toBeGreaterThanOrEqual(target);
    });
  }
});

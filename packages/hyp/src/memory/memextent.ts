/**
 * Memory extent: a range of physical memory with the most that may be done with it, in a tree. BASIC extents own all
 * of their range while active and map as a whole; SPARSE extents own what was donated to them and map any part.
 * Source: gunyah-hypervisor hyp/mem/memextent/src/memextent.c, memextent_basic.c; hyp/mem/memextent_sparse
 */

import { Access, GunyahError, MemextentMemtype, MemextentType, VmMemtype } from "@gunyah-ts/abi";
import { bug, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { Addrspace } from "../addrspace/addrspace.ts";
import type { HypCore } from "../core.ts";
import { HypObject } from "../object/object.ts";
import type { OwnershipJournal } from "../ownership/journal.ts";
import type { Partition } from "../partition/partition.ts";
import type { Vdevice } from "../vcpu/address-space.ts";
import { type Attrs, type Intent, IntentMap, intentDelta, isWithin, memtypeOf } from "./intent.ts";
import { applyAll, inheritMappings, transferMappings } from "./transfer.ts";

/** Address spaces (or overlapping views of one) in which an extent can be mapped at a time. */
export const MEMEXTENT_MAX_MAPS = 4;

/** One of the places where an extent is mapped: an address space, and an intent for each page. */
export class MappingSlot {
  addrspace: Addrspace | undefined;
  readonly #intents = new IntentMap();
  readonly #journal: OwnershipJournal | undefined;

  /** @param journal told of every change */
  constructor(journal: OwnershipJournal | undefined) {
    this.#journal = journal;
  }

  /** To read; `set` and `forget` change them. */
  get intents(): Omit<IntentMap, "fill" | "clear"> {
    return this.#intents;
  }

  /** Give physical pages [start, end) one intent; 0 takes it away. Translations are the caller's. */
  set(start: number, end: number, intent: Intent): void {
    if (this.#journal !== undefined) {
      for (let page = start; page < end; ) {
        const stop = this.#intents.runEnd(page, end);
        this.#note(page, stop, this.#intents.get(page));
        page = stop;
      }
      if (intent !== 0) this.#journal.physical(start, end);
    }
    this.#intents.fill(start, end, intent);
  }

  /** Take every intent away. */
  forget(): void {
    if (this.#journal !== undefined)
      this.#intents.forEach((start, end, intent) => {
        this.#note(start, end, intent);
      });
    this.#intents.clear();
  }

  /** What an intent that goes may have left behind. */
  #note(start: number, end: number, intent: Intent): void {
    const stage2 = this.addrspace?.stage2;
    if (intent === 0 || stage2 === undefined) return;
    this.#journal?.translation(stage2, start + intentDelta(intent), end + intentDelta(intent));
  }
}

export class Memextent extends HypObject {
  static readonly TYPE = "memextent";
  override readonly type = Memextent.TYPE;
  kind: MemextentType = MemextentType.BASIC;
  memtype: MemextentMemtype = MemextentMemtype.ANY;
  access: number = Access.NONE;
  /** First byte, and size in bytes; size 0 until configured. */
  physBase: Pa = 0;
  size = 0;
  parent: Memextent | undefined;
  readonly children = new Set<Memextent>();
  readonly slots: readonly MappingSlot[];
  /** Memory of devices: it enters the database when the extent is activated. Made at boot only. */
  readonly #isDevice: boolean;
  /** Bytes of it that the hypervisor has attached for itself (info area, virtio configuration). */
  attachedSize = 0;
  /** The emulated device whose registers lie in this memory: writes that fault on permission go to it. */
  vdevice: Vdevice | undefined;
  #wasActive = false;

  constructor(core: HypCore, partition: Partition, isDevice = false) {
    super(core, partition, 256);
    this.#isDevice = isDevice;
    this.slots = Array.from({ length: MEMEXTENT_MAX_MAPS }, () => new MappingSlot(core.journal));
  }

  get isSparse(): boolean {
    return this.kind === MemextentType.SPARSE;
  }
  /** First byte after the range. */
  get physEnd(): Pa {
    return this.physBase + this.size;
  }

  contains(pa: Pa, size: number): boolean {
    return pa >= this.physBase && pa + size <= this.physEnd;
  }

  /** Set what `memextent_configure` or `memextent_configure_derive` checked. */
  configure(
    parent: Memextent | undefined,
    physBase: Pa,
    size: number,
    attrs: { access: number; memtype: number; type: number },
  ): void {
    this.kind = attrs.type as MemextentType;
    this.memtype = attrs.memtype as MemextentMemtype;
    this.access = attrs.access;
    this.physBase = physBase;
    this.size = size;
    const old = this.parent;
    this.parent = parent?.retain();
    old?.release();
  }

  /** Whether a mapping with these attributes (form of an intent) stays within what the extent allows. */
  allows(attrs: Attrs): boolean {
    return isWithin(attrs, this.access) && allowsMemtype(this.memtype, memtypeOf(attrs));
  }

  protected override onActivate(): GunyahError {
    const error = this.parent === undefined ? this.#activateRoot() : this.#activateDerived(this.parent);
    this.#wasActive = error === GunyahError.OK;
    return error;
  }

  #activateRoot(): GunyahError {
    if (this.size === 0) return GunyahError.OBJECT_CONFIG;
    const { memdb } = this.core;
    if (this.#isDevice) return memdb.insert(this.physBase, this.size, this.id);
    if (this.isSparse) return GunyahError.OK;
    return memdb.update(this.physBase, this.size, this.id, (this.partition as Partition).id);
  }

  #activateDerived(parent: Memextent): GunyahError {
    if (parent.memtype === MemextentMemtype.CACHED) return GunyahError.OBJECT_CONFIG;
    if (parent.memtype !== MemextentMemtype.ANY && parent.memtype !== this.memtype) return GunyahError.ARGUMENT_INVALID;
    if (parent.attachedSize !== 0) return GunyahError.BUSY;
    // A basic child always takes its memory; a sparse child of a sparse parent waits for donations.
    const takes = !this.isSparse || !parent.isSparse;
    const { memdb } = this.core;
    if (takes) {
      const error = memdb.update(this.physBase, this.size, this.id, parent.id);
      if (error !== GunyahError.OK) return error;
    }
    const error = inheritMappings(parent, this, takes);
    if (error !== GunyahError.OK) {
      if (takes && memdb.update(this.physBase, this.size, parent.id, this.id) !== GunyahError.OK)
        bug("BUG_HYP_MEMDB", `memextent ${this.id} cannot return what it took`);
      this.clearSlots();
      return error;
    }
    parent.children.add(this);
    return GunyahError.OK;
  }

  /** Mappings go; where the parent has intents for what this extent owned, they come into force. */
  protected override onDeactivate(): void {
    const { memdb } = this.core;
    this.core.journal?.extent(this.id);
    const { parent } = this;
    const owned: { pa: Pa; size: number }[] = [];
    memdb.walk(this.id, this.physBase, this.size, (pa, size) => {
      owned.push({ pa, size });
      return undefined;
    });
    for (const { pa, size } of owned) {
      if (parent === undefined) applyAll(this, pa, size, false);
      else transferMappings(this, parent, pa, size, true);
      const heir = parent?.id ?? (this.partition as Partition).id;
      if (memdb.update(pa, size, heir, this.id) !== GunyahError.OK)
        bug("BUG_HYP_MEMDB", `memextent ${this.id} cannot return its memory`);
    }
    this.clearSlots();
  }

  protected override onCleanup(): void {
    const { parent } = this;
    if (parent === undefined) return;
    if (this.#wasActive) parent.children.delete(this);
    this.parent = undefined;
    parent.release();
  }

  /** Forget every mapping without touching translations. */
  clearSlots(): void {
    for (const slot of this.slots) this.freeSlot(slot);
  }

  /** Let an address space use a slot. */
  takeSlot(slot: MappingSlot, addrspace: Addrspace): void {
    slot.addrspace = addrspace;
    addrspace.mappingSlots.add(slot);
  }

  freeSlot(slot: MappingSlot): void {
    slot.forget();
    slot.addrspace?.mappingSlots.delete(slot);
    slot.addrspace = undefined;
  }

  /** Take every mapping away, those of pages that others own included. Source: memextent_unmap_all */
  unmapAll(): void {
    this.core.memdb.walk(this.id, this.physBase, this.size, (pa, size) => {
      applyAll(this, pa, size, false);
      return undefined;
    });
    this.clearSlots();
  }

  /** Physical page numbers of the range. */
  get pageRange(): { start: number; end: number } {
    return { start: this.physBase / PAGE_SIZE, end: this.physEnd / PAGE_SIZE };
  }
}

/**
 * Whether an extent's memory type allows a mapping's.
 * Source: gunyah-hypervisor hyp/mem/memextent/src/memextent.c, memextent_check_memtype (without forced write-back)
 */
export function allowsMemtype(extent: MemextentMemtype, map: number): boolean {
  switch (map) {
    case VmMemtype.DEVICE_NGNRNE:
    case VmMemtype.DEVICE_NGNRE:
    case VmMemtype.DEVICE_NGRE:
    case VmMemtype.DEVICE_GRE:
      return extent !== MemextentMemtype.CACHED;
    case VmMemtype.NORMAL_NC:
      return extent === MemextentMemtype.ANY || extent === MemextentMemtype.UNCACHED;
    // 4, 8 and 12 are reserved encodings.
    case 4:
    case 8:
    case 12:
      return false;
    default:
      return map <= 15 && extent === MemextentMemtype.ANY;
  }
}

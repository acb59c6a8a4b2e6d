/**
 * What all parts of the hypervisor share: memory, the ownership database, the heap, live objects, hypercalls.
 */

import { GunyahError, MemextentMemtype, MemextentType, type ObjectType } from "@gunyah-ts/abi";
import { bug, type Clock, type Entropy, PAGE_SIZE, type Pa, type PhysicalMemory, type Trace } from "@gunyah-ts/kernel";
import type { Addrspace } from "./addrspace/addrspace.ts";
import type { Tlbi } from "./addrspace/stage2.ts";
import { type AfterCall, HypercallTable } from "./hypercall/table.ts";
import { CarveOut } from "./memory/carve-out.ts";
import { Memdb } from "./memory/memdb.ts";
import { Memextent } from "./memory/memextent.ts";
import type { HypObject } from "./object/object.ts";
import type { OwnershipJournal } from "./ownership/journal.ts";
import { Heap } from "./partition/heap.ts";
import { Partition } from "./partition/partition.ts";

export interface HypCoreOptions {
  readonly memory: PhysicalMemory;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly trace: Trace;
  /** Memory of the hypervisor, page-aligned, inside DRAM. A quarter is the objects' heap, the rest may become tables. */
  readonly carveOut: { readonly base: Pa; readonly size: number };
  /** TLB maintenance; none while no PE exists. */
  readonly tlbi?: Tlbi;
  /** Told of every change of owners, intents and translations. */
  readonly journal?: OwnershipJournal | undefined;
  /** Called after each hypercall. */
  readonly afterCall?: AfterCall | undefined;
}

/** Makes an object of one type, INIT. */
export type ObjectFactory = (core: HypCore, partition: Partition) => HypObject;

const NO_TLBI: Tlbi = { tlbiIpa: () => {}, tlbiVmid: () => {} };

export class HypCore {
  readonly memory: PhysicalMemory;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly trace: Trace;
  readonly carveOut: CarveOut;
  readonly heap: Heap;
  readonly memdb: Memdb;
  readonly tlbi: Tlbi;
  readonly journal: OwnershipJournal | undefined;
  readonly hypercalls: HypercallTable;
  /** What `partition_create_<type>` makes. Types without an entry are not implemented. */
  readonly factories = new Map<ObjectType, ObjectFactory>();
  /** Active address spaces. */
  readonly vmids = new Map<number, Addrspace>();
  /** Owner of the carve-out. */
  readonly hypPartition: Partition;
  /** Owner of all other DRAM, payer of every object. */
  readonly rootPartition: Partition;
  readonly #objects = new Map<number, HypObject>();
  #nextId = 1;

  constructor(options: HypCoreOptions) {
    this.memory = options.memory;
    this.clock = options.clock;
    this.entropy = options.entropy;
    this.trace = options.trace;
    this.tlbi = options.tlbi ?? NO_TLBI;
    this.journal = options.journal;
    const { base, size } = options.carveOut;
    const heapBytes = Math.floor(size / 4);
    this.carveOut = new CarveOut(options.memory, base, size, size - heapBytes);
    this.heap = new Heap(heapBytes);
    const { dramBase, dramSize } = options.memory;
    this.memdb = new Memdb(dramBase, dramSize);
    this.hypPartition = new Partition(this, true);
    this.rootPartition = new Partition(this, false);
    this.memdb.insert(dramBase, dramSize, this.rootPartition.id);
    this.memdb.update(base, size, this.hypPartition.id, this.rootPartition.id);
    this.memdb.onChange = (pa, bytes, from, to) => {
      this.journal?.owner(pa / PAGE_SIZE, (pa + bytes) / PAGE_SIZE, from);
      if (this.trace.enabled)
        this.trace.emit({
          kind: "page-owner",
          at: this.clock.now(),
          pa,
          size: bytes,
          from: this.ownerName(from),
          to: this.ownerName(to),
        });
    };
    this.hypercalls = new HypercallTable(this, options.afterCall);
  }

  /** For `HypObject` alone. */
  adopt(object: HypObject): number {
    const id = this.#nextId++;
    this.#objects.set(id, object);
    return id;
  }

  /** For `HypObject` alone: the object is destroyed. */
  forget(object: HypObject): void {
    if (!this.#objects.delete(object.id)) bug("BUG_HYP_REFERENCE", `${object.type} ${object.id} destroyed twice`);
    this.heap.free(object.bytes);
  }

  /** A live object by id. */
  object(id: number): HypObject | undefined {
    return this.#objects.get(id);
  }

  /** Live objects by type. */
  countObjects(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const object of this.#objects.values()) counts[object.type] = (counts[object.type] ?? 0) + 1;
    return counts;
  }

  /** Every live object of a type. */
  *objectsOf(type: ObjectType): Iterable<HypObject> {
    for (const object of this.#objects.values()) if (object.type === type) yield object;
  }

  /** "hypervisor", "partition", "memextent <n>" or "nobody". */
  ownerName(id: number): string {
    if (id === 0) return "nobody";
    if (id === this.hypPartition.id) return "hypervisor";
    if (id === this.rootPartition.id) return "partition";
    return `memextent ${id}`;
  }

  /**
   * Make an object and charge the partition.
   * @returns GunyahError: UNIMPLEMENTED for a type that this platform lacks, NOMEM
   */
  create(type: ObjectType, partition: Partition): HypObject | GunyahError {
    const factory = this.factories.get(type);
    if (factory === undefined) return GunyahError.UNIMPLEMENTED;
    const object = factory(this, partition);
    if (!this.heap.take(object.bytes)) {
      // Nothing was charged, so nothing may be given back.
      this.#objects.delete(object.id);
      return GunyahError.NOMEM;
    }
    return object;
  }

  /**
   * The sparse extent of all DRAM that is not the carve-out, based at physical 0, ACTIVE and owning it.
   * Source: gunyah-hypervisor hyp/vm/rootvm_package; Differs: there the RM makes it from the partition's memory.
   */
  createDdrMemextent(): Memextent {
    const { dramBase, dramSize } = this.memory;
    const extent = this.#bootExtent(0, dramBase + dramSize, MemextentMemtype.ANY, false);
    const { base, size } = this.carveOut;
    const give = (from: Pa, to: Pa) => {
      if (to > from && this.memdb.update(from, to - from, extent.id, this.rootPartition.id) !== GunyahError.OK)
        bug("BUG_HYP_MEMDB", "DRAM is not the partition's at boot");
    };
    give(dramBase, base);
    give(base + size, dramBase + dramSize);
    return extent;
  }

  /**
   * A sparse extent of device memory [base, base + size), which must lie outside DRAM, ACTIVE and owning it.
   * Differs: there the RM makes it, as the extent of DRAM.
   */
  createDeviceMemextent(base: Pa, size: number): Memextent {
    return this.#bootExtent(base, size, MemextentMemtype.DEVICE, true);
  }

  #bootExtent(base: Pa, size: number, memtype: number, isDevice: boolean): Memextent {
    const extent = new Memextent(this, this.rootPartition, isDevice);
    if (!this.heap.take(extent.bytes)) bug("BUG_HYP_BOOT", "the carve-out is too small to boot");
    extent.configure(undefined, base, size, { access: 7, memtype, type: MemextentType.SPARSE });
    if (extent.activate() !== GunyahError.OK) bug("BUG_HYP_BOOT", "a boot extent overlaps another");
    return extent;
  }
}

/**
 * A hypervisor core with a root VM made of nothing but its objects, and VMs to talk about.
 */
import { type HypercallDefinition } from "@gunyah-ts/abi";
import { type CapId, type PhysicalMemory } from "@gunyah-ts/kernel";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import { HypCore } from "../src/core.ts";
import type { Cspace } from "../src/cspace/cspace.ts";
import type { Caller } from "../src/hypercall/caller.ts";
import { Registers } from "../src/hypercall/registers.ts";
import type { Memextent } from "../src/memory/memextent.ts";
import type { VicLike } from "../src/object/kinds.ts";
import type { HypObject } from "../src/object/object.ts";
import { HypObject as HypObjectClass } from "../src/object/object.ts";
import type { OwnershipJournal } from "../src/ownership/journal.ts";
import type { Partition } from "../src/partition/partition.ts";
import type { VirqSource } from "../src/virq/virq-source.ts";
export declare const DRAM_BASE = 2147483648;
export declare const DRAM_SIZE: number;
export declare const CARVE_OUT: {
  base: number;
  size: number;
};
export interface Tlbi {
  vmid: number;
  ipa: number;
  size: number;
}
/** A VM as the tests need it: a capability space, an address space, registers. */
export declare class Vm implements Caller {
  readonly core: HypCore;
  readonly cspace: Cspace;
  readonly addrspace: Addrspace;
  readonly index = 0;
  readonly r: Registers;
  constructor(core: HypCore, cspace: Cspace, addrspace: Addrspace);
  guestRead(va: number, into: Uint8Array): boolean;
  guestWrite(va: number, bytes: Uint8Array): boolean;
  /** Make a hypercall in the SMCCC form. @returns the error; results are in `r` */
  call(
    definition:
      | HypercallDefinition
      | {
          readonly number: number;
        },
    ...args: readonly (number | bigint)[]
  ): number;
  /** As `call`, for calls that must succeed. @returns X1 */
  ok(
    definition:
      | HypercallDefinition
      | {
          readonly number: number;
        },
    ...args: readonly (number | bigint)[]
  ): bigint;
}
/** An interrupt controller that records which sources are asserted. */
export declare class FakeVic extends HypObjectClass implements VicLike {
  readonly type = "vic";
  readonly bound: Map<number, VirqSource>;
  readonly asserted: number[];
  readonly cleared: number[];
  constructor(core: HypCore, partition: Partition);
  bindShared(source: VirqSource, virq: number): number;
  bindPrivate(): number;
  bind(source: VirqSource, word: number): number;
  virqAssert(slot: number, edgeOnly: boolean): boolean;
  virqClear(slot: number): void;
  virqQuery(): boolean;
  virqUnbind(slot: number): void;
  attachVdevice(addrspace: Addrspace, index: number, base: number, size: number): number;
  vdeviceRead(): number;
  vdeviceWrite(): boolean;
}
/** A thread object without a scheduler. */
export declare class FakeThread extends HypObjectClass {
  readonly type = "thread";
  cspace: Cspace | undefined;
  addrspace: Addrspace | undefined;
  constructor(core: HypCore, partition: Partition);
  protected onCleanup(): void;
}
export interface World {
  readonly core: HypCore;
  readonly memory: PhysicalMemory;
  readonly root: Vm;
  readonly tlbi: Tlbi[];
  readonly caps: {
    readonly partition: CapId;
    readonly cspace: CapId;
    readonly addrspace: CapId;
    readonly ddr: CapId;
  };
  readonly ddr: Memextent;
}
/** Boot a world. `carveOut` defaults to the last 8 MiB of 64 MiB of DRAM; `quiet` records no TLB maintenance. */
export declare function createWorld(options?: {
  carveOut?: {
    base: number;
    size: number;
  };
  dramSize?: number;
  seed?: string;
  quiet?: boolean;
  journal?: OwnershipJournal;
}): World;
/** Create an object by hypercall; INIT. */
export declare function create(world: World, type: string): CapId;
/** The object behind a capability of the root VM. */
export declare function objectOf<T extends HypObject>(world: World, cap: CapId): T;
/** Create and activate an address space. */
export declare function createAddrspace(world: World, vmid: number): CapId;
export declare const SPARSE_RWX: number;
export declare const BASIC_RWX = 7;
/** Derive from an extent and activate. @param offset from the parent's base, bytes */
export declare function derive(world: World, parent: CapId, offset: number, size: number, attrs: number): CapId;
/** A VM with a capability space and an address space of its own, as a caller. */
export declare function createVm(
  world: World,
  vmid: number,
): {
  vm: Vm;
  addrspace: CapId;
  cspace: CapId;
};
//# sourceMappingURL=fixture.d.ts.map

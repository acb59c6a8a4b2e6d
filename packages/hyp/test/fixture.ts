/**
 * A hypervisor core with a root VM made of nothing but its objects, and VMs to talk about.
 */

import {
  GunyahError,
  gunyahErrorFromRegister,
  Hypercall,
  type HypercallDefinition,
  MemextentType,
} from "@gunyah-ts/abi";
import {
  type CapId,
  createPhysicalMemory,
  createSeededEntropy,
  createTrace,
  createVirtualClock,
  type PhysicalMemory,
} from "@gunyah-ts/kernel";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import { HypCore } from "../src/core.ts";
import type { Cspace } from "../src/cspace/cspace.ts";
import type { Caller } from "../src/hypercall/caller.ts";
import { installCore } from "../src/hypercall/install.ts";
import { Registers } from "../src/hypercall/registers.ts";
import type { Memextent } from "../src/memory/memextent.ts";
import type { VicLike } from "../src/object/kinds.ts";
import type { HypObject } from "../src/object/object.ts";
import { HypObject as HypObjectClass } from "../src/object/object.ts";
import type { OwnershipJournal } from "../src/ownership/journal.ts";
import type { Partition } from "../src/partition/partition.ts";
import { Stage2Access } from "../src/vcpu/address-space.ts";
import type { VirqSource } from "../src/virq/virq-source.ts";

export const DRAM_BASE = 0x8000_0000;
export const DRAM_SIZE = 64 * 1024 * 1024;
export const CARVE_OUT = { base: DRAM_BASE + DRAM_SIZE - 8 * 1024 * 1024, size: 8 * 1024 * 1024 };

export interface Tlbi {
  vmid: number;
  ipa: number;
  size: number;
}

export type CallForm = "smccc" | "native";
/** Where the native form goes back to. */
export const RETURN_ADDRESS = 0xffff_8000_0123_4568n;

/** A VM as the tests need it: a capability space, an address space, registers. */
export class Vm implements Caller {
  readonly core: HypCore;
  readonly cspace: Cspace;
  readonly addrspace: Addrspace;
  readonly index = 0;
  readonly r = new Registers();

  constructor(core: HypCore, cspace: Cspace, addrspace: Addrspace) {
    this.core = core;
    this.cspace = cspace;
    this.addrspace = addrspace;
  }

  guestRead(va: number, into: Uint8Array): boolean {
    const pa = this.addrspace.translateRange(va, into.length, Stage2Access.READ);
    if (pa < 0) return false;
    into.set(this.core.memory.view(pa, into.length));
    return true;
  }

  guestWrite(va: number, bytes: Uint8Array): boolean {
    const pa = this.addrspace.translateRange(va, bytes.length, Stage2Access.WRITE);
    if (pa < 0) return false;
    this.core.memory.write(pa, bytes);
    return true;
  }

  /** Make a hypercall in the SMCCC form. @returns the error; results are in `r` */
  call(definition: HypercallDefinition | { readonly number: number }, ...args: readonly (number | bigint)[]): number {
    const { r } = this;
    r.x[0] = 0xc600_8000n | BigInt(definition.number);
    for (let i = 1; i < 18; i++) {
      const value = args[i - 1];
      r.x[i] = value === undefined ? 0n : BigInt.asUintN(64, BigInt(value));
    }
    this.core.hypercalls.dispatch(this, definition.number, r);
    return gunyahErrorFromRegister(r.x[0] as bigint);
  }

  /** Make a hypercall with these registers, as they are. `form`: HVC #0, or HVC #(0x6000 + number) at RETURN_ADDRESS - 4. */
  raw(number: number, r: Registers, form: CallForm): void {
    if (form === "smccc") this.core.hypercalls.dispatch(this, number, r);
    else this.core.hypercalls.dispatchNative(this, number, r, RETURN_ADDRESS);
  }

  /** As `call`, for calls that must succeed. @returns X1 */
  ok(definition: HypercallDefinition | { readonly number: number }, ...args: readonly (number | bigint)[]): bigint {
    const error = this.call(definition, ...args);
    if (error !== GunyahError.OK) throw new Error(`hypercall ${definition.number} gave ${error}`);
    return this.r.x[1] as bigint;
  }
}

/** An interrupt controller that records which sources are asserted. */
export class FakeVic extends HypObjectClass implements VicLike {
  override readonly type = "vic";
  readonly bound = new Map<number, VirqSource>();
  readonly asserted: number[] = [];
  readonly cleared: number[] = [];

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 64);
  }
  bindShared(source: VirqSource, virq: number): number {
    if (virq < 32 || virq > 1019) return GunyahError.ARGUMENT_INVALID;
    if (source.isBound) return GunyahError.VIRQ_BOUND;
    if (this.bound.has(virq)) return GunyahError.BUSY;
    this.bound.set(virq, source);
    source.attach(this, virq);
    return GunyahError.OK;
  }
  bindPrivate(): number {
    return GunyahError.ARGUMENT_INVALID;
  }
  bind(source: VirqSource, word: number): number {
    return this.bindShared(source, word & 0xff_ffff);
  }
  virqAssert(slot: number, edgeOnly: boolean): boolean {
    if (!edgeOnly) this.asserted.push(slot);
    return !edgeOnly;
  }
  virqClear(slot: number): void {
    this.cleared.push(slot);
  }
  virqQuery(): boolean {
    return false;
  }
  virqUnbind(slot: number): void {
    this.bound.delete(slot);
  }
  attachVdevice(addrspace: Addrspace, index: number, base: number, size: number): GunyahError {
    if (index > 1) return GunyahError.ARGUMENT_INVALID;
    return addrspace.addVdevice({ base, size, index, device: this });
  }
  vdeviceRead(): number {
    return 0;
  }
  vdeviceWrite(): boolean {
    return true;
  }
}

/** A thread object without a scheduler. */
export class FakeThread extends HypObjectClass {
  override readonly type = "thread";
  cspace: Cspace | undefined;
  addrspace: Addrspace | undefined;

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 64);
  }
  protected override onCleanup(): void {
    this.cspace?.release();
    this.addrspace?.release();
  }
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

function capOf(cap: CapId | number): CapId {
  if (typeof cap === "number") throw new Error(`no capability: ${cap}`);
  return cap;
}

/** Boot a world. `carveOut` defaults to the last 8 MiB of 64 MiB of DRAM; `quiet` records no TLB maintenance. */
export function createWorld(
  options: {
    carveOut?: { base: number; size: number };
    dramSize?: number;
    seed?: string;
    quiet?: boolean;
    journal?: OwnershipJournal;
  } = {},
): World {
  const dramSize = options.dramSize ?? DRAM_SIZE;
  const memory = createPhysicalMemory({ dramBase: DRAM_BASE, dramSize, reservedBytes: 0x1_0000 });
  const tlbi: Tlbi[] = [];
  const core = new HypCore({
    memory,
    clock: createVirtualClock(),
    entropy: createSeededEntropy(options.seed ?? "hyp"),
    trace: createTrace(),
    journal: options.journal,
    carveOut: options.carveOut ?? { base: DRAM_BASE + dramSize - 8 * 1024 * 1024, size: 8 * 1024 * 1024 },
    tlbi:
      options.quiet === true
        ? { tlbiIpa: () => {}, tlbiVmid: () => {} }
        : {
            tlbiIpa: (vmid, ipa, size) => tlbi.push({ vmid, ipa, size }),
            tlbiVmid: (vmid) => tlbi.push({ vmid, ipa: 0, size: Number.POSITIVE_INFINITY }),
          },
  });
  installCore(core);
  core.factories.set("vic", (c, p) => new FakeVic(c, p));
  core.factories.set("thread", (c, p) => new FakeThread(c, p));
  const cspace = core.create("cspace", core.rootPartition) as Cspace;
  cspace.configure(1024);
  cspace.activate();
  const addrspace = core.create("addrspace", core.rootPartition) as Addrspace;
  addrspace.configure(255);
  addrspace.activate();
  const ddr = core.createDdrMemextent();
  const caps = {
    partition: capOf(cspace.createMasterCap(core.rootPartition)),
    cspace: capOf(cspace.createMasterCap(cspace)),
    addrspace: capOf(cspace.createMasterCap(addrspace)),
    ddr: capOf(cspace.createMasterCap(ddr)),
  };
  return { core, memory, root: new Vm(core, cspace, addrspace), tlbi, caps, ddr };
}

const CREATE: Record<string, { readonly number: number }> = {
  cspace: Hypercall.partition_create_cspace,
  addrspace: Hypercall.partition_create_addrspace,
  memextent: Hypercall.partition_create_memextent,
  doorbell: Hypercall.partition_create_doorbell,
  msgqueue: Hypercall.partition_create_msgqueue,
  vic: Hypercall.partition_create_vic,
  thread: Hypercall.partition_create_thread,
  vpm_group: Hypercall.partition_create_vpm_group,
  virtio_mmio: Hypercall.partition_create_virtio_mmio,
  watchdog: Hypercall.partition_create_watchdog,
};

/** Create an object by hypercall; INIT. */
export function create(world: World, type: string): CapId {
  return world.root.ok(CREATE[type] as { number: number }, world.caps.partition, world.caps.cspace);
}

/** The object behind a capability of the root VM. */
export function objectOf<T extends HypObject>(world: World, cap: CapId): T {
  const r = new Registers();
  r.x[1] = cap;
  const object = world.root.cspace.lookupAny(r.words[1]!, 0);
  if (typeof object === "number") throw new Error(`cap ${cap} gives ${object}`);
  return object as T;
}

/** Create and activate an address space. */
export function createAddrspace(world: World, vmid: number): CapId {
  const cap = create(world, "addrspace");
  world.root.ok(Hypercall.addrspace_configure, cap, vmid);
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

export const SPARSE_RWX = 7 | (MemextentType.SPARSE << 16);
export const BASIC_RWX = 7;

/** Derive from an extent and activate. @param offset from the parent's base, bytes */
export function derive(world: World, parent: CapId, offset: number, size: number, attrs: number): CapId {
  const cap = create(world, "memextent");
  world.root.ok(Hypercall.memextent_configure_derive, cap, parent, offset, size, attrs);
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

/** A VM with a capability space and an address space of its own, as a caller. */
export function createVm(world: World, vmid: number): { vm: Vm; addrspace: CapId; cspace: CapId } {
  const addrspace = createAddrspace(world, vmid);
  const cspace = create(world, "cspace");
  world.root.ok(Hypercall.cspace_configure, cspace, 256);
  world.root.ok(Hypercall.object_activate, cspace);
  return { vm: new Vm(world.core, objectOf(world, cspace), objectOf(world, addrspace)), addrspace, cspace };
}

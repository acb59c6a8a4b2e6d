import { type CodecValue, type HypResource, OsState, type RmCalls, VmAuth, VmState } from "@gunyah-ts/abi";
import type { CapId, Intid, Ipa } from "@gunyah-ts/kernel";
import type { GuestConfig } from "../config/guest-config.ts";
import { VirqAllocator } from "../irq/virq-allocator.ts";
import type { Parcel, Region } from "../parcel/parcel.ts";
import type { RpcClient } from "../rpc/client.ts";
import { Undo } from "../undo.ts";
import type { Vdevice } from "../vdevice/vdevice.ts";

/** One entry of VM_GET_HYP_RESOURCES. */
export type HypResourceValue = CodecValue<typeof HypResource>;
/** Request bodies, by message name. */
export type Request<Name extends keyof typeof RmCalls> = CodecValue<(typeof RmCalls)[Name]["request"]>;

export interface Vcpu {
  readonly cap: CapId;
  /** Index in the VM: order of the CPU nodes, and vGIC index. */
  readonly index: number;
  readonly isBoot: boolean;
  /** Wake-up interrupt in the owner's VM; undefined when the hypervisor schedules the vCPU. */
  readonly wakeupVirq: Intid | undefined;
}

/** Hypervisor objects that make up a VM. Capability ids are in the RM's space. */
export interface VmObjects {
  readonly cspace: CapId;
  readonly addrspace: CapId;
  readonly vic: CapId;
  vcpus: readonly Vcpu[];
  /** Memory that the VM owns: for the host all DRAM that nobody else has, for a guest what was donated to it. */
  memextent: CapId | undefined;
  /** Where memory of the owner goes on demand. Guests only. */
  guestPrivate: CapId | undefined;
  guestShared: CapId | undefined;
}

/** Where the image lies, from VM_CONFIG_IMAGE. Offsets and sizes in bytes, inside the parcel. */
export interface VmImage {
  readonly parcel: Parcel;
  readonly imageOffset: number;
  readonly imageSize: number;
  readonly dtbOffset: number;
  readonly dtbSize: number;
}

export interface IpaRange {
  readonly base: Ipa;
  readonly size: number;
}

/** A resource and the VM that may use it. */
export interface OfferedResource {
  readonly viewer: number;
  readonly resource: HypResourceValue;
}

/**
 * What the RM knows about one VM. Plain state; what happens to it is in the files beside this one.
 * Source: gunyah-resource-manager include/vm_mgnt.h, struct vm; src/vm_config/vm_config_struct.h
 */
export class Vm {
  readonly vmid: number;
  /** VMID of the VM that allocated it. */
  readonly owner: number;
  readonly virqs: VirqAllocator;
  state: VmState = VmState.LOAD;
  osState: number = OsState.NONE;
  appState = 0;
  auth: number = VmAuth.NONE;
  name: string | undefined;
  uri: string | undefined;
  guid: string | undefined;
  image: VmImage | undefined;
  firmware: { readonly parcel: Parcel; readonly offset: number; readonly size: number } | undefined;
  config: GuestConfig | undefined;
  objects: VmObjects | undefined;
  client: RpcClient | undefined;
  /** VMs that hear of its state. */
  readonly peers = new Set<number>();
  readonly resources: OfferedResource[] = [];
  /** SET_DEMAND_PAGING, SET_ADDRESS_LAYOUT, SET_BOOT_CONTEXT. */
  demandPaged: readonly IpaRange[] = [];
  readonly layout = new Map<number, IpaRange>();
  readonly bootContext = new Map<number, { readonly set: number; readonly index: number; readonly value: bigint }>();
  /** IPA ranges of its address space that are spoken for, by what. */
  readonly ranges: { readonly base: Ipa; readonly size: number; readonly what: string }[] = [];
  crashMessage: Uint8Array = new Uint8Array(0);
  /** What VM_INIT made of the devices in its tree. */
  readonly vdevices: Vdevice[] = [];
  /** Memory that was donated to it: its own extent's. */
  readonly donated: Region[] = [];
  /** How to take apart what was built: virtual devices, then the VM itself. */
  readonly undoVdevices = new Undo();
  readonly undoVm = new Undo();

  constructor(vmid: number, owner: number, virqs = new VirqAllocator()) {
    this.vmid = vmid;
    this.owner = owner;
    this.virqs = virqs;
    if (owner !== vmid) this.peers.add(owner);
  }

  get isNoShutdown(): boolean {
    return this.config?.attributes.has("no-shutdown") === true || this.config?.attributes.has("crash-fatal") === true;
  }
  get isNoReset(): boolean {
    return this.config?.attributes.has("no-reset") === true || this.config?.attributes.has("crash-fatal") === true;
  }

  /** Whether [base, base + size) of its address space is free. */
  isFree(base: Ipa, size: number): boolean {
    return !this.ranges.some((r) => base < r.base + r.size && r.base < base + size);
  }
  /** Reserve a range. @returns the function that gives it back, or undefined when part of it is taken */
  reserve(base: Ipa, size: number, what: string): (() => void) | undefined {
    if (!this.isFree(base, size)) return undefined;
    const range = { base, size, what };
    this.ranges.push(range);
    return () => {
      const index = this.ranges.indexOf(range);
      if (index >= 0) this.ranges.splice(index, 1);
    };
  }

  /** Back to what VM_ALLOCATE made, for the next VM_CONFIG_IMAGE. */
  forget(): void {
    this.auth = VmAuth.NONE;
    this.osState = OsState.NONE;
    this.appState = 0;
    this.name = this.uri = this.guid = undefined;
    this.image = undefined;
    this.firmware = undefined;
    this.config = undefined;
    this.objects = undefined;
    this.client = undefined;
    this.resources.length = 0;
    this.vdevices.length = 0;
    this.donated.length = 0;
    this.demandPaged = [];
    this.layout.clear();
    this.bootContext.clear();
    this.ranges.length = 0;
    this.peers.clear();
    this.peers.add(this.owner);
  }
}

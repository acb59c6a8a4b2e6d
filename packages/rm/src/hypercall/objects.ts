import {
  Access,
  ALL_RIGHTS,
  DonateOptions,
  Hypercall,
  type HypercallName,
  MapAttrs,
  MapFlags,
  MemextentAttrs,
  MemextentDonateType,
  MemextentMemtype,
  MemextentModifyOp,
  MemextentType,
  ModifyFlags,
  MsgqueueCreateInfo,
  VirqInfo,
  VmMemtype,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { must } from "../errors.ts";
import type { HypercallClient } from "./client.ts";

/** What the RM owns by right of being the root VM. Capability ids of its own space. */
export interface RootCaps {
  readonly partition: CapId;
  readonly cspace: CapId;
  readonly addrspace: CapId;
  readonly vic: CapId;
  /** The RM's own memory. */
  readonly memory: CapId;
  readonly ddr: CapId;
}

type Creatable = Extract<HypercallName, `partition_create_${string}`> extends `partition_create_${infer T}` ? T : never;

/**
 * Making, wiring and unmaking hypervisor objects: each method is one or two hypercalls, and throws `RmFailure` when
 * the hypervisor refuses.
 */
export class Objects {
  readonly hvc: HypercallClient;
  readonly root: RootCaps;
  /** Last byte + 1 of what memory extents span; they are all based at physical 0, so that an offset is an address. */
  readonly span: number;

  constructor(hvc: HypercallClient, root: RootCaps, span: number) {
    this.hvc = hvc;
    this.root = root;
    this.span = span;
  }

  /** A new object in state INIT. @returns its master capability, in the RM's space */
  create(type: Creatable): CapId {
    const { partition, cspace } = this.root;
    const definition = Hypercall[`partition_create_${type}` as const];
    const { error, new_cap } = this.hvc.call(definition, { partition, cspace });
    must(definition.name, error);
    return new_cap;
  }
  activate(cap: CapId): void {
    must("object_activate", this.hvc.call(Hypercall.object_activate, { cap }).error);
  }
  /** A copy in another VM's space, with fewer rights. */
  copy(cap: CapId, space: CapId, rights: number = ALL_RIGHTS): CapId {
    const { error, new_cap } = this.hvc.call(Hypercall.cspace_copy_cap_from, {
      src_cspace: this.root.cspace,
      src_cap: cap,
      dst_cspace: space,
      rights_mask: rights,
    });
    must("cspace_copy_cap_from", error);
    return new_cap;
  }
  /** Revoke every copy of a master capability and give it up. Errors are of no use to anyone by then. */
  destroy(cap: CapId): void {
    const { cspace } = this.root;
    this.hvc.call(Hypercall.cspace_revoke_caps_from, { cspace, master_cap: cap });
    this.hvc.call(Hypercall.cspace_delete_cap_from, { cspace, cap });
  }
  /** Take back one copy that was given to another VM. */
  remove(space: CapId, cap: CapId): void {
    this.hvc.call(Hypercall.cspace_delete_cap_from, { cspace: space, cap });
  }

  /** Create, set up and activate; what fails half way is destroyed. */
  make(type: Creatable, configure: (cap: CapId) => void = () => undefined): CapId {
    const cap = this.create(type);
    try {
      configure(cap);
      this.activate(cap);
    } catch (thrown) {
      this.destroy(cap);
      throw thrown;
    }
    return cap;
  }

  /** An active message queue. @param depth entries @param size bytes of the largest message */
  messageQueue(depth: number, size: number): CapId {
    const create_info = MsgqueueCreateInfo.pack({ queueDepth: depth, maxMsgSize: size });
    return this.make("msgqueue", (msgqueue) =>
      must("msgqueue_configure", this.hvc.call(Hypercall.msgqueue_configure, { msgqueue, create_info }).error),
    );
  }
  doorbell(): CapId {
    return this.make("doorbell");
  }

  /**
   * A sparse extent that can hold any DRAM, and holds none yet. Mappings that it inherited are dropped.
   * @param access most that it may be mapped with
   */
  extent(access: Access = Access.RWX): CapId {
    const attributes = MemextentAttrs.pack({ access, memtype: MemextentMemtype.ANY, type: MemextentType.SPARSE });
    const { ddr: parent } = this.root;
    const cap = this.make("memextent", (memextent) =>
      must(
        "memextent_configure_derive",
        this.hvc.call(Hypercall.memextent_configure_derive, {
          memextent,
          parent,
          offset: 0,
          size: this.span,
          attributes,
        }).error,
      ),
    );
    const error = this.modify(cap, MemextentModifyOp.UNMAP_ALL, 0, 0);
    if (error !== 0) this.destroy(cap);
    must("drop inherited mappings", error);
    return cap;
  }
  /** A basic extent of device type: one page of the RM's own memory. @param offset from the base of that memory */
  registerPage(offset: number): CapId {
    const attributes = MemextentAttrs.pack({
      access: Access.RW,
      memtype: MemextentMemtype.DEVICE,
      type: MemextentType.BASIC,
    });
    const { memory: parent } = this.root;
    return this.make("memextent", (memextent) =>
      must(
        "memextent_configure_derive",
        this.hvc.call(Hypercall.memextent_configure_derive, { memextent, parent, offset, size: 4096, attributes })
          .error,
      ),
    );
  }
  /** @returns GunyahError */
  modify(memextent: CapId, op: MemextentModifyOp, offset: number, size: number): number {
    const noSync = op === MemextentModifyOp.SYNC_ALL ? 0 : 1;
    const flags = ModifyFlags.pack({ op, noSync: op === MemextentModifyOp.UNMAP_ALL ? 0 : noSync });
    return this.hvc.call(Hypercall.memextent_modify, { memextent, flags, offset, size }).error;
  }
  /** @returns GunyahError */
  donate(type: MemextentDonateType, from: CapId, to: CapId, offset: number, size: number): number {
    const options = DonateOptions.pack({ type });
    return this.hvc.call(Hypercall.memextent_donate, { options, from, to, offset, size }).error;
  }
  /** @param offset physical address @returns GunyahError */
  map(
    addrspace: CapId,
    memextent: CapId,
    vbase: number,
    offset: number,
    size: number,
    access: number,
    memtype: number = VmMemtype.NORMAL_WB,
  ): number {
    return this.hvc.call(Hypercall.addrspace_map, {
      addrspace,
      memextent,
      vbase,
      map_attrs: MapAttrs.pack({ userAccess: access, kernelAccess: access, memtype }),
      map_flags: MapFlags.pack({ partial: 1 }),
      offset,
      size,
    }).error;
  }
  /** @returns GunyahError */
  unmap(addrspace: CapId, memextent: CapId, vbase: number, offset: number, size: number): number {
    const map_flags = MapFlags.pack({ partial: 1 });
    return this.hvc.call(Hypercall.addrspace_unmap, { addrspace, memextent, vbase, map_flags, offset, size }).error;
  }
  /** Map all of a basic extent of device type. @returns GunyahError */
  mapRegisters(addrspace: CapId, memextent: CapId, vbase: number, access: number): number {
    const memtype = VmMemtype.DEVICE_NGNRE;
    return this.hvc.call(Hypercall.addrspace_map, {
      addrspace,
      memextent,
      vbase,
      map_attrs: MapAttrs.pack({ userAccess: access, kernelAccess: access, memtype }),
      map_flags: MapFlags.pack({}),
      offset: 0,
      size: 0,
    }).error;
  }
  /** @returns GunyahError */
  unmapRegisters(addrspace: CapId, memextent: CapId, vbase: number): number {
    const map_flags = MapFlags.pack({});
    return this.hvc.call(Hypercall.addrspace_unmap, { addrspace, memextent, vbase, map_flags, offset: 0, size: 0 })
      .error;
  }
  /** What of an extent is mapped at `vbase`: its address and how many bytes follow on. */
  lookup(addrspace: CapId, memextent: CapId, vbase: number, size: number) {
    return this.hvc.call(Hypercall.addrspace_lookup, { addrspace, memextent, vbase, size });
  }

  /** virq_info of a shared interrupt. */
  static virq(virq: number): number {
    return VirqInfo.pack({ virq });
  }
}

/** Donation between two extents that the RM derived: they are all children of the DRAM extent. */
export const SIBLING = MemextentDonateType.TO_SIBLING;

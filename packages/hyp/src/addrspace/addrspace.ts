/**
 * Address space of a VM: its stage-2 table, the ranges that trap to the proxy, its virtual devices and info area.
 * Source: gunyah-hypervisor hyp/mem/addrspace/src/addrspace.c, hyp/mem/addrspace/aarch64/src/vmmio.c
 */

import { Access, GunyahError } from "@gunyah-ts/abi";
import { type Ipa, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import { kernelAccess } from "../memory/intent.ts";
import type { MappingSlot, Memextent } from "../memory/memextent.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import { Stage2Fault, type VcpuAddressSpace, type Vdevice, type VdeviceFrame } from "../vcpu/address-space.ts";
import type { InfoArea } from "../vcpu/pv-time.ts";
import { IPA_LIMIT, Stage2 } from "./stage2.ts";

/** VMIDs below this exist. */
export const NUM_VMIDS = 65536;
export const ADDRSPACE_MAX_VMMIO_RANGES = 128;
/** Most bytes of an info area. */
export const MAX_INFO_AREA_SIZE = 0x1_0000;

/** An object that `addrspace_attach_vdevice` can attach. */
export interface VdeviceOwner extends Vdevice {
  /** @returns GunyahError: ARGUMENT_INVALID (index), BUSY (range used), NOMEM */
  attachVdevice(addrspace: Addrspace, index: number, vbase: Ipa, size: number, flags: number): GunyahError;
}

interface VmmioRange {
  base: Ipa;
  size: number;
}

export class Addrspace extends HypObject implements VcpuAddressSpace {
  static readonly TYPE = "addrspace";
  override readonly type = Addrspace.TYPE;
  /** 1 to 65535; 0 until configured. */
  vmid = 0;
  /** Undefined unless ACTIVE. */
  stage2: Stage2 | undefined;
  /** The hypervisor refuses changes (address spaces that hardware shares; none on this platform). */
  readonly readOnly = false;
  /** Slots of extents that map here. For `Memextent` alone. */
  readonly mappingSlots = new Set<MappingSlot>();
  #vmmio: VmmioRange[] = [];
  #vmmioCount = 0;
  #demandPaged: VmmioRange[] = [];
  readonly #vdevices: VdeviceFrame[] = [];
  #infoArea: { extent: Memextent; ipa: Ipa } | undefined;

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 512);
  }

  /** @returns GunyahError: ARGUMENT_INVALID */
  configure(vmid: number): GunyahError {
    if (vmid === 0 || vmid >= NUM_VMIDS) return GunyahError.ARGUMENT_INVALID;
    this.vmid = vmid;
    return GunyahError.OK;
  }

  /** The info area, when there is one. */
  get infoArea(): InfoArea | undefined {
    if (this.#infoArea === undefined) return undefined;
    const { extent, ipa } = this.#infoArea;
    return { ipa, size: extent.size, pa: extent.physBase };
  }

  setInfoArea(extent: Memextent, ipa: Ipa): void {
    this.#infoArea?.extent.release();
    this.#infoArea = { extent: extent.retain(), ipa };
  }

  protected override onActivate(): GunyahError {
    const { core } = this;
    if (core.vmids.has(this.vmid)) return GunyahError.BUSY;
    const stage2 = Stage2.create(core.carveOut, core.tlbi, this.vmid, core.journal);
    if (stage2 === undefined) return GunyahError.NOMEM;
    if (this.#infoArea !== undefined) {
      const error = this.#attachInfoArea(this.#infoArea);
      if (error !== GunyahError.OK) {
        stage2.destroy();
        return error;
      }
    }
    this.stage2 = stage2;
    core.vmids.set(this.vmid, this);
    core.journal?.spacesChanged();
    return GunyahError.OK;
  }

  #attachInfoArea({ extent, ipa }: { extent: Memextent; ipa: Ipa }): GunyahError {
    if (ipa + extent.size > IPA_LIMIT) return GunyahError.ARGUMENT_SIZE;
    // Children of an attached extent would take its memory from under the hypervisor.
    if (extent.attachedSize !== 0 || extent.children.size > 0) {
      extent.release();
      this.#infoArea = undefined;
      return GunyahError.BUSY;
    }
    extent.attachedSize = extent.size;
    this.core.memory.fill(extent.physBase, extent.size, 0);
    return GunyahError.OK;
  }

  protected override onDeactivate(): void {
    for (const slot of this.mappingSlots) {
      slot.forget();
      slot.addrspace = undefined;
    }
    this.mappingSlots.clear();
    this.stage2?.destroy();
    this.stage2 = undefined;
    this.core.vmids.delete(this.vmid);
    this.core.journal?.spacesChanged();
    if (this.#infoArea !== undefined) this.#infoArea.extent.attachedSize = 0;
  }

  protected override onCleanup(): void {
    this.#infoArea?.extent.release();
    this.#infoArea = undefined;
  }

  /**
   * Let accesses to [base, base + size) that have no translation end `vcpu_run`.
   * @returns GunyahError: ARGUMENT_SIZE, ADDR_OVERFLOW, NORESOURCES (128 ranges), ADDR_INVALID, BUSY (overlap)
   * Source: addrspace_add_vmmio_range
   */
  addVmmioRange(base: Ipa, size: number): GunyahError {
    if (size === 0) return GunyahError.ARGUMENT_SIZE;
    if (base + size >= 2 ** 64) return GunyahError.ADDR_OVERFLOW;
    if (this.#vmmioCount === ADDRSPACE_MAX_VMMIO_RANGES) return GunyahError.NORESOURCES;
    // The range table of the hypervisor is 52 bits wide.
    if (base + size > 2 ** 52) return GunyahError.ARGUMENT_SIZE;
    if (this.#vmmio.some((r) => base < r.base + r.size && r.base < base + size)) return GunyahError.BUSY;
    this.#vmmio.push({ base, size });
    this.#vmmioCount++;
    return GunyahError.OK;
  }

  /**
   * Take a range, or part of one that has the same base, away.
   * @returns GunyahError: ARGUMENT_SIZE, ADDR_OVERFLOW, BUSY when [base, base + size) is not inside a range of that base
   * Source: addrspace_remove_vmmio_range: entries are compared by the base that they were added with
   */
  removeVmmioRange(base: Ipa, size: number): GunyahError {
    if (size === 0) return GunyahError.ARGUMENT_SIZE;
    if (base + size >= 2 ** 64) return GunyahError.ADDR_OVERFLOW;
    if (base + size > 2 ** 52) return GunyahError.ARGUMENT_SIZE;
    const index = this.#vmmio.findIndex((r) => r.base === base && r.size >= size);
    if (index < 0) return GunyahError.BUSY;
    const range = this.#vmmio[index] as VmmioRange;
    if (range.size === size) this.#vmmio.splice(index, 1);
    else this.#vmmio[index] = { base: base + size, size: range.size - size };
    this.#vmmioCount--;
    return GunyahError.OK;
  }

  /** Whether one range covers the whole access. */
  isVmmio(ipa: Ipa, size: number): boolean {
    for (const range of this.#vmmio) if (ipa >= range.base && ipa + size <= range.base + range.size) return true;
    return false;
  }

  /**
   * Let faults in a range end `vcpu_run` with ADDRSPACE_PAGE_FAULT.
   * Differs: the December 2023 source has no such exit; Linux v15 does, and by which call the RM asks for it is not public.
   * @returns GunyahError, as `addVmmioRange`
   */
  addDemandPagedRange(base: Ipa, size: number): GunyahError {
    if (size === 0) return GunyahError.ARGUMENT_SIZE;
    if (base + size >= 2 ** 64) return GunyahError.ADDR_OVERFLOW;
    if (this.#demandPaged.length === ADDRSPACE_MAX_VMMIO_RANGES) return GunyahError.NORESOURCES;
    if (this.#demandPaged.some((r) => base < r.base + r.size && r.base < base + size)) return GunyahError.BUSY;
    this.#demandPaged.push({ base, size });
    return GunyahError.OK;
  }

  /** @returns GunyahError: BUSY when no range has exactly this base and size */
  removeDemandPagedRange(base: Ipa, size: number): GunyahError {
    const index = this.#demandPaged.findIndex((r) => r.base === base && r.size === size);
    if (index < 0) return GunyahError.BUSY;
    this.#demandPaged.splice(index, 1);
    return GunyahError.OK;
  }

  isDemandPaged(ipa: Ipa): boolean {
    for (const range of this.#demandPaged) if (ipa >= range.base && ipa < range.base + range.size) return true;
    return false;
  }

  /** @returns GunyahError: ADDR_INVALID beyond the address space, BUSY when it overlaps another device */
  addVdevice(frame: VdeviceFrame): GunyahError {
    const end = frame.base + frame.size;
    if (end > IPA_LIMIT) return GunyahError.ADDR_INVALID;
    if (this.#vdevices.some((d) => frame.base < d.base + d.size && d.base < end)) return GunyahError.BUSY;
    this.#vdevices.push(frame);
    return GunyahError.OK;
  }

  /** Take away all frames of a device that goes. */
  removeVdevice(device: Vdevice): void {
    for (let i = this.#vdevices.length - 1; i >= 0; i--)
      if (this.#vdevices[i]?.device === device) this.#vdevices.splice(i, 1);
  }

  /** The frame that holds an access of `size` bytes at `ipa`: one attached here, or registers in mapped memory. */
  vdeviceAt(ipa: Ipa, size: number): VdeviceFrame | undefined {
    for (const frame of this.#vdevices) if (ipa >= frame.base && ipa + size <= frame.base + frame.size) return frame;
    return this.vdeviceInMemory(ipa, size);
  }

  /**
   * Registers in memory: a page whose extent has a device attached.
   * Differs: for a permission fault the source walks the VM's stage 1 from FAR_EL2, because HPFAR_EL2 is UNKNOWN then. The
   * CPU backends write it for every fault of stage 2.
   * Source: gunyah-hypervisor hyp/core/vdevice/src/access.c, vdevice_access_phys
   */
  vdeviceInMemory(ipa: Ipa, size: number): VdeviceFrame | undefined {
    const { stage2 } = this;
    if (stage2 === undefined || ipa + size > IPA_LIMIT || !stage2.lookup(ipa)) return undefined;
    const pa = stage2.found.pa + (ipa % stage2.found.size);
    const owner = this.core.object(this.core.memdb.owner(pa)) as Partial<Memextent> | undefined;
    if (owner?.vdevice === undefined || owner.physBase === undefined || owner.size === undefined) return undefined;
    const base = ipa - (pa - owner.physBase);
    return ipa + size <= base + owner.size ? { base, size: owner.size, device: owner.vdevice, index: 0 } : undefined;
  }

  get vttbr(): bigint {
    return this.stage2?.vttbr ?? 0n;
  }
  get vtcr(): bigint {
    return this.stage2?.vtcr ?? 0n;
  }
  /** No forced write-back: memory types combine with those of stage 1. */
  get hcr(): bigint {
    return 0n;
  }
  get generation(): number {
    return this.stage2?.generation ?? -1;
  }

  /**
   * Physical address of one byte for an access of EL1.
   * @param access `Stage2Access` bits @returns a `Stage2Fault` without a translation or without the permission
   */
  translate(ipa: Ipa, access: number): Pa | number {
    const { stage2 } = this;
    if (stage2 === undefined || ipa >= IPA_LIMIT || ipa < 0 || !stage2.lookup(ipa)) return Stage2Fault.TRANSLATION;
    const { found } = stage2;
    if ((access & ~kernelAccess(found.attrs) & Access.RWX) !== 0) return Stage2Fault.PERMISSION;
    return found.pa + (ipa % found.size);
  }

  /**
   * Physical address of [ipa, ipa + size), when all of it may be accessed that way and it is contiguous.
   * @returns a negative number otherwise
   */
  translateRange(ipa: Ipa, size: number, access: number): Pa | number {
    const first = this.translate(ipa, access);
    if (first < 0) return first;
    for (let at = PAGE_SIZE - (ipa % PAGE_SIZE); at < size; at += PAGE_SIZE)
      if (this.translate(ipa + at, access) !== first + at) return Stage2Fault.TRANSLATION;
    return first;
  }
}

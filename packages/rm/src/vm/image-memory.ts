import { Access, MemAcceptFlag, MemType, RmError, rmErrorName, TransType, VmAddressRange } from "@gunyah-ts/abi";
import type { CapId, Ipa } from "@gunyah-ts/kernel";
import type { GuestConfig } from "../config/guest-config.ts";
import type { RmContext } from "../context.ts";
import { check, errorOf, must, RmFailure } from "../errors.ts";
import { type AcceptRequest, type AcceptResult, acceptParcel } from "../parcel/accept.ts";
import { move } from "../parcel/create.ts";
import { type Parcel, parcelSize, type Region, slice } from "../parcel/parcel.ts";
import { releaseParcel } from "../parcel/release.ts";
import { Undo } from "../undo.ts";
import type { IpaRange, Vm, VmImage, VmObjects } from "./vm.ts";

/**
 * The RM's own look at a parcel: its pages are mapped into the RM's address space where they are in physical memory,
 * used, and unmapped. MEM_INVALID when the range is not in the parcel.
 */
export function withMapped<T>(
  rm: RmContext,
  extent: CapId,
  regions: readonly Region[],
  access: number,
  use: () => T,
): T {
  const { addrspace } = rm.objects.root;
  const undo = new Undo();
  let unmapped = 0;
  try {
    for (const { pa, size } of regions) {
      must("map for the RM", rm.objects.map(addrspace, extent, pa, pa, size, access), RmError.MEM_INVALID);
      undo.push(() => {
        const error = rm.objects.unmap(addrspace, extent, pa, pa, size);
        unmapped ||= error;
      });
    }
    return use();
  } finally {
    undo.run();
    // Memory that the RM still sees is not ready to be anybody's.
    must("unmap for the RM", unmapped);
  }
}

/** Pages that [offset, offset + size) of a parcel touches. */
function pages(parcel: Parcel, offset: number, size: number): Region[] {
  const first = Math.floor(offset / 4096) * 4096;
  const end = Math.ceil((offset + size) / 4096) * 4096;
  const regions = slice(parcel, first, end - first);
  check(regions !== undefined, RmError.MEM_INVALID, "range outside the parcel");
  return regions;
}

/** The device tree blob as it lies in the image parcel: `dtbSize` bytes. */
export function readDtb(rm: RmContext, { parcel, dtbOffset, dtbSize }: VmImage): Uint8Array {
  const regions = pages(parcel, dtbOffset, dtbSize);
  const all = new Uint8Array(regions.reduce((sum, region) => sum + region.size, 0));
  withMapped(rm, parcel.extent, regions, Access.R, () => {
    let at = 0;
    for (const { pa, size } of regions) {
      check(rm.vcpu.read(pa as number, all.subarray(at, at + size)), RmError.MEM_INVALID, "device tree cannot be read");
      at += size;
    }
  });
  return all.subarray(dtbOffset % 4096, (dtbOffset % 4096) + dtbSize);
}

export function writeDtb(rm: RmContext, { parcel, dtbOffset, dtbSize }: VmImage, blob: Uint8Array): void {
  check(blob.length <= dtbSize, RmError.NORESOURCE, "the overlay does not fit");
  const regions = slice(parcel, dtbOffset, blob.length) as Region[];
  withMapped(rm, parcel.extent, pages(parcel, dtbOffset, blob.length), Access.RW, () => {
    let at = 0;
    for (const { pa, size } of regions) {
      check(
        rm.vcpu.write(pa as number, blob.subarray(at, at + size)),
        RmError.NORESOURCE,
        "device tree cannot be written",
      );
      at += size;
    }
  });
}

/** Where the image parcel goes in the guest. */
export function imageBase(vm: Vm, config: GuestConfig): Ipa {
  return vm.layout.get(VmAddressRange.IMAGE)?.base ?? config.memory.base;
}

/**
 * Accept what the VM starts with: the image parcel, the firmware parcel, private parcels with label 0.
 * @returns memory of the VM, for its /memory node
 * Errors: NORESOURCE, whatever went wrong
 * Source: gunyah-resource-manager src/vm_creation/vm_creation.c, accept_memparcel_private
 */
export function acceptMemory(rm: RmContext, vm: Vm, config: GuestConfig, undo: Undo): IpaRange[] {
  const image = vm.image as VmImage;
  const memory: IpaRange[] = [];
  const base = imageBase(vm, config);
  const room = vm.layout.get(VmAddressRange.IMAGE)?.size ?? config.memory.sizeMax;
  const size = parcelSize(image.parcel);
  check(size <= room, RmError.NORESOURCE, "image larger than its range");
  acceptContiguous(rm, vm, image.parcel, base, undo);
  memory.push({ base, size });

  if (vm.firmware !== undefined) {
    const firmwareBase = vm.layout.get(VmAddressRange.FIRMWARE)?.base ?? config.memory.firmwareBase;
    check(firmwareBase !== undefined, RmError.NORESOURCE, "no address for the firmware");
    if (vm.firmware.parcel !== image.parcel) acceptContiguous(rm, vm, vm.firmware.parcel, firmwareBase, undo);
  }

  const limit = config.memory.base + config.memory.sizeMax;
  let next = base + size;
  for (const parcel of [...rm.parcels]) {
    if (!isPrivate(vm, parcel) || parcel === image.parcel || parcel === vm.firmware?.parcel) continue;
    const bytes = parcelSize(parcel);
    if (next + bytes > limit) break;
    acceptContiguous(rm, vm, parcel, next, undo);
    memory.push({ base: next, size: bytes });
    next += bytes;
  }
  return memory;
}

/**
 * Accept for a VM that starts. When the start fails, the parcel is its owner's to reclaim again, as it was: the VM has
 * not run, so there is nothing of it to hide.
 * Differs: the source leaves it accepted until VM_RESET, and Linux, which reclaims before it resets, loses the pages.
 */
export function acceptUntilStarted(rm: RmContext, vm: Vm, undo: Undo, request: AcceptRequest): AcceptResult {
  const result = acceptParcel(rm, vm, request);
  undo.push(() => {
    result.acceptance.sanitizeOnRelease = false;
    releaseParcel(rm, vm, result.parcel, false);
  });
  return result;
}

/** A complete loan of normal memory to this VM alone, with every right. */
function isPrivate(vm: Vm, parcel: Parcel): boolean {
  const [only] = parcel.acl;
  return (
    parcel.label === 0 &&
    parcel.state === "SHARING" &&
    parcel.transType === TransType.LEND &&
    parcel.memType === MemType.NORMAL &&
    parcel.acl.length === 1 &&
    only?.vmid === vm.vmid &&
    only.rights === Access.RWX
  );
}

/**
 * The parcel must be what the RM expects, not just what its owner made it: this VM alone, with every right, and no
 * special attributes.
 *
 * Differs: a parcel that is shared with its owner is accepted as well, because Linux v14 shares all memory of a guest.
 */
function acceptContiguous(rm: RmContext, vm: Vm, parcel: Parcel, base: Ipa, undo: Undo): void {
  const { handle, label, transType } = parcel;
  const isShared = transType === TransType.SHARE;
  const guest = { vmid: vm.vmid, rights: Access.RWX };
  const owner = parcel.acl.find((entry) => entry.vmid === parcel.owner);
  const flags = MemAcceptFlag.DONE | MemAcceptFlag.VALIDATE_ACL_ATTR | MemAcceptFlag.MAP_CONTIGUOUS;
  try {
    acceptUntilStarted(rm, vm, undo, {
      handle,
      memType: MemType.NORMAL,
      transType: isShared ? TransType.SHARE : TransType.LEND,
      // What the owner can see anyway is not worth hiding from it.
      flags: isShared ? flags : flags | MemAcceptFlag.SANITIZE_ON_RELEASE,
      label,
      acl: isShared && owner !== undefined ? [guest, owner] : [guest],
      mapVmid: 0,
      sgl: [{ address: BigInt(base), size: BigInt(parcelSize(parcel)) }],
      attrs: [],
    });
  } catch (thrown) {
    const why = `${rmErrorName(errorOf(thrown))}: ${(thrown as Error).message}`;
    throw new RmFailure(RmError.NORESOURCE, `parcel ${handle}: ${why}`, thrown);
  }
}

/**
 * The image of a host that takes its memory back page by page becomes the VM's own when the VM starts: the host counts it
 * among the folios that it provided, and takes it back like them, with hypercalls on the guest_private extent, or on
 * guest_shared when it kept its view. Such a host is one that said where the image goes (Linux v15 and later); another
 * reclaims the parcel.
 * Errors: NORESOURCE
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c, gunyah_vm_start (the parcel's folios enter the VM's memory)
 */
export function adoptImage(rm: RmContext, vm: Vm, undo: Undo): void {
  const { parcel } = vm.image as VmImage;
  const { addrspace, guestPrivate, guestShared } = vm.objects as VmObjects;
  const isShared = parcel.transType === TransType.SHARE;
  const own = isShared ? guestShared : guestPrivate;
  const acceptance = parcel.acceptances.get(vm.vmid);
  if (own === undefined || acceptance === undefined || !vm.layout.has(VmAddressRange.IMAGE)) return;
  const { objects } = rm;
  parcel.regions.forEach((region, index) => {
    const { pa, size } = region;
    const ipa = acceptance.ipas[index] as Ipa;
    // The new extent's mapping first: the translation stays in place while the page changes hands.
    must("map the image", objects.map(addrspace, own, ipa, pa, size, Access.RWX), RmError.NORESOURCE);
    undo.push(() => objects.unmap(addrspace, own, ipa, pa, size));
    must("adopt the image", move(rm, parcel.extent, own, region, undo), RmError.NORESOURCE);
    must("unmap the parcel", objects.unmap(addrspace, parcel.extent, ipa, pa, size), RmError.NORESOURCE);
    undo.push(() => objects.map(addrspace, parcel.extent, ipa, pa, size, Access.RWX));
  });
  parcel.adopter = own;
  undo.push(() => {
    parcel.adopter = undefined;
  });
}

import {
  type AbiProfile,
  Access,
  GunyahResourceType,
  gunyahErrorToErrno,
  LinuxErrno,
  MapAttrs,
  MapFlag,
  MemextentDonateType,
  VmExtentLabel,
  VmMemtype,
} from "@gunyah-ts/abi";
import type { CapId, DemandFolio, Errno } from "@gunyah-ts/kernel";
import type { HostHypercalls } from "../kernel/hypercalls.ts";
import type { OpenFile } from "../kernel/open-file.ts";
import { HUGE_PAGES } from "../mm/page-allocator.ts";
import { Binding } from "./binding.ts";
import type { Folio } from "./folio.ts";
import type { GuestMemfd } from "./guest-memfd.ts";
import type { PlatformOps } from "./platform.ts";
import { ListTicket } from "./resources.ts";

export interface GuestMmOptions {
  readonly hypercalls: HostHypercalls;
  readonly platform: PlatformOps;
  readonly profile: AbiProfile;
  /** VMID of the VM now. */
  readonly vmid: () => number;
  /** Tells of each fault that was answered. Undefined when nobody listens. */
  readonly onFault?: ((gpa: number, result: Errno) => void) | undefined;
  /** Makes the insertion into the tree fail (fault points). */
  readonly fault?: (() => boolean) | undefined;
}

const attrs = (access: number) =>
  MapAttrs.pack({ userAccess: access, kernelAccess: access, memtype: VmMemtype.NORMAL_WB });
/** By [writable]. Lend: the guest may execute. */
const LEND_ATTRS = [attrs(Access.RX), attrs(Access.RWX)] as const;
const SHARE_ATTRS = [attrs(Access.R), attrs(Access.RW)] as const;
const LEND_ACCESS = [Access.RX, Access.RWX] as const;
const SHARE_ACCESS = [Access.R, Access.RW] as const;
const LEND_FLAGS = MapFlag.PARTIAL | MapFlag.PRIVATE;
const SHARE_FLAGS = MapFlag.PARTIAL | MapFlag.VMMIO;

/**
 * The memory of one VM: bindings (what may be given) and the tree of what is given.
 *
 * The four extents are based at physical address 0, so the offset in an extent is the physical address.
 * Source: Linux series v17, drivers/virt/gunyah/{guest_memfd.c,vm_mgr_mem.c}
 */
export class GuestMm {
  readonly #o: GuestMmOptions;
  readonly addrspace = new ListTicket(GunyahResourceType.ADDR_SPACE, 0);
  readonly hostPrivate = new ListTicket(GunyahResourceType.MEM_EXTENT, VmExtentLabel.HOST_PRIVATE);
  readonly hostShared = new ListTicket(GunyahResourceType.MEM_EXTENT, VmExtentLabel.HOST_SHARED);
  readonly guestPrivate = new ListTicket(GunyahResourceType.MEM_EXTENT, VmExtentLabel.GUEST_PRIVATE);
  readonly guestShared = new ListTicket(GunyahResourceType.MEM_EXTENT, VmExtentLabel.GUEST_SHARED);
  /** Sorted by gfn, disjoint. */
  readonly #bindings: Binding[] = [];
  /** Provided folios by their first gfn. */
  readonly #tree = new Map<number, Folio>();

  constructor(options: GuestMmOptions) {
    this.#o = options;
  }

  get bindings(): readonly Binding[] {
    return this.#bindings;
  }

  /** The binding that holds `gfn`. */
  bindingAt(gfn: number): Binding | undefined {
    let low = 0;
    let high = this.#bindings.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const binding = this.#bindings[middle] as Binding;
      if (gfn < binding.gfn) high = middle - 1;
      else if (gfn >= binding.gfn + binding.count) low = middle + 1;
      else return binding;
    }
    return undefined;
  }

  /** VM_MAP_MEM. @returns -EEXIST for an overlap in the file (any VM) or in the guest, -EINVAL for an empty range */
  bind(memfd: GuestMemfd, file: OpenFile, flags: number, gfn: number, first: number, count: number): Errno {
    for (const other of memfd.bindings) {
      if (first < other.first + other.count && other.first < first + count) return -LinuxErrno.EEXIST;
    }
    if (count === 0) return -LinuxErrno.EINVAL;
    for (const other of this.#bindings) {
      if (gfn < other.gfn + other.count && other.gfn < gfn + count) return -LinuxErrno.EEXIST;
    }
    const binding = new Binding(this, memfd, file, flags, gfn, first, count);
    const at = this.#bindings.findIndex((other) => other.gfn > gfn);
    this.#bindings.splice(at < 0 ? this.#bindings.length : at, 0, binding);
    memfd.bindings.add(binding);
    if (this.#o.profile.bindingHoldsFile) file.get();
    return 0;
  }

  /**
   * VM_MAP_MEM with UNMAP: the whole of a binding, its head or its tail. What was provided comes back first.
   * @returns -ENOENT for no such binding, -EINVAL for a part from the middle, or why memory could not be taken back
   */
  unbind(memfd: GuestMemfd, flags: number, gfn: number, first: number, count: number): Errno {
    const binding = this.bindingAt(gfn);
    if (
      binding === undefined ||
      binding.memfd !== memfd ||
      binding.flags !== flags ||
      gfn - binding.gfn !== first - binding.first ||
      gfn + count > binding.gfn + binding.count
    )
      return -LinuxErrno.ENOENT;
    const isHead = gfn === binding.gfn;
    const isTail = gfn + count === binding.gfn + binding.count;
    if (!isHead && !isTail) return -LinuxErrno.EINVAL;

    const { mmapTakesBack, name } = this.#o.profile;
    if (mmapTakesBack) {
      // v17 passes the end page where a count is expected when it shrinks, so later memory comes back too.
      const span = isHead && isTail ? count : name === "v17" ? gfn + count : count;
      const error = this.reclaimRange(gfn, span);
      if (error !== 0) return error;
    }
    if (isHead && isTail) this.dropBinding(binding);
    else if (isHead) {
      binding.gfn += count;
      binding.first += count;
      binding.count -= count;
    } else binding.count -= count;
    return 0;
  }

  /** Remove a binding as it is. */
  dropBinding(binding: Binding): void {
    const at = this.#bindings.indexOf(binding);
    if (at < 0) return;
    this.#bindings.splice(at, 1);
    binding.memfd.bindings.delete(binding);
    if (this.#o.profile.bindingHoldsFile) binding.file.put();
  }

  /**
   * Give the guest the page at `gpa`.
   * @returns 0; -EAGAIN (it is there already); -ENOENT (no binding); -EPERM (write without the right, or the folio is
   * mapped by the host and lent); -ENOMEM; -ENODEV (RM gave no extents); a remapped hypervisor error
   * Source: gunyah_gup_demand_page, gunyah_gmem_demand_page
   */
  demandPage(gpa: number, write: boolean): Errno {
    const gfn = Math.floor(gpa / 4096);
    const result = this.#demandPage(gfn, write);
    this.#o.onFault?.(gpa, result);
    return result;
  }

  #demandPage(gfn: number, write: boolean): Errno {
    const binding = this.bindingAt(gfn);
    if (binding === undefined) return -LinuxErrno.ENOENT;
    if (write && !binding.isWritable) return -LinuxErrno.EPERM;
    const index = binding.first + (gfn - binding.gfn);
    const folio = binding.memfd.getFolio(index);
    if (folio === undefined) return -LinuxErrno.ENOMEM;
    return this.provide(binding, folio, gfn - (index - folio.index));
  }

  /** Host to guest. `gfn` is that of the folio's first page. Source: gunyah_gmem_provide_folio (v17: gunyah_vm_provide_folio) */
  provide(binding: Binding, folio: Folio, gfn: number): Errno {
    const lend = binding.isLend;
    const addrspace = this.addrspace.first;
    const host = (lend ? this.hostPrivate : this.hostShared).first;
    const guest = (lend ? this.guestPrivate : this.guestShared).first;
    if (addrspace === undefined || host === undefined || guest === undefined) return -LinuxErrno.ENODEV;
    if (!this.#isFree(gfn, folio.pages)) return -LinuxErrno.EAGAIN;
    if (folio.mm !== undefined || folio.parcel > 0) return -LinuxErrno.EAGAIN;
    if (this.#o.fault?.() === true) return -LinuxErrno.ENOMEM;
    if (lend && binding.memfd.isMapped(folio)) return -LinuxErrno.EPERM;

    const { hypercalls, platform } = this.#o;
    const writable = binding.isWritable ? 1 : 0;
    const access = (lend ? LEND_ACCESS : SHARE_ACCESS)[writable];
    const demand: DemandFolio = { vmid: this.#o.vmid(), access, address: folio.pa, size: folio.size };
    const refused = platform.preDemandPage(demand);
    if (refused !== 0) return refused;

    const { pa, size } = folio;
    const there = lend ? MemextentDonateType.TO_PROTECTED : MemextentDonateType.TO_SIBLING;
    let error = hypercalls.memextentDonate(there, host.capId, guest.capId, pa, size);
    if (error === 0) {
      const mapAttrs = (lend ? LEND_ATTRS : SHARE_ATTRS)[writable];
      const flags = lend ? LEND_FLAGS : SHARE_FLAGS;
      error = hypercalls.addrspaceMap(addrspace.capId, guest.capId, gfn * 4096, mapAttrs, flags, pa, size);
      if (error !== 0) {
        const back = lend ? MemextentDonateType.FROM_PROTECTED : MemextentDonateType.TO_SIBLING;
        hypercalls.memextentDonate(back, guest.capId, host.capId, pa, size);
      }
    }
    if (error !== 0) {
      // A platform that cannot take the page back keeps it: the folio stays in the tree, lost.
      if (platform.releaseDemandPage(demand) !== 0) this.#insert(folio, gfn, lend, binding.isWritable);
      return gunyahErrorToErrno(error);
    }
    this.#insert(folio, gfn, lend, binding.isWritable);
    return 0;
  }

  /** Record a folio of the device tree's parcel as provided, when the VM is about to start. */
  adopt(binding: Binding, folio: Folio, gfn: number): Errno {
    if (!this.#isFree(gfn, folio.pages)) return -LinuxErrno.EAGAIN;
    if (this.#o.fault?.() === true) return -LinuxErrno.ENOMEM;
    this.#insert(folio, gfn, binding.isLend, binding.isWritable);
    return 0;
  }

  /** Undo `adopt`: the parcel owns them again. */
  disown(folio: Folio): void {
    this.#tree.delete(folio.gfn);
    folio.mm = undefined;
  }

  /** Guest to host. -EBUSY while a parcel has the folio: until the VM runs it is RM's. @param more whether more folios of one range follow (NO_SYNC) */
  reclaimFolio(folio: Folio, more = false): Errno {
    if (folio.parcel > 0) return -LinuxErrno.EBUSY;
    const lend = !folio.isShared;
    const addrspace = this.addrspace.first;
    const host = (lend ? this.hostPrivate : this.hostShared).first;
    const guest = (lend ? this.guestPrivate : this.guestShared).first;
    if (addrspace === undefined || host === undefined || guest === undefined) return -LinuxErrno.ENODEV;
    const { hypercalls, platform } = this.#o;
    const { pa, size } = folio;
    const flags = ((lend ? LEND_FLAGS : SHARE_FLAGS) | (more ? MapFlag.NO_SYNC : 0)) >>> 0;
    let error = hypercalls.addrspaceUnmap(addrspace.capId, guest.capId, folio.gfn * 4096, flags, pa, size);
    if (error !== 0) return gunyahErrorToErrno(error);
    const back = lend ? MemextentDonateType.FROM_PROTECTED : MemextentDonateType.TO_SIBLING;
    error = hypercalls.memextentDonate(back, guest.capId, host.capId, pa, size);
    if (error !== 0) return gunyahErrorToErrno(error);
    const access = (lend ? LEND_ACCESS : SHARE_ACCESS)[folio.isWritable ? 1 : 0];
    const refused = platform.releaseDemandPage({ vmid: this.#o.vmid(), access, address: pa, size });
    if (refused !== 0) return refused;
    this.#tree.delete(folio.gfn);
    folio.mm = undefined;
    folio.isPrivate = false;
    folio.put();
    return 0;
  }

  /**
   * Every folio that overlaps [gfn, gfn + count), but those that RM's parcel still has: they come back with the parcel,
   * or when the VM ends. Goes on after a failure.
   * @returns the last errno
   */
  reclaimRange(gfn: number, count: number): Errno {
    const folios = this.#overlapping(gfn, count).filter((folio) => folio.parcel === 0);
    let result: Errno = 0;
    folios.forEach((folio, i) => {
      const error = this.reclaimFolio(folio, i < folios.length - 1);
      if (error !== 0) result = error;
    });
    return result;
  }

  /** Destruction: bindings with their memory, then whatever is left in the tree. @returns the last errno */
  clear(): Errno {
    let result: Errno = 0;
    for (const binding of [...this.#bindings]) {
      if (this.#o.profile.mmapTakesBack) result = this.reclaimRange(binding.gfn, binding.count) || result;
    }
    result = this.reclaimRange(0, Number.MAX_SAFE_INTEGER) || result;
    for (const binding of [...this.#bindings]) this.dropBinding(binding);
    return result;
  }

  /** Capabilities in use, for tests. */
  get capabilities(): readonly (CapId | undefined)[] {
    return [this.addrspace, this.hostPrivate, this.guestPrivate].map((ticket) => ticket.first?.capId);
  }

  #overlapping(gfn: number, count: number): Folio[] {
    const out: Folio[] = [];
    if (count > this.#tree.size) {
      for (const folio of this.#tree.values()) {
        if (folio.gfn < gfn + count && gfn < folio.gfn + folio.pages) out.push(folio);
      }
      return out.sort((a, b) => a.gfn - b.gfn);
    }
    for (let g = gfn; g < gfn + count; ) {
      const folio = this.#treeAt(g);
      if (folio !== undefined) out.push(folio);
      g = folio === undefined ? g + 1 : folio.gfn + folio.pages;
    }
    return out;
  }

  #treeAt(gfn: number): Folio | undefined {
    const folio = this.#tree.get(gfn);
    if (folio !== undefined) return folio;
    const head = this.#tree.get(gfn - (gfn % HUGE_PAGES));
    return head?.pages === HUGE_PAGES ? head : undefined;
  }

  #isFree(gfn: number, pages: number): boolean {
    for (let g = gfn; g < gfn + pages; g++) if (this.#treeAt(g) !== undefined) return false;
    return true;
  }

  #insert(folio: Folio, gfn: number, lend: boolean, writable: boolean): void {
    this.#tree.set(gfn, folio);
    folio.mm = this;
    folio.gfn = gfn;
    folio.isShared = !lend;
    folio.isWritable = writable;
    folio.isPrivate = lend;
  }
}

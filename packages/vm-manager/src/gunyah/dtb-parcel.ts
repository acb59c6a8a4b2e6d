import { Access, LinuxErrno, MEM_HANDLE_INVALID } from "@gunyah-ts/abi";
import type { Errno, LayerError } from "@gunyah-ts/kernel";
import { PAGE_SIZE } from "../mm/host-memory.ts";
import { type Parcel, reclaimParcel, shareParcel } from "../rm/parcel.ts";
import type { Binding } from "./binding.ts";
import type { Folio } from "./folio.ts";
import type { Vm } from "./vm.ts";

/**
 * The memory around the guest's device tree, which RM gets before the VM starts because it writes there.
 * Source: Linux series v17, drivers/virt/gunyah/guest_memfd.c, gunyah_gmem_{setup,share,remove}_parcel
 */
export class DtbParcel {
  readonly binding: Binding;
  readonly parcel: Parcel;
  readonly folios: readonly Folio[];
  /** First gfn and pages, widened to whole folios. */
  readonly gfn: number;
  readonly pages: number;

  private constructor(binding: Binding, parcel: Parcel, folios: readonly Folio[], gfn: number, pages: number) {
    this.binding = binding;
    this.parcel = parcel;
    this.folios = folios;
    this.gfn = gfn;
    this.pages = pages;
  }

  get gpa(): number {
    return this.gfn * PAGE_SIZE;
  }
  get size(): number {
    return this.pages * PAGE_SIZE;
  }

  /**
   * Prepare the folios of [gpa, gpa + size) and lend or share them.
   * @returns the parcel; -EINVAL for less than a page; -ENOENT when one binding does not cover it; -ENOMEM; -EPERM when
   * the host maps a folio that is to be lent; RM's errno
   */
  static async create(
    vm: Vm,
    config: Vm["dtbConfig"],
  ): Promise<DtbParcel | { readonly errno: Errno; readonly layers: readonly LayerError[] }> {
    const fail = (errno: Errno, layers: readonly LayerError[] = []) => ({ errno, layers });
    let gfn = Math.floor(config.gpa / PAGE_SIZE);
    const wanted = Math.floor(config.size / PAGE_SIZE);
    if (wanted === 0) return fail(-LinuxErrno.EINVAL);
    const binding = vm.mm.bindingAt(gfn);
    if (binding === undefined || gfn + wanted > binding.gfn + binding.count) return fail(-LinuxErrno.ENOENT);

    const folios: Folio[] = [];
    const first = binding.first + (gfn - binding.gfn);
    for (let index = first; index < first + wanted; ) {
      const folio = binding.memfd.getFolio(index);
      if (folio === undefined) return fail(-LinuxErrno.ENOMEM);
      folios.push(folio);
      index = folio.index + folio.pages;
    }
    const head = folios[0] as Folio;
    const tail = folios.at(-1) as Folio;
    gfn -= first - head.index;
    const pages = tail.index + tail.pages - head.index;

    if (binding.isLend) {
      for (const folio of folios) {
        if (binding.memfd.isMapped(folio)) return fail(-LinuxErrno.EPERM);
      }
    }
    const acl = [{ vmid: vm.vmid, permissions: binding.rights }];
    const parcel: Parcel = {
      label: 0,
      acl,
      entries: folios.map((f) => ({ address: f.pa, size: f.size })),
      handle: MEM_HANDLE_INVALID,
    };
    // From here on other threads run while RM is asked: they may drop the binding and the file, but not these pages.
    for (const folio of folios) {
      folio.parcel++;
      folio.isPrivate = binding.isLend;
    }
    const dtb = new DtbParcel(binding, parcel, folios, gfn, pages);
    const shared = await dtb.#share(vm, acl);
    if (shared.errno === 0) return dtb;
    dtb.#releaseFolios();
    return shared;
  }

  async #share(vm: Vm, acl: { vmid: number; permissions: number }[]): ReturnType<typeof shareParcel> {
    const { rm, platform } = vm.driver;
    if (!this.binding.isLend) {
      const host = await vm.driver.hostVmid();
      if (host.errno !== 0) return host;
      acl.push({ vmid: host.vmid, permissions: Access.RWX });
    }
    return shareParcel(rm, platform, this.parcel);
  }

  /** Record the folios as provided, as if demand paged. All or none. They stay RM's until `settle`. */
  adopt(vm: Vm): Errno {
    let gfn = this.gfn;
    for (const [i, folio] of this.folios.entries()) {
      const error = vm.mm.adopt(this.binding, folio, gfn);
      if (error !== 0) {
        for (const done of this.folios.slice(0, i)) vm.mm.disown(done);
        return error;
      }
      gfn += folio.pages;
    }
    return 0;
  }

  /** The VM runs: RM has made the folios the VM's own, and they are taken back with hypercalls, not with MEM_RECLAIM. */
  settle(): void {
    for (const folio of this.folios) folio.parcel--;
  }

  /** Undo `adopt`. */
  disown(vm: Vm): void {
    for (const folio of this.folios) vm.mm.disown(folio);
  }

  /** MEM_RECLAIM. On failure the pages stay lost to the host, on purpose. */
  async reclaim(vm: Vm): Promise<Errno> {
    const { rm, platform, kernel } = vm.driver;
    const result = await reclaimParcel(rm, platform, this.parcel);
    if (result.errno !== 0) {
      kernel.log("error", `VM ${vm.vmid}: failed to reclaim the device tree's memory, ${result.errno}: leaking it`);
      return result.errno;
    }
    this.#releaseFolios();
    return 0;
  }

  #releaseFolios(): void {
    for (const folio of this.folios) {
      folio.parcel--;
      folio.isPrivate = false;
      folio.put();
    }
  }
}

import { LinuxErrno } from "@gunyah-ts/abi";
import type { DemandFolio, Errno, HostKernel, MemParcel } from "@gunyah-ts/kernel";
import { domainOf, type ScmOwner, ScmPerm, ScmVmid } from "./scm.ts";
import { ScmClient } from "./scm-client.ts";

const HOST: readonly ScmOwner[] = [{ vmid: ScmVmid.HLOS, permissions: ScmPerm.RWX }];
const HOST_SET: ReadonlySet<number> = new Set([ScmVmid.HLOS]);

/**
 * The Qualcomm provider of the platform hooks: memory changes hands at the access control unit whenever it changes
 * hands between VMs.
 * Source: Linux series v17, drivers/virt/gunyah/gunyah_qcom.c
 */
export class QcomPlatform {
  readonly #scm: ScmClient;
  readonly #kernel: Pick<HostKernel, "allocPage" | "smc" | "log">;
  #isQcom: boolean | undefined;

  constructor(kernel: Pick<HostKernel, "allocPage" | "smc" | "log">) {
    this.#kernel = kernel;
    this.#scm = new ScmClient(kernel);
  }

  /** Whether secure firmware says that this is Qualcomm's; -ENODEV answers otherwise. Asked once. */
  get isPresent(): boolean {
    if (this.#isQcom === undefined) {
      this.#isQcom = this.#scm.isQcom();
      if (!this.#isQcom) this.#kernel.log("error", "secure firmware is not Qualcomm's: no memory can be assigned");
    }
    return this.#isQcom;
  }

  /** Each entry in order from the host to the parcel's VMs; what was assigned goes back in reverse on a refusal. */
  preMemShare(parcel: MemParcel): Errno {
    if (!this.isPresent) return -LinuxErrno.ENODEV;
    const { acl, entries } = parcel;
    const owners = acl.map((e) => ({ vmid: domainOf(e.vmid), permissions: e.permissions }));
    for (const [i, entry] of entries.entries()) {
      const error = this.#scm.assignMem(entry.address, entry.size, HOST_SET, owners);
      if (error === 0) continue;
      const set = new Set(owners.map((owner) => owner.vmid));
      for (const done of entries.slice(0, i).reverse()) this.#back(done, set);
      return error;
    }
    return 0;
  }

  /** Each entry back to the host. Failures are logged and passed over. @returns the last entry's result */
  postMemReclaim(parcel: MemParcel): Errno {
    if (!this.isPresent) return -LinuxErrno.ENODEV;
    const set = new Set(parcel.acl.map((e) => domainOf(e.vmid)));
    let result: Errno = 0;
    for (const entry of parcel.entries) result = this.#back(entry, set);
    return result;
  }

  /** One folio to the RM's VMs, and when it is shared (no X) to the host too. */
  preDemandPage(folio: DemandFolio): Errno {
    if (!this.isPresent) return -LinuxErrno.ENODEV;
    const owners: ScmOwner[] = [{ vmid: ScmVmid.RM_MANAGED, permissions: ScmPerm.RWX }];
    if (isShared(folio)) owners.push(...HOST);
    return this.#scm.assignMem(folio.address, folio.size, HOST_SET, owners);
  }

  releaseDemandPage(folio: DemandFolio): Errno {
    if (!this.isPresent) return -LinuxErrno.ENODEV;
    const from = new Set<number>([ScmVmid.RM_MANAGED]);
    if (isShared(folio)) from.add(ScmVmid.HLOS);
    return this.#back(folio, from);
  }

  #back(range: { readonly address: number; readonly size: number }, from: ReadonlySet<number>): Errno {
    const error = this.#scm.assignMem(range.address, range.size, from, HOST);
    if (error !== 0)
      this.#kernel.log(
        "warn",
        `failed to assign 0x${range.address.toString(16)}+0x${range.size.toString(16)} to the host`,
      );
    return error;
  }
}

/** Lend and share differ only in the X bit of the access. */
const isShared = (folio: DemandFolio): boolean => (folio.access & ScmPerm.EXEC) === 0;

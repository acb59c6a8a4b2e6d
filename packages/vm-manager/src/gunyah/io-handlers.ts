import { LinuxErrno } from "@gunyah-ts/abi";
import type { Errno, IoHandler, Ipa } from "@gunyah-ts/kernel";

interface Entry {
  readonly handler: IoHandler;
  readonly length: number;
  readonly hasDatamatch: boolean;
  readonly low: number;
  readonly high: number;
}

/**
 * Who answers guest stores. The reference keeps a tree ordered by address, length and data in which some keys count as
 * equal; here each address has its short list, and "equal" is a conflict.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c, gunyah_vm_io_handler_compare
 */
export class IoHandlerTable {
  readonly #byAddress = new Map<Ipa, Entry[]>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** @returns -EINVAL for a datamatch without a length of 1 to 8, -EEXIST for a conflict */
  add(handler: IoHandler): Errno {
    const { address, length, datamatch } = handler;
    if (datamatch !== undefined && (length < 1 || length > 8)) return -LinuxErrno.EINVAL;
    const entry: Entry = {
      handler,
      length,
      hasDatamatch: datamatch !== undefined,
      low: Number((datamatch ?? 0n) & 0xffff_ffffn),
      high: Number(((datamatch ?? 0n) >> 32n) & 0xffff_ffffn),
    };
    const there = this.#byAddress.get(address);
    if (there === undefined) this.#byAddress.set(address, [entry]);
    else if (there.some((other) => conflicts(other, entry))) return -LinuxErrno.EEXIST;
    else there.push(entry);
    this.#count++;
    return 0;
  }

  remove(handler: IoHandler): void {
    const there = this.#byAddress.get(handler.address);
    const index = there?.findIndex((entry) => entry.handler === handler) ?? -1;
    if (there === undefined || index < 0) return;
    there.splice(index, 1);
    if (there.length === 0) this.#byAddress.delete(handler.address);
    this.#count--;
  }

  /** Offer a store. No range search: the address is compared exactly. @returns 0 handled, -ENOENT nobody */
  write(address: Ipa, length: number, low: number, high: number): Errno {
    const there = this.#byAddress.get(address);
    if (there === undefined) return -LinuxErrno.ENOENT;
    for (const entry of there) {
      if (entry.length !== 0 && entry.length !== length) continue;
      if (entry.hasDatamatch && (entry.low !== low || entry.high !== high)) continue;
      return entry.handler.write(address, length, low, high) ? 0 : -LinuxErrno.ENOENT;
    }
    return -LinuxErrno.ENOENT;
  }
}

/** Whether two handlers of one address compare equal. */
function conflicts(a: Entry, b: Entry): boolean {
  if ((a.length === 0) !== (b.length === 0)) return true;
  if (a.length !== b.length) return false;
  if (a.hasDatamatch !== b.hasDatamatch) return true;
  return a.low === b.low && a.high === b.high;
}

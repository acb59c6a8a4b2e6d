import type { HostProcess, Ipa } from "@gunyah-ts/kernel";
import { ModelError } from "@gunyah-ts/kernel";
import type { GunyahVm } from "@gunyah-ts/vm-manager";
import type { GuestRam } from "./guest-ram.ts";

/** GH_MEM_ALLOW_READ, WRITE and EXEC. Source: Linux series v14, include/uapi/linux/gunyah.h */
const ALLOW_RWX = 7;

/**
 * Guest memory of ABI v14: memory of the VMM's process, pinned and shared with the guest as a whole when it starts.
 * Source: Linux series v14, drivers/virt/gunyah/vm_mgr_mm.c
 */
export class PinnedRam implements GuestRam {
  readonly address: number;
  readonly size: number;
  readonly dmaPool = undefined;
  readonly #process: HostProcess;
  readonly #vm: GunyahVm;
  readonly #user: bigint;

  constructor(process: HostProcess, vm: GunyahVm, options: { readonly address: number; readonly size: number }) {
    this.#process = process;
    this.#vm = vm;
    this.address = options.address;
    this.size = options.size;
    this.#user = process.alloc(options.size);
  }

  load(address: number, bytes: Uint8Array): void {
    if (!this.write(address, bytes))
      throw new ModelError(
        "VMM_LAYOUT_OUTSIDE",
        `${bytes.length} bytes at 0x${address.toString(16)} are not guest memory`,
      );
  }

  async attach(): Promise<void> {
    await this.#vm.setUserMemoryRegion({
      label: 0,
      flags: ALLOW_RWX,
      guestAddress: this.address,
      size: this.size,
      userAddress: this.#user,
    });
  }

  async started(): Promise<void> {}

  window(address: Ipa, length: number, access: "r" | "rw"): Uint8Array | undefined {
    const user = this.#translate(address, length);
    return user === undefined ? undefined : this.#process.bytes(user, length, access);
  }

  read(address: Ipa, into: Uint8Array): boolean {
    const user = this.#translate(address, into.length);
    return user !== undefined && this.#process.read(user, into);
  }

  write(address: Ipa, bytes: Uint8Array): boolean {
    const user = this.#translate(address, bytes.length);
    return user !== undefined && this.#process.write(user, bytes);
  }

  #translate(address: number, length: number): bigint | undefined {
    if (address < this.address || address + length > this.address + this.size) return undefined;
    return this.#user + BigInt(address - this.address);
  }
}

/**
 * A VM's memory as a device that belongs to it reaches it: through the VM's stage 2, as a system MMU would translate.
 */

import type { Ipa, PhysicalMemory, VmMemory } from "@gunyah-ts/kernel";
import type { Addrspace } from "../addrspace/addrspace.ts";
import type { HypCore } from "../core.ts";
import { Stage2Access } from "./address-space.ts";
import { GuestMemory } from "./guest-memory.ts";

export class StreamMemory implements VmMemory {
  readonly #core: HypCore;
  readonly #physical: PhysicalMemory;
  readonly #vmid: number;
  readonly #domain: number;
  #current: { readonly addrspace: Addrspace; readonly memory: GuestMemory } | undefined;

  /** @param domain security domain of the accesses, 0-63 */
  constructor(core: HypCore, physical: PhysicalMemory, vmid: number, domain: number) {
    this.#core = core;
    this.#physical = physical;
    this.#vmid = vmid;
    this.#domain = domain;
  }

  window(ipa: Ipa, size: number, access: "r" | "rw"): Uint8Array | undefined {
    const bits = access === "r" ? Stage2Access.READ : Stage2Access.READ | Stage2Access.WRITE;
    const pa = this.#memory?.translateRange(ipa, size, bits) ?? -1;
    return pa < 0 ? undefined : this.#physical.view(pa, size);
  }

  wrote(ipa: Ipa, size: number): void {
    this.#memory?.wrote(ipa, size);
  }

  read(ipa: Ipa, into: Uint8Array): boolean {
    return this.#memory?.read(ipa, into) === true;
  }

  write(ipa: Ipa, bytes: Uint8Array): boolean {
    return this.#memory?.write(ipa, bytes) === true;
  }

  dispose(): void {
    this.#current?.memory.dispose();
    this.#current = undefined;
  }

  /** Of the address space that has the VMID now; undefined while none has. */
  get #memory(): GuestMemory | undefined {
    const addrspace = this.#core.vmids.get(this.#vmid);
    if (addrspace === this.#current?.addrspace) return this.#current?.memory;
    this.dispose();
    if (addrspace === undefined) return undefined;
    const memory = new GuestMemory(addrspace, this.#physical, this.#domain);
    this.#current = { addrspace, memory };
    return memory;
  }
}

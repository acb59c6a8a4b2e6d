/**
 * The vCPU that makes a hypercall, as handlers see it.
 */

import type { Addrspace } from "../addrspace/addrspace.ts";
import type { Cspace } from "../cspace/cspace.ts";
import type { GuestVa } from "./arguments.ts";

export interface Caller {
  /** Where its capability ids are looked up. */
  readonly cspace: Cspace;
  readonly addrspace: Addrspace;
  /** Index in its VM, for traces. */
  readonly index: number;
  /**
   * Copy from the caller's virtual memory as EL1 would read it (native programs run with the MMU off: VA = IPA).
   * @param va signed, see `Registers.va`
   * @returns false on any fault; nothing is copied then
   */
  guestRead(va: GuestVa, into: Uint8Array): boolean;
  guestWrite(va: GuestVa, bytes: Uint8Array): boolean;
}

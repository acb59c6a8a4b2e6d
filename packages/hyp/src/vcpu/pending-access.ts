/**
 * A guest access that the proxy must complete: what ADDRSPACE_VMMIO_READ, _WRITE and _PAGE_FAULT report, and how the
 * resume data finish it.
 * Source: gunyah-hypervisor hyp/vm/vcpu_run, hyp/mem/addrspace vmmio handlers; Linux series v17, gunyah_vcpu.c for
 * resume actions
 */

import { VcpuRunState } from "@gunyah-ts/abi";
import type { Ipa } from "@gunyah-ts/kernel";
import type { RunReport } from "./vcpu.ts";

export interface PendingAccess {
  readonly kind: "read" | "write" | "page-fault";
  readonly ipa: Ipa;
  /** 1, 2, 4 or 8; 0 for a page fault. */
  readonly size: number;
  readonly isWrite: boolean;
  /** Value of a write, zero-extended. */
  readonly value: bigint;
  /** Load target, 0-31 (31 is XZR). */
  readonly rt: number;
  readonly isSignExtended: boolean;
  readonly is64Bit: boolean;
  report(into: RunReport): void;
}

/** The one access that a PE can have pending; reused, so that an exit allocates nothing but its data words. */
export class MutableAccess implements PendingAccess {
  kind: "read" | "write" | "page-fault" = "read";
  ipa: Ipa = 0;
  size = 0;
  isWrite = false;
  value = 0n;
  rt = 31;
  isSignExtended = false;
  is64Bit = false;
  /** ESR_EL2 of the abort, for injecting it. */
  esr = 0;

  report(into: RunReport): void {
    into.data0 = BigInt(this.ipa);
    if (this.kind === "page-fault") {
      into.state = VcpuRunState.ADDRSPACE_PAGE_FAULT;
      into.data1 = this.isWrite ? 1n : 0n;
      return;
    }
    into.data1 = BigInt(this.size);
    if (this.kind === "write") {
      into.state = VcpuRunState.ADDRSPACE_VMMIO_WRITE;
      into.data2 = this.value;
    } else {
      into.state = VcpuRunState.ADDRSPACE_VMMIO_READ;
    }
  }
}

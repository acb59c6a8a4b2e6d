/**
 * Registers that a vCPU starts with: what vcpu_register_write stored while it was off.
 * Source: gunyah-hypervisor hyp/vm/vcpu/aarch64/src/reg_access.c, vcpu_register_write
 */

import { GunyahError, VcpuRegisterSet } from "@gunyah-ts/abi";

export class InitialContext {
  /** X0-X30. */
  readonly x = new BigUint64Array(31);
  pc = 0n;
  spEl0 = 0n;
  spEl1 = 0n;

  /** @returns GunyahError: ARGUMENT_INVALID for an unknown set, index or a misaligned value */
  write(set: number, index: number, value: bigint): number {
    switch (set) {
      case VcpuRegisterSet.X:
        if (index > 30) return GunyahError.ARGUMENT_INVALID;
        this.x[index] = value;
        return GunyahError.OK;
      case VcpuRegisterSet.PC:
        if (index !== 0 || (value & 3n) !== 0n) return GunyahError.ARGUMENT_INVALID;
        this.pc = value;
        return GunyahError.OK;
      case VcpuRegisterSet.SP_EL:
        if (index > 1 || (value & 15n) !== 0n) return GunyahError.ARGUMENT_INVALID;
        if (index === 0) this.spEl0 = value;
        else this.spEl1 = value;
        return GunyahError.OK;
      default:
        return GunyahError.ARGUMENT_INVALID;
    }
  }
}

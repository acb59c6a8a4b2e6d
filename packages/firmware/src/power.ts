import { Psci } from "@gunyah-ts/abi";
import type { BoardEnd, BoardPower, SecureMonitor } from "@gunyah-ts/kernel";

/** VMID under which the hypervisor itself calls. A VM's own call for the same function is answered by the hypervisor. */
const HYPERVISOR_VMID = 0;
/** SYSTEM_RESET2 in its 64-bit form. */
const SYSTEM_RESET2_64 = (Psci.SYSTEM_RESET2 | 0x4000_0000) >>> 0;

/**
 * The power controller behind secure firmware: PSCI calls of the hypervisor switch the board off.
 * Source: Arm DEN 0022, SYSTEM_OFF, SYSTEM_RESET and SYSTEM_RESET2
 */
export class PowerController implements BoardPower, SecureMonitor {
  #end: BoardEnd | undefined;
  readonly #listeners = new Set<(end: BoardEnd) => void>();

  get end(): BoardEnd | undefined {
    return this.#end;
  }

  onEnd(listener: (end: BoardEnd) => void): () => void {
    if (this.#end !== undefined) listener(this.#end);
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  smc(callerVmid: number, x: BigUint64Array): boolean {
    if (callerVmid !== HYPERVISOR_VMID) return false;
    switch (Number(BigInt.asUintN(32, x[0] as bigint))) {
      case Psci.SYSTEM_OFF:
        this.switchOff({ reason: "off", detail: "SYSTEM_OFF" });
        return true;
      case Psci.SYSTEM_RESET:
        this.switchOff({ reason: "reset", detail: "SYSTEM_RESET" });
        return true;
      case Psci.SYSTEM_RESET2:
      case SYSTEM_RESET2_64: {
        const type = BigInt.asUintN(32, x[1] as bigint).toString(16);
        this.switchOff({ reason: "reset", detail: `SYSTEM_RESET2 type 0x${type} cookie 0x${x[2]?.toString(16)}` });
        return true;
      }
      default:
        return false;
    }
  }

  /** The first end stays. */
  switchOff(end: BoardEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    for (const listener of this.#listeners) listener(end);
    this.#listeners.clear();
  }
}

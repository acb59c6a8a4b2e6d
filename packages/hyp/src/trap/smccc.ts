/**
 * SMC Calling Convention: who answers a function id.
 * Source: Arm DEN 0028 (SMCCC 1.3); gunyah-hypervisor hyp/vm/smccc, hyp/vm/trng_fi, hyp/vm/arm_pv_time
 */

import {
  GUNYAH_UID,
  GunyahError,
  HypercallClass,
  QEMU_API_INFO,
  SMCCC_VERSION_1_3,
  Smccc,
  SmcccFid,
  SmcccOwner,
} from "@gunyah-ts/abi";
import type { SecureMonitor } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import type { Registers } from "../hypercall/registers.ts";
import { psciCall } from "../psci/psci.ts";
import { pvTimeOffset } from "../vcpu/pv-time.ts";
import type { Vcpu } from "../vcpu/vcpu.ts";
import { watchdogCall } from "../watchdog/guest-calls.ts";
import { trngCall } from "./trng.ts";

/** Function number, bits 15:0. */
const FUNCTION_MASK = 0xffff;
/** Bits 23:17 must be zero in a fast call. */
const RESERVED = 0xfe_0000;
const PSCI_LAST = 0x1f;
/** Gunyah platform, hypercall and service numbers. */
const CALL_NUMBER_MASK = 0x3fff;
/** Hypercalls are fast and 64-bit. */
const HYPERCALL_FORM = SmcccFid.FAST | SmcccFid.SMC64;

export class SmcccRouter {
  readonly #core: HypCore;
  readonly #monitors: readonly SecureMonitor[];

  constructor(core: HypCore, monitors: readonly SecureMonitor[]) {
    this.#core = core;
    this.#monitors = monitors;
  }

  /**
   * HVC #0 or SMC #0 with a function id in W0. What the call returns is written; every other register stays as it was.
   * A call that nobody answers, and one with reserved bits in its id, leaves X0 = -1 and nothing else.
   * Source: gunyah-hypervisor hyp/vm/smccc/aarch64/src/smccc_64.c
   */
  call(vcpu: Vcpu, r: Registers, isSmc: boolean): void {
    const fid = r.low(0);
    if ((fid & RESERVED) === 0) {
      if (this.#answer(vcpu, r, (fid & ~SmcccFid.SVE_HINT) >>> 0)) return;
      if (isSmc) for (const monitor of this.#monitors) if (monitor.smc(vcpu.vmid, r.x)) return;
    }
    r.setError(0, GunyahError.UNIMPLEMENTED);
  }

  #answer(vcpu: Vcpu, r: Registers, fid: number): boolean {
    const isFast = (fid & SmcccFid.FAST) !== 0;
    const isSmc64 = (fid & SmcccFid.SMC64) !== 0;
    const owner = (fid >>> SmcccFid.OWNER_SHIFT) & SmcccFid.OWNER_MASK;
    if (owner === SmcccOwner.VENDOR_HYP) return this.#vendorHyp(vcpu, r, fid);
    if (!isFast) return false;
    if (owner === SmcccOwner.STANDARD && (fid & FUNCTION_MASK) > PSCI_LAST) return trngCall(this.#core.entropy, fid, r);
    if (isSmc64) return this.#standard(vcpu, r, owner, fid);
    // The arguments of an SMC32 call are 32 bits wide, and X0-X3 come back as 32-bit values whether it names them or not.
    const { w } = r;
    const [high1, high2, high3] = [w[3]!, w[5]!, w[7]!];
    w[3] = w[5] = w[7] = 0;
    if (this.#standard(vcpu, r, owner, fid)) return true;
    [w[3], w[5], w[7]] = [high1, high2, high3];
    return false;
  }

  /**
   * Hypercalls and identification. Of the platform calls a VM with a watchdog has that one's, the others are the secure
   * firmware's; nobody else gets what is unknown here.
   */
  #vendorHyp(vcpu: Vcpu, r: Registers, fid: number): boolean {
    const callClass = (fid >>> 14) & 3;
    if (callClass === HypercallClass.PLATFORM)
      return vcpu.watchdog !== undefined && watchdogCall(vcpu.watchdog, fid, r);
    const form = fid & (SmcccFid.FAST | SmcccFid.SMC64);
    if (callClass === HypercallClass.HYPERCALL && form === HYPERCALL_FORM)
      this.#core.hypercalls.dispatch(vcpu, fid & CALL_NUMBER_MASK, r);
    else if (fid === Smccc.VENDOR_HYP_CALL_UID) uid(r);
    else if (fid === Smccc.VENDOR_HYP_REVISION) r.x[0] = QEMU_API_INFO;
    else r.setError(0, GunyahError.UNIMPLEMENTED);
    return true;
  }

  #standard(vcpu: Vcpu, r: Registers, owner: number, fid: number): boolean {
    switch (owner) {
      case SmcccOwner.STANDARD:
        return psciCall(vcpu, fid, r);
      case SmcccOwner.ARCH:
        return this.#arch(vcpu, fid, r);
      case SmcccOwner.STANDARD_HYP:
        return this.#standardHyp(vcpu, fid, r);
      default:
        return false;
    }
  }

  #arch(vcpu: Vcpu, fid: number, r: Registers): boolean {
    if (fid === Smccc.VERSION) r.set(0, SMCCC_VERSION_1_3);
    else if (fid === Smccc.ARCH_FEATURES) r.set(0, this.#archFeature(vcpu, r.low(1)) >>> 0);
    else return false;
    return true;
  }

  #archFeature(vcpu: Vcpu, fid: number): number {
    if (fid === Smccc.VERSION || fid === Smccc.ARCH_FEATURES || fid === Smccc.PV_TIME_FEATURES) return 0;
    if (fid === Smccc.PV_TIME_ST) return this.#pvTimeRecord(vcpu) === undefined ? -1 : 0;
    return -1;
  }

  #standardHyp(vcpu: Vcpu, fid: number, r: Registers): boolean {
    switch (fid) {
      case Smccc.STANDARD_HYP_CALL_UID:
        return uid(r);
      case Smccc.STANDARD_HYP_REVISION:
        r.set(0, 1);
        r.set(1, 0);
        return true;
      case Smccc.PV_TIME_FEATURES: {
        const asked = r.low(1);
        const known =
          asked === Smccc.PV_TIME_FEATURES || (asked === Smccc.PV_TIME_ST && this.#pvTimeRecord(vcpu) !== undefined);
        r.setError(0, known ? 0 : -1);
        return true;
      }
      case Smccc.PV_TIME_ST: {
        const ipa = this.#pvTimeRecord(vcpu);
        if (ipa === undefined) r.setError(0, -1);
        else r.set(0, ipa);
        return true;
      }
      default:
        return false;
    }
  }

  /** IPA of the vCPU's record in the info area, undefined when there is none. */
  #pvTimeRecord(vcpu: Vcpu): number | undefined {
    const area = vcpu.addrspace.infoArea;
    const offset = pvTimeOffset(area, vcpu.gicrIndex);
    return area === undefined || offset === undefined ? undefined : area.ipa + offset;
  }
}

function uid(r: Registers): true {
  GUNYAH_UID.forEach((word, i) => {
    r.set(i, word);
  });
  return true;
}

/**
 * PSCI 1.1 for the vCPUs of a VPM group.
 * Source: Arm DEN 0022; gunyah-hypervisor hyp/vm/psci/src/psci_common.c
 */

import { PSCI_VERSION_1_1, Psci, PsciAffinityState, PsciResult, Smccc, SmcccFid } from "@gunyah-ts/abi";
import type { Registers } from "../hypercall/registers.ts";
import { Block } from "../vcpu/block.ts";
import { ThreadState, type Vcpu } from "../vcpu/vcpu.ts";
import { affinityToIndex } from "../vgic/mpidr-mapping.ts";
import { MAX_VCPUS } from "../vgic/vgic.ts";
import { powerBoard } from "./platform.ts";

/** SMC64 forms exist for these. */
const HAS_SMC64 = new Set<number>([
  Psci.CPU_SUSPEND,
  Psci.CPU_ON,
  Psci.AFFINITY_INFO,
  Psci.CPU_DEFAULT_SUSPEND,
  Psci.SYSTEM_RESET2,
]);
const SMC32_ONLY = new Set<number>([
  Psci.PSCI_VERSION,
  Psci.CPU_OFF,
  Psci.SYSTEM_OFF,
  Psci.SYSTEM_RESET,
  Psci.PSCI_FEATURES,
  Psci.PSCI_SET_SUSPEND_MODE,
]);
/** CPU_SUSPEND features: extended StateID format (bit 1), platform-coordinated mode (bit 0 clear). */
const CPU_SUSPEND_FEATURES = 2;
/** StateType of the extended power_state format. */
const STATE_TYPE_POWERDOWN = 1 << 30;
/** Power state of CPU_DEFAULT_SUSPEND: the deepest CPU level. */
const DEFAULT_SUSPEND_STATE = STATE_TYPE_POWERDOWN | 3;
const RESET_SMC64 = 1n << 62n;
const RESET_PLAIN = 1n << 63n;

/**
 * One PSCI call.
 *
 * @param fid function id, 32 bits, with owner 4
 * @returns false when the function does not exist (X0 becomes -1); X0 is set otherwise, unless the vCPU lost its state
 */
export function psciCall(vcpu: Vcpu, fid: number, r: Registers): boolean {
  const group = vcpu.vpmGroup;
  if (group === undefined) return false;
  const isSmc64 = (fid & SmcccFid.SMC64) !== 0;
  const base = (fid & ~SmcccFid.SMC64) >>> 0;
  if (isSmc64 ? !HAS_SMC64.has(base) : !HAS_SMC64.has(base) && !SMC32_ONLY.has(base)) return false;
  const argument = (i: number): bigint => (isSmc64 ? r.x[i]! : BigInt(r.low(i)));
  const result = (value: number): true => {
    // SMC32 results are 32 bits wide.
    if (isSmc64) r.setError(0, value);
    else r.set(0, value >>> 0);
    return true;
  };
  switch (base) {
    case Psci.PSCI_VERSION:
      return result(PSCI_VERSION_1_1);
    case Psci.PSCI_FEATURES:
      return result(features(r.low(1)));
    case Psci.PSCI_SET_SUSPEND_MODE:
      // Mode 0 is platform-coordinated.
      return result(r.low(1) === 0 ? PsciResult.SUCCESS : PsciResult.INVALID_PARAMETERS);
    case Psci.CPU_ON:
      return result(cpuOn(vcpu, r, argument(2), argument(3)));
    case Psci.AFFINITY_INFO:
      return result(affinityInfo(vcpu, r));
    case Psci.CPU_OFF:
      return vcpu.powerOff(false, false) === 0 ? true : result(PsciResult.DENIED);
    case Psci.CPU_SUSPEND:
      return suspend(vcpu, r.low(1), argument(2), argument(3), result);
    case Psci.CPU_DEFAULT_SUSPEND:
      return suspend(vcpu, DEFAULT_SUSPEND_STATE, argument(1), argument(2), result);
    case Psci.SYSTEM_OFF:
      return stopAll(vcpu, r);
    case Psci.SYSTEM_RESET:
      vcpu.resetWord = RESET_PLAIN;
      vcpu.resetCookie = 0n;
      return stopAll(vcpu, r);
    default:
      vcpu.resetWord = BigInt(r.low(1)) | (isSmc64 ? RESET_SMC64 : 0n);
      vcpu.resetCookie = argument(2);
      return stopAll(vcpu, r);
  }
}

function features(fid: number): number {
  if (fid === Smccc.VERSION) return PsciResult.SUCCESS;
  const base = (fid & ~SmcccFid.SMC64) >>> 0;
  const exists = HAS_SMC64.has(base) || ((fid & SmcccFid.SMC64) === 0 && SMC32_ONLY.has(base));
  if (!exists) return PsciResult.NOT_SUPPORTED;
  return base === Psci.CPU_SUSPEND ? CPU_SUSPEND_FEATURES : 0;
}

/** The vCPU of the caller's group with the affinity in X1: Aff3 39:32, Aff2-Aff0 23:0. */
function target(vcpu: Vcpu, r: Registers): Vcpu | undefined {
  const affinity = ((r.low(1) & 0xff_ffff) | ((r.high(1) & 0xff) << 24)) >>> 0;
  return vcpu.vpmGroup!.vcpus.find((v) => v !== undefined && v.mpidr === affinity);
}

function cpuOn(vcpu: Vcpu, r: Registers, entry: bigint, context: bigint): number {
  const other = target(vcpu, r);
  if (other === undefined) {
    if (vcpu.vic === undefined) return PsciResult.INVALID_PARAMETERS;
    const affinity = ((r.low(1) & 0xff_ffff) | ((r.high(1) & 0xff) << 24)) >>> 0;
    const index = affinityToIndex(vcpu.vic.mpidrMapping, affinity);
    return index < 0 || index > MAX_VCPUS ? PsciResult.INVALID_PARAMETERS : PsciResult.INTERNAL_FAILURE;
  }
  if (other.threadState !== ThreadState.READY) return PsciResult.INTERNAL_FAILURE;
  if ((other.blocks & Block.VCPU_OFF) === 0) return PsciResult.ALREADY_ON;
  return other.powerOn(entry, context) === 0 ? PsciResult.SUCCESS : PsciResult.INTERNAL_FAILURE;
}

function affinityInfo(vcpu: Vcpu, r: Registers): number {
  const other = target(vcpu, r);
  if (other === undefined || r.low(2) !== 0) return PsciResult.INVALID_PARAMETERS;
  return (other.blocks & Block.VCPU_OFF) !== 0 ? PsciAffinityState.OFF : PsciAffinityState.ON;
}

/** Differs: every power state of a VM is accepted and treated alike: there is no physical power to aggregate. */
function suspend(vcpu: Vcpu, state: number, entry: bigint, context: bigint, result: (value: number) => true): boolean {
  // X0 first: a power-down state replaces it with the context.
  result(PsciResult.SUCCESS);
  const error = vcpu.suspend(state, entry, context, (state & STATE_TYPE_POWERDOWN) !== 0);
  return error === PsciResult.SUCCESS ? true : result(error);
}

/** SYSTEM_OFF and the resets: kill the others, power the caller off for good. Does not return to the guest. */
function stopAll(vcpu: Vcpu, r: Registers): true {
  for (const other of vcpu.vpmGroup!.vcpus) if (other !== undefined && other !== vcpu) other.kill();
  vcpu.powerOff(false, true);
  if (vcpu.isHlos) powerBoard(vcpu.runtime.secureMonitors, r);
  return true;
}

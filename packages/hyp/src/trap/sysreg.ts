/**
 * Trapped system register accesses (EC 0x18).
 * Source: DDI 0487 K.a D24.2.40, ISS of an exception from MSR, MRS or System instruction execution;
 * gunyah-hypervisor hyp/vm/vgic/src/sysregs.c, hyp/vm/vcpu/aarch64/src/sysreg_traps.c
 */

import type { PeEngine } from "../vcpu/pe-engine.ts";
import type { Vcpu } from "../vcpu/vcpu.ts";

/** Op0, Op2, Op1, CRn, CRm of the ISS, without Rt and direction. */
const REGISTER_MASK = 0x3f_fc1e;
/** Direction of the ISS: MRS. */
const IS_READ = 1 << 0;

function encoding(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | (crm << 1);
}

/** Trapped while an active interrupt is in no list register: ICH_HCR_EL2.TDIR. */
const ICC_DIR_EL1 = encoding(3, 0, 12, 11, 1);
/** ICH_VMCR_EL2.VEOIM. */
const VMCR_VEOIM = 1n << 9n;
const ICC_SGI1R_EL1 = encoding(3, 0, 12, 11, 5);
const ICC_ASGI1R_EL1 = encoding(3, 0, 12, 11, 6);
const ICC_SGI0R_EL1 = encoding(3, 0, 12, 11, 7);
/** ICC_SRE_EL1: the system register interface is always on. */
const ICC_SRE_EL1 = encoding(3, 0, 12, 12, 5);
const SRE_VALUE = 0x7;
/** Debug and performance registers that kernels touch before they look at the ID registers. */
const ZERO_REGISTERS = new Set([
  encoding(3, 0, 1, 0, 1), // ACTLR_EL1
  encoding(2, 0, 1, 0, 4), // OSLAR_EL1
  encoding(2, 0, 1, 3, 4), // OSDLR_EL1
]);

/** @returns false when the access is undefined */
export function handleSysreg(vcpu: Vcpu, engine: PeEngine): boolean {
  const { pe } = engine;
  const iss = pe.esr & 0x1ff_ffff;
  const isRead = (iss & IS_READ) !== 0;
  const rt = (iss >>> 5) & 31;
  const register = iss & REGISTER_MASK;
  switch (register) {
    case ICC_SGI1R_EL1:
    case ICC_SGI0R_EL1:
    case ICC_ASGI1R_EL1: {
      if (isRead || vcpu.vic === undefined) return false;
      const low = rt === 31 ? 0 : pe.xWords[2 * rt]!;
      const high = rt === 31 ? 0 : pe.xWords[2 * rt + 1]!;
      // One security state: ICC_ASGI1R_EL1 is ICC_SGI0R_EL1 by another name. Source: gunyah-hypervisor hyp/vm/vgic
      vcpu.vic.sendSgi(vcpu.vicIndex, low, high, register === ICC_SGI1R_EL1);
      return true;
    }
    case ICC_DIR_EL1:
      if (isRead || vcpu.vic === undefined) return false;
      // With EOImode 0 the end has deactivated it, and the write does nothing.
      if ((pe.read("ICH_VMCR_EL2") & VMCR_VEOIM) !== 0n)
        vcpu.vic.deactivate(vcpu.vicIndex, rt === 31 ? 0 : pe.xWords[2 * rt]! & 0xff_ffff);
      return true;
    case ICC_SRE_EL1:
      if (isRead) setRt(engine, rt, SRE_VALUE);
      return true;
    default:
      if (!ZERO_REGISTERS.has(register)) return false;
      if (isRead) setRt(engine, rt, 0);
      return true;
  }
}

function setRt(engine: PeEngine, rt: number, value: number): void {
  if (rt === 31) return;
  engine.pe.xWords[2 * rt] = value;
  engine.pe.xWords[2 * rt + 1] = 0;
}

/**
 * Exceptions to EL2 by class.
 * Source: DDI 0487 K.a D24.2.40; gunyah-hypervisor hyp/vm/vcpu/aarch64/src/trap_dispatch.c
 */

import { GunyahError, HYPERCALL_IMMEDIATES } from "@gunyah-ts/abi";
import type { HypCore } from "../core.ts";
import type { PeEngine } from "../vcpu/pe-engine.ts";
import type { Vcpu } from "../vcpu/vcpu.ts";
import { handleAbort } from "./abort.ts";
import { injectUndefined } from "./inject.ts";
import { skip } from "./load.ts";
import type { SmcccRouter } from "./smccc.ts";
import { handleSysreg } from "./sysreg.ts";

const EC_WFX = 0x01;
const EC_ILLEGAL_STATE = 0x0e;
const EC_HVC64 = 0x16;
const EC_SMC64 = 0x17;
const EC_SYSREG = 0x18;
const EC_INSTRUCTION_ABORT = 0x20;
const EC_DATA_ABORT = 0x24;
/** ISS.TI bit 0 of a trapped WFI or WFE. */
const WFX_IS_WFE = 1 << 0;

export class TrapDispatch {
  readonly smccc: SmcccRouter;
  readonly #core: HypCore;

  constructor(core: HypCore, smccc: SmcccRouter) {
    this.#core = core;
    this.smccc = smccc;
  }

  /** Handle the synchronous exception that `engine.pe` stopped at. */
  handle(vcpu: Vcpu, engine: PeEngine): void {
    const { pe } = engine;
    const { esr } = pe;
    switch (esr >>> 26) {
      case EC_DATA_ABORT:
        handleAbort(vcpu, engine, true);
        return;
      case EC_HVC64: {
        // ELR_EL2 is the next instruction already.
        const immediate = esr & 0xffff;
        if (immediate === 0) {
          this.smccc.call(vcpu, engine.registers, false);
          return;
        }
        if (immediate >= HYPERCALL_IMMEDIATES.first && immediate <= HYPERCALL_IMMEDIATES.last) {
          const number = immediate - HYPERCALL_IMMEDIATES.first;
          this.#core.hypercalls.dispatchNative(vcpu, number, engine.registers, pe.read("ELR_EL2"));
          return;
        }
        engine.registers.setError(0, GunyahError.UNIMPLEMENTED);
        return;
      }
      case EC_WFX:
        skip(pe);
        if ((esr & WFX_IS_WFE) === 0) vcpu.waitForInterrupt();
        else vcpu.waitForEvent();
        return;
      case EC_SYSREG:
        if (handleSysreg(vcpu, engine)) {
          skip(pe);
          return;
        }
        injectUndefined(pe);
        return;
      case EC_SMC64:
        skip(pe);
        if ((esr & 0xffff) === 0) this.smccc.call(vcpu, engine.registers, true);
        else engine.registers.setError(0, GunyahError.UNIMPLEMENTED);
        return;
      case EC_INSTRUCTION_ABORT:
        handleAbort(vcpu, engine, false);
        return;
      case EC_ILLEGAL_STATE:
        vcpu.fault();
        return;
      default:
        injectUndefined(pe);
        return;
    }
  }
}

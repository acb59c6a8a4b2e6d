/**
 * Stage-2 aborts: emulated devices, the proxy's vmmio and demand-paged ranges, the board's devices, and what is nobody's.
 * Source: DDI 0487 K.a D24.2.40 (ISS of a data abort); gunyah-hypervisor hyp/vm/vcpu/aarch64/src/trap_dispatch.c,
 * handle_inst_data_abort, and the modules' vcpu_trap_data_abort handlers
 */

import type { Ipa, Pe } from "@gunyah-ts/kernel";
import type { VdeviceFrame } from "../vcpu/address-space.ts";
import type { PeEngine } from "../vcpu/pe-engine.ts";
import type { Vcpu } from "../vcpu/vcpu.ts";
import { injectAbort } from "./inject.ts";
import { finishLoad, skip, transferRegister } from "./load.ts";

const ISV = 1 << 24;
const S1PTW = 1 << 7;
const WNR = 1 << 6;
const CM = 1 << 8;
/** Fault status code groups, bits 5:2 of the FSC. */
const FSC_TRANSLATION = 1;
const FSC_ACCESS_FLAG = 2;
const FSC_PERMISSION = 3;

/** Handle an abort from EL1 or EL0. */
export function handleAbort(vcpu: Vcpu, engine: PeEngine, isData: boolean): void {
  const { pe } = engine;
  const { esr } = pe;
  const group = (esr >>> 2) & 0xf;
  const isTableWalk = (esr & S1PTW) !== 0;
  const isWrite = isData && (esr & WNR) !== 0 && !isTableWalk && (esr & CM) === 0;
  trace(vcpu, pe, isWrite);

  if (group === FSC_TRANSLATION) {
    const ipa = pe.faultIpa;
    const { addrspace } = vcpu;
    if (isData && !isTableWalk && (esr & ISV) !== 0) {
      const size = 1 << ((esr >>> 22) & 3);
      const frame = addrspace.vdeviceAt(ipa, size);
      if (frame !== undefined) {
        emulate(vcpu, pe, frame, ipa, size, isWrite, esr);
        return;
      }
      if (vcpu.isProxyScheduled && addrspace.isVmmio(ipa, size)) {
        vcpu.vmmio.ask(pe, ipa, size, isWrite);
        return;
      }
      const { busFrame } = vcpu.runtime;
      if (vcpu.isHlos && busFrame !== undefined) {
        emulate(vcpu, pe, busFrame, ipa, size, isWrite, esr);
        return;
      }
    }
    if (vcpu.isProxyScheduled && addrspace.isDemandPaged(ipa)) {
      vcpu.vmmio.askForPage(pe, ipa, isWrite);
      return;
    }
  } else if (group === FSC_PERMISSION && isData && !isTableWalk && (esr & ISV) !== 0) {
    // Registers in memory that the VM may read: its stores are the device's.
    const ipa = pe.faultIpa;
    const size = 1 << ((esr >>> 22) & 3);
    const frame = vcpu.addrspace.vdeviceInMemory(ipa, size);
    if (frame !== undefined) {
      emulate(vcpu, pe, frame, ipa, size, isWrite, esr);
      return;
    }
  } else if (group === FSC_ACCESS_FLAG || (group !== FSC_PERMISSION && group !== 0 && (esr & 0x3f) !== 0x21)) {
    // Nothing that a VM can cause: stop it without showing it the state.
    vcpu.fault();
    return;
  }
  if (vcpu.isHlos && engine.deadEnd.isReached(pe.read("ELR_EL2"), pe.retired)) {
    const address = `0x${pe.faultIpa.toString(16)}`;
    vcpu.fault(`aborts at ${address}, and its exception vector leads there again`);
    return;
  }
  injectAbort(pe, isData);
}

function emulate(vcpu: Vcpu, pe: Pe, frame: VdeviceFrame, ipa: Ipa, size: number, isWrite: boolean, esr: number): void {
  const { device, index } = frame;
  const offset = ipa - frame.base;
  const rt = transferRegister(esr);
  if (offset % size !== 0 || device.vdeviceAllows?.(index, offset, size) === false) {
    injectAbort(pe, true);
    return;
  }
  const part = size === 8 ? 4 : (size as 1 | 2 | 4);
  if (isWrite) {
    const low = rt === 31 ? 0 : pe.xWords[2 * rt]!;
    const high = rt === 31 ? 0 : pe.xWords[2 * rt + 1]!;
    const done =
      device.vdeviceWrite(index, offset, part, size === 1 ? low & 0xff : size === 2 ? low & 0xffff : low) &&
      (size !== 8 || device.vdeviceWrite(index, offset + 4, 4, high));
    if (!done) {
      injectAbort(pe, true);
      return;
    }
  } else {
    const low = device.vdeviceRead(index, offset, part);
    const high = size === 8 ? device.vdeviceRead(index, offset + 4, 4) : 0;
    if (low < 0 || high < 0) {
      injectAbort(pe, true);
      return;
    }
    finishLoad(pe, esr, size, low, high);
  }
  if (vcpu.isRunnable) skip(pe);
}

function trace(vcpu: Vcpu, pe: Pe, write: boolean): void {
  const { trace: sink, clock } = vcpu.runtime;
  if (!sink.enabled) return;
  sink.emit({
    kind: "stage2-fault",
    at: clock.now(),
    vmid: vcpu.vmid,
    vcpu: vcpu.index,
    ipa: pe.faultIpa,
    write,
    esr: pe.esr,
  });
}

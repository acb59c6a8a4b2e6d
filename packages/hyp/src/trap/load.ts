/**
 * What the syndrome of a data abort says about the instruction, and the end of a load that was emulated.
 * Source: DDI 0487 K.a D24.2.40 (ISS of a data abort)
 */

import type { Pe } from "@gunyah-ts/kernel";

const EC_DATA_ABORT = 0x24;
/** Sign-extended. */
const SSE = 1 << 21;
/** The register is 64 bits wide. */
const SF = 1 << 15;

/** Whether the exception was a data abort from EL1 or EL0. @param esr ESR_EL2 */
export function isDataAbort(esr: number): boolean {
  return esr >>> 26 === EC_DATA_ABORT;
}

/** ISS.SRT: the register that is loaded or stored, 31 for XZR. Valid when ISS.ISV is set. */
export function transferRegister(esr: number): number {
  return (esr >>> 16) & 31;
}

/** Write a loaded value of `size` bytes to Rt with the extension that the instruction asks for. */
export function finishLoad(pe: Pe, esr: number, size: number, low: number, high: number): void {
  const rt = transferRegister(esr);
  if (rt === 31) return;
  const isSignExtended = (esr & SSE) !== 0;
  let lowWord = low | 0;
  let highWord = size === 8 ? high | 0 : 0;
  if (size < 4) {
    const shift = 32 - 8 * size;
    lowWord = isSignExtended ? (lowWord << shift) >> shift : (lowWord << shift) >>> shift;
  }
  if (isSignExtended && (esr & SF) !== 0 && size < 8) highWord = lowWord >> 31;
  pe.xWords[2 * rt] = lowWord;
  pe.xWords[2 * rt + 1] = highWord;
}

/** Step over the A64 instruction that trapped. */
export function skip(pe: Pe): void {
  pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
}

import { ModelError } from "@gunyah-ts/kernel";

/** Codes of this package with the sentence that the README repeats. */
export const ARCH_ARM64_ERRORS = {
  ARM64_TOO_MANY_PES: "More PEs were created than the reserved region of the physical memory holds.",
  ARM64_RESERVED_TOO_SMALL: "The physical memory reserves too few bytes for the CPU backend.",
  ARM64_WASM_UNAVAILABLE: "The host cannot compile the CPU backend's WebAssembly (SIMD and threads are needed).",
  ARM64_UNKNOWN_REGISTER: "A register name is not one that this backend has.",
  ARM64_STATE_INVALID: "A saved PE state has a field that is missing or malformed.",
  ARM64_CPU_UNKNOWN: "A CPU model was asked for by a name that there is none of.",
  ARM64_CONFIG_INVALID: "A PE was configured with a domain outside 0-63.",
  BUG_PE_DISPOSED: "A PE was used after dispose.",
  BUG_PE_REENTERED: "run was called while run was on.",
  BUG_SYSREG_NAME: "The backend's code names a system register that its table does not have.",
} as const;
export type ArchArm64ErrorCode = keyof typeof ARCH_ARM64_ERRORS;

/** @param detail who, what and the remedy */
export function arm64Error(code: ArchArm64ErrorCode, detail: string): ModelError {
  return new ModelError(code, detail);
}

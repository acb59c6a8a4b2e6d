import { BootContextSet, bootContextReg, MapMemFlag, VcpuExit, VcpuPageResume, VmStatus } from "@gunyah-ts/abi";

/** exit_reason of the run page; INTERRUPTED is the typed API's name for EINTR. */
export const ExitReason = { INTERRUPTED: -1, ...VcpuExit } as const;
export type ExitReason = (typeof ExitReason)[keyof typeof ExitReason];

/** What the next VCPU_RUN does with an MMIO exit. */
export const ResumeAction = VcpuPageResume;
export type ResumeAction = VcpuPageResume;
export { VmStatus };

/** @param permissions any of r, w, x */
export function mapMemFlags(access: "lend" | "share" | "default", permissions: string): number {
  return (
    (access === "lend" ? MapMemFlag.FORCE_LEND : access === "share" ? MapMemFlag.FORCE_SHARE : 0) |
    (permissions.includes("r") ? MapMemFlag.ALLOW_READ : 0) |
    (permissions.includes("w") ? MapMemFlag.ALLOW_WRITE : 0) |
    (permissions.includes("x") ? MapMemFlag.ALLOW_EXEC : 0)
  );
}

/** Register word of SET_BOOT_CONTEXT. @param name X0 to X30, PC, SP_EL0, SP_EL1 */
export function bootRegister(name: string): number {
  if (name === "PC") return bootContextReg(BootContextSet.PC, 0);
  if (name === "SP_EL0") return bootContextReg(BootContextSet.SP, 0);
  if (name === "SP_EL1") return bootContextReg(BootContextSet.SP, 1);
  return bootContextReg(BootContextSet.X, Number(name.slice(1)));
}

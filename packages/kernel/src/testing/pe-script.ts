/**
 * Programs for the scripted PE: a generator whose every `yield*` is one A64 instruction of four bytes.
 *
 * ```ts
 * backend.program(0x8000_0000, function* (cpu) {
 *   const value = yield* cpu.load(0x9000, 4);
 *   cpu.x[0] = 0x6000_0000n;
 *   yield* cpu.hvc();
 *   yield* cpu.store(0x9000, 4, value + 1n);
 *   yield* cpu.wfi();
 * });
 * ```
 */
import type { Intid, Ipa } from "../contracts/address.ts";

/** Operation of one scripted instruction. */
export type PeOp =
  | { readonly kind: "nop"; count: number }
  | { readonly kind: "load"; readonly ipa: Ipa; readonly size: 1 | 2 | 4 | 8; readonly rt: number }
  | { readonly kind: "store"; readonly ipa: Ipa; readonly size: 1 | 2 | 4 | 8; readonly rt: number }
  /** A load or store pair, a writeback form or an atomic: what aborts without a valid syndrome (ISV 0). */
  | { readonly kind: "access-no-syndrome"; readonly ipa: Ipa; readonly write: boolean }
  | { readonly kind: "hvc"; readonly imm: number }
  | { readonly kind: "smc"; readonly imm: number }
  | { readonly kind: "wfi" }
  | { readonly kind: "wfe" }
  | { readonly kind: "sev" }
  | { readonly kind: "sevl" }
  | { readonly kind: "trapped-sysreg"; readonly encoding: SysregEncoding; readonly rt: number; readonly read: boolean }
  | { readonly kind: "msr"; readonly name: string; readonly value: bigint }
  | { readonly kind: "eret" };

/** op0..op2 as in the instruction, for example ICC_SGI1R_EL1: 3, 0, 12, 11, 5. */
export interface SysregEncoding {
  readonly op0: number;
  readonly op1: number;
  readonly crn: number;
  readonly crm: number;
  readonly op2: number;
}

/** ICC_SGI1R_EL1, which traps to EL2 when HCR_EL2.IMO or FMO is set. Source: IHI 0069H 12.2.20. */
export const ICC_SGI1R_EL1: SysregEncoding = { op0: 3, op1: 0, crn: 12, crm: 11, op2: 5 };

export type PeStep<Result> = Generator<PeOp, Result, undefined>;
export type PeScript = (cpu: ScriptCpu) => Generator<PeOp, void, undefined>;

/** What a script sees. Methods with `yield*` are instructions; the rest is state. */
export interface ScriptCpu {
  /** X0-X30, live. */
  readonly x: BigUint64Array;
  /** PSTATE.I */
  masked: boolean;
  /** LDR/STR of one register. `rt` is the register that carries the value, 31 is XZR; X9 unless said. */
  load(ipa: Ipa, size: 1 | 2 | 4 | 8, rt?: number): PeStep<bigint>;
  store(ipa: Ipa, size: 1 | 2 | 4 | 8, value: bigint, rt?: number): PeStep<void>;
  /** An access whose abort has ISV 0. */
  accessWithoutSyndrome(ipa: Ipa, write: boolean): PeStep<void>;
  /** HVC #imm with the registers as they are. */
  hvc(imm?: number): PeStep<void>;
  /** Set X0.., HVC #0, and return X0. */
  call(...args: bigint[]): PeStep<bigint>;
  smc(imm?: number): PeStep<void>;
  wfi(): PeStep<void>;
  wfe(): PeStep<void>;
  sev(): PeStep<void>;
  sevl(): PeStep<void>;
  nop(count?: number): PeStep<void>;
  /** A system register access that EL2 traps. `mrs` returns what EL2 left in Xt. */
  trappedMsr(encoding: SysregEncoding, value: bigint, rt?: number): PeStep<void>;
  trappedMrs(encoding: SysregEncoding, rt?: number): PeStep<bigint>;
  /** MSR to a register that is not trapped, by name: `CNTV_CVAL_EL0`, `VBAR_EL1`... */
  msr(name: string, value: bigint): PeStep<void>;
  mrs(name: string): bigint;
  /** Return from an exception handler. */
  eret(): PeStep<void>;
  /** ICC_IAR1_EL1, ICC_EOIR1_EL1, ICC_DIR_EL1, ICC_PMR_EL1 and ICC_IGRPEN1_EL1 on the virtual CPU interface. */
  acknowledge(): Intid;
  endOfInterrupt(intid: Intid): void;
  deactivateInterrupt(intid: Intid): void;
  setPriorityMask(mask: number): void;
  setGroup1Enabled(enabled: boolean): void;
}

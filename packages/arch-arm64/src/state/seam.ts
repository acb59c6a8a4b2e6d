/**
 * The WebAssembly functions through which the interpreter and the system side (MMU, exceptions, system registers)
 * call each other. All live in one module, all take the absolute address of the PE's state block first (`s`), and
 * none touches a register that its caller may still restore.
 *
 * Before a call the interpreter stores PC (this instruction), WORD and BUDGET. A result of 0 means: an exception was
 * taken (or the PE must leave): give up this instruction, and go on from L.PC unless L.LEAVE says otherwise.
 */

/** Provided by the system side, called by the interpreter. Types: i = i32, l = i64. */
export const SYSTEM_FUNCTIONS = {
  /** (s, va, accdesc) -> linear-memory offset, or 0. For a page-crossing access it is `s + L.BOUNCE`. */
  memSlow: "ili:i",
  /** (s): after the stores of an access whose offset was `s + L.BOUNCE`. */
  bounceCommit: "i:",
  /** (s, va) -> linear-memory offset of the instruction at va, or 0. Fills the fetch array when it can. */
  fetchSlow: "il:i",
  /** (s, word) -> 1 and the value in SYS_VALUE, or 0. MRS, and SYSL. PC is not advanced. */
  sysRead: "ii:i",
  /**
   * (s, word), value in SYS_VALUE -> 1: go on; 2: go on at PC + 4 after looking everything up anew
   * (translation, EL, stepping or pending state may have changed); 0: leave. MSR (register), SYS. PC is not advanced.
   */
  sysWrite: "ii:i",
  /** (s, word) -> as sysWrite. MSR (immediate), CFINV excepted (it only touches flags). */
  msrImmediate: "ii:i",
  /** (s): UNDEFINED: EC 0 at PC. */
  undefined: "i:",
  /** (s): FP or Advanced SIMD instruction while FP_ENABLED is 0. */
  fpTrap: "i:",
  /** (s, immediate). PC is the SVC/HVC/SMC/BRK itself. */
  svc: "ii:",
  hvc: "ii:",
  smc: "ii:",
  brk: "ii:",
  /** (s): HLT: UNDEFINED with halting debug off. */
  eret: "i:",
  /** (s): ERETAA, ERETAB: the same, to the address in SYS_VALUE. */
  eretTo: "i:",
  /** (s): an instruction of FEAT_PAuth while HCR_EL2.API is 0. */
  pauth: "i:",
  /** (s, kind): 0 WFI, 1 WFE, 2 SEV, 3 SEVL, 4 YIELD. PC is the hint itself -> 1: go on at PC + 4; 0: leave. */
  waitHint: "ii:i",
  /** (s): PC misaligned (bits 1:0), at the target. */
  pcAlignment: "i:",
  /** (s): SP misaligned with SP_ALIGN. */
  spAlignment: "i:",
} as const;

/** Provided by the interpreter, called by the system side. */
export const INTERPRETER_FUNCTIONS = {
  /** (s) -> NZCV in bits 31:28. */
  packNzcv: "i:i",
  /** (s, nzcv in bits 31:28). */
  unpackNzcv: "ii:",
  /**
   * (page, the linear-memory offset of a 4 KiB DRAM page) -> what goes into `aux` of a fetch entry. The page holds decoded code
   * from now on: the caller drops write entries for it in every PE.
   */
  codePage: "i:i",
  /** (page) -> not 0 when the page holds decoded code. */
  isCode: "i:i",
  /** (host, size): a store to a page that holds decoded code is about to happen; records of these words become undecoded. */
  codeStore: "ii:",
  /** (page): every word of the page becomes undecoded (IC IVAU of a page, writes by others). */
  dropCode: "i:",
  /**
   * (s): execute from L.PC until BUDGET <= 0, PENDING != 0 at a block end, or a helper left with LEAVE != 0.
   * When STEPPING is not 0: exactly one instruction. PC, BUDGET and NZCV flags are up to date after it.
   */
  execute: "i:",
} as const;

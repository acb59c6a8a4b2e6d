/** Everything of the system side in one module, in the order that its parts need each other. */
import { defineEntry, type EntryFunctions } from "../exception/entry.ts";
import { defineFill, type FillFunctions } from "../mmu/fill.ts";
import { defineWalk, type WalkFunctions } from "../mmu/walk.ts";
import { type DispatchFunctions, defineDispatch } from "../sysreg/dispatch.ts";
import { type FunctionRef, I32, I64, type ModuleBuilder } from "../wasm/index.ts";
import type { INTERPRETER_FUNCTIONS } from "./seam.ts";

/** TypeScript functions that the module imports from "system". All take the address of the state block first. */
export interface SystemImports {
  sysRead(s: number, word: number): number;
  sysWrite(s: number, word: number): number;
  waitHint(s: number, kind: number): number;
  watchpoint(s: number, va: bigint, accdesc: number): number;
  returnSs(s: number, spsr: number): number;
  pmuSync(s: number): void;
}

/** What `declareSystemImports` declared. */
export interface SystemImportRefs {
  readonly slowRead: FunctionRef;
  readonly slowWrite: FunctionRef;
  readonly waitHint: FunctionRef;
  readonly watchpoint: FunctionRef;
  readonly returnSs: FunctionRef;
  readonly pmuSync: FunctionRef;
}

/** Imports come before every function of a module. */
export function declareSystemImports(module: ModuleBuilder): SystemImportRefs {
  return {
    slowRead: module.importFunction("system", "sysRead", [I32, I32], [I32]),
    slowWrite: module.importFunction("system", "sysWrite", [I32, I32], [I32]),
    waitHint: module.importFunction("system", "waitHint", [I32, I32], [I32]),
    watchpoint: module.importFunction("system", "watchpoint", [I32, I64, I32], [I32]),
    returnSs: module.importFunction("system", "returnSs", [I32, I32], [I32]),
    pmuSync: module.importFunction("system", "pmuSync", [I32], []),
  };
}

/** The interpreter's functions that the system side calls: `INTERPRETER_FUNCTIONS` of the seam. */
export type InterpreterRefs = Readonly<
  Record<Exclude<keyof typeof INTERPRETER_FUNCTIONS, "execute" | "dropCode">, FunctionRef>
>;

/** `SYSTEM_FUNCTIONS` of the seam, and more that only the system side uses. */
export type SystemRefs = WalkFunctions &
  EntryFunctions &
  FillFunctions &
  DispatchFunctions & { readonly waitHint: FunctionRef };

/**
 * Define the system side. Its functions are exported by name (translate, setPstate, enterEl1, enterEl2, takeSync,
 * contextChanged, composeSpsr, memSlow, fetchSlow, dropWriteEntries).
 */
export function defineSystem(
  module: ModuleBuilder,
  imports: SystemImportRefs,
  interpreter: InterpreterRefs,
): SystemRefs {
  const walk = defineWalk(module);
  const entry = defineEntry(module, { ...interpreter, returnSs: imports.returnSs, pmuSync: imports.pmuSync });
  const fill = defineFill(module, walk, entry, { ...interpreter, watchpoint: imports.watchpoint });
  const dispatch = defineDispatch(module, entry, {
    ...interpreter,
    slowRead: imports.slowRead,
    slowWrite: imports.slowWrite,
  });
  return { ...walk, ...entry, ...fill, ...dispatch, waitHint: imports.waitHint };
}

/**
 * The interpreter tier: `execute`, generated from the descriptions.
 *
 * One function holds the dispatch loop and the handlers of the common instructions (`dispatch-loop.ts`); the rest are
 * functions in a table (`run-handler.ts`).
 */
import { definePredecoder } from "../decode/predecode.ts";
import type { Description } from "../isa/description.ts";
import { defineLazyFlags } from "../jit/flags.ts";
import { L } from "../state/layout.ts";
import {
  add,
  type Callable,
  call,
  eqz,
  type FunctionRef,
  I32,
  I64,
  load,
  type ModuleBuilder,
  shrU,
  sub,
  toI64U,
} from "../wasm/index.ts";
import {
  type CodeCacheFunctions,
  defineBackFromAside,
  defineCodeCache,
  defineCount,
  defineLook,
} from "./code-cache.ts";
import type { InterpreterParts, SystemFunctions } from "./context.ts";
import { defineExecute } from "./dispatch-loop.ts";
import { defineFlags } from "./flags.ts";
import { type Handler, type HandlerTable, numberHandlers } from "./handlers.ts";
import { isHot } from "./hot.ts";
import { INTERP, MAX_REGIONS, REGION_PARAMS } from "./layout.ts";
import { defineOutline } from "./run-handler.ts";

/** The part that the system side calls; declared before it. */
export interface InterpreterServices extends CodeCacheFunctions {
  readonly packNzcv: FunctionRef;
  readonly unpackNzcv: FunctionRef;
}

export function defineInterpreterServices(module: ModuleBuilder): InterpreterServices {
  const flags = defineFlags(module);
  defineLazyFlags(module, flags.unpackNzcv);
  return { ...defineCodeCache(module), ...flags };
}

export interface Interpreter {
  readonly execute: FunctionRef;
  readonly table: HandlerTable;
}

/** (s, p, left, va, accdesc) -> host or 0: bring PC, WORD and BUDGET up to date and ask the system side. */
export function defineTlbMiss(module: ModuleBuilder, memSlow: Callable): FunctionRef {
  return module.func("tlbMiss", [I32, I32, I32, I64, I32], [I32], (f, s, p, left, va, accdesc) => {
    const host = f.local(I32);
    f.store("i64", s, add(load("i64", s, INTERP.BIAS), toI64U(shrU(p, 2))), L.PC);
    f.store("i32", s, load("i32", add(load("i32", s, INTERP.HOST), shrU(p, 2))), L.WORD);
    f.store("i32", s, left, L.BUDGET);
    f.set(host, call<I32>(memSlow, s, va, accdesc));
    f.if(eqz(host), () => f.store("i32", s, sub(left, 1), L.BUDGET));
    f.return(host);
  });
}

/** Define everything of the interpreter; exports `execute`, `predecode` and the services. */
export function defineInterpreter(
  module: ModuleBuilder,
  services: InterpreterServices,
  system: SystemFunctions,
  descriptions: readonly Description[],
): Interpreter {
  const table = numberHandlers(descriptions, isHot);
  const predecode = definePredecoder(module, descriptions, table);
  const backFromAside = defineBackFromAside(module);
  const count = defineCount(module, backFromAside);
  const look = defineLook(module, services, count, system);
  const tlbMiss = defineTlbMiss(module, system.memSlow);
  const parts: InterpreterParts = {
    system,
    own: { tlbMiss, look, count, backFromAside, noteTarget: services.noteTarget },
    helpers: new Map(),
    module,
  };

  const outlineType = module.type([I32, I32], [I32]);
  const functions = table.handlers
    .slice(table.inlineCount)
    .map((handler) => defineOutline(module, parts, handler as Handler));
  const outline = module.table(Math.max(1, functions.length));
  if (functions.length > 0) module.elements(outline, 0, functions);
  // the JIT fills it
  const regions = module.table(0, MAX_REGIONS);
  module.exportTable("regions", regions);
  const execute = defineExecute(module, {
    table,
    outline,
    outlineType,
    regions,
    regionType: module.type(REGION_PARAMS, [I32]),
    predecode,
    parts,
  });
  return { execute, table };
}

/**
 * One handler's code, and handlers that are functions.
 */
import { L } from "../state/layout.ts";
import {
  add,
  type Expr,
  type FunctionRef,
  I32,
  type I64,
  load,
  type ModuleBuilder,
  shrU,
  sub,
  toI64U,
} from "../wasm/index.ts";
import { type Exits, InterpreterContext, type InterpreterParts } from "./context.ts";
import type { Handler } from "./handlers.ts";
import { INTERP, RECORD } from "./layout.ts";

/** Emit the handler: the description's `execute`, then on to the next record. */
export function runHandler(context: InterpreterContext, handler: Handler, exits: Exits): void {
  if (handler.description.fp) context.checkFpEnabled();
  handler.description.execute(context, handler.statics);
  exits.next();
}

/** A handler that is a function: (s, p) -> next record, or 0 to look everything up anew. */
export function defineOutline(module: ModuleBuilder, parts: InterpreterParts, handler: Handler): FunctionRef {
  return module.func(`${handler.number}`, [I32, I32], [I32], (f, s, p) => {
    const left = () => sub(load("i32", s, INTERP.ACCOUNT), shrU(p, 4));
    const jumpTo = (target: Expr<I64>) => {
      f.store("i64", s, target, L.PC);
      f.store("i32", s, sub(left(), 1), L.BUDGET);
      f.return(0);
    };
    const bias = () => load("i64", s, INTERP.BIAS);
    const exits: Exits = {
      left,
      bias,
      tlbSet: () => load("i32", s, L.TLB_SET),
      next: () => f.return(add(p, RECORD.BYTES)),
      jump: (distance) => jumpTo(add(bias(), toI64U(shrU(add(p, distance), 2)))),
      jumpTo,
      resume: () => f.return(0),
    };
    runHandler(new InterpreterContext(f, s, p, exits, parts, handler.samePage), handler, exits);
  });
}

/**
 * The interpreter tier: `execute`, generated from the descriptions.
 *
 * One function holds the dispatch loop and the handlers of the common instructions, chosen by br_table; the rest are
 * functions in a table. Its variables:
 * - p: the record of the instruction at hand;
 * - account: budget left at p is account - (p >> 4), so that a run of instructions counts itself;
 * - bias: pc is bias + (p >> 2);
 * - tlb: the TLB set of the current EL.
 */
import { definePredecoder, NO_PAGE } from "../decode/predecode.ts";
import type { Description } from "../isa/description.ts";
import { L } from "../state/layout.ts";
import {
  add,
  and,
  type Callable,
  call,
  callIndirect,
  type Expr,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  I32,
  I64,
  i32,
  type Label,
  type Local,
  leS,
  load,
  type ModuleBuilder,
  or,
  shrS,
  shrU,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";
import { type CodeCacheFunctions, defineCodeCache, defineLook } from "./code-cache.ts";
import { type Exits, InterpreterContext, type InterpreterFunctions, type SystemFunctions } from "./context.ts";
import { defineFlags } from "./flags.ts";
import { type Handler, type HandlerTable, numberHandlers } from "./handlers.ts";
import { isHot } from "./hot.ts";
import { HANDLER, INTERP, RECORD } from "./layout.ts";

/** The part that the system side calls; declared before it. */
export interface InterpreterServices extends CodeCacheFunctions {
  readonly packNzcv: FunctionRef;
  readonly unpackNzcv: FunctionRef;
}

export function defineInterpreterServices(module: ModuleBuilder): InterpreterServices {
  return { ...defineCodeCache(module), ...defineFlags(module) };
}

export interface Interpreter {
  readonly execute: FunctionRef;
  readonly table: HandlerTable;
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
  const look = defineLook(module, services, system);
  const access = module.func("accessSlow", [I32, I32, I32, I64, I32], [I32], (f, s, p, left, va, kind) => {
    const host = f.local(I32);
    f.store("i64", s, add(load("i64", s, INTERP.BIAS), toI64U(shrU(p, 2))), L.PC);
    f.store("i32", s, load("i32", add(load("i32", s, INTERP.HOST), shrU(p, 2))), L.WORD);
    f.store("i32", s, left, L.BUDGET);
    f.set(host, call<I32>(system.memSlow, s, va, kind));
    f.if(eqz(host), () => f.store("i32", s, sub(left, 1), L.BUDGET));
    f.return(host);
  });
  const shared = {
    system,
    own: { access, look } satisfies InterpreterFunctions,
    helpers: new Map<string, Callable>(),
    module,
  };

  const outlineType = module.type([I32, I32], [I32]);
  const outline: FunctionRef[] = [];
  for (let number = table.inlineCount; number < table.handlers.length; number++)
    outline.push(defineOutline(table.handlers[number] as Handler));
  const functionTable = module.table(Math.max(1, outline.length));
  if (outline.length > 0) module.elements(functionTable, 0, outline);

  /** A handler that is a function: (s, p) -> next record, or 0 to look everything up anew. */
  function defineOutline(handler: Handler): FunctionRef {
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
      runHandler(new InterpreterContext(f, s, p, exits, shared, handler.samePage), handler, exits);
    });
  }

  function runHandler(context: InterpreterContext, handler: Handler, exits: Exits): void {
    if (handler.description.fp) context.checkFpEnabled();
    handler.description.execute(context, handler.statics);
    exits.next();
  }

  const execute = module.func(
    "execute",
    [I32],
    [],
    (f, s) => {
      const p = f.local(I32);
      const account = f.local(I32);
      const bias = f.local(I64);
      const tlb = f.local(I32);
      const stepping = f.local(I32);
      const left = () => sub(account, shrU(p, 4));
      f.store("i32", s, i32(0), L.LEAVE);

      f.block((leave) => {
        f.loop((resume) => {
          f.block((lookUp) => {
            // spent, or someone wants us to look up
            f.brIf(
              or(
                or(load("i32", s, L.LEAVE), load("i32", s, L.PENDING)),
                or(stepping, leS(load("i32", s, L.BUDGET), 0)),
              ),
              leave,
            );
            f.set(p, call<I32>(look, s, load("i64", s, L.PC), load("i32", s, L.BUDGET)));
            f.brIf(eqz(p), resume);
            f.if(load("i32", s, L.STEPPING), () => beginStep(f, s, p, stepping));
            f.set(bias, load("i64", s, INTERP.BIAS));
            f.set(tlb, load("i32", s, L.TLB_SET));
            f.set(account, add(load("i32", s, L.BUDGET), shrU(p, 4)));
            f.loop((dispatch) => {
              dispatchLoop(f, s, { p, account, bias, tlb, left }, { dispatch, resume, lookUp });
            });
          });
          f.store("i64", s, add(bias, toI64U(shrU(p, 2))), L.PC);
          f.store("i32", s, left(), L.BUDGET);
        });
      });
      f.if(stepping, () =>
        f.store("i32", s, add(load("i32", s, L.BUDGET), load("i32", s, INTERP.STEP_BUDGET)), L.BUDGET),
      );
    },
    { export: true },
  );

  /** Execute a copy of the record, followed by one that ends the step; the budget is one instruction meanwhile. */
  function beginStep(f: FunctionBuilder, s: Expr<I32>, p: Local<I32>, stepping: Local<I32>): void {
    const scratch = f.temp(add(s, INTERP.STEP_RECORDS));
    const pc = f.temp(add(load("i64", s, INTERP.BIAS), toI64U(shrU(p, 2))));
    const host = f.temp(add(load("i32", s, INTERP.HOST), shrU(p, 2)));
    f.set(stepping, 1);
    f.store("i32", s, sub(load("i32", s, L.BUDGET), 1), INTERP.STEP_BUDGET);
    f.store("i32", s, i32(1), L.BUDGET);
    f.store("i64", s, sub(pc, toI64U(shrU(scratch, 2))), INTERP.BIAS);
    f.store("i32", s, sub(host, shrU(scratch, 2)), INTERP.HOST);
    f.call(predecode, [scratch, load("i32", host), i32(NO_PAGE)]);
    f.store("i32_16", scratch, i32(HANDLER.STEP_END), RECORD.BYTES);
    f.set(p, scratch);
  }

  function dispatchLoop(
    f: FunctionBuilder,
    s: Expr<I32>,
    v: { p: Local<I32>; account: Local<I32>; bias: Local<I64>; tlb: Local<I32>; left: () => Expr<I32> },
    labels: { dispatch: Label; resume: Label; lookUp: Label },
  ): void {
    const { p, account, bias, left } = v;
    /** At the end of a block: p and account are the target's. */
    const endBlock = () => {
      f.brIf(or(leS(left(), 0), load("i32", s, L.PENDING)), labels.lookUp);
      f.br(labels.dispatch);
    };
    /** The page of p changes: `remaining` is the budget at the target. */
    const enter = (target: Expr<I64>, remaining: Expr<I32>) => {
      const budget = f.temp(remaining);
      f.set(p, call<I32>(look, s, target, budget));
      f.brIf(eqz(p), labels.resume);
      f.set(bias, load("i64", s, INTERP.BIAS));
      f.set(account, add(budget, shrU(p, 4)));
      endBlock();
    };
    const exits: Exits = {
      left,
      bias: () => bias,
      tlbSet: () => v.tlb,
      next: () => {
        f.set(p, add(p, RECORD.BYTES));
        f.br(labels.dispatch);
      },
      jump: (distance) => {
        const named = f.temp(distance);
        f.set(account, add(account, sub(shrS(named, 4), 1)));
        f.set(p, add(p, named));
        endBlock();
      },
      jumpTo: (target) => enter(f.temp(target), sub(left(), 1)),
      resume: () => f.br(labels.resume),
    };
    const pc = () => add(bias, toI64U(shrU(p, 2)));

    const cases: (() => void)[] = [];
    cases[HANDLER.UNDECODED] = () => {
      const word = load("i32", add(load("i32", s, INTERP.HOST), shrU(p, 2)));
      f.call(predecode, [p, word, and(toI32(pc()), 0xfff)]);
      f.br(labels.dispatch);
    };
    cases[HANDLER.PAGE_END] = () => enter(f.temp(pc()), left());
    cases[HANDLER.UNDEFINED] = () => new InterpreterContext(f, s, p, exits, shared, false).exception("undefined");
    cases[HANDLER.STEP_END] = () => f.br(labels.lookUp);
    for (let number = HANDLER.FIRST; number < table.inlineCount; number++) {
      const handler = table.handlers[number] as Handler;
      cases[number] = () =>
        f.scope(() => runHandler(new InterpreterContext(f, s, p, exits, shared, handler.samePage), handler, exits));
    }
    f.switch(
      load("i32_16u", p, RECORD.HANDLER),
      cases.map((body, i) => (i < HANDLER.FIRST ? () => f.scope(body) : body)),
      () => {
        f.store("i32", s, account, INTERP.ACCOUNT);
        f.set(
          p,
          callIndirect(
            outlineType,
            I32,
            functionTable.index,
            sub(load("i32_16u", p, RECORD.HANDLER), table.inlineCount),
            s,
            p,
          ),
        );
        f.brIf(p, labels.dispatch);
        f.br(labels.resume);
      },
    );
  }

  return { execute, table };
}

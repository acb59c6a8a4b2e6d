/**
 * `execute`: the dispatch loop, with the handlers of the common instructions in it, chosen by br_table.
 *
 * Its variables besides s and p: account, the budget left at p being account - (p >> 4), so that a run of instructions
 * counts itself; bias: pc is bias + (p >> 2); tlb: the TLB set of the current EL.
 */
import { NO_PAGE } from "../decode/predecode.ts";
import { L } from "../state/layout.ts";
import {
  add,
  and,
  type Callable,
  call,
  callIndirect,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  gtS,
  I32,
  I64,
  i32,
  type Label,
  type Local,
  leS,
  load,
  type ModuleBuilder,
  ne,
  or,
  shl,
  shrS,
  shrU,
  sub,
  type TableRef,
  toI32,
  toI64S,
  toI64U,
} from "../wasm/index.ts";
import { isCounted } from "./code-cache.ts";
import { type Exits, InterpreterContext, type InterpreterParts } from "./context.ts";
import type { Handler, HandlerTable } from "./handlers.ts";
import { CODE_PAGE, ENTRY, HANDLER, INTERP, RECORD, SHARED } from "./layout.ts";
import { runHandler } from "./run-handler.ts";

export interface ExecuteNeeds {
  readonly table: HandlerTable;
  /** The handlers that are functions, by number - `table.inlineCount`; and their type's index. */
  readonly outline: TableRef;
  readonly outlineType: number;
  /** Functions of `REGION_PARAMS`. */
  readonly regions: TableRef;
  readonly regionType: number;
  readonly predecode: FunctionRef;
  readonly parts: InterpreterParts;
}

/** Variables of the loop. */
interface Variables {
  readonly p: Local<I32>;
  readonly account: Local<I32>;
  readonly bias: Local<I64>;
  readonly tlb: Local<I32>;
  /** Budget when the record at p begins. */
  readonly left: () => Expr<I32>;
}
/** Where code of the loop goes on. */
interface Labels {
  /** At the record at p. */
  readonly dispatch: Label;
  /** At L.PC with L.BUDGET, both up to date: look everything up anew. */
  readonly resume: Label;
  /** After storing PC and BUDGET: there is a reason to look up from executing. */
  readonly lookUp: Label;
}

/** (s): `INTERPRETER_FUNCTIONS.execute` of the seam. */
export function defineExecute(module: ModuleBuilder, needs: ExecuteNeeds): FunctionRef {
  const { look } = needs.parts.own;
  return module.func(
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
            f.if(load("i32", s, L.STEPPING), () => beginStep(f, s, p, stepping, needs.predecode));
            f.set(bias, load("i64", s, INTERP.BIAS));
            f.set(tlb, load("i32", s, L.TLB_SET));
            f.set(account, add(load("i32", s, L.BUDGET), shrU(p, 4)));
            f.loop((dispatch) => {
              dispatchRecord(f, s, { p, account, bias, tlb, left }, { dispatch, resume, lookUp }, needs);
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
}

/** Execute a copy of the record, followed by one that ends the step; the budget is one instruction meanwhile. */
function beginStep(
  f: FunctionBuilder,
  s: Expr<I32>,
  p: Local<I32>,
  stepping: Local<I32>,
  predecode: FunctionRef,
): void {
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

/** How handlers inside the loop leave; `enter` goes on at an address in another page with that budget. */
function loopExits(
  f: FunctionBuilder,
  s: Expr<I32>,
  { p, account, bias, tlb, left }: Variables,
  labels: Labels,
  { look, count }: InterpreterParts["own"],
): Exits & { enter(target: Expr<I64>, remaining: Expr<I32>): void } {
  /** At the end of a block: p and account are the target's. */
  const endBlock = () => {
    f.brIf(or(leS(left(), 0), load("i32", s, L.PENDING)), labels.lookUp);
    f.br(labels.dispatch);
  };
  const enter = (target: Expr<I64>, remaining: Expr<I32>) => {
    const budget = f.temp(remaining);
    f.set(p, call<I32>(look, s, target, budget));
    f.brIf(eqz(p), labels.resume);
    f.set(bias, load("i64", s, INTERP.BIAS));
    f.set(account, add(budget, shrU(p, 4)));
    endBlock();
  };
  return {
    left,
    bias: () => bias,
    tlbSet: () => tlb,
    next: () => {
      f.set(p, add(p, RECORD.BYTES));
      f.br(labels.dispatch);
    },
    jump: (distance, isCall) => {
      const named = f.temp(distance);
      f.set(account, add(account, sub(shrS(named, 4), 1)));
      f.set(p, add(p, named));
      // loops and functions are what regions are made of
      const counts = isCounted(s, p);
      f.if(isCall ? counts : and(leS(named, 0), counts), () => f.call(count, [s, p]));
      endBlock();
    },
    jumpTo: (target) => enter(f.temp(target), sub(left(), 1)),
    resume: () => f.br(labels.resume),
    enter,
  };
}

/** Execute the record at p: br_table over the handlers in the loop, or a call through the table. */
function dispatchRecord(f: FunctionBuilder, s: Expr<I32>, v: Variables, labels: Labels, needs: ExecuteNeeds): void {
  const { p, account, bias, left } = v;
  const { table, parts } = needs;
  const exits = loopExits(f, s, v, labels, parts.own);
  const pc = () => add(bias, toI64U(shrU(p, 2)));

  const cases: (() => void)[] = [];
  cases[HANDLER.UNDECODED] = () => {
    const word = load("i32", add(load("i32", s, INTERP.HOST), shrU(p, 2)));
    f.call(needs.predecode, [p, word, and(toI32(pc()), 0xfff)]);
    f.br(labels.dispatch);
  };
  cases[HANDLER.PAGE_END] = () => exits.enter(f.temp(pc()), left());
  cases[HANDLER.UNDEFINED] = () => new InterpreterContext(f, s, p, exits, parts, false).exception("undefined");
  cases[HANDLER.STEP_END] = () => f.br(labels.lookUp);
  cases[HANDLER.REGION] = () => {
    const { regions, regionType } = needs;
    runRegion(
      f,
      s,
      v,
      (index, ...args) => callIndirect(regionType, I32, regions.index, index, s, ...args),
      exits.enter,
      parts.own.backFromAside,
    );
    f.br(labels.dispatch);
  };
  for (let number = HANDLER.FIRST; number < table.inlineCount; number++) {
    const handler = table.handlers[number] as Handler;
    cases[number] = () =>
      f.scope(() => runHandler(new InterpreterContext(f, s, p, exits, parts, handler.samePage), handler, exits));
  }
  f.switch(
    load("i32_16u", p, RECORD.HANDLER),
    cases.map((body, i) => (i < HANDLER.FIRST ? () => f.scope(body) : body)),
    () => {
      const index = sub(load("i32_16u", p, RECORD.HANDLER), table.inlineCount);
      f.store("i32", s, account, INTERP.ACCOUNT);
      f.set(p, callIndirect(needs.outlineType, I32, needs.outline.index, index, s, p));
      f.brIf(p, labels.dispatch);
      f.br(labels.resume);
    },
  );
}

/**
 * The record begins a region. Run it where nothing is pending and the budget covers its longest way to a check. Everything
 * else is its own instruction's, also where the region came back without a step because the first translation is not in
 * the TLB: the region is set aside until the next branch that counts. (A second loop around the dispatch, for "this handler
 * now instead of the record's", halved the speed of everything: V8 keeps one more value alive in every handler.)
 */
function runRegion(
  f: FunctionBuilder,
  s: Expr<I32>,
  v: Variables,
  call: (index: Expr<I32>, page: Expr<I64>, budget: Expr<I32>, entry: Expr<I32>) => Expr<I32>,
  enter: (target: Expr<I64>, remaining: Expr<I32>) => void,
  backFromAside: Callable,
): void {
  const { p } = v;
  const pc = add(v.bias, toI64U(shrU(p, 2)));
  const side = f.temp(add(load("i32", s, INTERP.SIDE), shrU(p, 2)));
  const word = f.temp(load("i32", side));
  const entry = f.temp(add(load("i32", SHARED.ENTRIES), shl(and(word, 0xffff), ENTRY.BYTES_LOG2)));
  const version = load("i32", load("i32", entry, ENTRY.PAGE), CODE_PAGE.REGION_VERSION);
  f.if(
    eq(load("i32", entry, ENTRY.VERSION), version),
    () => {
      const budget = f.temp(v.left());
      f.if(and(gtS(budget, load("i32", entry, ENTRY.NEED)), eqz(load("i32", s, L.PENDING))), () => {
        f.store("i32", entry, i32(1), ENTRY.USED);
        const index = load("i32", entry, ENTRY.FUNCTION);
        const number = load("i32", entry, ENTRY.NUMBER);
        const page = sub(and(pc, -4096), toI64S(load("i32", entry, ENTRY.PAGE_OFFSET)));
        const after = f.temp(call(index, page, budget, number));
        f.if(ne(after, budget), () => {
          const retired = add(load("i64", s, INTERP.REGION_RETIRED), toI64U(sub(budget, after)));
          f.store("i64", s, retired, INTERP.REGION_RETIRED);
          enter(load("i64", s, L.PC), after);
        });
      });
      f.if(load("i32", s, INTERP.ASIDE), () => f.call(backFromAside, [s]));
      f.store("i32", s, p, INTERP.ASIDE);
      f.store("i32", s, side, INTERP.ASIDE_SIDE);
    },
    // a store changed it
    () => f.store("i32", side, i32(0)),
  );
  f.store("i32_16", p, shrU(word, 16), RECORD.HANDLER);
}

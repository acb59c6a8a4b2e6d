/**
 * The seam of the second tier: straight-line code, with branches back to its start as a loop, compiled from the same
 * descriptions as the interpreter.
 *
 * A region is a WebAssembly function (s) over one PE's state block. It begins at a known PC with BUDGET above zero, runs
 * until its end, a taken branch out of it, a TLB miss, or PENDING or a spent budget at its loop's head, and leaves PC,
 * BUDGET, registers and flags as the interpreter would: the interpreter goes on from there. It never calls out.
 *
 * Not connected to the run loop: no code is counted, and no region survives a write to its page, unless the caller
 * sees to it. That is what the JIT adds.
 */
import { decode } from "../disasm/disassemble.ts";
import { FLAGS } from "../interp/layout.ts";
import { type Description, Word } from "../isa/description.ts";
import { DP_IMMEDIATE } from "../isa/dp-immediate.ts";
import { DP_REGISTER } from "../isa/dp-register.ts";
import { LOAD_STORE_PAIR } from "../isa/load-store-pair.ts";
import { LOAD_STORE_REGISTER } from "../isa/load-store-register.ts";
import { L } from "../state/layout.ts";
import {
  type Callable,
  type Expr,
  type FunctionBuilder,
  I32,
  I64,
  i32,
  i64,
  type Label,
  leS,
  load,
  ModuleBuilder,
  or,
  sub,
} from "../wasm/index.ts";
import { NotCompilable, RegionContext, RegionLocals } from "./region-context.ts";

const BRANCHES_WITHIN: ReadonlySet<string> = new Set(["B", "BL", "B.cond", "CBZ/CBNZ", "TBZ/TBNZ"]);
const COMPILABLE: ReadonlySet<Description> = new Set([
  ...DP_IMMEDIATE,
  ...DP_REGISTER,
  ...LOAD_STORE_REGISTER,
  ...LOAD_STORE_PAIR,
]);

export interface CompiledRegion {
  /** A module that imports env.memory and exports `region`: (s) -> (). */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Words of the code that it covers. */
  readonly length: number;
}

/**
 * Compile the code at `pc`.
 *
 * @param words instruction words from `pc` on
 * @param pc address of the first, below 2^53, a multiple of 4
 * @returns undefined when not even the first instruction can be compiled
 */
export function compileRegion(words: readonly number[], pc: number): CompiledRegion | undefined {
  const code: { readonly word: number; readonly description: Description; readonly statics: Record<string, number> }[] =
    [];
  for (const word of words) {
    const decoded = decode(word);
    if (decoded === undefined) break;
    const { description, statics } = decoded;
    if (!COMPILABLE.has(description) && !BRANCHES_WITHIN.has(description.name)) break;
    code.push({ word, description, statics });
    if (description.name === "B" || description.name === "BL") break;
  }
  if (code.length === 0) return undefined;

  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { min: 1, max: 65536, shared: true });
  const helpers = new Map<string, Callable>();
  const helper = (name: string, make: (module: ModuleBuilder) => Callable) => {
    const made = helpers.get(name) ?? make(module);
    helpers.set(name, made);
    return made;
  };

  const body = (f: FunctionBuilder, s: Expr<I32>, known?: RegionLocals): RegionLocals => {
    const locals = new RegionLocals(f);
    // a first pass finds the registers that the code names; the second loads them before and stores them after
    for (const offset of known?.registers.keys() ?? []) f.set(locals.register(offset), load("i64", s, offset));
    for (const word of known?.flags.keys() ?? [])
      f.set(locals.flag(word), load(word === "C" ? "i32" : "i64", s, FLAGS[word]) as Expr<I32 | I64>);
    const budget = f.local(I32);
    const to = f.local(I64);
    f.set(budget, load("i32", s, L.BUDGET));

    f.block((leave) => {
      const exit = (target: number, retired: number) => {
        f.set(budget, sub(budget, retired));
        f.set(to, i64(target));
        f.br(leave);
      };
      f.loop((start) => {
        for (const [i, instruction] of code.entries())
          emitInstruction(f, s, locals, instruction, i, { exit, start, budget });
        exit(pc + 4 * code.length, code.length);
      });
    });
    for (const [offset, local] of locals.registers) f.store("i64", s, local, offset);
    for (const [word, local] of locals.flags) f.store(word === "C" ? "i32" : "i64", s, local, FLAGS[word]);
    f.store("i64", s, to, L.PC);
    f.store("i32", s, budget, L.BUDGET);
    return locals;
  };

  const emitInstruction = (
    f: FunctionBuilder,
    s: Expr<I32>,
    locals: RegionLocals,
    { word, description, statics }: (typeof code)[number],
    index: number,
    flow: { exit: (target: number, retired: number) => void; start: Label; budget: ReturnType<typeof f.local<I32>> },
  ) => {
    const at = pc + 4 * index;
    const operands = description.operands(new Word<string>(description.pattern, i32(word), (e) => e));
    const exits = {
      abandon: () => flow.exit(at, index),
      branch: (displacement: number) => {
        if (at + displacement !== pc) {
          flow.exit(at + displacement, index + 1);
          return;
        }
        const left = sub(flow.budget, index + 1);
        f.if(or(leS(left, 0), load("i32", s, L.PENDING)), () => flow.exit(pc, index + 1));
        f.set(flow.budget, left);
        f.br(flow.start);
      },
    };
    description.execute(new RegionContext(f, s, locals, { operands, pc: at, word }, exits, helper), statics);
  };

  module.func(
    "region",
    [I32],
    [],
    (f, s) => {
      const scratch = module.scratchFunction([I32], []);
      body(f, s, body(scratch, scratch.param<I32>(0)));
    },
    { export: true },
  );
  try {
    return { bytes: module.encode(), length: code.length };
  } catch (error) {
    if (error instanceof NotCompilable) return undefined;
    throw error;
  }
}

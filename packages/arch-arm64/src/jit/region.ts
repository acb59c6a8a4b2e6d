/**
 * One region: blocks become nested loops of a WebAssembly function over one PE's state block.
 *
 * The function is (s, page, budget, entry) -> budget left. `page` is the virtual address of the page that offsets count
 * from, `entry` the id of a block that may be entered. It leaves PC, registers and flags as the interpreter would, which
 * goes on from there, and it leaves
 * - before an instruction that it does not have, or whose translation is not in the TLB;
 * - at a branch to a place that it does not have;
 * - where it crosses into a page that is not the one it was compiled from: the fetch entry says so, as it does to the
 *   interpreter; or whose words have changed;
 * - at the head of a loop when the budget does not cover the longest way to the next head or the end.
 * So it never passes a place where the interpreter would have looked up, and never calls out.
 */
import { CODE_PAGE, REGION_PARAMS } from "../interp/layout.ts";
import { Flow } from "../isa/description.ts";
import { L, TLB } from "../state/layout.ts";
import {
  add,
  and,
  type Callable,
  constValue,
  type Expr,
  eq,
  I32,
  type I64,
  i32,
  type Label,
  type Local,
  leS,
  load,
  type ModuleBuilder,
  ne,
  or,
  select,
  shrU,
  sub,
  toI32,
  toI64S,
} from "../wasm/index.ts";
import type { Block, Graph, Instruction } from "./blocks.ts";
import { type KnownForm, meet } from "./flags.ts";
import { RegionContext, RegionFunction, RegionRegisters } from "./region-context.ts";
import { headsOf, loopHeads, type Node, structure } from "./structure.ts";

/** A page that a region has code from. */
export interface CodePage {
  /** Address of its code page. */
  readonly slot: number;
  /** REGION_VERSION that the region is for. */
  readonly version: number;
}

export interface RegionOptions {
  readonly graph: Graph;
  /** By offset of the page, a multiple of 4096. */
  readonly page: (offset: number) => CodePage;
  readonly helper: (name: string, make?: (module: ModuleBuilder) => Callable) => Callable;
  readonly dispatchWord: (word: number) => number;
}

/** What compiling gives beside the function. */
export interface Region {
  readonly f: RegionFunction;
  readonly entries: readonly { readonly offset: number; readonly number: number; readonly need: number }[];
}

const pageOf = (offset: number) => offset & -4096;
/** Choices among so many heads are comparisons, among more a br_table. */
const FEW = 3;

interface Target {
  readonly label: Label;
  /** Several heads: `next` must say which. */
  readonly several: boolean;
}

class RegionCompiler {
  readonly #options: RegionOptions;
  readonly #f: RegionFunction;
  readonly #s: Local<I32>;
  readonly #base: Local<I64>;
  readonly #budget: Local<I32>;
  /** Id of the block to go on with, where a label leads to several; the entry at first. */
  readonly #next: Local<I32>;
  /** Offset of PC when the region is left. */
  readonly #exitOffset: Local<I32>;
  readonly #tlbSet: Local<I32>;
  readonly #spAlign: Local<I32>;
  readonly #registers: RegionRegisters;
  readonly #context: RegionContext;
  readonly #heads: ReadonlySet<Block>;
  readonly #longest = new Map<Block, number>();
  readonly #targets = new Map<Block, Target>();
  /** What is known of the flags where a block begins. */
  readonly #known = new Map<Block, KnownForm>();
  readonly #nodes: readonly Node[];
  #leave: Label | undefined;
  #leaveAtPc: Label | undefined;
  #block: Block | undefined;
  #index = 0;

  constructor(name: string, options: RegionOptions) {
    this.#options = options;
    const { graph } = options;
    const f = new RegionFunction(name, REGION_PARAMS, [I32]);
    this.#f = f;
    this.#s = f.param<I32>(0);
    this.#base = f.param<I64>(1);
    this.#budget = f.param<I32>(2);
    this.#next = f.param<I32>(3);
    this.#exitOffset = f.local(I32);
    this.#tlbSet = f.local(I32);
    this.#spAlign = f.local(I32);
    this.#registers = new RegionRegisters(f);
    this.#context = new RegionContext({
      f,
      state: this.#s,
      base: this.#base,
      tlbSet: this.#tlbSet,
      spAlign: this.#spAlign,
      registers: this.#registers,
      helper: options.helper,
      dispatchWord: options.dispatchWord,
      flow: {
        abandon: () => this.#exit(this.#instruction.offset, this.#index),
        branch: () => this.#branch(),
        branchIf: (condition) => this.#branchIf(condition),
        branchTo: (target) => this.#branchTo(target),
      },
    });
    this.#nodes = structure(graph.blocks, graph.entries);
    this.#heads = loopHeads(this.#nodes);
  }

  compile(): Region {
    const f = this.#f;
    const s = this.#s;
    const { graph } = this.#options;
    f.block((leaveAtPc) => {
      this.#leaveAtPc = leaveAtPc;
      f.block((leave) => {
        this.#leave = leave;
        this.#sequence(this.#nodes, graph.entries.length > 1 ? graph.entries : undefined);
        f.unreachable();
      });
      f.store("i64", s, add(this.#base, toI64S(this.#exitOffset)), L.PC);
    });
    for (const offset of this.#registers.written) f.store("i64", s, this.#registers.get(offset), offset);
    const { form, a, b, carry } = this.#context.locals;
    f.plainIf(form, () => f.call(this.#options.helper("lazyStore"), [s, form, a, b, carry]));
    f.return(this.#budget);
    f.unreachable();
    f.before(() => {
      f.set(this.#tlbSet, load("i32", s, L.TLB_SET));
      f.set(this.#spAlign, load("i32", s, L.SP_ALIGN));
      for (const [offset, local] of this.#registers.locals) f.set(local, load("i64", s, offset));
    });
    return {
      f,
      entries: graph.entries.map((block) => ({ offset: block.offset, number: block.id, need: this.#way(block) })),
    };
  }

  /** Instructions on the longest way from the start of a block to the next look at the budget. */
  #way(block: Block): number {
    const known = this.#longest.get(block);
    if (known !== undefined) return known;
    let rest = 0;
    for (const next of block.successors) if (!this.#heads.has(next)) rest = Math.max(rest, this.#way(next));
    const way = block.instructions.length + rest;
    this.#longest.set(block, way);
    return way;
  }

  // ------------------------------------------------------------------------------------------- order and labels

  /** Nodes one after the other; `from`: control arrives with `next` set to one of these heads, not at the first node. */
  #sequence(nodes: readonly Node[], from?: readonly Block[]): void {
    const f = this.#f;
    const first = from === undefined ? 1 : 0;
    const hidden: [Block, Target | undefined][] = [];
    const labels: Label[] = [];
    const open = (i: number): void => {
      if (i < first) {
        if (from === undefined) this.#node(nodes[0] as Node);
        else this.#choose(nodes, labels, from);
        return;
      }
      f.block((label) => {
        labels[i] = label;
        const heads = headsOf(nodes[i] as Node);
        for (const head of heads) {
          // a head of the loop around is reached by starting that loop again
          if (from?.includes(head) === true && this.#targets.has(head)) continue;
          hidden.push([head, this.#targets.get(head)]);
          this.#targets.set(head, { label, several: heads.length > 1 });
        }
        open(i - 1);
      });
      this.#node(nodes[i] as Node);
    };
    open(nodes.length - 1);
    for (const [head, target] of hidden.reverse())
      if (target === undefined) this.#targets.delete(head);
      else this.#targets.set(head, target);
  }

  /** To the node whose head `next` names. */
  #choose(nodes: readonly Node[], labels: readonly Label[], from: readonly Block[]): void {
    const f = this.#f;
    const labelOf = (head: Block) => labels[nodes.findIndex((node) => headsOf(node).includes(head))] as Label;
    const [fallback, ...others] = from as [Block, ...Block[]];
    if (from.length <= FEW) {
      for (const head of others) f.brIf(eq(this.#next, head.id), labelOf(head));
      f.br(labelOf(fallback));
      return;
    }
    const byId: Label[] = [];
    const last = Math.max(...from.map((head) => head.id));
    for (let id = 0; id <= last; id++) byId.push(labelOf(from.find((head) => head.id === id) ?? fallback));
    f.brTable(this.#next, byId, labelOf(fallback));
  }

  #node(node: Node): void {
    if (node.kind === "block") {
      this.#emitBlock(node.block);
      return;
    }
    const f = this.#f;
    const { heads } = node;
    const several = heads.length > 1;
    f.loop((label) => {
      const hidden = heads.map((head) => [head, this.#targets.get(head)] as const);
      for (const head of heads) this.#targets.set(head, { label, several });
      this.#checkBudget(heads);
      this.#sequence(node.body, several ? heads : undefined);
      for (const [head, target] of hidden)
        if (target === undefined) this.#targets.delete(head);
        else this.#targets.set(head, target);
      f.unreachable();
    });
  }

  #checkBudget(heads: readonly Block[]): void {
    const [first, ...others] = heads as [Block, ...Block[]];
    const way = Math.max(...heads.map((head) => this.#way(head)));
    let at: Expr<I32> = i32(first.offset);
    for (const head of others) at = select(eq(this.#next, head.id), i32(head.offset), at);
    this.#f.plainIf(leS(this.#budget, way), () => this.#leaveAt(at));
  }

  // ---------------------------------------------------------------------------------------------------- leaving

  #leaveAt(offset: Expr<I32>): void {
    this.#f.set(this.#exitOffset, offset);
    this.#f.br(this.#leave as Label);
  }
  /** With PC at `offset`, after so many instructions of the block that the budget does not know of. */
  #exit(offset: number, retired = 0): void {
    this.#f.set(this.#budget, sub(this.#budget, retired));
    this.#leaveAt(i32(offset));
  }

  // ----------------------------------------------------------------------------------------------------- blocks

  get #instruction(): Instruction {
    return (this.#block as Block).instructions[this.#index] as Instruction;
  }

  #emitBlock(block: Block): void {
    const f = this.#f;
    const context = this.#context;
    this.#block = block;
    context.beginBlock();
    context.known = this.#heads.has(block) || block.isEntry ? undefined : this.#known.get(block);
    const { instructions, end } = block;
    const count = instructions.length;
    for (this.#index = 0; this.#index < count; this.#index++) {
      const instruction = this.#instruction;
      const branches = instruction.description.flow !== Flow.NEXT;
      if (this.#index === count - 1) {
        if (!branches) context.execute(instruction);
        f.set(this.#budget, sub(this.#budget, count));
        if (branches) context.execute(instruction);
      } else context.execute(instruction);
    }
    this.#index = 0;
    if (end.kind === "leave") this.#exit(end.at);
    else if (end.kind === "jump" && instructions[count - 1]?.description.flow === Flow.NEXT) this.#go(end.to);
  }

  /** The place to go on at, when the region has it. */
  #to(offset: number): Block | undefined {
    return this.#options.graph.at.get(offset);
  }

  /** From the end of the current block to `offset`. */
  #go(offset: number): void {
    const f = this.#f;
    const to = this.#to(offset);
    if (to === undefined) {
      this.#exit(offset);
      return;
    }
    if (this.#crosses(to)) f.plainIf(this.#isElsewhere(to), () => this.#exit(offset));
    this.#jump(to);
  }
  #jump(to: Block): void {
    const f = this.#f;
    const target = this.#targets.get(to);
    if (target === undefined) throw new Error(`BUG: no way to the block at ${to.offset}`);
    const { known } = this.#context;
    this.#known.set(to, this.#known.has(to) ? meet(this.#known.get(to), known) : simple(known));
    if (target.several) f.set(this.#next, to.id);
    f.br(target.label);
  }
  #crosses(to: Block): boolean {
    return pageOf(to.offset) !== pageOf((this.#block as Block).instructions.at(-1)?.offset as number);
  }
  /** Whether fetching at the block's page gives something else than what was compiled. */
  #isElsewhere(to: Block): Expr<I32> {
    const { slot, version } = this.#options.page(pageOf(to.offset));
    const page = add(this.#base, pageOf(to.offset));
    const entry = this.#f.temp(add(this.#tlbSet, and(toI32(shrU(page, 8)), 0x3ff0)));
    return or(
      or(ne(load("i64", entry, TLB.FETCH), page), ne(load("i32", entry, TLB.FETCH + 12), slot)),
      ne(load("i32", i32(slot), CODE_PAGE.REGION_VERSION), version),
    );
  }

  #branch(): void {
    const { end } = this.#block as Block;
    if (end.kind !== "jump" && end.kind !== "call") throw new Error("BUG: a branch that ends no block");
    this.#go(end.to);
  }

  #branchIf(condition: Expr<I32>): void {
    const { end } = this.#block as Block;
    if (end.kind !== "branch") throw new Error("BUG: a conditional branch that ends no block");
    const f = this.#f;
    const known = constValue(condition);
    if (known !== undefined) {
      this.#go(known !== 0 ? end.to : end.next);
      return;
    }
    f.plainIf(condition, () => this.#go(end.to));
    this.#go(end.next);
  }

  /** BR, BLR and RET: to where calls within the region come back, else out. */
  #branchTo(target: Expr<I64>): void {
    const f = this.#f;
    const { end, returns, instructions } = this.#block as Block;
    if (end.kind !== "indirect") throw new Error("BUG: a branch through a register that ends no block");
    const known = [...returns, ...end.targets.flatMap((offset) => this.#to(offset) ?? [])];
    for (const to of known) {
      f.plainIf(eq(target, add(this.#base, to.offset)), () => {
        if (this.#crosses(to)) f.plainIf(this.#isElsewhere(to), () => this.#exit(to.offset));
        this.#jump(to);
      });
    }
    if (!end.isReturn) {
      const { offset } = instructions.at(-1) as Instruction;
      const { slot } = this.#options.page(pageOf(offset));
      const record = slot + ((offset & 4095) << 2);
      f.call(this.#options.helper("targetMiss"), [i32(slot), i32(record), target]);
    }
    f.store("i64", this.#s, target, L.PC);
    f.br(this.#leaveAtPc as Label);
  }
}

/** What a way into a block may hand over: choices are for the block that they were made in. */
function simple(known: KnownForm): KnownForm {
  return known === undefined || "chosen" in known ? undefined : known;
}

/** Generate the function of a region. */
export function compileRegion(name: string, options: RegionOptions): Region {
  return new RegionCompiler(name, options).compile();
}

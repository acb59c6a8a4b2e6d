/**
 * Basic blocks that can be reached from an address: what one region is made of.
 *
 * Addresses are offsets from the page of the region's first instruction: a region does not know where it is mapped, so
 * all aliases of a page share it.
 */
import { match } from "../disasm/disassemble.ts";
import { type Description, Flow, type Operands, type StaticValues, Word } from "../isa/description.ts";
import { constValue, i32 } from "../wasm/index.ts";

/** Where the compiler reads code. */
export interface CodeReader {
  /** The word at an offset, undefined where the page is not code or not known. */
  word(offset: number): number | undefined;
  decode(word: number): Omit<Instruction, "offset"> | undefined;
  /** Where the branch through a register at an offset went lately. */
  targets(offset: number): readonly number[];
  /** Whether regions can have the instruction, beyond what its description tells. */
  canCompile(description: Description, statics: StaticValues, word: number): boolean;
}

export interface Instruction {
  readonly offset: number;
  readonly word: number;
  readonly description: Description;
  readonly statics: StaticValues;
  readonly operands: Operands;
}

/** How a block ends, but for instructions that are branches, whose targets are here too. */
export type End =
  /** Goes on at `to`, by a branch or because another block begins there. */
  | { readonly kind: "jump"; readonly to: number }
  | { readonly kind: "branch"; readonly to: number; readonly next: number }
  | { readonly kind: "call"; readonly to: number; readonly next: number }
  /** BR, BLR, RET. `next` is where a call would come back, `targets` where the first two are likely to go. */
  | {
      readonly kind: "indirect";
      readonly isReturn: boolean;
      readonly next: number | undefined;
      readonly targets: readonly number[];
    }
  /** The interpreter does what is at `at`. */
  | { readonly kind: "leave"; readonly at: number };

export interface Block {
  readonly id: number;
  readonly offset: number;
  readonly instructions: readonly Instruction[];
  readonly end: End;
  /** Within the region. */
  successors: readonly Block[];
  /** Of a block that ends with RET: the places after calls of its function. */
  returns: readonly Block[];
  /** The interpreter may begin here. */
  isEntry: boolean;
}

export interface Limits {
  readonly instructions: number;
  readonly blocks: number;
  readonly entries: number;
}
export const LIMITS: Limits = { instructions: 250, blocks: 48, entries: 12 };

/** How many calls deep functions belong to the caller's region. */
const CALL_DEPTH = 2;

/** An instruction wherever it stands. */
type Decoded = Omit<Instruction, "offset">;
/** Words whose decoding is kept: overlapping regions and common instructions make most of them known. */
const MOST_DECODED = 1 << 15;

/** Decodes words once: that costs more than all the rest of compiling them. */
export class Decoder {
  readonly #known = new Map<number, Decoded | undefined>();

  decode(word: number): Decoded | undefined {
    const known = this.#known.get(word);
    if (known !== undefined || this.#known.has(word)) return known;
    if (this.#known.size >= MOST_DECODED) this.#known.clear();
    const matched = match(word);
    const operands = matched?.description.operands(new Word<string>(matched.description.pattern, i32(word), (e) => e));
    const decoded = matched === undefined || operands === undefined ? undefined : { word, ...matched, operands };
    this.#known.set(word, decoded);
    return decoded;
  }
}

function instructionAt(reader: CodeReader, offset: number): Instruction | undefined {
  const word = reader.word(offset);
  if (word === undefined) return undefined;
  const decoded = reader.decode(word);
  if (decoded === undefined) return undefined;
  const { description, statics, operands } = decoded;
  if (description.flow === Flow.SYSTEM || !reader.canCompile(description, statics, word)) return undefined;
  return { offset, word, description, statics, operands };
}

/** What the branches through registers are for. */
const INDIRECT: { readonly [name: string]: (statics: StaticValues) => "jump" | "call" | "return" } = {
  "BR/BLR/RET": ({ opc }) => (["jump", "call", "return"] as const)[opc as 0],
  "BRA/BLRA": ({ link }) => (link ? "call" : "jump"),
  RETA: () => "return",
};

/** The end that a branch instruction makes, undefined for the others. */
function endOf(instruction: Instruction, reader: CodeReader): End | undefined {
  const { description, offset, operands, statics } = instruction;
  const target = () => offset + (constValue(operands.imm as NonNullable<Operands["imm"]>) as number);
  const next = offset + 4;
  switch (description.flow) {
    case Flow.DIRECT:
      return description.name === "BL" ? { kind: "call", to: target(), next } : { kind: "jump", to: target() };
    case Flow.CONDITIONAL:
      return { kind: "branch", to: target(), next };
    case Flow.INDIRECT: {
      const kind = INDIRECT[description.name]?.(statics);
      const isReturn = kind === "return";
      const targets = isReturn ? [] : reader.targets(offset);
      return { kind: "indirect", isReturn, next: kind === "call" ? next : undefined, targets };
    }
    default:
      return undefined;
  }
}

/** Instructions and places where blocks begin, breadth first, so that what is near comes before the limits are reached. */
function explore(reader: CodeReader, entry: number, limits: Limits) {
  const instructions = new Map<number, Instruction>();
  const leaders = new Set<number>([entry]);
  const work: { readonly offset: number; readonly depth: number }[] = [{ offset: entry, depth: 0 }];
  const lead = (offset: number, depth: number) => {
    if (leaders.has(offset) || leaders.size >= limits.blocks) return;
    leaders.add(offset);
    work.push({ offset, depth });
  };
  for (let item = work.shift(); item !== undefined; item = work.shift()) {
    const { depth } = item;
    for (let { offset } = item; !instructions.has(offset); offset += 4) {
      const instruction = instructions.size < limits.instructions ? instructionAt(reader, offset) : undefined;
      if (instruction === undefined) {
        // what follows an instruction that the interpreter does is likely to be executed as well
        if (reader.word(offset) !== undefined) lead(offset + 4, depth);
        break;
      }
      instructions.set(offset, instruction);
      const end = endOf(instruction, reader);
      if (end === undefined) continue;
      if (end.kind === "call" && depth < CALL_DEPTH) lead(end.to, depth + 1);
      if (end.kind === "indirect" && depth < CALL_DEPTH)
        for (const target of end.targets) lead(target, end.next === undefined ? depth : depth + 1);
      if (end.kind === "jump" || end.kind === "branch") lead(end.to, depth);
      if ("next" in end && end.next !== undefined) lead(end.next, depth);
      break;
    }
  }
  return { instructions, leaders };
}

function cut(
  reader: CodeReader,
  instructions: ReadonlyMap<number, Instruction>,
  leaders: ReadonlySet<number>,
): Map<number, Block> {
  const blocks = new Map<number, Block>();
  for (const leader of leaders) {
    const list: Instruction[] = [];
    let end: End | undefined;
    for (let offset = leader; end === undefined; offset += 4) {
      const instruction = instructions.get(offset);
      if (offset !== leader && leaders.has(offset)) end = { kind: "jump", to: offset };
      else if (instruction === undefined) end = { kind: "leave", at: offset };
      else {
        list.push(instruction);
        end = endOf(instruction, reader);
      }
    }
    // a block of nothing would only cost a way in and out
    if (list.length === 0) continue;
    blocks.set(leader, {
      id: blocks.size,
      offset: leader,
      instructions: list,
      end,
      successors: [],
      returns: [],
      isEntry: false,
    });
  }
  return blocks;
}

/** Where an end leads within its function. */
function within(end: End): readonly number[] {
  switch (end.kind) {
    case "jump":
      return [end.to];
    case "branch":
      return [end.to, end.next];
    case "call":
      return [end.next];
    case "indirect":
      return end.next === undefined ? end.targets : [end.next];
    default:
      return [];
  }
}
/** The functions that it may call. */
function callees(end: End): readonly number[] {
  if (end.kind === "call") return [end.to];
  return end.kind === "indirect" && end.next !== undefined ? end.targets : [];
}

/** Blocks of the function that begins at `first`: calls lead to where they come back. */
function functionOf(blocks: ReadonlyMap<number, Block>, first: Block): Set<Block> {
  const found = new Set<Block>([first]);
  for (const { end } of found) {
    for (const offset of within(end)) {
      const block = blocks.get(offset);
      if (block !== undefined) found.add(block);
    }
  }
  return found;
}

function connect(blocks: ReadonlyMap<number, Block>): void {
  const returns = new Map<Block, Set<Block>>();
  for (const { end } of blocks.values()) {
    const site = "next" in end && end.next !== undefined ? blocks.get(end.next) : undefined;
    if (site === undefined) continue;
    for (const offset of callees(end)) {
      const callee = blocks.get(offset);
      if (callee === undefined) continue;
      for (const block of functionOf(blocks, callee)) {
        if (block.end.kind !== "indirect" || !block.end.isReturn) continue;
        returns.set(block, (returns.get(block) ?? new Set()).add(site));
      }
    }
  }
  for (const block of blocks.values()) {
    const { end } = block;
    block.returns = [...(returns.get(block) ?? [])];
    const to = end.kind === "branch" ? [end.next, end.to] : "to" in end ? [end.to] : [];
    if (end.kind === "indirect") to.push(...end.targets);
    const direct = to.flatMap((offset) => blocks.get(offset) ?? []);
    block.successors = [...new Set([...direct, ...block.returns])];
  }
}

/** Where the interpreter may begin: at the start, after calls that leave the region, after what it does itself. */
function chooseEntries(blocks: ReadonlyMap<number, Block>, start: number, limits: Limits): Block[] {
  const entries = new Set<Block>();
  const enter = (offset: number | undefined) => {
    const block = offset === undefined ? undefined : blocks.get(offset);
    if (block !== undefined && entries.size < limits.entries) entries.add(block);
  };
  enter(start);
  for (const { end } of blocks.values()) {
    if (end.kind === "leave") enter(end.at + 4);
    else if (end.kind === "indirect") enter(end.next);
    else if (end.kind === "call" && !blocks.has(end.to)) enter(end.next);
  }
  for (const block of entries) block.isEntry = true;
  return [...entries];
}

export interface Graph {
  /** Every block that an entry reaches. */
  readonly blocks: readonly Block[];
  /** The first is where the region was asked for. */
  readonly entries: readonly Block[];
  readonly at: ReadonlyMap<number, Block>;
}

/** The blocks around `start`, undefined when not even the first instruction can be compiled. */
export function findBlocks(reader: CodeReader, start: number, limits: Limits = LIMITS): Graph | undefined {
  const { instructions, leaders } = explore(reader, start, limits);
  if (!instructions.has(start)) return undefined;
  const all = cut(reader, instructions, leaders);
  connect(all);
  const entries = chooseEntries(all, start, limits);
  const reached = new Set<Block>(entries);
  for (const block of reached) for (const next of block.successors) reached.add(next);
  const at = new Map([...all].filter(([, block]) => reached.has(block)));
  return { blocks: [...reached], entries, at };
}

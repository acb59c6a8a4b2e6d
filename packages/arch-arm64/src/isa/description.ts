/**
 * One description per instruction (or class of instructions that share an encoding): where its bits are, which
 * operands it has and what it does. The predecoder, the interpreter, the region compiler, the disassembler and the
 * test generator are made from these.
 *
 * ```ts
 * define({
 *   name: "ADD/SUB (immediate)",
 *   pattern: "sf op S 100010 sh imm12:12 Rn:5 Rd:5",
 *   statics: { sf: "sf", op: "op", S: "S" },
 *   operands: (w) => ({
 *     d: select(w.S, w.sinkSlot("Rd"), w.spSlot("Rd")),
 *     n: w.spSlot("Rn"),
 *     imm: shl(w.field("imm12"), select(w.field("sh"), i32(12), 0)),
 *   }),
 *   execute(c, { sf, op, S }) { … },
 *   syntax: (f) => `${f.op ? "sub" : "add"}…`,
 * });
 * ```
 *
 * - *Statics* are fields whose every value gets a handler of its own in the interpreter: put there what decides the
 *   shape of the code (sizes, operation, condition), and nothing else. `execute` sees them as plain numbers.
 * - *Operands* are computed once, when the instruction is predecoded. Register operands are byte offsets in the state
 *   block (`w.xSlot`, `w.spSlot`, `w.sinkSlot`, `w.vSlot`), so that no handler cares about register 31.
 * - `execute` must ask for memory (`c.load`, `c.store`) before it writes any register: then a fault leaves nothing done.
 */

import type { Feature } from "../cpu/features.ts";
import { L } from "../state/layout.ts";
import { add, and, type Expr, eq, type I32, type I64, i32, shl, shrS, shrU } from "../wasm/index.ts";
import type { Context } from "./context.ts";
import { type BitField, type FieldsOf, type Pattern, parsePattern } from "./pattern.ts";

/** Where a record keeps an operand. d, n, m and a hold register offsets, 16 bits each. */
export type Slot = "d" | "n" | "m" | "a";

/**
 * Operands of one record. Either `imm64` (8 bytes), or `imm` (i32), `imm2` (i32) and `a`, where `a` takes the place
 * of `imm2`. Left-out slots are not read.
 */
export interface Operands {
  readonly d?: Expr<I32>;
  readonly n?: Expr<I32>;
  readonly m?: Expr<I32>;
  readonly a?: Expr<I32>;
  readonly imm?: Expr<I32>;
  readonly imm2?: Expr<I32>;
  readonly imm64?: Expr<I64>;
}

/**
 * Fields of an instruction word as expressions; they fold to constants when the word is one. `Fields` are their names: a
 * function that takes `Word<"Rn">` works for every pattern that has an Rn, and for no other.
 */
export class Word<in Fields extends string = never> {
  readonly #pattern: Pattern;
  readonly word: Expr<I32>;
  /** Names a value when the predecoder is generated; the identity when the word is a constant. */
  readonly temp: <T extends I32 | I64>(e: Expr<T>) => Expr<T>;

  constructor(pattern: Pattern, word: Expr<I32>, temp: <T extends I32 | I64>(e: Expr<T>) => Expr<T>) {
    this.#pattern = pattern;
    this.word = word;
    this.temp = temp;
  }

  #field(name: string): BitField {
    const field = this.#pattern.fields.get(name);
    if (field === undefined) throw new Error(`encoding "${this.#pattern.text}" has no field ${name}`);
    return field;
  }
  /** Unsigned value of a field. */
  field(name: Fields): Expr<I32> {
    const { shift, width } = this.#field(name);
    return and(shrU(this.word, shift), width === 32 ? -1 : (1 << width) - 1);
  }
  /** Two's complement value of a field. */
  signed(name: Fields): Expr<I32> {
    const { shift, width } = this.#field(name);
    return shrS(shl(this.word, 32 - shift - width), 32 - width);
  }
  /** Offset of X<n>; register 31 reads as zero. Never write through it. */
  xSlot(name: Fields): Expr<I32> {
    return add(shl(this.field(name), 3), L.X);
  }
  /** Offset of X<n> as a destination; what is written to register 31 is lost. */
  sinkSlot(name: Fields): Expr<I32> {
    const n = this.field(name);
    return shl(add(n, shl(eq(n, 31), 1)), 3);
  }
  /** Offset of X<n>, or of SP for register 31; as source or destination. */
  spSlot(name: Fields): Expr<I32> {
    const n = this.field(name);
    return shl(add(n, eq(n, 31)), 3);
  }
  /** Offset of V<n>. */
  vSlot(name: Fields): Expr<I32> {
    return add(shl(this.field(name), 4), L.V);
  }
}
// The slot arithmetic above relies on it.
if (L.X !== 0 || L.ZERO !== 8 * 31 || L.SP !== 8 * 32 || L.SINK !== 8 * 33)
  throw new Error("BUG: register slots moved");

/** A static: a field by name, or a computed value with the number of values that it can take (0 to count - 1). */
export type Static<Fields extends string = string> =
  | Fields
  | { readonly count: number; readonly of: (w: Word<Fields>) => Expr<I32> };
/** Values of a description's statics for one handler. */
export type StaticValues<S extends string = string> = { readonly [name in S]: number };
/** Field values of one word, for the disassembler. */
export type FieldValues<Fields extends string = string> = { readonly [name in Fields]: number };

/** How an instruction can move PC. */
export const Flow = {
  /** PC + 4. */
  NEXT: 0,
  /** To PC + imm, always. */
  DIRECT: 1,
  /** To PC + imm or PC + 4. */
  CONDITIONAL: 2,
  /** To a register's value. */
  INDIRECT: 3,
  /** An exception, or state that translation depends on may change: ends a block. */
  SYSTEM: 4,
} as const;
export type Flow = (typeof Flow)[keyof typeof Flow];

/** What the generator of random tests must know. */
export interface TestConstraints {
  /** Why random words of it cannot be compared with QEMU user mode. */
  readonly skip?: string;
  /** Bytes that one execution accesses at the base register, when it accesses memory. */
  readonly memoryBytes?: number;
}

export interface DescriptionOptions<P extends string, S extends string> {
  /** The Arm ARM's title of the class. Unique. */
  readonly name: string;
  /** See `pattern.ts`. Where two patterns match a word, the one that fixes more bits wins. */
  readonly pattern: P;
  readonly statics?: { readonly [name in S]: Static<FieldsOf<P>> };
  /** Whether a combination of statics is allocated; the rest is UNDEFINED. */
  readonly allocated?: (statics: StaticValues<NoInfer<S>>) => boolean;
  /** Whether a word is allocated where statics do not decide it: zero is UNDEFINED. */
  readonly valid?: (w: Word<FieldsOf<P>>) => Expr<I32>;
  readonly operands?: (w: Word<FieldsOf<P>>) => Operands;
  readonly flow?: Flow;
  /** Exists only in CPUs with this feature; decided by statics where one pattern covers more than one feature. */
  readonly feature?: Feature | ((statics: StaticValues<NoInfer<S>>) => Feature | undefined);
  /** What a CPU without the feature makes of it: UNDEFINED unless it lies in the hint space. */
  readonly absent?: "undefined" | "nop";
  /** Advanced SIMD or floating point: traps when access is disabled. Checked before `execute`. */
  readonly fp?: boolean;
  readonly execute: (c: Context, statics: StaticValues<NoInfer<S>>) => void;
  /** Assembly text without alias substitution, as `objdump -M no-aliases` prints it. `pc` for PC-relative ones. */
  readonly syntax: (f: FieldValues<FieldsOf<P>>, pc: number) => string;
  readonly test?: TestConstraints;
}

/** A word whose pattern is not known when compiling. */
export type AnyWord = Word<string>;
/** A description, checked and with its pattern parsed. */
export interface Description {
  readonly name: string;
  readonly pattern: Pattern;
  readonly statics: readonly {
    readonly name: string;
    readonly count: number;
    readonly of: (w: AnyWord) => Expr<I32>;
  }[];
  readonly allocated: (statics: StaticValues) => boolean;
  readonly valid: ((w: AnyWord) => Expr<I32>) | undefined;
  readonly operands: (w: AnyWord) => Operands;
  readonly flow: Flow;
  readonly feature: ((statics: StaticValues) => Feature | undefined) | undefined;
  readonly absent: "undefined" | "nop";
  readonly fp: boolean;
  readonly execute: (c: Context, statics: StaticValues) => void;
  readonly syntax: (f: FieldValues, pc: number) => string;
  readonly test: TestConstraints;
}

/** Check and complete a description. Descriptions are collected in arrays, one a file; see `isa/index.ts`. */
export function define<const P extends string, S extends string = never>(
  options: DescriptionOptions<P, S>,
): Description {
  const pattern = parsePattern(options.pattern);
  const statics = Object.entries<Static>(options.statics ?? {}).map(([name, value]) => {
    if (typeof value !== "string") return { name, ...value };
    const field = pattern.fields.get(value);
    if (field === undefined) throw new Error(`${options.name}: no field ${value}`);
    return { name, count: 1 << field.width, of: (w: AnyWord) => w.field(value) };
  });
  const { feature } = options;
  return {
    name: options.name,
    pattern,
    statics,
    allocated: (options.allocated as ((statics: StaticValues) => boolean) | undefined) ?? (() => true),
    valid: options.valid,
    operands: options.operands ?? (() => ({})),
    flow: options.flow ?? Flow.NEXT,
    feature: typeof feature === "string" ? () => feature : (feature as Description["feature"]),
    absent: options.absent ?? "undefined",
    fp: options.fp ?? false,
    execute: options.execute as (c: Context, statics: StaticValues) => void,
    syntax: options.syntax as Description["syntax"],
    test: options.test ?? {},
  };
}

/** Every allocated combination of a description's statics, in the order of handler numbers, with its rank. */
export function* staticCombinations(
  d: Description,
): Generator<{ readonly rank: number; readonly values: StaticValues }> {
  const total = d.statics.reduce((product, s) => product * s.count, 1);
  for (let rank = 0; rank < total; rank++) {
    const values: Record<string, number> = {};
    let rest = rank;
    for (let i = d.statics.length - 1; i >= 0; i--) {
      const s = d.statics[i] as (typeof d.statics)[number];
      values[s.name] = rest % s.count;
      rest = Math.floor(rest / s.count);
    }
    if (d.allocated(values)) yield { rank, values };
  }
}

/** Rank of a word's combination of statics: an expression over the word. */
export function staticRank(d: Description, w: AnyWord): Expr<I32> {
  let rank: Expr<I32> = i32(0);
  for (const s of d.statics) rank = add(rank.hasEffects ? rank : mulConst(rank, s.count), s.of(w));
  return rank;
}
function mulConst(e: Expr<I32>, factor: number): Expr<I32> {
  const log = Math.log2(factor);
  if (Number.isInteger(log)) return shl(e, log);
  let sum: Expr<I32> = i32(0);
  for (let bit = 0; bit < 31; bit++) if ((factor >> bit) & 1) sum = add(shl(e, bit), sum);
  return sum;
}

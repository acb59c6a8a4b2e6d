/**
 * The predecoder, generated from the patterns: an instruction word becomes a record.
 *
 * Bits 31:21 choose among lists of descriptions, in which masks are compared one after the other, most specific first.
 * It is WebAssembly because cold code is what a boot is made of.
 */

import { type HandlerTable, hasSamePageForm } from "../interp/handlers.ts";
import { HANDLER, RECORD, SHARED } from "../interp/layout.ts";
import { type Description, staticRank, Word } from "../isa/description.ts";
import {
  add,
  and,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  I32,
  type I64,
  i32,
  load,
  ltU,
  type ModuleBuilder,
  select,
  shl,
  shrU,
} from "../wasm/index.ts";

/** A `pageOffset` that keeps branches from being taken for branches within a page. */
export const NO_PAGE = -0x40000000;

const INDEX_BITS = 11;
const INDEX_SHIFT = 32 - INDEX_BITS;

const popcount = (mask: number) => {
  let count = 0;
  for (let rest = mask >>> 0; rest !== 0; rest >>>= 1) count += rest & 1;
  return count;
};

/** Word -> descriptions that words with its bits 31:21 may match, most specific first. */
export function candidatesOf(descriptions: readonly Description[]): (word: number) => readonly Description[] {
  const bySpecificity = [...descriptions].sort((a, b) => popcount(b.pattern.mask) - popcount(a.pattern.mask));
  const known: (readonly Description[] | undefined)[] = [];
  return (word) => {
    const index = word >>> INDEX_SHIFT;
    const highMask = -1 << INDEX_SHIFT;
    known[index] ??= bySpecificity.filter((d) => ((word ^ d.pattern.value) & d.pattern.mask & highMask) === 0);
    return known[index];
  };
}
/** The same for each value of bits 31:21. */
function candidates(descriptions: readonly Description[]): readonly (readonly Description[])[] {
  const of = candidatesOf(descriptions);
  return Array.from({ length: 1 << INDEX_BITS }, (_, index) => of(index << INDEX_SHIFT));
}

/** Write one description's record. */
function decodeOne(
  f: FunctionBuilder,
  d: Description,
  table: HandlerTable,
  record: Expr<I32>,
  word: Expr<I32>,
  pageOffset: Expr<I32>,
): void {
  const w = new Word<string>(d.pattern, word, <T extends I32 | I64>(e: Expr<T>) => f.temp(e));
  if (d.valid !== undefined)
    f.if(eqz(d.valid(w)), () => {
      f.store("i32_16", record, i32(HANDLER.UNDEFINED));
      f.return();
    });
  const operands = d.operands(w);
  for (const [slot, offset] of [
    ["d", RECORD.D],
    ["n", RECORD.N],
    ["m", RECORD.M],
    ["a", RECORD.A],
  ] as const) {
    const value = operands[slot];
    if (value !== undefined && slot !== "a") f.store("i32_16", record, value, offset);
  }
  if (operands.imm2 !== undefined) f.store("i32", record, operands.imm2, RECORD.IMM2);
  if (operands.a !== undefined) f.store("i32_16", record, operands.a, RECORD.A);
  if (operands.imm64 !== undefined) f.store("i64", record, operands.imm64, RECORD.IMM);
  let rank = staticRank(d, w);
  if (hasSamePageForm(d)) {
    const displacement = f.temp(operands.imm as Expr<I32>);
    const samePage = f.temp(ltU(add(pageOffset, displacement), 4096));
    f.store("i32", record, select(samePage, shl(displacement, 2), displacement), RECORD.IMM);
    rank = add(shl(rank, 1), samePage);
  } else if (operands.imm !== undefined) f.store("i32", record, operands.imm, RECORD.IMM);
  const base = table.base.get(d) as number;
  f.store("i32_16", record, load("i32_16u", shl(rank, 1), SHARED.HANDLERS + 2 * base));
}

/** predecode(record, word, pageOffset): `pageOffset` is the instruction's offset in its page, or NO_PAGE. */
export function definePredecoder(
  module: ModuleBuilder,
  descriptions: readonly Description[],
  table: HandlerTable,
): FunctionRef {
  module.data(SHARED.HANDLERS, new Uint8Array(table.byRank.buffer));
  const decoders = new Map<Description, FunctionRef>();
  for (const d of descriptions)
    decoders.set(
      d,
      module.func(`decode ${d.name}`, [I32, I32, I32], [], (f, record, word, pageOffset) =>
        decodeOne(f, d, table, record, word, pageOffset),
      ),
    );

  return module.func(
    "predecode",
    [I32, I32, I32],
    [],
    (f, record, word, pageOffset) => {
      const lists: (readonly Description[])[] = [];
      const listOf = new Map<string, number>();
      const byIndex = candidates(descriptions).map((list) => {
        const key = list.map((d) => d.name).join("\n");
        const known = listOf.get(key);
        if (known !== undefined) return known;
        listOf.set(key, lists.length);
        return lists.push(list) - 1;
      });
      f.switch(
        shrU(word, INDEX_SHIFT),
        lists.map((list) => () => {
          for (const d of list)
            f.if(eq(and(word, d.pattern.mask | 0), d.pattern.value | 0), () => {
              f.call(decoders.get(d) as FunctionRef, [record, word, pageOffset]);
              f.return();
            });
        }),
        undefined,
        byIndex,
      );
      f.store("i32_16", record, i32(HANDLER.UNDEFINED));
    },
    { export: true },
  );
}

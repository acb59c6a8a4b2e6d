/**
 * Entries of the soft TLB: where they lie, how they are written and dropped. In WebAssembly; `tlb.ts` drops them from TypeScript.
 *
 * Source: DDI 0487 K.a, D8.16 (TLBs).
 */
import { SHARED } from "../interp/layout.ts";
import { L, STATE_BYTES, TLB } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import {
  add,
  and,
  type Expr,
  eq,
  type FunctionBuilder,
  type FunctionRef,
  gtU,
  I32,
  I64,
  i32,
  i64,
  load,
  ltU,
  type ModuleBuilder,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";
import { ATTR, M, META } from "./layout.ts";

export const PAGE_MASK = -4096;

/** `visit` the address of every entry of one array, of both sets of every PE. */
function eachEntry(f: FunctionBuilder, array: number, visit: (entry: Expr<I32>) => void): void {
  const s = f.local(I32);
  const end = f.local(I32);
  const entry = f.local(I32);
  const stop = f.local(I32);
  f.set(s, REGION.STATES);
  f.set(end, add(i32(REGION.STATES), shl(load("i32", i32(REGION.PE_COUNT)), Math.log2(STATE_BYTES))));
  f.loop((nextPe) => {
    f.if(ltU(s, end), () => {
      for (const set of [L.TLB_EL0, L.TLB_EL1]) {
        f.set(entry, add(s, set + array));
        f.set(stop, add(entry, TLB.ENTRIES * TLB.ENTRY_BYTES));
        f.loop((next) => {
          visit(entry);
          f.set(entry, add(entry, TLB.ENTRY_BYTES));
          f.brIf(ltU(entry, stop), next);
        });
      }
      f.set(s, add(s, STATE_BYTES));
      f.br(nextPe);
    });
  });
}

/** Address of the entry of `array` (`TLB.READ` and so on) that may hold `va` at that EL. */
export const entryOf = (s: Expr<I32>, el: Expr<I32>, array: Expr<I32> | number, va: Expr<I64>) =>
  add(
    add(add(s, select(el, i32(L.TLB_EL1), L.TLB_EL0)), array),
    and(toI32(shrU(va, 8)), (TLB.ENTRIES - 1) * TLB.ENTRY_BYTES),
  );

/** (s, entry, va, host, aux): write an entry for the last translation and what is remembered about it. */
export function defineWriteEntry(module: ModuleBuilder): FunctionRef {
  return module.func("writeEntry", [I32, I32, I64, I32, I32], [], (f, s, slot, va, host, aux) => {
    f.store("i64", slot, and(va, PAGE_MASK));
    f.store("i32", slot, sub(host, toI32(va)), 8);
    f.store("i32", slot, aux, 12);
    const attr = f.temp(load("i32", s, M.OUT_ATTR));
    const size = f.temp(and(shrU(attr, ATTR.SIZE_SHIFT), 0x3f));
    const flags = or(select(and(attr, ATTR.NON_GLOBAL), i32(META.NON_GLOBAL), 0), shl(size, META.SIZE_SHIFT));
    const meta = add(slot, L.TLB_META - L.TLB_EL0);
    f.store("i64", meta, or(and(load("i64", s, M.OUT_IPA), PAGE_MASK), toI64U(flags)));
    const log = (count: number, first: number, entries: number) => {
      const n = f.temp(load("i32", s, count));
      // A full log stays full: whoever reads it then drops everything.
      f.if(ltU(n, entries), () => {
        f.store("i32", add(s, shl(n, 2)), slot, first);
        f.store("i32", s, add(n, 1), count);
      });
    };
    f.if(and(attr, ATTR.NON_GLOBAL), () => log(M.NG_COUNT, M.NG_LOG, M.NG_LOG_ENTRIES));
    f.if(gtU(size, 12), () => {
      const mark = (bitmap: number, shift: number) => {
        const key = f.temp(toI32(shrU(va, shift)));
        const word = f.temp(add(s, shl(and(shrU(key, 5), 63), 2)));
        f.store("i32", word, or(load("i32", word, bitmap), shl(i32(1), and(key, 31))), bitmap);
      };
      mark(M.BLOCKS_2M, 21);
      f.if(gtU(size, 21), () => mark(M.BLOCKS_1G, 30));
    });
    // EL1 entry of a page that EL0 may accdesc: only while PAN is 0. A full log: do not keep the entry.
    f.if(and(ne(and(attr, ATTR.USER), 0), ne(load("i32", s, L.EL), 0)), () => {
      f.if(gtU(add(slot, 1), add(s, L.TLB_EL1)), () => {
        const n = f.temp(load("i32", s, M.PAN_COUNT));
        f.if(
          ltU(n, M.PAN_LOG_ENTRIES),
          () => {
            f.store("i32", add(s, shl(n, 2)), slot, M.PAN_LOG);
            f.store("i32", s, add(n, 1), M.PAN_COUNT);
          },
          () => f.store("i64", slot, i64(-1)),
        );
      });
    });
  });
}

/** (page): no PE may write this page through its TLB any longer. */
export function defineDropWriteEntries(module: ModuleBuilder): FunctionRef {
  return module.func(
    "dropWriteEntries",
    [I32],
    [],
    (f, page) => {
      eachEntry(f, TLB.WRITE, (entry) =>
        f.if(eq(and(add(load("i32", entry), load("i32", entry, 8)), PAGE_MASK), page), () =>
          f.store("i64", entry, i64(-1)),
        ),
      );
    },
    { export: true },
  );
}

/**
 * (page, slot): the page is data from now on: no PE fetches from its records again. Memory of a program that ended is
 * used anew, and stores to it should not be slow for ever.
 */
export function defineForgetCode(module: ModuleBuilder): FunctionRef {
  return module.func("forgetCode", [I32, I32], [], (f, page, slot) => {
    f.store(
      "i32",
      add(load("i32", i32(SHARED.PAGE_TABLE)), shl(shrU(sub(page, load("i32", i32(REGION.DRAM_OFFSET))), 12), 2)),
      i32(0),
    );
    eachEntry(f, TLB.FETCH, (entry) => f.if(eq(load("i32", entry, 12), slot), () => f.store("i64", entry, i64(-1))));
  });
}

/**
 * The code cache: which DRAM pages have predecoded records, and where.
 *
 * Pages are keyed by where they lie in DRAM, so every virtual alias and every PE shares them. A full cache starts anew
 * as a whole: a page costs 16 KiB, so 180 MiB hold 11,000 pages, and a boot of Linux executes from about 1,600.
 */
import { L, STATE_BYTES, TLB } from "../state/layout.ts";
import { REGION, stateBase } from "../state/region.ts";
import {
  add,
  and,
  type Callable,
  call,
  type Expr,
  eq,
  eqz,
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
  shl,
  shrU,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";
import { CODE_PAGE, HANDLER, INTERP, RECORD, SHARED } from "./layout.ts";

export interface CodeCacheFunctions {
  readonly codePage: FunctionRef;
  readonly isCode: FunctionRef;
  readonly codeStore: FunctionRef;
  readonly dropCode: FunctionRef;
}

/** Address of the page table's entry for the DRAM page at `page` (linear-memory offset). */
const tableEntry = (page: Expr<I32>): Expr<I32> =>
  add(load("i32", SHARED.PAGE_TABLE), shl(shrU(sub(page, load("i32", REGION.DRAM_OFFSET)), 12), 2));

export function defineCodeCache(module: ModuleBuilder): CodeCacheFunctions {
  /** Forget every code page: nobody may be executing from one, but for the caller, who looks up its page next. */
  const flush = module.func("flushCode", [], [], (f) => {
    const i = f.local(I32);
    const state = f.local(I32);
    f.store("i32", SHARED.FLUSHES, add(load("i32", SHARED.FLUSHES), 1));
    f.memoryFill(
      load("i32", SHARED.PAGE_TABLE),
      0,
      sub(load("i32", SHARED.PAGES_START), load("i32", SHARED.PAGE_TABLE)),
    );
    f.store("i32", SHARED.PAGES_NEXT, load("i32", SHARED.PAGES_START));
    // fetch entries remember code pages: empty them in every PE
    f.set(state, stateBase(0));
    f.set(i, load("i32", REGION.PE_COUNT));
    f.block((done) => {
      f.loop((again) => {
        f.brIf(eqz(i), done);
        for (const set of [L.TLB_EL0, L.TLB_EL1])
          f.memoryFill(add(state, set + TLB.FETCH), 0xff, TLB.ENTRIES * TLB.ENTRY_BYTES);
        f.set(state, add(state, STATE_BYTES));
        f.set(i, sub(i, 1));
        f.br(again);
      });
    });
  });

  const codePage = module.func(
    "codePage",
    [I32],
    [I32],
    (f, page) => {
      const slot = f.local(I32);
      f.set(slot, load("i32", tableEntry(page)));
      f.if(slot, () => f.return(slot));
      f.if(gtU(add(load("i32", SHARED.PAGES_NEXT), CODE_PAGE.BYTES), load("i32", SHARED.PAGES_END)), () =>
        f.call(flush, []),
      );
      f.set(slot, load("i32", SHARED.PAGES_NEXT));
      f.store("i32", SHARED.PAGES_NEXT, add(slot, CODE_PAGE.BYTES));
      f.memoryFill(slot, 0, CODE_PAGE.BYTES);
      f.store("i32_16", slot, i32(HANDLER.PAGE_END), CODE_PAGE.END);
      f.store("i32", slot, page, CODE_PAGE.HOST);
      f.store("i32", tableEntry(page), slot);
      f.return(slot);
    },
    { export: true },
  );

  const isCode = module.func("isCode", [I32], [I32], (f, page) => f.return(load("i32", tableEntry(page))), {
    export: true,
  });

  const codeStore = module.func(
    "codeStore",
    [I32, I32],
    [],
    (f, host, size) => {
      const slot = f.local(I32);
      const word = f.local(I32);
      const last = f.local(I32);
      f.set(slot, load("i32", tableEntry(and(host, -4096))));
      f.if(eqz(slot), () => f.return());
      f.set(word, shl(and(host, 0xffc), 2));
      f.set(last, shl(and(add(host, sub(size, 1)), 0xffc), 2));
      f.loop((again) => {
        f.store("i32_16", add(slot, word), i32(HANDLER.UNDECODED));
        f.set(word, add(word, RECORD.BYTES));
        f.brIf(ltU(word, add(last, 1)), again);
      });
    },
    { export: true },
  );

  const dropCode = module.func(
    "dropCode",
    [I32],
    [],
    (f, page) => {
      const slot = f.local(I32);
      f.set(slot, load("i32", tableEntry(page)));
      f.if(slot, () => f.memoryFill(slot, 0, CODE_PAGE.END));
    },
    { export: true },
  );

  return { codePage, isCode, codeStore, dropCode };
}

/** What finding the next instruction calls. */
export interface FetchFunctions {
  readonly fetchSlow: Callable;
  readonly pcAlignment: Callable;
}

/**
 * look(s, va, left) -> address of the record of the instruction at va, with BIAS and HOST set for its page; 0 when an
 * exception was taken. `left` is the budget when the instruction at va begins.
 */
export function defineLook(module: ModuleBuilder, cache: CodeCacheFunctions, system: FetchFunctions): FunctionRef {
  const failed = (f: FunctionBuilder, s: Expr<I32>, left: Expr<I32>) => {
    // an attempt counts: a vector that faults itself must not stop `run` from ending
    f.store("i32", s, sub(left, 1), L.BUDGET);
    f.return(0);
  };
  return module.func("look", [I32, I64, I32], [I32], (f, s, va, left) => {
    const entry = f.local(I32);
    const slot = f.local(I32);
    const host = f.local(I32);
    f.set(entry, add(load("i32", s, L.TLB_SET), and(toI32(shrU(va, 8)), 0x3ff0)));
    f.if(
      eq(load("i64", entry, TLB.FETCH), and(va, -4096 | 3)),
      () => f.set(slot, load("i32", entry, TLB.FETCH + 12)),
      () => {
        f.store("i64", s, va, L.PC);
        f.store("i32", s, left, L.BUDGET);
        f.if(ne(and(toI32(va), 3), 0), () => {
          f.call(system.pcAlignment, [s]);
          failed(f, s, left);
        });
        f.set(host, call<I32>(system.fetchSlow, s, va));
        f.if(eqz(host), () => failed(f, s, left));
        f.set(slot, call<I32>(cache.codePage, and(host, -4096)));
      },
    );
    f.store("i64", s, sub(and(va, i64(-4096)), toI64U(shrU(slot, 2))), INTERP.BIAS);
    f.store("i32", s, sub(load("i32", slot, CODE_PAGE.HOST), shrU(slot, 2)), INTERP.HOST);
    f.return(add(slot, shl(and(toI32(va), 0xffc), 2)));
  });
}

/** Lay out the code cache between two offsets of the linear memory. */
export function initCodeCache(data: DataView, start: number, end: number, dramSize: number): void {
  const pagesStart = (start + (dramSize / 4096) * 4 + 15) & -16;
  data.setUint32(SHARED.PAGE_TABLE, start, true);
  data.setUint32(SHARED.PAGES_START, pagesStart, true);
  data.setUint32(SHARED.PAGES_NEXT, pagesStart, true);
  data.setUint32(SHARED.PAGES_END, end, true);
}

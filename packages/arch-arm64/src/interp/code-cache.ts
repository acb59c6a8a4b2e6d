/**
 * The code cache: which DRAM pages have predecoded records, and where.
 *
 * Pages are keyed by where they lie in DRAM, so every virtual alias and every PE shares them. A full cache starts anew
 * as a whole: a page costs 20 KiB, so 180 MiB hold 9,000 pages, and a boot of Linux executes from about 1,600.
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
  geU,
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
  shl,
  shrU,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";
import { BRANCH_TARGET, CODE_PAGE, ENTRY, HANDLER, HOT, INTERP, RECORD, SHARED } from "./layout.ts";

export interface CodeCacheFunctions {
  readonly codePage: FunctionRef;
  readonly isCode: FunctionRef;
  readonly codeStore: FunctionRef;
  readonly dropCode: FunctionRef;
  readonly noteTarget: FunctionRef;
}

/** Address of the page table's entry for the DRAM page at `page` (linear-memory offset). */
const tableEntry = (page: Expr<I32>): Expr<I32> =>
  add(load("i32", SHARED.PAGE_TABLE), shl(shrU(sub(page, load("i32", REGION.DRAM_OFFSET)), 12), 2));

const increment = (f: FunctionBuilder, base: Expr<I32>, offset: number) =>
  f.store("i32", base, add(load("i32", base, offset), 1), offset);

export function defineCodeCache(module: ModuleBuilder): CodeCacheFunctions {
  /** Forget every code page: nobody may be executing from one, but for the caller, who looks up its page next. */
  const flush = module.func("flushCode", [], [], (f) => {
    const i = f.local(I32);
    const state = f.local(I32);
    f.store("i32", SHARED.FLUSHES, add(load("i32", SHARED.FLUSHES), 1));
    f.store("i32", SHARED.HOT_COUNT, i32(0));
    f.memoryFill(load("i32", SHARED.PAGE_TABLE), 0, sub(load("i32", SHARED.HOT), load("i32", SHARED.PAGE_TABLE)));
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

  /** (slot): no region of the page's words is entered any longer. */
  const dropRegions = module.func("dropRegions", [I32], [], (f, slot) => {
    increment(f, slot, CODE_PAGE.REGION_VERSION);
    f.memoryFill(add(slot, CODE_PAGE.COVERED), 0, CODE_PAGE.RECORDS / 8);
  });

  const codeStore = module.func(
    "codeStore",
    [I32, I32],
    [],
    (f, host, size) => {
      const slot = f.local(I32);
      const word = f.local(I32);
      const last = f.local(I32);
      const covered = f.local(I32);
      f.set(slot, load("i32", tableEntry(and(host, -4096))));
      f.if(eqz(slot), () => f.return());
      increment(f, slot, CODE_PAGE.VERSION);
      f.set(word, shrU(and(host, 0xffc), 2));
      f.set(last, shrU(and(add(host, sub(size, 1)), 0xffc), 2));
      f.loop((again) => {
        f.store("i32_16", add(slot, shl(word, 4)), i32(HANDLER.UNDECODED));
        f.store("i32", add(slot, shl(word, 2)), i32(0), CODE_PAGE.SIDE);
        const bits = load("i32_8u", add(slot, shrU(word, 3)), CODE_PAGE.COVERED);
        f.set(covered, or(covered, shrU(bits, and(word, 7))));
        f.set(word, add(word, 1));
        f.brIf(ltU(word, add(last, 1)), again);
      });
      f.if(and(covered, 1), () => f.call(dropRegions, [slot]));
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
      f.if(slot, () => {
        f.memoryFill(slot, 0, CODE_PAGE.END);
        f.memoryFill(add(slot, CODE_PAGE.SIDE), 0, CODE_PAGE.RECORDS * 4);
        increment(f, slot, CODE_PAGE.VERSION);
        f.call(dropRegions, [slot]);
      });
    },
    { export: true },
  );

  return { codePage, isCode, codeStore, dropCode, ...defineBranchTargets(module, dropRegions) };
}

/** A branch's `BRANCH_TARGET`. */
export const branchTargetOf = (record: Expr<I32>): Expr<I32> =>
  add(load("i32", SHARED.TARGETS), shl(and(shrU(record, 4), BRANCH_TARGET.ENTRIES - 1), BRANCH_TARGET.BYTES_LOG2));

/** Of a site whose regions missed so often, and have two targets to know, regions are compiled anew, so many times. */
const MISSES_TO_RENEW = 256;
const MOST_RENEWALS = 3;

function defineBranchTargets(module: ModuleBuilder, dropRegions: FunctionRef): Pick<CodeCacheFunctions, "noteTarget"> {
  /** (record, target): the branch at the record goes there, which is not where it went before. */
  const noteTarget = module.func("noteTarget", [I32, I64], [], (f, record, target) => {
    const site = f.temp(branchTargetOf(record));
    f.if(ne(load("i32", site, BRANCH_TARGET.RECORD), record), () => {
      f.store("i32", site, record, BRANCH_TARGET.RECORD);
      f.store("i64", site, i64(0), BRANCH_TARGET.MISSES);
      f.store("i32", site, i32(0), BRANCH_TARGET.RENEWED);
      f.store("i64", site, target, BRANCH_TARGET.LAST);
      f.store("i64", site, target, BRANCH_TARGET.OTHER);
      f.return();
    });
    f.if(ne(load("i64", site, BRANCH_TARGET.LAST), target), () => {
      f.store("i64", site, load("i64", site, BRANCH_TARGET.LAST), BRANCH_TARGET.OTHER);
      f.store("i64", site, target, BRANCH_TARGET.LAST);
    });
  });
  // (slot, record, target): a region left because it does not have the target
  module.func(
    "helper.targetMiss",
    TARGET_MISS_PARAMS,
    [],
    (f, slot, record, target) => {
      f.call(noteTarget, [record, target]);
      const site = f.temp(branchTargetOf(record));
      const misses = f.temp(add(load("i32", site, BRANCH_TARGET.MISSES), 1));
      f.store("i32", site, misses, BRANCH_TARGET.MISSES);
      const renewed = f.temp(load("i32", site, BRANCH_TARGET.RENEWED));
      f.if(or(ltU(misses, MISSES_TO_RENEW), geU(renewed, MOST_RENEWALS)), () => f.return());
      f.store("i32", site, i32(0), BRANCH_TARGET.MISSES);
      f.store("i32", site, add(renewed, 1), BRANCH_TARGET.RENEWED);
      f.call(dropRegions, [slot]);
    },
    { export: true },
  );
  return { noteTarget };
}
export const TARGET_MISS_PARAMS = [I32, I32, I64] as const;

/** What finding the next instruction calls. */
export interface FetchFunctions {
  readonly fetchSlow: Callable;
  readonly pcAlignment: Callable;
}

/**
 * look(s, va, left) -> address of the record of the instruction at va, with BIAS and HOST set for its page; 0 when an
 * exception was taken. `left` is the budget when the instruction at va begins.
 */
export function defineLook(
  module: ModuleBuilder,
  cache: CodeCacheFunctions,
  count: FunctionRef,
  system: FetchFunctions,
): FunctionRef {
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
    f.store("i32", s, sub(add(slot, CODE_PAGE.SIDE), shrU(slot, 2)), INTERP.SIDE);
    const record = f.temp(add(slot, shl(and(toI32(va), 0xffc), 2)));
    f.if(isCounted(s, record), () => f.call(count, [s, record]));
    f.return(record);
  });
}

/**
 * backFromAside(s): the record that was set aside begins its region again.
 *
 * Its side word tells whether it still has one: a store to the word, a flush and the end of the region clear it.
 */
export function defineBackFromAside(module: ModuleBuilder): FunctionRef {
  return module.func("backFromAside", [I32], [], (f, s) => {
    const record = f.temp(load("i32", s, INTERP.ASIDE));
    const own = f.temp(shrU(load("i32", load("i32", s, INTERP.ASIDE_SIDE)), 16));
    f.store("i32", s, i32(0), INTERP.ASIDE);
    f.if(and(ne(own, 0), eq(load("i32_16u", record, RECORD.HANDLER), own)), () =>
      f.store("i32_16", record, i32(HANDLER.REGION), RECORD.HANDLER),
    );
  });
}

/** Whether `count` has something to do for the word of a record. */
export function isCounted(s: Expr<I32>, record: Expr<I32>): Expr<I32> {
  const side = load("i32", add(load("i32", s, INTERP.SIDE), shrU(record, 2)));
  return or(load("i32", s, INTERP.ASIDE), ltU(side, load("i32", SHARED.THRESHOLD)));
}

/**
 * count(s, record): a branch goes to the word; PC's page is set up (BIAS, SIDE). The word that becomes hot is noted for
 * the JIT, which looks when `execute` returns.
 */
export function defineCount(module: ModuleBuilder, backFromAside: FunctionRef): FunctionRef {
  return module.func("count", [I32, I32], [], (f, s, record) => {
    f.if(load("i32", s, INTERP.ASIDE), () => f.call(backFromAside, [s]));
    const side = f.temp(add(load("i32", s, INTERP.SIDE), shrU(record, 2)));
    const n = f.temp(load("i32", side));
    const threshold = load("i32", SHARED.THRESHOLD);
    f.if(geU(n, threshold), () => f.return());
    f.if(ltU(add(n, 1), threshold), () => {
      f.store("i32", side, add(n, 1));
      f.return();
    });
    const noted = f.temp(load("i32", SHARED.HOT_COUNT));
    // A full list: it becomes hot again next time.
    f.if(geU(noted, HOT.ENTRIES), () => f.return());
    f.store("i32", side, add(n, 1));
    f.store("i32", SHARED.HOT_COUNT, add(noted, 1));
    const note = f.temp(add(load("i32", SHARED.HOT), shl(noted, HOT.BYTES_LOG2)));
    f.store("i64", note, add(load("i64", s, INTERP.BIAS), toI64U(shrU(record, 2))), HOT.VA);
    f.store("i32", note, record, HOT.RECORD);
    f.store("i32", note, or(shl(load("i32", s, L.PE_INDEX), 1), load("i32", s, L.EL)), HOT.WHO);
  });
}

/** Lay out the code cache between two offsets of the linear memory. */
export function initCodeCache(data: DataView, start: number, end: number, dramSize: number): void {
  const hot = (start + (dramSize / 4096) * 4 + 15) & -16;
  const targets = hot + (HOT.ENTRIES << HOT.BYTES_LOG2);
  const entries = targets + (BRANCH_TARGET.ENTRIES << BRANCH_TARGET.BYTES_LOG2);
  // A side word has 16 bits for the number of an entry; a 32nd part of the room is enough for what the rest holds.
  const entryCount = Math.min(0x10000, (end - entries) >>> (5 + ENTRY.BYTES_LOG2));
  const pagesStart = entries + (entryCount << ENTRY.BYTES_LOG2);
  data.setUint32(SHARED.PAGE_TABLE, start, true);
  data.setUint32(SHARED.HOT, hot, true);
  data.setUint32(SHARED.HOT_COUNT, 0, true);
  data.setUint32(SHARED.TARGETS, targets, true);
  data.setUint32(SHARED.THRESHOLD, 0, true);
  data.setUint32(SHARED.ENTRIES, entries, true);
  data.setUint32(SHARED.ENTRY_COUNT, entryCount, true);
  data.setUint32(SHARED.PAGES_START, pagesStart, true);
  data.setUint32(SHARED.PAGES_NEXT, pagesStart, true);
  data.setUint32(SHARED.PAGES_END, end, true);
}

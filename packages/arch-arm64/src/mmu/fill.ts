/**
 * What the interpreter calls when its TLB misses: translate, take the abort or fill the entry. In WebAssembly.
 *
 * Source: DDI 0487 K.a, D8.16 (TLBs), D1.3.4 and pseudocode AArch64.DataAbort, AArch64.InstructionAbort.
 */
import { EC, HCR, SCTLR } from "../exception/constants.ts";
import { type EntryFunctions, esrOf } from "../exception/entry.ts";
import { CODE_PAGE, INTERP, SHARED } from "../interp/layout.ts";
import { readSlot, readSlot32, readSlotHigh, writeSlot } from "../state/access.ts";
import { ACCESS, L, STATE_BYTES, TLB } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import {
  add,
  and,
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
  or,
  select,
  shl,
  shrS,
  shrU,
  sub,
  toI32,
  toI64U,
} from "../wasm/index.ts";
import { ATTR, FAULT, M, META } from "./layout.ts";
import type { WalkFunctions } from "./walk.ts";

export interface FillFunctions {
  readonly memSlow: FunctionRef;
  readonly bounceCommit: FunctionRef;
  readonly fetchSlow: FunctionRef;
  /** (s, va, access, fault): take the data abort. */
  readonly dataAbort: FunctionRef;
  /** (page): no PE may write this page through its TLB any longer. */
  readonly dropWriteEntries: FunctionRef;
}

export interface FillNeeds {
  readonly codePage: FunctionRef;
  readonly isCode: FunctionRef;
  readonly codeStore: FunctionRef;
  /** (s, va, access) -> 1 when a watchpoint took the exception. */
  readonly watchpoint: FunctionRef;
}

const PAGE_MASK = -4096;
/** Stores after which a page with decoded code counts as data: each costs a walk, and decoding anew costs less than so many. */
const STORES_TO_DATA = 64;

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

export function defineFill(
  module: ModuleBuilder,
  walk: WalkFunctions,
  entry: EntryFunctions,
  needs: FillNeeds,
): FillFunctions {
  /** The syndrome's ISV..AR for a load or store of one general-purpose register without writeback, else 0. */
  const instructionSyndrome = module.func("instructionSyndrome", [I32], [I32], (f, word) => {
    const size = f.temp(shrU(word, 30));
    const opc = f.temp(and(shrU(word, 22), 3));
    const syndrome = (sas: Expr<I32>, sse: Expr<I32>, sf: Expr<I32>, ar: number) =>
      f.return(or(or(or(shl(sas, 22), shl(sse, 21)), or(shl(and(word, 31), 16), shl(sf, 15))), (1 << 24) | (ar << 14)));
    const is64 = eq(size, 3);
    // Load/store register: unsigned immediate; unscaled or unprivileged; register offset.
    const group = f.temp(and(word, 0x3f00_0000));
    const mode = f.temp(and(word, 0x0020_0c00));
    f.if(
      or(
        eq(group, 0x3900_0000),
        and(eq(group, 0x3800_0000), or(eqz(mode), or(eq(mode, 0x800), eq(mode, 0x0020_0800)))),
      ),
      () => syndrome(size, gtU(opc, 1), select(gtU(opc, 1), eq(opc, 2), is64), 0),
    );
    // LDR (literal), LDRSW (literal)
    f.if(eq(group, 0x1800_0000), () => syndrome(select(eq(size, 1), i32(3), 2), eq(size, 2), ne(size, 0), 0));
    // LDAR, STLR, LDLAR, STLLR and narrower
    f.if(eq(and(word, 0x3fa0_0000), 0x0880_0000), () => syndrome(size, i32(0), is64, 1));
    // LDAPR and narrower
    f.if(eq(and(word, 0x3fff_fc00), 0x38bf_c000), () => syndrome(size, i32(0), is64, 1));
    f.return(0);
  });

  /** (word) -> log2 of the size of one element of a load or store: what alignment is checked against. */
  const elementShift = module.func("elementShift", [I32], [I32], (f, word) => {
    const top = f.temp(shrU(word, 30));
    const vector = f.temp(and(word, 1 << 26));
    const group = f.temp(and(word, 0x3800_0000));
    // Load/store register, atomics: size, and Q where opc<1> is set
    f.if(eq(group, 0x3800_0000), () =>
      f.return(select(and(ne(vector, 0), ne(and(word, 0x0080_0000), 0)), add(top, 4), top)),
    );
    // Pairs: W, SW, X; S, D, Q
    f.if(eq(group, 0x2800_0000), () => f.return(select(vector, add(top, 2), add(shrU(top, 1), 2))));
    // Literals
    f.if(eq(group, 0x1800_0000), () => f.return(select(vector, add(top, 2), select(eq(top, 1), i32(3), 2))));
    // Exclusives and ordered accesses
    f.if(eqz(vector), () => f.return(top));
    // Advanced SIMD structures: multiple by size, one lane by opcode<2:1> and size<0>, replicated by size
    const size = f.temp(and(shrU(word, 10), 3));
    const scale = f.temp(and(shrU(word, 14), 3));
    f.if(or(eqz(and(word, 1 << 24)), eq(scale, 3)), () => f.return(size));
    f.return(add(scale, and(eq(scale, 2), size)));
  });

  /** (s, va, esr, fault): to EL2 or EL1 with FAR and HPFAR. `esr` has the class of an abort from a lower EL. */
  const abort = module.func("abort", [I32, I64, I32, I32], [], (f, s, va, esr, fault) => {
    const el = f.temp(load("i32", s, L.EL));
    const external = eq(and(fault, 0x38), FAULT.EXTERNAL);
    const toEl2 = or(
      ne(and(fault, FAULT.STAGE2), 0),
      or(
        and(external, ne(and(readSlotHigh(s, "HCR_EL2"), HCR.TEA_HIGH), 0)),
        and(eqz(el), ne(and(readSlot32(s, "HCR_EL2"), HCR.TGE), 0)),
      ),
    );
    f.if(
      toEl2,
      () => {
        writeSlot(f, s, "FAR_EL2", va);
        f.if(and(fault, FAULT.STAGE2), () =>
          writeSlot(f, s, "HPFAR_EL2", and(shrU(load("i64", s, M.OUT_FAULT_IPA), 8), 0x0fff_ffff_fff0)),
        );
        f.call(entry.enterEl2, [s, esr]);
      },
      () => {
        writeSlot(f, s, "FAR_EL1", va);
        // Current-EL classes are one above lower-EL ones.
        f.call(entry.enterEl1, [s, add(esr, shl(el, 26)), i32(0)]);
      },
    );
  });

  const dataAbort = module.func("dataAbort", [I32, I64, I32, I32], [], (f, s, va, access, fault) => {
    const iss = f.local(I32);
    const word = f.temp(load("i32", s, L.WORD));
    f.set(iss, and(fault, FAULT.FSC_MASK));
    f.if(and(fault, FAULT.S1PTW), () => f.set(iss, or(iss, 1 << 7)));
    f.if(
      and(access, ACCESS.MAINTENANCE),
      () => f.set(iss, or(iss, (1 << 8) | (1 << 6))),
      () =>
        f.if(and(access, ACCESS.WRITE), () => {
          // An access that reads and writes reports a write only when the read alone would have been allowed.
          const isStoreExclusive = or(
            eq(and(word, 0x3fa0_0000), 0x0800_0000),
            eq(and(word, 0xbfa0_0000 | 0), 0x8820_0000 | 0),
          );
          const wnr = f.local(I32);
          f.set(wnr, 1);
          f.if(
            and(
              ne(and(access, ACCESS.ATOMIC), 0),
              and(eqz(isStoreExclusive), ne(and(fault, FAULT.FSC_MASK), FAULT.ALIGNMENT)),
            ),
            () => {
              const el = select(and(access, ACCESS.UNPRIVILEGED), i32(0), load("i32", s, L.EL));
              const ipa = f.temp(load("i64", s, M.OUT_FAULT_IPA));
              f.set(wnr, eqz(call<I32>(walk.translate, s, va, and(access, ~(ACCESS.WRITE | ACCESS.ATOMIC)), el)));
              f.store("i64", s, ipa, M.OUT_FAULT_IPA);
            },
          );
          f.if(and(fault, FAULT.S1PTW), () => f.set(wnr, 0));
          f.set(iss, or(iss, shl(wnr, 6)));
        }),
    );
    f.if(eq(and(fault, FAULT.STAGE2 | FAULT.S1PTW), FAULT.STAGE2), () => {
      f.if(eqz(and(access, ACCESS.MAINTENANCE)), () => f.set(iss, or(iss, call<I32>(instructionSyndrome, word))));
    });
    f.call(abort, [s, va, esrOf(EC.DATA_ABORT_LOWER, iss), fault]);
  });

  /** (s, entry, va, host, aux): write an entry and what is remembered about it. */
  const writeEntry = module.func("writeEntry", [I32, I32, I64, I32, I32], [], (f, s, slot, va, host, aux) => {
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
    // EL1 entry of a page that EL0 may access: only while PAN is 0. A full log: do not keep the entry.
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

  /** (pa, domain) -> whether access control lets the domain reach the page. */
  const allowed = module.func("accessAllowed", [I64, I32], [I32], (f, pa, domain) => {
    const masks = f.temp(load("i32", i32(REGION.ACCESS_MASKS)));
    f.if(eqz(masks), () => f.return(1));
    const page = toI32(shrU(sub(pa, load("i64", i32(REGION.DRAM_BASE))), 12));
    const mask = load("i64", add(masks, shl(page, 3)));
    f.return(toI32(and(shrU(mask, toI64U(domain)), 1)));
  });

  const entryOf = (s: Expr<I32>, el: Expr<I32>, array: Expr<I32> | number, va: Expr<I64>) =>
    add(
      add(add(s, select(el, i32(L.TLB_EL1), L.TLB_EL0)), array),
      and(toI32(shrU(va, 8)), (TLB.ENTRIES - 1) * TLB.ENTRY_BYTES),
    );

  /**
   * (page, slot): the page is data from now on: no PE fetches from its records again. Memory of a program that ended is
   * used anew, and stores to it should not be slow for ever.
   */
  const forgetCode = module.func("forgetCode", [I32, I32], [], (f, page, slot) => {
    f.store(
      "i32",
      add(load("i32", i32(SHARED.PAGE_TABLE)), shl(shrU(sub(page, load("i32", i32(REGION.DRAM_OFFSET))), 12), 2)),
      i32(0),
    );
    eachEntry(f, TLB.FETCH, (entry) => f.if(eq(load("i32", entry, 12), slot), () => f.store("i64", entry, i64(-1))));
  });

  /** (s, va, access, el) -> linear-memory offset, or 0 after taking the abort. Does not cross a page. */
  const fill = module.func("fill", [I32, I64, I32, I32], [I32], (f, s, va, access, el) => {
    const fault = f.local(I32);
    f.set(fault, call<I32>(walk.translate, s, va, access, el));
    f.if(fault, () => {
      f.call(dataAbort, [s, va, access, fault]);
      f.return(0);
    });
    f.if(and(access, ACCESS.MAINTENANCE), () => f.return(1));
    const pa = f.temp(load("i64", s, M.OUT_PA));
    const host = f.local(I32);
    f.set(host, call<I32>(walk.hostOf, pa));
    f.if(host, () => f.if(eqz(call<I32>(allowed, pa, load("i32", s, M.DOMAIN))), () => f.set(host, 0)));
    f.if(eqz(host), () => {
      f.call(dataAbort, [s, va, access, i32(FAULT.VALID | FAULT.EXTERNAL)]);
      f.return(0);
    });
    const attr = f.temp(load("i32", s, M.OUT_ATTR));
    const isWrite = f.temp(ne(and(access, ACCESS.WRITE), 0));
    f.if(isWrite, () => {
      const page = f.temp(and(host, PAGE_MASK));
      const slot = f.temp(call<I32>(needs.isCode, page));
      f.if(slot, () => {
        f.call(needs.codeStore, [host, and(access, ACCESS.SIZE_MASK)]);
        const stores = f.temp(add(load("i32", slot, CODE_PAGE.STORES), 1));
        f.store("i32", slot, stores, CODE_PAGE.STORES);
        // The page of the storing instruction itself keeps its code: it is being executed.
        const own = add(load("i32", s, INTERP.HOST), toI32(sub(load("i64", s, L.PC), load("i64", s, INTERP.BIAS))));
        f.if(or(ltU(stores, STORES_TO_DATA), eq(and(own, PAGE_MASK), page)), () => f.return(host));
        f.call(forgetCode, [page, slot]);
      });
    });
    const keep = and(
      eqz(and(attr, ATTR.DEVICE)),
      and(eqz(and(readSlot32(s, "SCTLR_EL1"), SCTLR.A)), eqz(load("i32", s, M.WATCHPOINTS))),
    );
    // A write entry must be readable as well.
    f.if(and(keep, ne(and(attr, ATTR.READ), 0)), () =>
      f.call(writeEntry, [s, entryOf(s, el, select(isWrite, i32(TLB.WRITE), TLB.READ), va), va, host, i32(0)]),
    );
    f.return(host);
  });

  const copyBytes = module.func("copyBytes", [I32, I32, I32], [], (f, to, from, count) => {
    f.loop((again) => {
      f.if(count, () => {
        f.set(count, add(count, -1));
        f.store("i32_8", add(to, count), load("i32_8u", add(from, count)));
        f.br(again);
      });
    });
  });

  const memSlow = module.func(
    "memSlow",
    [I32, I64, I32],
    [I32],
    (f, s, va, access) => {
      // No element is larger than 16 bytes. Maintenance has none.
      f.if(and(ne(and(toI32(va), 15), 0), eqz(and(access, ACCESS.MAINTENANCE))), () =>
        f.set(access, or(access, shl(call<I32>(elementShift, load("i32", s, L.WORD)), ACCESS.ELEMENT_SHIFT))),
      );
      const size = f.temp(and(access, ACCESS.SIZE_MASK));
      const el = f.temp(select(and(access, ACCESS.UNPRIVILEGED), i32(0), load("i32", s, L.EL)));
      const element = shl(i32(1), and(shrU(access, ACCESS.ELEMENT_SHIFT), 7));
      const alignment = select(
        and(access, ACCESS.ALIGNED),
        size,
        select(and(readSlot32(s, "SCTLR_EL1"), SCTLR.A), element, 1),
      );
      f.if(and(toI32(va), sub(alignment, 1)), () => {
        f.call(dataAbort, [s, va, access, i32(FAULT.VALID | FAULT.ALIGNMENT)]);
        f.return(0);
      });
      const first = f.temp(sub(i32(4096), and(toI32(va), 4095)));
      const host = f.local(I32);
      const host2 = f.local(I32);
      const watch = () =>
        f.if(load("i32", s, M.WATCHPOINTS), () => f.if(call<I32>(needs.watchpoint, s, va, access), () => f.return(0)));
      f.if(ltU(first, size), () => {
        const part = and(access, ~ACCESS.SIZE_MASK);
        f.set(host, call<I32>(fill, s, va, or(part, first), el));
        f.if(eqz(host), () => f.return(0));
        const rest = f.temp(sub(size, first));
        f.set(host2, call<I32>(fill, s, add(va, toI64U(first)), or(part, rest), el));
        f.if(eqz(host2), () => f.return(0));
        watch();
        const bounce = f.temp(add(s, L.BOUNCE));
        f.if(
          and(access, ACCESS.WRITE),
          () => {
            f.store("i32", s, host, L.BOUNCE_HOST);
            f.store("i32", s, host2, L.BOUNCE_HOST + 4);
            f.store("i32", s, first, L.BOUNCE_SIZE);
            f.store("i32", s, size, L.BOUNCE_SIZE + 4);
          },
          () => {
            f.call(copyBytes, [bounce, host, first]);
            f.call(copyBytes, [add(bounce, first), host2, rest]);
          },
        );
        f.return(bounce);
      });
      f.set(host, call<I32>(fill, s, va, access, el));
      f.if(host, watch);
      f.return(host);
    },
    { export: true },
  );

  const bounceCommit = module.func("bounceCommit", [I32], [], (f, s) => {
    const bounce = f.temp(add(s, L.BOUNCE));
    const first = f.temp(load("i32", s, L.BOUNCE_SIZE));
    f.call(copyBytes, [load("i32", s, L.BOUNCE_HOST), bounce, first]);
    f.call(copyBytes, [
      load("i32", s, L.BOUNCE_HOST + 4),
      add(bounce, first),
      sub(load("i32", s, L.BOUNCE_SIZE + 4), first),
    ]);
  });

  const dropWriteEntries = module.func(
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

  const fetchSlow = module.func(
    "fetchSlow",
    [I32, I64],
    [I32],
    (f, s, va) => {
      // BranchAddr: with TBI the tag never reaches PC. Tagged addresses are in no fetch entry, so it is dropped here.
      const upper = f.temp(and(toI32(shrU(va, 55)), 1));
      const tbi = and(toI32(shrU(readSlot(s, "TCR_EL1"), toI64U(add(upper, 37)))), 1);
      const untagged = f.temp(shrS(shl(va, 8), 8));
      f.if(and(tbi, ne(untagged, va)), () => {
        f.store("i64", s, untagged, L.PC);
        f.return(0);
      });
      const el = f.temp(load("i32", s, L.EL));
      const fault = f.local(I32);
      const host = f.local(I32);
      f.set(fault, call<I32>(walk.translate, s, va, i32(ACCESS.FETCH | 4), el));
      f.if(eqz(fault), () => {
        const pa = f.temp(load("i64", s, M.OUT_PA));
        f.set(host, call<I32>(walk.hostOf, pa));
        f.if(host, () => f.if(eqz(call<I32>(allowed, pa, load("i32", s, M.DOMAIN))), () => f.set(host, 0)));
        f.if(eqz(host), () => f.set(fault, FAULT.VALID | FAULT.EXTERNAL));
      });
      f.if(fault, () => {
        const s1ptw = select(and(fault, FAULT.S1PTW), i32(1 << 7), 0);
        f.call(abort, [s, va, esrOf(EC.INSTRUCTION_ABORT_LOWER, or(and(fault, FAULT.FSC_MASK), s1ptw)), fault]);
        f.return(0);
      });
      const page = f.temp(and(host, PAGE_MASK));
      f.if(eqz(call<I32>(needs.isCode, page)), () => f.call(dropWriteEntries, [page]));
      const aux = f.temp(call<I32>(needs.codePage, page));
      f.call(writeEntry, [s, entryOf(s, el, TLB.FETCH, va), va, host, aux]);
      f.return(host);
    },
    { export: true },
  );

  return { memSlow, bounceCommit, fetchSlow, dataAbort, dropWriteEntries };
}

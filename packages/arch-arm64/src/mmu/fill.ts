/**
 * What the interpreter calls when its TLB misses: translate, take the abort or fill the entry. In WebAssembly.
 *
 * Source: DDI 0487 K.a, D8.16 (TLBs), D1.3.4.
 */
import { EC, SCTLR } from "../exception/constants.ts";
import type { EntryFunctions } from "../exception/entry.ts";
import { esrOf } from "../exception/syndrome.ts";
import { CODE_PAGE, INTERP } from "../interp/layout.ts";
import { ACCDESC, L, TLB } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import { readSlot, readSlot32 } from "../state/slots.ts";
import {
  add,
  and,
  call,
  eq,
  eqz,
  type FunctionRef,
  I32,
  I64,
  i32,
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
import { defineAbort, defineDataAbort } from "./abort.ts";
import { emitTopByteIgnored } from "./descriptor.ts";
import { ATTR, FAULT, M } from "./layout.ts";
import { defineBounceCommit, defineCopyBytes, defineMemSlow } from "./mem-slow.ts";
import { defineElementShift, defineInstructionSyndrome } from "./syndrome.ts";
import { defineDropWriteEntries, defineForgetCode, defineWriteEntry, entryOf, PAGE_MASK } from "./tlb-entry.ts";
import type { WalkFunctions } from "./walk.ts";

export interface FillFunctions {
  readonly memSlow: FunctionRef;
  readonly bounceCommit: FunctionRef;
  readonly fetchSlow: FunctionRef;
  /** (s, va, accdesc, fault): take the data abort. */
  readonly dataAbort: FunctionRef;
  /** (page): no PE may write this page through its TLB any longer. */
  readonly dropWriteEntries: FunctionRef;
}

export interface FillNeeds {
  readonly codePage: FunctionRef;
  readonly isCode: FunctionRef;
  readonly codeStore: FunctionRef;
  /** (s, va, accdesc) -> 1 when a watchpoint took the exception. */
  readonly watchpoint: FunctionRef;
}

/** Stores after which a page with decoded code counts as data: each costs a walk, and decoding anew costs less than so many. */
const STORES_TO_DATA = 64;

/** All of it, from the system side's functions and the interpreter's. */
export function defineFill(
  module: ModuleBuilder,
  walk: WalkFunctions,
  entry: EntryFunctions,
  interpreter: FillNeeds,
): FillFunctions {
  const { translate, hostOf } = walk;
  const { isCode, codePage, codeStore, watchpoint } = interpreter;
  const instructionSyndrome = defineInstructionSyndrome(module);
  const elementShift = defineElementShift(module);
  const abort = defineAbort(module, entry);
  const dataAbort = defineDataAbort(module, { translate, abort, instructionSyndrome });
  const writeEntry = defineWriteEntry(module);
  const domainMayAccess = defineDomainMayAccess(module);
  const reach = { translate, hostOf, domainMayAccess, writeEntry, isCode };
  const forgetCode = defineForgetCode(module);
  const fillData = defineFillData(module, { ...reach, dataAbort, codeStore, forgetCode });
  const copyBytes = defineCopyBytes(module);
  const memSlow = defineMemSlow(module, { elementShift, dataAbort, fillData, copyBytes, watchpoint });
  const bounceCommit = defineBounceCommit(module, copyBytes);
  const dropWriteEntries = defineDropWriteEntries(module);
  const fetchSlow = defineFetchSlow(module, { ...reach, abort, codePage, dropWriteEntries });
  return { memSlow, bounceCommit, fetchSlow, dataAbort, dropWriteEntries };
}

/** (pa, domain) -> whether access control lets the domain reach the page. */
export function defineDomainMayAccess(module: ModuleBuilder): FunctionRef {
  return module.func("domainMayAccess", [I64, I32], [I32], (f, pa, domain) => {
    const masks = f.temp(load("i32", i32(REGION.DOMAIN_MASKS)));
    f.if(eqz(masks), () => f.return(1));
    const page = toI32(shrU(sub(pa, load("i64", i32(REGION.DRAM_BASE))), 12));
    const mask = load("i64", add(masks, shl(page, 3)));
    f.return(toI32(and(shrU(mask, toI64U(domain)), 1)));
  });
}

/** What filling an entry needs, whatever it is for. */
interface ReachNeeds extends WalkFunctions {
  readonly domainMayAccess: FunctionRef;
  readonly writeEntry: FunctionRef;
  readonly isCode: FunctionRef;
}
interface FillDataNeeds extends ReachNeeds {
  readonly dataAbort: FunctionRef;
  readonly codeStore: FunctionRef;
  readonly forgetCode: FunctionRef;
}

/** (s, va, accdesc, el) -> linear-memory offset, or 0 after taking the abort. Does not cross a page. */
export function defineFillData(module: ModuleBuilder, needs: FillDataNeeds): FunctionRef {
  return module.func("fillData", [I32, I64, I32, I32], [I32], (f, s, va, accdesc, el) => {
    const fault = f.local(I32);
    f.set(fault, call<I32>(needs.translate, s, va, accdesc, el));
    f.if(fault, () => {
      f.call(needs.dataAbort, [s, va, accdesc, fault]);
      f.return(0);
    });
    f.if(and(accdesc, ACCDESC.MAINTENANCE), () => f.return(1));
    const pa = f.temp(load("i64", s, M.OUT_PA));
    const host = f.local(I32);
    f.set(host, call<I32>(needs.hostOf, pa));
    f.if(host, () => f.if(eqz(call<I32>(needs.domainMayAccess, pa, load("i32", s, M.DOMAIN))), () => f.set(host, 0)));
    f.if(eqz(host), () => {
      f.call(needs.dataAbort, [s, va, accdesc, i32(FAULT.VALID | FAULT.EXTERNAL)]);
      f.return(0);
    });
    const attr = f.temp(load("i32", s, M.OUT_ATTR));
    const isWrite = f.temp(ne(and(accdesc, ACCDESC.WRITE), 0));
    f.if(isWrite, () => {
      const page = f.temp(and(host, PAGE_MASK));
      const slot = f.temp(call<I32>(needs.isCode, page));
      f.if(slot, () => {
        f.call(needs.codeStore, [host, and(accdesc, ACCDESC.SIZE_MASK)]);
        const stores = f.temp(add(load("i32", slot, CODE_PAGE.STORES), 1));
        f.store("i32", slot, stores, CODE_PAGE.STORES);
        // The page of the storing instruction itself keeps its code: it is being executed.
        const own = add(load("i32", s, INTERP.HOST), toI32(sub(load("i64", s, L.PC), load("i64", s, INTERP.BIAS))));
        f.if(or(ltU(stores, STORES_TO_DATA), eq(and(own, PAGE_MASK), page)), () => f.return(host));
        f.call(needs.forgetCode, [page, slot]);
      });
    });
    const keep = and(
      eqz(and(attr, ATTR.DEVICE)),
      and(eqz(and(readSlot32(s, "SCTLR_EL1"), SCTLR.A)), eqz(load("i32", s, M.WATCHPOINTS))),
    );
    // A write entry must be readable as well.
    f.if(and(keep, ne(and(attr, ATTR.READ), 0)), () =>
      f.call(needs.writeEntry, [s, entryOf(s, el, select(isWrite, i32(TLB.WRITE), TLB.READ), va), va, host, i32(0)]),
    );
    f.return(host);
  });
}

interface FetchNeeds extends ReachNeeds {
  readonly abort: FunctionRef;
  readonly codePage: FunctionRef;
  readonly dropWriteEntries: FunctionRef;
}

/** `SYSTEM_FUNCTIONS.fetchSlow` of the seam. */
export function defineFetchSlow(module: ModuleBuilder, needs: FetchNeeds): FunctionRef {
  return module.func(
    "fetchSlow",
    [I32, I64],
    [I32],
    (f, s, va) => {
      // BranchAddr: with TBI the tag never reaches PC. Tagged addresses are in no fetch entry, so it is dropped here.
      const upper = f.temp(and(toI32(shrU(va, 55)), 1));
      const tbi = emitTopByteIgnored(readSlot(s, "TCR_EL1"), upper, i32(1));
      const untagged = f.temp(shrS(shl(va, 8), 8));
      f.if(and(tbi, ne(untagged, va)), () => {
        f.store("i64", s, untagged, L.PC);
        f.return(0);
      });
      const el = f.temp(load("i32", s, L.EL));
      const fault = f.local(I32);
      const host = f.local(I32);
      f.set(fault, call<I32>(needs.translate, s, va, i32(ACCDESC.FETCH | 4), el));
      f.if(eqz(fault), () => {
        const pa = f.temp(load("i64", s, M.OUT_PA));
        f.set(host, call<I32>(needs.hostOf, pa));
        f.if(host, () =>
          f.if(eqz(call<I32>(needs.domainMayAccess, pa, load("i32", s, M.DOMAIN))), () => f.set(host, 0)),
        );
        f.if(eqz(host), () => f.set(fault, FAULT.VALID | FAULT.EXTERNAL));
      });
      f.if(fault, () => {
        const s1ptw = select(and(fault, FAULT.S1PTW), i32(1 << 7), 0);
        f.call(needs.abort, [s, va, esrOf(EC.INSTRUCTION_ABORT_LOWER, or(and(fault, FAULT.FSC_MASK), s1ptw)), fault]);
        f.return(0);
      });
      const page = f.temp(and(host, PAGE_MASK));
      f.if(eqz(call<I32>(needs.isCode, page)), () => f.call(needs.dropWriteEntries, [page]));
      const aux = f.temp(call<I32>(needs.codePage, page));
      f.call(needs.writeEntry, [s, entryOf(s, el, TLB.FETCH, va), va, host, aux]);
      f.return(host);
    },
    { export: true },
  );
}

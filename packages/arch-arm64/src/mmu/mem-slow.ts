/**
 * Loads and stores that missed the TLB: alignment, watchpoints, and accesses that cross a page. In WebAssembly.
 *
 * Source: DDI 0487 K.a, B2.5 (alignment); pseudocode AArch64.MemSingle.
 */
import { SCTLR } from "../exception/constants.ts";
import { ACCDESC, L, PSTATE } from "../state/layout.ts";
import { CPU_FLAG, REGION } from "../state/region.ts";
import { readSlot32 } from "../state/slots.ts";
import {
  add,
  and,
  call,
  type Expr,
  eqz,
  type FunctionRef,
  I32,
  I64,
  i32,
  leU,
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
import { FAULT, M } from "./layout.ts";

/** (to, from, count): byte by byte. */
export function defineCopyBytes(module: ModuleBuilder): FunctionRef {
  return module.func("copyBytes", [I32, I32, I32], [], (f, to, from, count) => {
    f.loop((again) => {
      f.if(count, () => {
        f.set(count, add(count, -1));
        f.store("i32_8", add(to, count), load("i32_8u", add(from, count)));
        f.br(again);
      });
    });
  });
}

export interface MemSlowNeeds {
  readonly elementShift: FunctionRef;
  readonly dataAbort: FunctionRef;
  readonly fillData: FunctionRef;
  readonly copyBytes: FunctionRef;
  readonly watchpoint: FunctionRef;
}

/** Low bits of the address that the access' alignment wants to be zero: of its size, or with SCTLR_EL1.A of its elements. */
function misaligned(s: Expr<I32>, va: Expr<I64>, accdesc: Expr<I32>): Expr<I32> {
  const element = shl(i32(1), and(shrU(accdesc, ACCDESC.ELEMENT_SHIFT), 7));
  const alignment = select(
    and(accdesc, ACCDESC.ALIGNED),
    and(accdesc, ACCDESC.SIZE_MASK),
    select(and(readSlot32(s, "SCTLR_EL1"), SCTLR.A), element, 1),
  );
  return and(toI32(va), sub(alignment, 1));
}

/** FEAT_LSE2: what lies within 16 bytes, or with SCTLR_EL1.nAA anything that only orders, may be misaligned. */
function tolerated(s: Expr<I32>, va: Expr<I64>, accdesc: Expr<I32>): Expr<I32> {
  const sctlr = readSlot32(s, "SCTLR_EL1");
  const lse2 = and(load("i32", i32(REGION.CPU_FLAGS)), CPU_FLAG.LSE2);
  const within16 = leU(add(and(toI32(va), 15), and(accdesc, ACCDESC.SIZE_MASK)), 16);
  const anywhere = and(ne(and(accdesc, ACCDESC.ORDERED_ONLY), 0), ne(and(sctlr, SCTLR.NAA), 0));
  return and(and(ne(lse2, 0), eqz(and(sctlr, SCTLR.A))), or(within16, anywhere));
}

/** `SYSTEM_FUNCTIONS.memSlow` of the seam. */
export function defineMemSlow(module: ModuleBuilder, needs: MemSlowNeeds): FunctionRef {
  return module.func(
    "memSlow",
    [I32, I64, I32],
    [I32],
    (f, s, va, accdesc) => {
      // No element is larger than 16 bytes. Maintenance has none.
      f.if(and(ne(and(toI32(va), 15), 0), eqz(and(accdesc, ACCDESC.MAINTENANCE))), () =>
        f.set(accdesc, or(accdesc, shl(call<I32>(needs.elementShift, load("i32", s, L.WORD)), ACCDESC.ELEMENT_SHIFT))),
      );
      // PSTATE.UAO: LDTR and STTR are LDR and STR
      f.if(and(load("i32", s, L.PSTATE), PSTATE.UAO), () =>
        f.if(load("i32", s, L.EL), () => f.set(accdesc, and(accdesc, ~ACCDESC.UNPRIVILEGED))),
      );
      const size = f.temp(and(accdesc, ACCDESC.SIZE_MASK));
      const el = f.temp(select(and(accdesc, ACCDESC.UNPRIVILEGED), i32(0), load("i32", s, L.EL)));
      const isMisaligned = f.temp(misaligned(s, va, accdesc));
      f.if(and(ne(isMisaligned, 0), eqz(tolerated(s, va, accdesc))), () => {
        f.call(needs.dataAbort, [s, va, accdesc, i32(FAULT.VALID | FAULT.ALIGNMENT)]);
        f.return(0);
      });
      const first = f.temp(sub(i32(4096), and(toI32(va), 4095)));
      const host = f.local(I32);
      const host2 = f.local(I32);
      const watch = () =>
        f.if(load("i32", s, M.WATCHPOINTS), () => f.if(call<I32>(needs.watchpoint, s, va, accdesc), () => f.return(0)));
      f.if(ltU(first, size), () => {
        const part = and(accdesc, ~ACCDESC.SIZE_MASK);
        f.set(host, call<I32>(needs.fillData, s, va, or(part, first), el));
        f.if(eqz(host), () => f.return(0));
        const rest = f.temp(sub(size, first));
        f.set(host2, call<I32>(needs.fillData, s, add(va, toI64U(first)), or(part, rest), el));
        f.if(eqz(host2), () => f.return(0));
        watch();
        const bounce = f.temp(add(s, L.BOUNCE));
        f.if(
          and(accdesc, ACCDESC.WRITE),
          () => {
            f.store("i32", s, host, L.BOUNCE_HOST);
            f.store("i32", s, host2, L.BOUNCE_HOST + 4);
            f.store("i32", s, first, L.BOUNCE_SIZE);
            f.store("i32", s, size, L.BOUNCE_SIZE + 4);
          },
          () => {
            f.call(needs.copyBytes, [bounce, host, first]);
            f.call(needs.copyBytes, [add(bounce, first), host2, rest]);
          },
        );
        f.return(bounce);
      });
      f.set(host, call<I32>(needs.fillData, s, va, accdesc, el));
      f.if(host, () => {
        watch();
        // WebAssembly's atomic accesses trap when they are misaligned: such an access works on a copy.
        f.if(isMisaligned, () => {
          const bounce = f.temp(add(s, L.BOUNCE));
          f.store("i32", s, host, L.BOUNCE_HOST);
          f.store("i32", s, size, L.BOUNCE_SIZE);
          f.store("i32", s, size, L.BOUNCE_SIZE + 4);
          f.call(needs.copyBytes, [bounce, host, size]);
          f.return(bounce);
        });
      });
      f.return(host);
    },
    { export: true },
  );
}

/** `SYSTEM_FUNCTIONS.bounceCommit` of the seam. */
export function defineBounceCommit(module: ModuleBuilder, copyBytes: FunctionRef): FunctionRef {
  return module.func("bounceCommit", [I32], [], (f, s) => {
    const bounce = f.temp(add(s, L.BOUNCE));
    const first = f.temp(load("i32", s, L.BOUNCE_SIZE));
    f.call(copyBytes, [load("i32", s, L.BOUNCE_HOST), bounce, first]);
    f.call(copyBytes, [
      load("i32", s, L.BOUNCE_HOST + 4),
      add(bounce, first),
      sub(load("i32", s, L.BOUNCE_SIZE + 4), first),
    ]);
  });
}

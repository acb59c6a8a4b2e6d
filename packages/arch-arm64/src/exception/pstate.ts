/**
 * PSTATE and what follows from it: the banked stack pointer, fields that depend on EL. In WebAssembly.
 *
 * Source: DDI 0487 K.a, C5.2 (PSTATE), pseudocode SetPSTATEFromPSR, GetPSRFromPSTATE.
 */
import { M } from "../mmu/layout.ts";
import { L, PENDING, PSTATE } from "../state/layout.ts";
import { REGION } from "../state/region.ts";
import { sysregOffset } from "../state/slots.ts";
import {
  add,
  and,
  atomicRmw,
  call,
  type Expr,
  eq,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  I32,
  i32,
  i64,
  load,
  type ModuleBuilder,
  or,
  select,
  shl,
  shrU,
  xor,
} from "../wasm/index.ts";

/** Ask the run loop to look up. Another thread may set bits at the same time. */
export function setPending(f: FunctionBuilder, s: Expr<I32>, bits: number): void {
  f.drop(atomicRmw("or", "i32", s, i32(bits), L.PENDING));
}

/** (s) -> SPSR of the current state. */
export function defineComposeSpsr(module: ModuleBuilder, packNzcv: FunctionRef): FunctionRef {
  return module.func(
    "composeSpsr",
    [I32],
    [I32],
    (f, s) => {
      const el = load("i32", s, L.EL);
      f.return(
        or(
          or(call<I32>(packNzcv, s), or(load("i32", s, L.PSTATE), load("i32", s, L.DAIF))),
          // M[3:0]: EL0t 0, EL1t 4, EL1h 5
          or(shl(el, 2), and(el, load("i32", s, L.SPSEL))),
        ),
      );
    },
    { export: true },
  );
}

/** (s): PSTATE.PAN went from 0 to 1: drop EL1's translations of pages that EL0 may access. */
export function definePanRaised(module: ModuleBuilder): FunctionRef {
  return module.func("panRaised", [I32], [], (f, s) => {
    const count = f.local(I32);
    f.set(count, load("i32", s, M.PAN_COUNT));
    f.loop((again) => {
      f.if(count, () => {
        f.set(count, add(count, -1));
        f.store("i64", load("i32", add(s, shl(count, 2)), M.PAN_LOG), i64(-1));
        f.br(again);
      });
    });
    f.store("i32", s, i32(0), M.PAN_COUNT);
  });
}

/** (s): fields that depend on EL, and whether an interrupt may now be taken. */
export function defineContextChanged(module: ModuleBuilder): FunctionRef {
  return module.func(
    "contextChanged",
    [I32],
    [],
    (f, s) => {
      const el = f.temp(load("i32", s, L.EL));
      const byEl = f.temp(add(s, shl(el, 2)));
      f.store("i32", s, load("i32", byEl, M.FP_BY_EL), L.FP_ENABLED);
      f.store("i32", s, load("i32", byEl, M.SP_ALIGN_BY_EL), L.SP_ALIGN);
      f.store("i32", s, add(s, select(el, i32(L.TLB_EL1), L.TLB_EL0)), L.TLB_SET);
      const asEl1 = and(el, shrU(load("i32", s, L.PSTATE), Math.log2(PSTATE.UAO)));
      f.store("i32", s, add(s, select(asEl1, i32(L.TLB_EL1), L.TLB_EL0)), L.TLB_SET_EL0);
      f.if(and(load("i32", s, M.LINES), xor(load("i32", s, L.DAIF), -1)), () => setPending(f, s, PENDING.INTERRUPT));
      f.if(load("i32", s, M.DEBUG), () => setPending(f, s, PENDING.SYNC));
    },
    { export: true },
  );
}

/** (s, el, spsel): save the live stack pointer in its bank, change EL and SPSel, load the new one. */
export function defineSetMode(module: ModuleBuilder, pmuSync: FunctionRef): FunctionRef {
  return module.func(
    "setMode",
    [I32, I32, I32],
    [],
    (f, s, el, spsel) => {
      f.if(and(load("i32", s, M.PMU), xor(el, load("i32", s, L.EL))), () => {
        f.call(pmuSync, [s]);
        setPending(f, s, PENDING.INTERRUPT);
      });
      const bank = (selected: Expr<I32>) =>
        add(s, select(selected, i32(sysregOffset("SP_EL1")), sysregOffset("SP_EL0")));
      f.store("i64", bank(and(load("i32", s, L.EL), load("i32", s, L.SPSEL))), load("i64", s, L.SP));
      f.store("i64", s, load("i64", bank(and(el, spsel))), L.SP);
      f.store("i32", s, el, L.EL);
      f.store("i32", s, spsel, L.SPSEL);
    },
    { export: true },
  );
}

export interface SetPstateNeeds {
  readonly unpackNzcv: FunctionRef;
  readonly setMode: FunctionRef;
  readonly panRaised: FunctionRef;
  readonly contextChanged: FunctionRef;
}

/** (s, spsr): take over NZCV, DAIF, EL, SP and the rest; an illegal mode sets PSTATE.IL and keeps EL and SP. */
export function defineSetPstate(module: ModuleBuilder, needs: SetPstateNeeds): FunctionRef {
  return module.func(
    "setPstate",
    [I32, I32],
    [],
    (f, s, spsr) => {
      f.call(needs.unpackNzcv, [s, and(spsr, 0xf000_0000 | 0)]);
      const mode = f.temp(and(spsr, 0x1f));
      const legal = f.temp(or(eqz(mode), or(eq(mode, 4), eq(mode, 5))));
      const old = f.temp(load("i32", s, L.PSTATE));
      f.store(
        "i32",
        s,
        or(and(spsr, load("i32", i32(REGION.PSTATE_BITS))), select(legal, i32(0), PSTATE.IL)),
        L.PSTATE,
      );
      f.store("i32", s, and(spsr, 0x3c0), L.DAIF);
      f.if(legal, () => f.call(needs.setMode, [s, and(shrU(mode, 2), 1), and(mode, 1)]));
      f.if(and(and(load("i32", s, L.PSTATE), xor(old, -1)), PSTATE.PAN), () => f.call(needs.panRaised, [s]));
      f.call(needs.contextChanged, [s]);
    },
    { export: true },
  );
}

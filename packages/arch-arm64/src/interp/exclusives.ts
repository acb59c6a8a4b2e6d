/**
 * The local exclusive monitor and 16-byte compare-and-swap, for every tier: the monitor is in the state block.
 *
 * Source: DDI 0487 K.a, B2.12 (synchronization and semaphores).
 */
import type { Context } from "../isa/context.ts";
import { L } from "../state/layout.ts";
import {
  add,
  and,
  atomicCmpxchg,
  atomicRmw,
  type Expr,
  eq,
  I32,
  I64,
  i32,
  i64,
  load,
  ne,
  or,
  select,
  toI64U,
} from "../wasm/index.ts";
import { INTERP, SHARED } from "./layout.ts";

/** The parts of a context that this needs. */
type Tier = Pick<Context, "f" | "state" | "temp" | "local" | "helper" | "commit">;

/** Where a misaligned access, which works on a copy, really is. */
const placeOf = (c: Tier, host: Expr<I32>): Expr<I64> =>
  toI64U(select(eq(host, add(c.state, L.BOUNCE)), load("i32", c.state, L.BOUNCE_HOST), host));

export function clearMonitor(c: Tier): void {
  c.f.store("i64", c.state, i64(-1), L.EXCL_ADDRESS);
}

/** Note what an exclusive load read. */
export function setMonitor(c: Tier, host: Expr<I32>, bytes: number, low: Expr<I64>, high?: Expr<I64>): void {
  c.f.store("i64", c.state, placeOf(c, host), L.EXCL_ADDRESS);
  c.f.store("i64", c.state, low, L.EXCL_VALUE);
  c.f.store("i64", c.state, high ?? i64(0), L.EXCL_VALUE + 8);
  c.f.store("i32", c.state, i32(bytes), L.EXCL_SIZE);
}

/** Store where the monitor holds. @returns 0 stored, 1 not; named */
export function storeIfMonitored(c: Tier, host: Expr<I32>, bytes: number, low: Expr<I64>, high?: Expr<I64>): Expr<I32> {
  const { f, state } = c;
  const status = c.local(I32);
  const [seenLow, seenHigh] = [load("i64", state, L.EXCL_VALUE), load("i64", state, L.EXCL_VALUE + 8)];
  f.set(status, 1);
  f.if(
    and(eq(load("i64", state, L.EXCL_ADDRESS), placeOf(c, host)), eq(load("i32", state, L.EXCL_SIZE), bytes)),
    () => {
      if (high === undefined) {
        const kind = ({ 1: "i64_8", 2: "i64_16", 4: "i64_32", 8: "i64" } as const)[bytes as 8];
        f.set(status, ne(atomicCmpxchg(kind, host, seenLow, low), seenLow));
      } else {
        const [expectedLow, expectedHigh] = [c.temp(seenLow), c.temp(seenHigh)];
        const [oldLow, oldHigh] = compareAndSwap128(c, host, [expectedLow, expectedHigh], [low, high]);
        f.set(status, or(ne(oldLow, expectedLow), ne(oldHigh, expectedHigh)));
      }
    },
  );
  c.commit(host);
  clearMonitor(c);
  return status;
}

/** Compare-and-swap of 16 bytes (low half first); gives what was there, named. */
export function compareAndSwap128(
  c: Tier,
  host: Expr<I32>,
  expected: readonly [Expr<I64>, Expr<I64>],
  replacement: readonly [Expr<I64>, Expr<I64>],
): readonly [Expr<I64>, Expr<I64>] {
  // A lock makes it atomic among 16-byte operations; against narrower ones each half is.
  const swap = c.helper("cas128", (module) =>
    module.func("cas128", [I32, I32, I64, I64, I64, I64], [], (f, s, at, expectedLow, expectedHigh, low, high) => {
      f.loop((again) => f.brIf(atomicCmpxchg("i32", SHARED.LOCK, i32(0), i32(1)), again));
      f.store("i64", s, load("i64", at), INTERP.CAS_OLD);
      f.store("i64", s, load("i64", at, 8), INTERP.CAS_OLD + 8);
      f.if(and(eq(load("i64", at), expectedLow), eq(load("i64", at, 8), expectedHigh)), () => {
        f.store("i64", at, low);
        f.store("i64", at, high, 8);
      });
      f.drop(atomicRmw("xchg", "i32", SHARED.LOCK, i32(0)));
    }),
  );
  c.f.call(swap, [c.state, host, ...expected, ...replacement]);
  return [c.temp(load("i64", c.state, INTERP.CAS_OLD)), c.temp(load("i64", c.state, INTERP.CAS_OLD + 8))];
}

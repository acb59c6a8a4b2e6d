/**
 * NZCV between its packed form (bits 31:28, as in SPSR) and the interpreter's four words.
 */
import { L } from "../state/layout.ts";
import {
  and,
  type Expr,
  eqz,
  type FunctionBuilder,
  type FunctionRef,
  I32,
  type I64,
  i64,
  load,
  ltS,
  type ModuleBuilder,
  ne,
  or,
  shl,
  shrU,
  sub,
  toI64U,
} from "../wasm/index.ts";
import { FLAGS } from "./layout.ts";

/** N=8 Z=4 C=2 V=1. */
export function nzcvOf(s: Expr<I32>): Expr<I32> {
  const n = ltS(load("i64", s, FLAGS.N), 0);
  const z = eqz(load("i64", s, FLAGS.Z));
  const v = ltS(load("i64", s, FLAGS.V), 0);
  return or(or(shl(n, 3), shl(z, 2)), or(shl(load("i32", s, FLAGS.C), 1), v));
}

/** Set the words from four bits. `value` must be named. */
export function storeNzcv(f: FunctionBuilder, s: Expr<I32>, value: Expr<I32>): void {
  const bit = (n: number): Expr<I64> => toI64U(and(shrU(value, n), 1));
  f.store("i64", s, sub(i64(0), bit(3)), FLAGS.N);
  f.store("i64", s, toI64U(ne(and(shrU(value, 2), 1), 1)), FLAGS.Z);
  f.store("i32", s, and(shrU(value, 1), 1), FLAGS.C);
  f.store("i64", s, sub(i64(0), bit(0)), FLAGS.V);
}

/** packNzcv(s) -> bits 31:28, also stored in the state block; unpackNzcv(s, bits 31:28). */
export function defineFlags(module: ModuleBuilder): {
  readonly packNzcv: FunctionRef;
  readonly unpackNzcv: FunctionRef;
} {
  const packNzcv = module.func(
    "packNzcv",
    [I32],
    [I32],
    (f, s) => {
      const packed = f.local(I32);
      f.set(packed, shl(nzcvOf(s), 28));
      f.store("i32", s, packed, L.NZCV);
      f.return(packed);
    },
    { export: true },
  );
  const unpackNzcv = module.func(
    "unpackNzcv",
    [I32, I32],
    [],
    (f, s, nzcv) => {
      f.store("i32", s, and(nzcv, 0xf0000000 | 0), L.NZCV);
      storeNzcv(f, s, f.temp(shrU(nzcv, 28)));
    },
    { export: true },
  );
  return { packNzcv, unpackNzcv };
}

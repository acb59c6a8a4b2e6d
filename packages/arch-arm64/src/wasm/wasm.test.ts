import { describe, expect, it } from "vitest";
import {
  add,
  and,
  atomicCmpxchg,
  atomicRmw,
  call,
  callIndirect,
  constValue,
  convert,
  eqz,
  extractLane,
  F64,
  I32,
  I64,
  i32,
  i64,
  load,
  loadV128,
  ltS,
  ModuleBuilder,
  mul,
  rotr,
  select,
  shl,
  simd,
  sub,
  toI32,
  toI64U,
  v128,
  xor,
} from "./index.ts";

function instantiate(module: ModuleBuilder, imports: WebAssembly.ModuleImports = {}) {
  return new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: imports }).exports as Record<
    string,
    (...a: unknown[]) => unknown
  >;
}

describe("constant folding", () => {
  it("folds 32-bit arithmetic to two's complement", () => {
    expect(constValue(add(i32(0x7fffffff), 1))).toBe(-0x80000000);
    expect(constValue(rotr(i32(1), 1))).toBe(-0x80000000);
  });
  it("folds 64-bit arithmetic modulo 2^64", () => {
    expect(constValue(mul(i64(0x123456789n), 0x100000001n))).toBe(BigInt.asIntN(64, 0x123456789n * 0x100000001n));
    expect(constValue(shl(i64(1), 63))).toBe(-(1n << 63n));
    expect(constValue(xor(i64(-1), -1))).toBe(0);
  });
  it("merges address constants", () => {
    const module = new ModuleBuilder();
    module.func("f", [I32], [I32], (f, a) => f.return(add(add(a, 4), -4)), { export: true });
    expect(module.encode().length).toBeLessThan(45);
    expect(constValue(toI32(toI64U(i32(-1))))).toBe(-1);
  });
});

describe("functions", () => {
  it("loops, calls forward and recursively", () => {
    const module = new ModuleBuilder();
    const fib = module.declare("fib", [I32], [I32]);
    module.func("twice", [I32], [I32], (f, n) => f.return(mul(call<I32>(fib, n), 2)), { export: true });
    module.define(fib, (f) => {
      const n = f.param<I32>(0);
      f.if(ltS(n, 2), () => f.return(n));
      f.return(add(call<I32>(fib, sub(n, 1)), call<I32>(fib, sub(n, 2))));
    });
    expect(instantiate(module)["twice"]?.(20)).toBe(13530);
  });
  it("switches, reuses scoped locals and selects", () => {
    const module = new ModuleBuilder();
    module.func(
      "pick",
      [I32],
      [I32],
      (f, n) => {
        const result = f.local(I32);
        f.switch(
          n,
          [10, 20, 30].map((k) => () => f.scope(() => f.set(result, f.temp(add(n, k))))),
          () => f.set(result, -1),
        );
        f.return(select(eqz(result), i32(7), result));
      },
      { export: true },
    );
    const { pick } = instantiate(module);
    expect([0, 1, 2, 3].map((n) => pick?.(n))).toEqual([10, 21, 32, -1]);
  });
  it("calls through a table and imports", () => {
    const module = new ModuleBuilder();
    const env = module.importFunction("env", "twice", [I32], [I32]);
    const type = module.type([I32], [I32]);
    const table = module.table(2);
    module.elements(table, 0, [env, module.func("inc", [I32], [I32], (f, n) => f.return(add(n, 1)))]);
    module.func("go", [I32, I32], [I32], (f, i, n) => f.return(callIndirect(type, I32, table.index, i, n)), {
      export: true,
    });
    const { go } = instantiate(module, { twice: (n: number) => n * 2 });
    expect([go?.(0, 21), go?.(1, 21)]).toEqual([42, 22]);
  });
  it("uses shared memory, atomics, floats and vectors", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", { min: 1, max: 1, shared: true });
    module.data(64, new Uint8Array([5, 0, 0, 0, 0, 0, 0, 0]));
    module.func(
      "rmw",
      [I64],
      [I64],
      (f, n) => {
        f.fence();
        f.drop(atomicRmw("add", "i64", i32(64), n));
        f.return(atomicCmpxchg("i64", i32(64), i64(12), i64(99)));
      },
      { export: true },
    );
    module.func(
      "vector",
      [],
      [I32],
      (f) => {
        f.storeV128(i32(128), simd("i32x4.add", v128([1n, 2n]), v128([40n, 5n])));
        f.return(extractLane("i32x4.extract_lane", loadV128(i32(128)), 0));
      },
      { export: true },
    );
    module.func("half", [F64], [I32], (f, x) => f.return(convert("i32.trunc_sat_f64_s", mul(x, 0.5))), {
      export: true,
    });
    const { rmw, vector, half } = instantiate(module, { memory });
    expect(rmw?.(7n)).toBe(12n);
    expect(rmw?.(0n)).toBe(99n);
    expect(vector?.()).toBe(41);
    expect(half?.(9)).toBe(4);
    expect(constValue(and(i64(0xffff_ffff_ffffn), 0xff))).toBe(255);
    expect(load("i64_32s", i32(0)).type).toBe(I64);
  });
});

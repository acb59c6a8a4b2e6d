import { describe, expect, it } from "vitest";
import { L } from "../state/layout.ts";
import { I32, i32, ModuleBuilder } from "../wasm/index.ts";
import { F32_FORMAT, F64_FORMAT, FPCR, FPSR, FpArithmetic, FpConvert, FpCore, FpEstimate } from "./index.ts";

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const data = new DataView(memory.buffer);
const module = new ModuleBuilder();
module.importMemory("env", "memory", { min: 1, max: 1, shared: true });
const core = new FpCore(module);
const arithmetic = new FpArithmetic(core);
module.export("mul", arithmetic.binary("mul", F64_FORMAT));
module.export("add", arithmetic.binary("add", F64_FORMAT));
module.export("div", arithmetic.binary("div", F64_FORMAT));
module.export("fma", arithmetic.fma(F64_FORMAT));
module.export("narrow", new FpConvert(core).format(F64_FORMAT, F32_FORMAT));
module.export("ursqrte", new FpEstimate(core).unsignedRsqrt());
module.func("state", [], [I32], (f) => f.return(i32(0)), { export: true });
const exports = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } })
  .exports as unknown as Record<"mul" | "add" | "div" | "fma" | "narrow", (s: number, ...a: bigint[]) => bigint> & {
  ursqrte(a: number): number;
};

const bits = (x: number): bigint => {
  data.setFloat64(0x8000, x, true);
  return data.getBigInt64(0x8000, true);
};
const run = (name: "mul" | "add" | "div" | "fma" | "narrow", fpcr: number, ...operands: number[]) => {
  data.setUint32(L.FPCR, fpcr, true);
  data.setUint32(L.FPSR, 0, true);
  const result = BigInt.asIntN(64, exports[name](0, ...operands.map(bits)));
  return { result, flags: data.getUint32(L.FPSR, true) };
};

describe("flags of results that WebAssembly computes", () => {
  it("leaves IXC clear for exact sums, products, quotients and fused products", () => {
    expect(run("add", 0, 0.5, 2 ** 40)).toEqual({ result: bits(0.5 + 2 ** 40), flags: 0 });
    expect(run("mul", 0, 3, 2 ** 52 + 1)).toEqual({ result: bits(3 * (2 ** 52 + 1)), flags: FPSR.IXC });
    expect(run("mul", 0, 3, 2 ** 50 + 1)).toEqual({ result: bits(3 * (2 ** 50 + 1)), flags: 0 });
    expect(run("div", 0, 7, 8)).toEqual({ result: bits(7 / 8), flags: 0 });
    expect(run("fma", 0, -1, 3, 5)).toEqual({ result: bits(14), flags: 0 });
  });
  it("sets IXC where one bit is lost", () => {
    expect(run("add", 0, 1, 2 ** -53).flags).toBe(FPSR.IXC);
    expect(run("div", 0, 1, 3).flags).toBe(FPSR.IXC);
    expect(run("fma", 0, 2 ** -80, 1.5, 2 ** 30).flags).toBe(FPSR.IXC);
  });
});

describe("results that it cannot compute", () => {
  it("rounds as FPCR.RMode says", () => {
    const up = run("div", 1 << FPCR.RMODE_SHIFT, 1, 3).result;
    const down = run("div", 2 << FPCR.RMODE_SHIFT, 1, 3).result;
    expect([up - down, down]).toEqual([1n, bits(1 / 3)]);
  });
  it("rounds a fused product once", () => {
    // (1 + 2^-52)^2 - (1 + 2^-51) = 2^-104
    expect(run("fma", 0, -(1 + 2 ** -51), 1 + 2 ** -52, 1 + 2 ** -52)).toEqual({ result: bits(2 ** -104), flags: 0 });
  });
  it("detects tininess before rounding", () => {
    // rounds to the smallest normal single, and underflows all the same
    expect(run("narrow", 0, 2 ** -126 - 2 ** -152)).toEqual({ result: 0x0080_0000n, flags: FPSR.UFC | FPSR.IXC });
  });
  it("overflows to infinity or to the largest number", () => {
    expect(run("mul", 0, 1e200, 1e200)).toEqual({ result: bits(Number.POSITIVE_INFINITY), flags: FPSR.OFC | FPSR.IXC });
    expect(run("mul", 3 << FPCR.RMODE_SHIFT, 1e200, 1e200)).toEqual({
      result: bits(Number.MAX_VALUE),
      flags: FPSR.OFC | FPSR.IXC,
    });
  });
});

describe("RecipSqrtEstimate", () => {
  it("agrees with the architecture's search for every table index", () => {
    for (let a = 128; a < 512; a++) {
      const scaled = a < 256 ? a * 2 + 1 : (((a >> 1) << 1) + 1) * 2;
      let b = 512;
      while (scaled * (b + 1) * (b + 1) < 2 ** 28) b++;
      expect(exports.ursqrte(a << 23) >>> 23, `a ${a}`).toBe(Math.floor((b + 1) / 2));
    }
  });
});

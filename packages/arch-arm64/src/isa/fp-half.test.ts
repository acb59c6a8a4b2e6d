import { beforeEach, describe, expect, it } from "vitest";
import { FPCR, FPSR } from "../softfloat/index.ts";
import { L } from "../state/layout.ts";
import { DRAM_BASE, FlatMachine } from "../testing/flat-machine.ts";

const SVC = 0xd4000001;
let machine: FlatMachine;
beforeEach(() => {
  machine = new FlatMachine(4 << 20);
});
/** Execute one word with V1 and V2 holding these halves; V0 starts as ones. */
function run(word: number, n: readonly number[], m: readonly number[] = [], fpcr = 0) {
  const { data, s } = machine;
  for (let at = 0; at < 16; at++) data.setUint8(s + L.V + at, 0xff);
  for (let i = 0; i < 8; i++) {
    data.setUint16(s + L.V + 16 + 2 * i, n[i] ?? 0, true);
    data.setUint16(s + L.V + 32 + 2 * i, m[i] ?? 0, true);
  }
  data.setUint32(s + L.FPCR, fpcr, true);
  data.setUint32(s + L.FPSR, 0, true);
  machine.writeWords(DRAM_BASE, [word, SVC]);
  machine.pc = BigInt(DRAM_BASE);
  expect(machine.run(10).what).toBe("svc");
  return {
    low: data.getBigUint64(s + L.V, true),
    high: data.getBigUint64(s + L.V + 8, true),
    flags: data.getUint32(s + L.FPSR, true),
  };
}

describe("half precision", () => {
  it("zeroes the rest of the register, also under a negative fixed-point number", () => {
    // fcvtzs h0, h1, #4 of -1.5
    expect(run(0x5f1cfc20, [0xbe00])).toEqual({ low: 0xffe8n, high: 0n, flags: 0 });
    // fcvtzs h0, h1, #13 of -16: saturates
    expect(run(0x5f13fc20, [0xcc00])).toEqual({ low: 0x8000n, high: 0n, flags: FPSR.IOC });
  });
  it("flushes its denormals by FZ16 alone, and without IDC", () => {
    const fadd = 0x1ee22820;
    expect(run(fadd, [0x0001], [0x0001])).toEqual({ low: 2n, high: 0n, flags: 0 });
    expect(run(fadd, [0x0001], [0x0001], FPCR.FZ)).toEqual({ low: 2n, high: 0n, flags: 0 });
    expect(run(fadd, [0x0001], [0x0001], FPCR.FZ16)).toEqual({ low: 0n, high: 0n, flags: 0 });
    // a result that would be one: fmul h0 of 2^-14 and 2^-1
    expect(run(0x1ee20820, [0x0400], [0x3800], FPCR.FZ16)).toEqual({ low: 0n, high: 0n, flags: FPSR.UFC });
  });
  it("converts between formats whatever FZ16 says", () => {
    // fcvt s0, h1 of 2^-24
    expect(run(0x1ee24020, [0x0001], [], FPCR.FZ16)).toEqual({ low: 0x3380_0000n, high: 0n, flags: 0 });
  });
});

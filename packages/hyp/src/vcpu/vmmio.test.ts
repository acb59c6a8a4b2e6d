import { GunyahError, VcpuResumeAction, VcpuRunState } from "@gunyah-ts/abi";
import type { Pe } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { Registers } from "../hypercall/registers.ts";
import { Block } from "./block.ts";
import type { Vcpu } from "./vcpu.ts";
import { Vmmio } from "./vmmio.ts";

const IPA = 0x1000_0010;
const DATA_ABORT = 0x24;
const INSTRUCTION_ABORT = 0x20;

/** @param iss SSE bit 21, SRT 20:16, SF bit 15 */
function esr(ec: number, iss = 0): number {
  return ((ec << 26) | (1 << 25) | (1 << 24) | iss) >>> 0;
}

function stopped(esr: number) {
  const x = new BigUint64Array(31).fill(0xdead_beef_dead_beefn);
  const system = new Map<string, bigint>([
    ["ELR_EL2", 0x8000n],
    ["SPSR_EL2", 5n],
    ["VBAR_EL1", 0x4_0000n],
  ]);
  const pe = {
    esr,
    far: 0x77n,
    x,
    xWords: new Uint32Array(x.buffer),
    read: (name: string) => system.get(name) ?? 0n,
    write: (name: string, value: bigint) => void system.set(name, value),
  };
  let blocks = 0;
  const vcpu = {
    block: (bits: number) => void (blocks |= bits),
    clearBlock: (bits: number) => void (blocks &= ~bits),
  };
  const vmmio = new Vmmio(vcpu as unknown as Vcpu);
  return {
    vmmio,
    x,
    pe: pe as unknown as Pe,
    blocks: () => blocks,
    elr: () => system.get("ELR_EL2"),
    ec: () => Number((system.get("ESR_EL1") ?? 0n) >> 26n),
    report() {
      const into = { state: 99, data0: 0n, data1: 0n, data2: 0n };
      vmmio.report(into);
      return [into.state, into.data0, into.data1, into.data2];
    },
    resume(value: bigint, action: number) {
      const r = new Registers();
      r.x[2] = value;
      return vmmio.resume(r.words[2]!, action);
    },
  };
}

describe("an access that the proxy completes", () => {
  it.each([
    ["zero-extended byte", 1, 0, 0x80n],
    ["sign-extended byte to 32 bits", 1, 1 << 21, 0xffff_ff80n],
    ["sign-extended byte to 64 bits", 1, (1 << 21) | (1 << 15), 0xffff_ffff_ffff_ff80n],
    ["sign-extended word to 64 bits", 4, (1 << 21) | (1 << 15), 0xffff_ffff_8765_4380n],
    ["doubleword", 8, 1 << 15, 0x0123_4567_8765_4380n],
  ] as const)("loads a %s", (_what, size, iss, expected) => {
    const s = stopped(esr(DATA_ABORT, iss | (7 << 16)));
    s.vmmio.ask(s.pe, IPA, size, false);
    expect(s.blocks()).toBe(Block.ADDRSPACE_VMMIO_ACCESS);
    expect(s.report()).toEqual([VcpuRunState.ADDRSPACE_VMMIO_READ, BigInt(IPA), BigInt(size), 0n]);
    expect(s.resume(0x0123_4567_8765_4380n, VcpuResumeAction.EMULATE)).toBe(GunyahError.OK);
    expect([s.x[7], s.x[6], s.elr()]).toEqual([expected, 0xdead_beef_dead_beefn, 0x8004n]);
    expect([s.blocks(), s.vmmio.isPending]).toEqual([0, false]);
  });

  it.each([
    [1, 9, 0xefn],
    [4, 9, 0xdead_beefn],
    [8, 9, 0xdead_beef_dead_beefn],
    [8, 31, 0n],
  ] as const)("stores %i bytes of X%i", (size, rt, expected) => {
    const s = stopped(esr(DATA_ABORT, rt << 16));
    s.vmmio.ask(s.pe, IPA, size, true);
    expect(s.report()).toEqual([VcpuRunState.ADDRSPACE_VMMIO_WRITE, BigInt(IPA), BigInt(size), expected]);
    s.resume(5n, VcpuResumeAction.EMULATE);
    expect(s.elr()).toBe(0x8004n);
    expect(s.x).toEqual(new BigUint64Array(31).fill(0xdead_beef_dead_beefn));
  });

  it.each([
    ["read", false, 0n],
    ["write", true, 1n],
  ] as const)("tries a %s of a missing page again, whether emulated or retried", (_what, isWrite, word) => {
    for (const action of [VcpuResumeAction.EMULATE, VcpuResumeAction.RETRY]) {
      const s = stopped(esr(DATA_ABORT, 7 << 16));
      s.vmmio.askForPage(s.pe, IPA, isWrite);
      expect(s.blocks()).toBe(Block.ADDRSPACE_PAGE_FAULT);
      expect(s.report()).toEqual([VcpuRunState.ADDRSPACE_PAGE_FAULT, BigInt(IPA), word, 0n]);
      s.resume(5n, action);
      expect([s.elr(), s.x[7], s.blocks()]).toEqual([0x8000n, 0xdead_beef_dead_beefn, 0]);
    }
  });

  it.each([
    ["data", DATA_ABORT],
    ["instruction", INSTRUCTION_ABORT],
  ] as const)("becomes a %s abort of EL1 when the proxy refuses it", (_what, ec) => {
    const s = stopped(esr(ec));
    s.vmmio.askForPage(s.pe, IPA, false);
    s.resume(0n, VcpuResumeAction.FAULT);
    expect([s.ec(), s.elr()]).toEqual([ec + 1, 0x4_0200n]);
  });

  it("stays under way when the action is unknown, and is nothing once dropped", () => {
    const s = stopped(esr(DATA_ABORT, 7 << 16));
    s.vmmio.ask(s.pe, IPA, 4, false);
    expect(s.resume(5n, 3)).toBe(GunyahError.ARGUMENT_INVALID);
    expect([s.vmmio.isPending, s.blocks(), s.elr()]).toEqual([true, Block.ADDRSPACE_VMMIO_ACCESS, 0x8000n]);
    s.vmmio.drop();
    expect(s.resume(5n, 3)).toBe(GunyahError.OK);
    expect([s.x[7], s.elr()]).toEqual([0xdead_beef_dead_beefn, 0x8000n]);
  });
});

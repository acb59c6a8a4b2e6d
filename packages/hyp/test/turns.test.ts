/**
 * No guest keeps the process: what one vcpu_run, and one turn of the scheduler, does is bounded by its exits and by
 * what its instructions cost, not by instructions retired alone. Nothing is timed: `bench/turns.ts` is.
 */

import { Hypercall, VcpuRunState } from "@gunyah-ts/abi";
import { createArm64Backend } from "@gunyah-ts/arch-arm64";
import { describe, expect, it } from "vitest";
import { BOARD, Machine } from "./machine.ts";

const BASE = 0x8100_0000;
const VECTORS = BASE + 0x1000;
const QUANTUM = 200_000;
/** Each is some microseconds. */
const MOST_EXITS = 250;
const back = (words: number) => (0x1400_0000 | (-words & 0x3ff_ffff)) >>> 0;
const SET_VBAR = 0xd518_c000;
const SKIP = [0xd538_4021, 0x9100_1021, 0xd518_4021, 0xd69f_03e0];
/** movz x2, #high, lsl #16 */
const GICD = 0xd2a0_0002 | ((BOARD.hostGic.distributor >>> 16) << 5);
const HVC = 0xd400_0002;
const SMC = 0xd400_0003;
const calls = (fid: number, instruction: number) => [
  0xd280_0000 | ((fid & 0xffff) << 5),
  (0xf2a0_0000 | ((fid >>> 16) << 5)) >>> 0,
  instruction,
  back(3),
];

interface Loop {
  readonly code: readonly number[];
  readonly vectors?: readonly number[];
  readonly vbar?: number;
}
const EXITS: Readonly<Record<string, Loop>> = {
  "data aborts": { code: [SET_VBAR, 0xd280_0002, 0xf940_0043, back(1)], vectors: SKIP },
  "vectors outside memory": { code: [SET_VBAR, 0xd400_0022, back(1)], vbar: 0x4000_0000 },
  "fetches from a device": { code: [GICD, 0xd61f_0040], vbar: BOARD.hostGic.distributor },
  "reads of GICD_CTLR": { code: [GICD, 0xb940_0043, back(1)] },
  "writes of GICD_CTLR": { code: [GICD, 0x5280_0263, 0xb900_0043, 0x5280_0203, 0xb900_0043, back(4)] },
  "SMCCC calls by HVC": { code: calls(0x8000_0000, HVC) },
  "SMCCC calls by SMC": { code: calls(0x8000_0000, SMC) },
  "unknown SMCs": { code: calls(0x8200_0000, SMC) },
  hypercalls: { code: calls(0xc600_8000, HVC) },
  "undefined HVCs": { code: [SET_VBAR, 0xd400_0022, back(1)], vectors: SKIP },
  "SGIs to oneself": { code: [0xd2a0_2000, 0xd518_cba0, back(1)] },
  "trapped system registers": { code: [SET_VBAR, 0xd538_f220, back(1)], vectors: SKIP },
};
const WORK: Readonly<Record<string, Loop>> = {
  "TLB maintenance": { code: [0xd508_831f, back(1)] },
  "changes of translation": { code: [0xd538_1003, 0xd27f_0063, 0xd518_1003, back(3)] },
  "reads of the counter": { code: [0xd53b_e043, back(1)] },
  "writes of a timer": { code: [0xd51b_e343, back(1)] },
};

function guest(loop: Loop, proxy: boolean) {
  const m = new Machine({
    backend: (physicalMemory, clock) => createArm64Backend({ physicalMemory, clock }),
    quantum: QUANTUM,
    instructionsPerTick: 50,
  });
  const vm = m.createVm({ vmid: 40, base: BASE, proxy, psci: true });
  const vcpu = vm.vcpus[0]!;
  const write = (at: number, words: readonly number[]) =>
    m.memory.write(at, new Uint8Array(new Uint32Array(words).buffer));
  write(BASE, loop.code);
  for (let entry = 0; entry < 16; entry++) write(VECTORS + entry * 0x80, loop.vectors ?? []);
  m.root.ok(Hypercall.vcpu_poweron, vcpu, BASE, loop.vbar ?? VECTORS, 0);
  let exits = 0;
  const { traps } = m.hypervisor;
  const handle = traps.handle.bind(traps);
  traps.handle = (...args) => {
    exits++;
    handle(...args);
  };
  const retired = () => m.hypervisor.inspect.vms().find((v) => v.vmid === 40)!.vcpus[0]!.retired;
  return { m, vcpu, retired, exits: () => exits };
}

describe("a turn of a guest that loops in", () => {
  for (const [name, loop] of Object.entries(EXITS)) {
    it(`${name} ends after some exits`, () => {
      const g = guest(loop, true);
      for (let call = 1; call <= 3; call++) {
        const before = g.exits();
        g.m.root.ok(Hypercall.vcpu_run, g.vcpu, 0, 0, 0);
        expect(Number(g.m.root.x[1])).toBe(VcpuRunState.READY);
        expect(g.exits() - before).toBeGreaterThan(10);
        expect(g.exits() - before).toBeLessThan(MOST_EXITS);
      }
      const scheduled = guest(loop, false);
      scheduled.m.hypervisor.schedule(QUANTUM);
      expect(scheduled.exits()).toBeLessThan(MOST_EXITS);
    });
  }

  for (const [name, loop] of Object.entries(WORK)) {
    it(`${name} ends long before its instructions`, () => {
      const g = guest(loop, true);
      g.m.root.ok(Hypercall.vcpu_run, g.vcpu, 0, 0, 0);
      expect(Number(g.m.root.x[1])).toBe(VcpuRunState.READY);
      expect(g.retired()).toBeGreaterThan(10);
      expect(g.retired()).toBeLessThan(5000);
    });
  }

  it("nothing is its instructions", () => {
    const g = guest({ code: [0x1400_0000] }, true);
    g.m.root.ok(Hypercall.vcpu_run, g.vcpu, 0, 0, 0);
    expect(g.retired()).toBe(QUANTUM);
  });
});

describe("the same guest", () => {
  it("retires the same instructions in the same turns, exits and all", () => {
    const trail = () => {
      const g = guest(EXITS["data aborts"]!, true);
      return [1, 2, 3, 4].map(() => {
        g.m.root.ok(Hypercall.vcpu_run, g.vcpu, 0, 0, 0);
        return [g.retired(), g.m.clock.now()];
      });
    };
    expect(trail()).toEqual(trail());
  });
});

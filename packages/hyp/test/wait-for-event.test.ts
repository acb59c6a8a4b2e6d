/**
 * WFE of A64 guests under the hypervisor: whoever signals, in whatever order, nobody sleeps through an event, and
 * waiting costs next to nothing.
 */

import { Hypercall, VcpuRunState, VcpuRunWakeupFrom } from "@gunyah-ts/abi";
import { createArm64Backend } from "@gunyah-ts/arch-arm64";
import { createHostClock, createVirtualClock } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { Machine, type TestVm } from "./machine.ts";

/** X0 of every program: a word that the others set, and 8 bytes on a word that says that this one is through. */
const FLAG = 0x8000;
const WFE = 0xd503_205f;
const WFI_FOR_EVER = [0xd503_207f, 0x17ff_ffff];
const DONE = [0xb900_0802, ...WFI_FOR_EVER];

const PROGRAMS = {
  /** 1: wfe; ldr w2, [x0]; cbz w2, 1b */
  wait: [WFE, 0xb940_0002, 0x34ff_ffc2, ...DONE],
  /** 1: ldr w2, [x0]; cbnz w2, 2f; wfe; b 1b: looks before it waits */
  lookAndWait: [0xb940_0002, 0x3500_0062, WFE, 0x17ff_fffd, ...DONE],
  /** 1: ldxr w2, [x0]; cbnz w2, 2f; wfe; b 1b: the monitor alone ends it */
  monitor: [0x885f_7c02, 0x3500_0062, WFE, 0x17ff_fffd, ...DONE],
  /** wfe, for the event that every start is; wfe; mov w2, #1 */
  passOne: [WFE, WFE, 0x5280_0022, ...DONE],
  /** msr cntkctl_el1, x1 (on, bit 9: every 1,024 ticks); then as lookAndWait */
  stream: [0xd280_1281, 0xd518_e101, 0xb940_0002, 0x3500_0062, WFE, 0x17ff_fffd, ...DONE],
  /** mov w1, #1; str w1, [x0]; sev */
  storeAndSend: [0x5280_0021, 0xb900_0001, 0xd503_209f, ...WFI_FOR_EVER],
  /** mov w1, #1; str w1, [x0] */
  store: [0x5280_0021, 0xb900_0001, ...WFI_FOR_EVER],
  /** 50 times: nothing; then store and send */
  later: [0x5280_0643, 0x7100_0463, 0x54ff_ffe1, 0x5280_0021, 0xb900_0001, 0xd503_209f, ...WFI_FOR_EVER],
} as const;
type Program = keyof typeof PROGRAMS;

interface Party {
  readonly vm: TestVm;
  readonly base: number;
  readonly vcpu: bigint;
  readonly program: Program;
  readonly wakeup: number;
}

const CLOCKS = {
  virtual: () => createVirtualClock({ instructionsPerTick: 1 }),
  host: () => createHostClock(),
} as const;

class Scene {
  readonly m: Machine;
  readonly parties: Party[] = [];

  /** One vCPU for each program, of one VM or each of its own. */
  constructor(programs: readonly Program[], options: { clock: keyof typeof CLOCKS; sameVm: boolean; proxy: boolean }) {
    const { proxy, sameVm } = options;
    this.m = new Machine({
      clock: CLOCKS[options.clock](),
      backend: (physicalMemory, clock) => createArm64Backend({ physicalMemory, clock }),
      quantum: 1000,
    });
    const vms: TestVm[] = [];
    programs.forEach((program, i) => {
      const base = 0x8100_0000 + (sameVm ? 0 : i * 0x10_0000);
      const vm =
        sameVm && vms[0] !== undefined
          ? vms[0]
          : this.m.createVm({ vmid: 40 + i, base, proxy, vcpus: sameVm ? programs.length : 1 });
      vms.push(vm);
      const vcpu = vm.vcpus[sameVm ? i : 0]!;
      const wakeup = 50 + i;
      if (proxy) {
        this.m.root.ok(Hypercall.vcpu_bind_virq, vcpu, BigInt(this.m.env.vic), wakeup, 1);
        this.m.enableRootSpi(wakeup);
      }
      this.m.memory.write(base + i * 0x100, new Uint8Array(new Uint32Array(PROGRAMS[program]).buffer));
      this.parties.push({ vm, base, vcpu, program, wakeup });
    });
  }

  start(i: number): void {
    const { vcpu, base } = this.parties[i]!;
    this.m.root.ok(Hypercall.vcpu_poweron, vcpu, base + i * 0x100, base + FLAG, 0);
  }

  isThrough(i: number): boolean {
    return this.m.memory.bytes[this.m.memory.offsetOf(this.parties[i]!.base + FLAG + 8)] === 1;
  }

  retired(i: number): number {
    const { vm, vcpu } = this.parties[i]!;
    const index = vm.vcpus.indexOf(vcpu);
    return this.m.hypervisor.inspect.vms().find((v) => v.vmid === vm.vmid)!.vcpus[index]!.retired;
  }

  /** Until nothing can run. @returns instructions of virtual time that the scheduler was lent */
  schedule(): void {
    for (let turn = 0; turn < 100 && this.m.hypervisor.schedule(10_000); turn++);
    expect(this.m.hypervisor.schedule(10_000)).toBe(false);
  }

  readonly #sleeping = new Set<number>();
  /** vcpu_run as the Linux driver does: a vCPU that expects a wake-up is left alone until its interrupt comes. */
  proxy(turns: number, started: readonly number[]): void {
    const { m } = this;
    m.onRootInterrupt = (intid) => this.#sleeping.delete(intid - 50);
    for (let turn = 0; turn < turns; turn++) {
      for (const i of started) {
        if (this.#sleeping.has(i)) continue;
        expect(m.root.call(Hypercall.vcpu_run, this.parties[i]!.vcpu, 0, 0, 0)).toBe(0);
        const state = Number(m.root.x[1]);
        expect([VcpuRunState.READY, VcpuRunState.EXPECTS_WAKEUP]).toContain(state);
        if (state !== VcpuRunState.EXPECTS_WAKEUP) continue;
        expect(m.root.x[3]).toBe(BigInt(VcpuRunWakeupFrom.WFI));
        this.#sleeping.add(i);
      }
    }
  }
  get asleep(): number {
    return this.#sleeping.size;
  }
}

/** Waiter and signaller that must meet, in both orders. A waiter that does not look first needs the event after it. */
const PAIRS: readonly (readonly [Program, Program])[] = [
  ["wait", "storeAndSend"],
  ["wait", "later"],
  ["lookAndWait", "storeAndSend"],
  ["lookAndWait", "later"],
  ["monitor", "store"],
  ["monitor", "later"],
  ["stream", "later"],
];

describe.each(["virtual", "host"] as const)("WFE, %s clock", (clock) => {
  for (const [waiter, signaller] of PAIRS) {
    for (const first of [0, 1]) {
      const order = first === 0 ? `${waiter} before ${signaller}` : `${signaller} before ${waiter}`;

      it(`two vCPUs of one VM: ${order}`, () => {
        const scene = new Scene([waiter, signaller], { clock, sameVm: true, proxy: false });
        scene.start(first);
        if (waiter !== "stream") scene.schedule();
        scene.start(1 - first);
        for (let turn = 0; turn < 50 && !scene.isThrough(0); turn++) scene.m.hypervisor.schedule(10_000);
        expect(scene.isThrough(0)).toBe(true);
        scene.schedule();
        // It slept or was through: it did not go round.
        expect(scene.retired(0)).toBeLessThan(200);
      });

      it(`two vCPUs of one VM by vcpu_run: ${order}`, () => {
        const scene = new Scene([waiter, signaller], { clock, sameVm: true, proxy: true });
        scene.start(first);
        if (waiter !== "stream") {
          scene.proxy(20, [first]);
          expect(scene.asleep).toBe(1);
        }
        scene.start(1 - first);
        scene.proxy(20, [0, 1]);
        expect(scene.isThrough(0)).toBe(true);
        expect(scene.asleep).toBe(2);
        expect(scene.retired(0)).toBeLessThan(200);
      });
    }
  }

  it("reaches the vCPUs of all VMs, and one that waits for nothing else stays asleep", () => {
    for (const proxy of [false, true]) {
      const scene = new Scene(["passOne", "storeAndSend"], { clock, sameVm: false, proxy });
      const run = (started: readonly number[]) => (proxy ? scene.proxy(10, started) : scene.schedule());
      scene.start(0);
      run([0]);
      expect(scene.isThrough(0)).toBe(false);
      const before = scene.retired(0);
      run([0]);
      expect(scene.retired(0)).toBe(before);
      scene.start(1);
      run([0, 1]);
      expect(scene.isThrough(0)).toBe(true);
    }
  });

  it("ends by a store of what is no PE to the monitored place: a device's, the host's", () => {
    const scene = new Scene(["monitor"], { clock, sameVm: true, proxy: true });
    scene.start(0);
    scene.proxy(5, [0]);
    expect(scene.asleep).toBe(1);
    scene.m.memory.write(scene.parties[0]!.base + FLAG, Uint8Array.of(1));
    // Nothing but the interrupt tells the host.
    scene.m.root.smccc(0x8000_0000);
    expect(scene.asleep).toBe(0);
    scene.proxy(5, [0]);
    expect(scene.isThrough(0)).toBe(true);
  });
});

describe("WFE, virtual clock", () => {
  it("with the event stream goes round once a period", () => {
    const scene = new Scene(["stream"], { clock: "virtual", sameVm: true, proxy: false });
    scene.start(0);
    const { clock, hypervisor } = scene.m;
    let turns = 0;
    while (clock.now() < 102_400) {
      if (!hypervisor.schedule(10_000)) clock.idle();
      expect(turns++).toBeLessThan(400);
    }
    // 100 periods of four instructions.
    expect(scene.retired(0)).toBeGreaterThan(300);
    expect(scene.retired(0)).toBeLessThan(500);
  });

  it("ends by an interrupt that PSTATE masks", () => {
    const scene = new Scene(["passOne"], { clock: "virtual", sameVm: true, proxy: true });
    const { m } = scene;
    const { vm } = scene.parties[0]!;
    const bell = m.createDoorbell();
    m.root.ok(Hypercall.doorbell_bind_virq, bell, vm.vic, 40);
    const { distributor } = m.env.board.hostGic;
    const vgic = m.hypervisor.core.vmids.get(vm.vmid)!.vdeviceAt(distributor, 4)!;
    vgic.device.vdeviceWrite(0, 0, 4, 0x13);
    vgic.device.vdeviceWrite(0, 0x84, 4, 1 << 8);
    vgic.device.vdeviceWrite(0, 0x104, 4, 1 << 8);
    scene.start(0);
    scene.proxy(2, [0]);
    // The CPU interface signals only with its group and priority mask open: a guest that waits has them so.
    for (const object of m.hypervisor.core.objectsOf("thread")) {
      const engine = (object as unknown as { engine?: { pe?: { write(name: string, value: bigint): void } } }).engine;
      engine?.pe?.write("ICH_VMCR_EL2", (0xf0n << 24n) | 2n);
    }
    expect(scene.isThrough(0)).toBe(false);
    m.root.ok(Hypercall.doorbell_send, bell, 1);
    expect(scene.asleep).toBe(0);
    scene.proxy(2, [0]);
    expect(scene.isThrough(0)).toBe(true);
  });
});

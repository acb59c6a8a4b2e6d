import { GunyahError, Hypercall, QEMU_API_FLAGS0, SMCCC_NOT_SUPPORTED } from "@gunyah-ts/abi";
import type { NativeVcpu } from "@gunyah-ts/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { enableSpi, Machine, type TestVm } from "./machine.ts";

const BASE = 0x8100_0000;
/** Ticks of a millisecond. */
const MS = 19_200;
const CONTROL = 0x8600_0005n;
const STATUS = 0x8600_0006n;
const PING = 0x8600_0007n;
const SET_TIME = 0x8600_0008n;
const BITE = 61;
const BARK = 40;

describe("a VM's watchdog", () => {
  let m: Machine;
  let vm: TestVm;
  let dog: bigint;
  let guest: NativeVcpu;
  /** Interrupts that the guest took. */
  let barks: number[];

  /** SMC with the guest's registers. @returns X0-X3 */
  function smc(fid: bigint, ...args: bigint[]): bigint[] {
    const x = new BigUint64Array(18).fill(0xeeee_0000_0000_0000n);
    x[0] = fid;
    x.set(args, 1);
    guest.smc(x);
    return [...x.subarray(0, 4)];
  }
  const bites = (): number => {
    m.root.call(Hypercall.hypervisor_identify);
    return m.rootInterrupts.filter((intid) => intid === BITE).length;
  };
  /** [control bits, ms since the last ping] */
  const status = (): bigint[] => {
    const [error, word, since] = smc(STATUS);
    expect(error).toBe(0n);
    return [word!, since!];
  };

  beforeEach(() => {
    m = new Machine();
    barks = [];
    dog = m.create(Hypercall.partition_create_watchdog);
    m.root.ok(Hypercall.object_activate, dog);
    vm = m.createVm({ vmid: 9, base: BASE, watchdog: dog });
    m.root.ok(Hypercall.watchdog_bind_virq, dog, vm.vic, BARK, 0);
    m.root.ok(Hypercall.watchdog_bind_virq, dog, BigInt(m.env.vic), BITE, 1);
    m.enableRootSpi(BITE);
    m.program(BASE, {
      name: "guest",
      start(vcpu) {
        guest = vcpu;
        vcpu.store(0x0800_0000, 4, 0x13n);
        enableSpi(vcpu, 0x0800_0000, BARK);
        vcpu.setPriorityMask(0xf0);
        vcpu.setGroup1Enabled(true);
        vcpu.masked = false;
      },
      interrupt(vcpu) {
        const intid = vcpu.acknowledge();
        barks.push(intid);
        vcpu.endOfInterrupt(intid);
      },
    });
    m.root.ok(Hypercall.vcpu_poweron, vm.vcpus[0]!, BASE, 0, 0);
    m.hypervisor.schedule(1000);
  });

  it("barks to the VM and bites to its manager, to the tick", () => {
    expect(smc(SET_TIME, 1000n, 1500n)[0]).toBe(0n);
    expect(smc(CONTROL, 3n)[0]).toBe(0n);
    m.clock.advance(1000 * MS - 1);
    m.hypervisor.schedule(1000);
    expect(barks).toEqual([]);
    m.clock.advance(1);
    m.hypervisor.schedule(1000);
    expect(barks).toEqual([BARK]);
    expect(status()).toEqual([1n, 1000n]);
    m.clock.advance(500 * MS - 1);
    expect(bites()).toBe(0);
    expect(status()).toEqual([1n, 1499n]);
    m.clock.advance(1);
    expect(bites()).toBe(1);
    expect(status()).toEqual([0x8000_0001n, 1500n]);
    m.clock.advance(10_000 * MS);
    expect(bites()).toBe(1);
  });

  it("is kept quiet by pings, and barks again after one", () => {
    smc(SET_TIME, 10n, 20n);
    smc(CONTROL, 3n);
    for (let i = 0; i < 5; i++) {
      m.clock.advance(9 * MS);
      expect(status()).toEqual([1n, 9n]);
      expect(smc(PING)[0]).toBe(0n);
      expect(status()).toEqual([1n, 0n]);
    }
    for (let i = 1; i <= 2; i++) {
      m.clock.advance(15 * MS);
      m.hypervisor.schedule(1000);
      expect(barks).toHaveLength(i);
      smc(PING);
    }
    expect(bites()).toBe(0);
  });

  it("counts from 0 when it is enabled, and not while it is disabled", () => {
    expect(status()).toEqual([0n, 0n]);
    smc(SET_TIME, 10n, 10n);
    m.clock.advance(50 * MS);
    expect(smc(CONTROL, 3n)[0]).toBe(0n);
    m.clock.advance(9 * MS);
    expect(bites()).toBe(0);
    expect(smc(CONTROL, 2n)[0]).toBe(0n);
    m.clock.advance(50 * MS);
    expect(status()).toEqual([0n, 9n]);
    expect(bites()).toBe(0);
    smc(CONTROL, 3n);
    m.clock.advance(9 * MS);
    expect(bites()).toBe(0);
    m.clock.advance(MS);
    expect(bites()).toBe(1);
    // Disabled it has not expired.
    smc(CONTROL, 2n);
    expect(status()).toEqual([0n, 10n]);
  });

  it("takes new times against the count so far, as a restart by the driver does, and keeps one at 0xffff", () => {
    smc(SET_TIME, 100n, 200n);
    smc(CONTROL, 3n);
    m.clock.advance(50 * MS);
    expect(smc(SET_TIME, 0xffffn, 60n)[0]).toBe(0n);
    m.clock.advance(10 * MS);
    expect(bites()).toBe(1);
    expect(barks).toEqual([]);
    smc(PING);
    expect(smc(SET_TIME, 1n, 0xffffn)[0]).toBe(0n);
    m.clock.advance(MS);
    m.hypervisor.schedule(1000);
    expect(barks).toEqual([BARK]);
    m.clock.advance(50 * MS);
    // What is overdue happens at once.
    smc(PING);
    m.clock.advance(5 * MS);
    const before = bites();
    smc(SET_TIME, 1n, 1n);
    expect(bites()).toBe(before + 1);
  });

  it("starts with the longest times", () => {
    smc(CONTROL, 3n);
    m.clock.advance(0x8000 * MS - 1);
    expect(bites()).toBe(0);
    m.clock.advance(1);
    expect(bites()).toBe(1);
  });

  it.each([
    ["CONTROL without its reserved bit", CONTROL, [1n]],
    ["CONTROL with another bit", CONTROL, [7n]],
    ["CONTROL that disables it twice", CONTROL, [2n]],
    ["SET_TIME of a bark above 0x8000", SET_TIME, [0x8001n, 1n]],
    ["SET_TIME of a bite above 0x8000", SET_TIME, [1n, 0xfffen]],
    ["SET_TIME of 0x10001", SET_TIME, [0x1_0001n, 1n]],
  ] as const)("answers ARGUMENT_INVALID to %s, and changes nothing else", (_what, fid, args) => {
    smc(SET_TIME, 5n, 5n);
    const x = smc(fid, ...args);
    expect(x[0]).toBe(BigInt(GunyahError.ARGUMENT_INVALID));
    expect(x.slice(1, 1 + args.length)).toEqual(args);
    expect(x[3]).toBe(0xeeee_0000_0000_0000n);
    smc(CONTROL, 3n);
    m.clock.advance(5 * MS - 1);
    expect(bites()).toBe(0);
    m.clock.advance(1);
    expect(bites()).toBe(1);
    expect(smc(CONTROL, 3n)[0]).toBe(BigInt(GunyahError.ARGUMENT_INVALID));
  });

  it("takes the longest times and reads 32 bits of an argument", () => {
    expect(smc(SET_TIME, 0xdead_0000_0000_8000n, 0xdead_0000_0000_8000n)[0]).toBe(0n);
    expect(smc(CONTROL, 0xdead_0000_0000_0003n)[0]).toBe(0n);
  });

  it("is nobody's without one, and SMC64 and other numbers are no calls of it", () => {
    expect(m.root.smccc(Number(STATUS))).toBe(SMCCC_NOT_SUPPORTED);
    expect(smc(0xc600_0006n)[0]).toBe(SMCCC_NOT_SUPPORTED);
    expect(smc(0x8600_0009n)[0]).toBe(SMCCC_NOT_SUPPORTED);
    expect(smc(0x8600_0004n)[0]).toBe(SMCCC_NOT_SUPPORTED);
  });

  it("goes with its last vCPU, and its deadline with it", () => {
    smc(SET_TIME, 10n, 10n);
    smc(CONTROL, 3n);
    expect(m.clock.nextDeadline()).toBeLessThan(Number.POSITIVE_INFINITY);
    m.delete(vm.vcpus[0]!);
    m.delete(dog);
    expect(m.clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    expect(bites()).toBe(0);
  });

  it("is announced by hypervisor_identify", () => {
    m.root.call(Hypercall.hypervisor_identify);
    expect(m.root.x[1]).toBe(QEMU_API_FLAGS0 | (1n << 8n));
  });
});

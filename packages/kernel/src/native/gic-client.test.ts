import { describe, expect, it } from "vitest";
import type { NativeVcpu } from "../contracts/native-vcpu.ts";
import { GicClient } from "./gic-client.ts";

/** Registers as plain memory, and a queue of what ICC_IAR1 gives. */
function machine(mpidr = 0) {
  const registers = new Map<number, bigint>();
  const pending: number[] = [];
  const log: string[] = [];
  const vcpu = {
    mpidr,
    load: (ipa: number) => registers.get(ipa) ?? 0n,
    store(ipa: number, size: number, value: bigint) {
      registers.set(ipa, value);
      log.push(`${ipa.toString(16)}/${size}=${value.toString(16)}`);
      return true;
    },
    acknowledge: () => pending.shift() ?? 1023,
    endOfInterrupt: (intid: number) => log.push(`eoi ${intid}`),
    setPriorityMask: (mask: number) => log.push(`pmr ${mask.toString(16)}`),
    setGroup1Enabled: (on: boolean) => log.push(`grp1 ${on}`),
  } as unknown as NativeVcpu;
  return { vcpu, registers, pending, log };
}

describe("GicClient", () => {
  it("enables the distributor and the CPU interface", () => {
    const { vcpu, log } = machine();
    new GicClient({ distributor: 0x1000_0000 }).init(vcpu);
    expect(log).toEqual(["10000000/4=13", "pmr f8", "grp1 true"]);
  });

  it("wakes the redistributor", () => {
    const { vcpu, registers } = machine();
    registers.set(0x2000_0014, 6n);
    new GicClient({ distributor: 0x1000_0000, redistributor: 0x2000_0000 }).init(vcpu);
    expect(registers.get(0x2000_0014)).toBe(4n);
  });

  it("configures a shared interrupt before it enables it, routed to its own affinity", () => {
    const { vcpu, log } = machine(0x0100_0203);
    new GicClient({ distributor: 0 }).enable(vcpu, 0x21, () => undefined);
    expect(log).toEqual(["84/4=2", "421/1=a0", "c08/4=8", "6108/8=100000203", "104/4=2"]);
  });

  it("reaches extended SPIs and private interrupts at their own registers", () => {
    const { vcpu, log } = machine();
    const gic = new GicClient({ distributor: 0, redistributor: 0x2_0000 });
    gic.enable(vcpu, 4097, () => undefined, { trigger: "level", priority: 0x80 });
    gic.enable(vcpu, 27, () => undefined, { trigger: "level" });
    expect(log).toEqual([
      "1000/4=2",
      "2001/1=80",
      "3000/4=0",
      "8008/8=0",
      "1200/4=2",
      "30080/4=8000000",
      "3041b/1=a0",
      "30c04/4=0",
      "30100/4=8000000",
    ]);
  });

  it("acknowledges, handles and ends every signalled interrupt", () => {
    const { vcpu, pending, log } = machine();
    const gic = new GicClient({ distributor: 0 });
    const seen: string[] = [];
    gic.enable(vcpu, 40, () => seen.push("a"));
    gic.enable(vcpu, 41, () => seen.push("b"));
    log.length = 0;
    pending.push(41, 99, 40);
    expect(gic.dispatch(vcpu)).toBe(3);
    expect(seen).toEqual(["b", "a"]);
    expect(log).toEqual(["eoi 41", "eoi 99", "eoi 40"]);
    expect(gic.unhandled).toBe(1);
  });

  it("no longer calls the handler of a disabled interrupt", () => {
    const { vcpu, pending, registers } = machine();
    const gic = new GicClient({ distributor: 0 });
    let calls = 0;
    gic.enable(vcpu, 40, () => calls++);
    gic.disable(vcpu, 40);
    pending.push(40);
    gic.dispatch(vcpu);
    expect(calls).toBe(0);
    expect(registers.get(0x184)).toBe(0x100n);
  });

  it("names the address when nothing answers there", () => {
    const { vcpu } = machine();
    const deaf = { ...vcpu, load: () => undefined, store: () => false } as NativeVcpu;
    expect(() => new GicClient({ distributor: 0x3fff_0000 }).init(deaf)).toThrow(/0x3fff0000/);
  });
});

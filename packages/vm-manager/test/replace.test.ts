/** The host driver on layers that somebody else wrote: what it finds below is a contract, not our classes. */
import { firmware } from "@gunyah-ts/firmware";
import { hyp } from "@gunyah-ts/hyp";
import {
  type AnyPlugin,
  CpuBackend,
  createMachine,
  definePlugin,
  Hypervisor,
  type NativeVcpu,
  PhysicalMemory,
  ResourceManager,
  VmManager,
} from "@gunyah-ts/kernel";
import { fakeCpuBackend, fakeHypervisor, fakeNativeVcpu, fakeProgram } from "@gunyah-ts/kernel/testing";
import { rm } from "@gunyah-ts/rm";
import { describe, expect, it } from "vitest";
import { vmManager } from "../src/index.ts";

const MIB = 1 << 20;
const DRAM = 0x8000_0000;
const soc = {
  name: "test",
  dram: { base: DRAM, size: 64 * MIB },
  carveOut: { base: DRAM + 56 * MIB, size: 8 * MIB },
  rootVm: { base: DRAM + 54 * MIB, size: 2 * MIB },
  rootVmEntry: DRAM + 54 * MIB,
  hostEntry: DRAM + 2 * MIB,
  hostDtb: { base: DRAM, size: 0x1_0000 },
  hostVmid: 3,
  physicalCpus: 1,
  hostCpus: 1,
  hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
  timerFrequencyHz: 19_200_000,
  freeSpiStart: 960,
};
const backend = definePlugin({
  name: "scripted-backend",
  version: "1.0.0",
  provides: [CpuBackend],
  requires: [PhysicalMemory],
  setup: (ctx) => ctx.provide(CpuBackend, fakeCpuBackend({ memory: ctx.get(PhysicalMemory) })),
});

function stub<Service>(name: string, token: symbol & { readonly __service?: Service }, service: Service): AnyPlugin {
  return definePlugin({
    name,
    version: "1.0.0",
    provides: [token],
    setup: (ctx) => ctx.provide(token, service as never),
  });
}

describe("a second implementation", () => {
  it("of the RM is loaded by the real hypervisor as the root VM's program, with its capabilities", async () => {
    let identified = 0n;
    const program = fakeProgram("another resource manager", (vcpu: NativeVcpu) => {
      const x = new BigUint64Array(18);
      x[0] = 0xc600_8000n;
      vcpu.hvc(x);
      identified = x[1] as bigint;
    });
    const another = stub("gunyah-plugin-another-rm", ResourceManager, { program });
    const machine = await createMachine({ soc, plugins: [backend, hyp, another, firmware, vmManager] });
    await machine.start();
    expect(program.starts).toHaveLength(1);
    expect(identified).not.toBe(0n);
    const text = new Uint8Array(64);
    const [start] = program.starts;
    expect(start?.vcpu.read(Number(start.context), text)).toBe(true);
    expect(new TextDecoder().decode(text)).toMatch(/^\{"vmid":/);
    // This RM makes no host VM, so the driver has not started, and says so.
    expect(() => machine.get(VmManager).createProcess()).toThrow("VMM_NOT_STARTED");
    await machine.dispose();
    await expect(createMachine({ soc, plugins: [backend, hyp, rm, another] })).rejects.toMatchObject({
      code: "KERNEL_DUPLICATE_PROVIDER",
    });
  });

  it("of the hypervisor runs our driver, which finds that it is not Gunyah", async () => {
    const another = fakeHypervisor((hypervisor) => {
      const host = hypervisor.installed.get(soc.hostEntry);
      if (host === undefined) throw new Error("firmware installed no host");
      fakeNativeVcpu({ memory: { base: DRAM, size: MIB } }).powerOn(host, BigInt(soc.hostDtb.base));
    });
    const plugins = [stub("gunyah-plugin-another-hyp", Hypervisor, another), rm, firmware, vmManager];
    const machine = await createMachine({ soc, plugins });
    await machine.start();
    expect(another.boots).toBe(1);
    expect([...another.installed.values()].map(({ name }) => name)).toEqual([
      "gunyah-resource-manager",
      "gunyah host driver",
    ]);
    await expect(machine.get(VmManager).ready).rejects.toMatchObject({ code: "VMM_PROBE_FAILED" });
    await machine.dispose();
  });
});

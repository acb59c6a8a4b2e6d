/** The fakes keep the contracts that they stand in for, and a machine of fakes composes. */
import {
  Board,
  createMachine,
  definePlugin,
  GicClient,
  Hypervisor,
  type NativeVcpu,
  ResourceManager,
  VmManager,
} from "@gunyah-ts/kernel";
import {
  fakeHypervisor,
  fakeNativeVcpu,
  fakeProgram,
  fakeResourceManager,
  fakeVmManager,
} from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";

describe("the vCPU of a native program", () => {
  it("answers calls, and takes an interrupt when the call returns", () => {
    const log: string[] = [];
    const vcpu = fakeNativeVcpu({
      hvc(x) {
        vcpu.raise(40);
        log.push(`hvc ${x[1]}`);
        x[0] = 0n;
      },
    });
    const program = fakeProgram("program", (me) => {
      me.setPriorityMask(0xf0);
      me.setGroup1Enabled(true);
      me.masked = false;
    });
    const { interrupt } = program;
    program.interrupt = (me) => {
      log.push("interrupt");
      interrupt(me);
    };
    vcpu.powerOn(program, 7n);
    expect(program.starts).toEqual([{ vcpu, context: 7n }]);
    vcpu.masked = true;
    const x = new BigUint64Array(18);
    x[1] = 5n;
    vcpu.hvc(x);
    expect(log).toEqual(["hvc 5"]);
    vcpu.masked = false;
    expect(vcpu.wfi()).toBe(true);
    expect(log).toEqual(["hvc 5", "interrupt"]);
    expect(vcpu.wfi()).toBe(false);
    expect(vcpu.active.size).toBe(0);
    expect(vcpu.acknowledge()).toBe(1023);
    vcpu.smc(x);
    expect(x[0]).toBe(0xffff_ffff_ffff_ffffn);
    expect(vcpu.calls.map(({ kind }) => kind)).toEqual(["hvc", "smc"]);
  });

  it("has memory in one place only, little endian", () => {
    const vcpu = fakeNativeVcpu({ memory: { base: 0x1000, size: 0x1000 } });
    expect(vcpu.store(0x1000, 4, 0x1122_3344n)).toBe(true);
    expect(vcpu.load(0x1001, 2)).toBe(0x2233n);
    expect(vcpu.write(0x1ffe, new Uint8Array(4))).toBe(false);
    expect(vcpu.load(0xfff, 1)).toBeUndefined();
    expect(vcpu.fill(0x1000, 4, 9)).toBe(true);
    expect(vcpu.memory.slice(0, 5)).toEqual(Uint8Array.of(9, 9, 9, 9, 0));
  });

  it("serves the GIC client of native programs", () => {
    const stores = new Map<number, bigint>();
    const device = {
      load: (ipa: number) => stores.get(ipa) ?? 0n,
      store: (ipa: number, _size: number, value: bigint) => stores.set(ipa, value) !== undefined,
    };
    const vcpu = fakeNativeVcpu({ device });
    const gic = new GicClient({ distributor: 0x0800_0000 });
    const heard: number[] = [];
    vcpu.powerOn({
      name: "gic",
      start(me: NativeVcpu) {
        gic.init(me);
        gic.enable(me, 40, () => heard.push(40));
        me.masked = false;
      },
      interrupt: (me) => gic.dispatch(me),
    });
    vcpu.raise(40);
    expect(heard).toEqual([40]);
  });
});

describe("the fake /dev/gunyah", () => {
  it("has descriptors, memory and eventfds, and answers as the test says", async () => {
    const layers = [{ layer: "rm", value: 20, code: "VM_STATE", detail: "VM_START" }] as const;
    const manager = fakeVmManager({
      layers,
      ioctl(request, arg, process) {
        if (request !== 1) return -22;
        return process.write(arg, Uint8Array.of(1, 2)) ? 0 : -14;
      },
    });
    await manager.ready;
    const process = manager.createProcess();
    expect(process.open("/dev/kvm")).toBe(-2);
    const fd = process.open("/dev/gunyah");
    const address = process.alloc(100);
    expect(await process.ioctl(fd, 1, address)).toBe(0);
    expect(process.bytes(address, 3, "r")).toEqual(Uint8Array.of(1, 2, 0));
    expect(process.diagnose(fd)).toEqual([]);
    expect(process.call(fd, 1, 0n)).toBe(-14);
    expect(process.diagnose(fd)).toEqual(layers);
    expect(process.call(99, 1)).toBe(-9);
    const event = process.eventfd(3, 0);
    expect(process.eventfdOf(event)?.read()).toBe(3n);
    expect(await process.close(event)).toBe(0);
    expect(await process.close(event)).toBe(-9);
    expect(manager.ioctls).toEqual([
      { fd, request: 1, arg: address },
      { fd, request: 1, arg: 0n },
    ]);
    await process.exit();
    expect(process.bytes(address, 1, "r")).toBeUndefined();
  });
});

it("a machine composes of fakes alone", async () => {
  const hypervisor = fakeHypervisor((h) => {
    const entry = h.installed.get(0x80e0_0000);
    if (entry !== undefined) fakeNativeVcpu().powerOn(entry);
  });
  const rm = fakeResourceManager();
  const provide = <Service>(name: string, token: symbol & { __service?: Service }, service: Service) =>
    definePlugin({ name, version: "1.0.0", provides: [token], setup: (ctx) => ctx.provide(token, service as never) });
  const loader = definePlugin({
    name: "loader",
    version: "1.0.0",
    requires: [Board, Hypervisor, ResourceManager, VmManager],
    setup(ctx) {
      ctx.onStart(() => {
        ctx.get(Hypervisor).programs.install(ctx.get(Board).rootVmEntry, ctx.get(ResourceManager).program);
        ctx.get(Hypervisor).boot();
      });
    },
  });
  const MiB = 1 << 20;
  const soc = {
    name: "test",
    dram: { base: 0x8000_0000, size: 16 * MiB },
    carveOut: { base: 0x80f0_0000, size: MiB },
    rootVm: { base: 0x80e0_0000, size: MiB },
    rootVmEntry: 0x80e0_0000,
    hostEntry: 0x8000_0000,
    hostDtb: { base: 0x8010_0000, size: 65536 },
    hostVmid: 3,
    physicalCpus: 1,
    hostCpus: 1,
    hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
    timerFrequencyHz: 19_200_000,
    freeSpiStart: 64,
  };
  const machine = await createMachine({
    soc,
    plugins: [
      loader,
      provide("hyp", Hypervisor, hypervisor),
      provide("rm", ResourceManager, rm),
      provide("host", VmManager, fakeVmManager()),
    ],
  });
  await machine.start();
  expect(hypervisor.boots).toBe(1);
  expect(rm.program.starts).toHaveLength(1);
  expect(machine.get(Hypervisor).inspect.vms()).toEqual([]);
  await machine.dispose();
});

import { AbiProfiles, FnType, FnVcpuArg, GunyahIoctl, VcpuRunPage } from "@gunyah-ts/abi";
import type { HostFile } from "@gunyah-ts/kernel";
import {
  type FakeRun,
  fakeHostKernel,
  fakeHostVm,
  fakeHypercalls,
  type VmFunctionWorld,
  vmFunctionConformance,
} from "@gunyah-ts/kernel/testing";
import { describe, expect, it } from "vitest";
import { VcpuFunction } from "../src/index.ts";

const create = (w: VmFunctionWorld, profile = AbiProfiles.v17) => new VcpuFunction(w.kernel, w.hypercalls, profile);
const world = (): VmFunctionWorld => ({ vm: fakeHostVm(), kernel: fakeHostKernel(), hypercalls: fakeHypercalls() });

vmFunctionConformance({
  describe,
  it,
  name: "vcpu-proxy",
  type: FnType.VCPU,
  create,
  arg: (_, id) => FnVcpuArg.encode({ id }),
  refused: [
    { why: "an argument that is too long", arg: () => new Uint8Array(8), errno: -22 },
    {
      why: "a vCPU when the process has no descriptor left",
      arg: (w) => {
        w.kernel.outOfFiles = true;
        return FnVcpuArg.encode({ id: 0 });
      },
      errno: -24,
    },
  ],
});

/** A vCPU of a running VM, with its file as VCPU_RUN sees it. */
function running(profile = AbiProfiles.v17, runs: Partial<FakeRun>[] = []) {
  const w = world();
  const driver = create(w, profile);
  const instance = { type: FnType.VCPU, vm: w.vm, arg: FnVcpuArg.encode({ id: 0 }) };
  const fd = driver.bind(instance);
  expect(fd).toBeGreaterThanOrEqual(0);
  const file = w.kernel.files.get(fd)?.file as HostFile;
  const page = new VcpuRunPage(file.mmap?.(0, 4096, true) as Uint8Array);
  w.vm.status = "RUNNING";
  w.vm.populate({ type: 4, label: 0, capId: 9n, intid: 990 });
  w.hypercalls.runs.push(...runs);
  const user = { copyFrom: () => undefined, copyTo: () => false };
  const run = () => file.ioctl?.(GunyahIoctl.VCPU_RUN, 0n, user) as number | Promise<number>;
  return { w, driver, instance, fd, file, page, run };
}
const words = (w: VmFunctionWorld) => w.hypercalls.calls.map((c) => c.args.slice(1));
const read: Partial<FakeRun> = { state: 4, data: [0x3f000n, 4n, 0n] };
const write: Partial<FakeRun> = { state: 5, data: [0x3f004n, 2n, 0x1_2345_6789n] };
const fault: Partial<FakeRun> = { state: 7, data: [0x8000_1000n, 1n, 0n] };

describe("VCPU_RUN", () => {
  it("answers ENODEV without a resource, and once the function is removed", async () => {
    const w = world();
    const driver = create(w);
    const instance = { type: FnType.VCPU, vm: w.vm, arg: FnVcpuArg.encode({ id: 0 }) };
    const file = w.kernel.files.get(driver.bind(instance))?.file as HostFile;
    const user = { copyFrom: () => undefined, copyTo: () => false };
    expect(await file.ioctl?.(GunyahIoctl.VCPU_RUN, 0n, user)).toBe(-19);
    const started = running();
    started.driver.unbind(started.instance);
    expect(started.run()).toBe(-19);
    expect(started.w.kernel.irqs.size).toBe(0);
  });

  it("answers VCPU_MMAP_SIZE and ENOTTY for what it does not know", async () => {
    const { file } = running();
    const user = { copyFrom: () => undefined, copyTo: () => false };
    expect(await file.ioctl?.(GunyahIoctl.VCPU_MMAP_SIZE, 0n, user)).toBe(4096);
    expect(await file.ioctl?.(GunyahIoctl.VM_START, 0n, user)).toBe(-25);
  });

  it("exits for a load, and gives the hypervisor what userspace filled in", () => {
    const { w, page, run } = running(AbiProfiles.v17, [read, read]);
    w.vm.demandResult = -2;
    page.mmioResumeAction = 99;
    expect(run()).toBe(0);
    expect([page.exitReason, page.physAddr, page.mmioLength, page.mmioIsWrite]).toEqual([1, 0x3f000, 4, false]);
    expect(page.mmioResumeAction).toBe(0);
    page.mmioValue = 0xffff_ffff_dead_beefn;
    expect(run()).toBe(0);
    expect(words(w)).toEqual([
      [0n, 0n, 0n],
      [0xdead_beefn, 0n, 0n],
    ]);
  });

  it("gives up the CPU on the way out when it is asked to, so that a guest which polls a device stops nobody", async () => {
    const { w, file, page, run } = running(AbiProfiles.v17, [read, write, { state: 1 }, fault]);
    w.vm.demandResult = -2;
    for (const next of ["load", "store"]) {
      w.kernel.needResched = true;
      const exit = run();
      expect(exit, next).toBeInstanceOf(Promise);
      // The lock is free and the exit is made: a signal or another run that comes now belongs to the next one.
      file.signal?.();
      expect(page.mmioIsWrite).toBe(next === "store");
      expect(await exit).toBe(0);
    }
    expect(w.kernel.yields).toBe(2);
    const pending = run();
    w.kernel.needResched = true;
    w.kernel.interrupt(990);
    expect(await pending).toBe(0);
    expect([page.exitReason, w.kernel.yields]).toEqual([3, 3]);
  });

  it("exits for a store with its data; v15 leaves the old resume_action", () => {
    const { w, page, run } = running(AbiProfiles.v15, [write]);
    w.vm.demandResult = -2;
    page.mmioResumeAction = 2;
    expect(run()).toBe(0);
    expect([page.mmioIsWrite, page.mmioLength, page.physAddr]).toEqual([true, 2, 0x3f004]);
    expect([...page.mmioData.subarray(0, 2)]).toEqual([0x89, 0x67]);
    expect(page.mmioResumeAction).toBe(2);
  });

  it("translates resume actions: FAULT is 2 and RETRY 1 for the hypervisor, others are EINVAL and may be mended", () => {
    const { w, page, run } = running(AbiProfiles.v17, [read, read, read]);
    w.vm.demandResult = -2;
    run();
    page.mmioResumeAction = 3;
    expect(run()).toBe(-22);
    page.mmioResumeAction = 1;
    run();
    page.mmioResumeAction = 2;
    run();
    expect(words(w).slice(1)).toEqual([
      [0n, 2n, 0n],
      [0n, 1n, 0n],
    ]);
    expect(w.vm.demanded.filter((d) => d.gpa === 0x3f000)).toHaveLength(4);
  });

  it("keeps a store that an I/O handler takes inside the kernel, without a Promise", () => {
    const { w, page, run } = running(AbiProfiles.v17, [write, read]);
    w.vm.demandResult = -2;
    const seen: number[] = [];
    w.vm.addIoHandler({
      address: 0x3f004,
      length: 0,
      datamatch: undefined,
      write: (_a, _l, low) => seen.push(low) > 0,
    });
    expect(run()).toBe(0);
    expect(seen).toEqual([0x2345_6789]);
    expect(page.physAddr).toBe(0x3f000);
  });

  it("serves memory inside an MMIO range by demand and repeats the access", () => {
    const { w, run } = running(AbiProfiles.v17, [read, fault, { state: 4, data: [0x9000_0000n, 4n, 0n] }]);
    const answers = [0, 0, -2];
    Object.defineProperty(w.vm, "demandPage", { value: () => answers.shift() });
    expect(run()).toBe(0);
    expect(words(w)).toEqual([
      [0n, 0n, 0n],
      [0n, 1n, 0n],
      [0n, 0n, 0n],
    ]);
  });

  it("takes EAGAIN of a page fault for served, as another vCPU did it; v15 does not", () => {
    const { w, run } = running(AbiProfiles.v17, [fault, { error: 31 }]);
    w.vm.demandResult = -11;
    expect(run()).toBe(-16);
    expect(w.hypercalls.calls).toHaveLength(2);
    const old = running(AbiProfiles.v15, [fault]);
    old.w.vm.demandResult = -11;
    expect(old.run()).toBe(0);
    expect(old.page.pageFaultAttempt).toBe(-11);
  });

  it("exits for a page fault that it cannot serve, with the errno of its try", () => {
    const { w, page, run } = running(AbiProfiles.v17, [fault]);
    w.vm.demandResult = -2;
    expect(run()).toBe(0);
    expect([page.exitReason, page.physAddr, page.pageFaultAttempt, page.pageFaultResumeAction]).toEqual([
      3, 0x8000_1000, -2, 1,
    ]);
    expect(w.vm.demanded).toEqual([{ gpa: 0x8000_1000, write: true }]);
  });

  it("sleeps on EXPECTS_WAKEUP until the wake-up interrupt, and keeps one that came before", async () => {
    const { w, run } = running(AbiProfiles.v17, [{ state: 1 }, { error: 31 }]);
    const pending = run();
    expect(pending).toBeInstanceOf(Promise);
    expect(w.hypercalls.calls).toHaveLength(1);
    expect(w.kernel.interrupt(990)).toBe(true);
    expect(await pending).toBe(-16);
    w.kernel.interrupt(990);
    w.hypercalls.runs.push({ state: 1 }, { error: 31 });
    expect(await run()).toBe(-16);
  });

  it("turns VM_EXITED into one STATUS exit and stays down", async () => {
    const { w, page, run } = running(AbiProfiles.v17, [{ state: 2, data: [1n, 0n, 0n] }]);
    const pending = run();
    w.vm.exit(1, new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0]));
    expect(await pending).toBe(0);
    expect([page.exitReason, page.status, page.exitType, page.exitReasonSize]).toEqual([2, 2, 1, 8]);
    expect([...page.exitReasonBytes]).toEqual([1, 0, 0, 0, 2, 0, 0, 0]);
    expect(run()).toBe(0);
    expect(w.hypercalls.calls).toHaveLength(1);
  });

  it.each([
    ["INIT_FAILED", 1],
    ["EXITED", 2],
    ["RESETTING", 3],
  ] as const)("reports %s as status %i", (status, code) => {
    const { w, page, run } = running();
    w.vm.status = status;
    expect(run()).toBe(0);
    expect(page.status).toBe(code);
  });

  it("answers EINTR before the hypercall when immediate_exit is set", () => {
    const { w, page, run } = running();
    page.immediateExit = 1;
    expect(run()).toBe(-4);
    expect(w.hypercalls.calls).toHaveLength(0);
  });

  it("answers ERESTARTSYS when a signal comes while it sleeps", async () => {
    const { file, run } = running(AbiProfiles.v17, [{ state: 1 }]);
    const pending = run();
    file.signal?.();
    expect(await pending).toBe(-512);
  });

  it("prefers a signal to whatever the run came to, and keeps the exit for the next one", () => {
    const { w, file, page, run } = running(AbiProfiles.v17, [read, read]);
    w.vm.demandResult = -2;
    const { vcpuRun } = w.hypercalls;
    w.hypercalls.vcpuRun = (...args) => {
      file.signal?.();
      w.hypercalls.vcpuRun = vcpuRun;
      return vcpuRun(...args);
    };
    expect(run()).toBe(-512);
    page.mmioValue = 0x77n;
    expect(run()).toBe(0);
    expect(words(w)[1]).toEqual([0x77n, 0n, 0n]);
  });

  it("prefers a signal to immediate_exit and to the end of the VM, which the next run tells", async () => {
    const { w, file, page, run } = running(AbiProfiles.v17, [{ state: 1 }, { state: 2 }]);
    const pending = run();
    page.immediateExit = 1;
    w.vm.exit(1);
    file.signal?.();
    expect(await pending).toBe(-512);
    expect(run()).toBe(-4);
    page.immediateExit = 0;
    expect(run()).toBe(0);
    expect([page.exitReason, page.status]).toEqual([2, 2]);
  });

  it("has no use for a signal while it does not run", () => {
    const { w, file, run } = running(AbiProfiles.v17, [read]);
    w.vm.demandResult = -2;
    file.signal?.();
    expect(run()).toBe(0);
  });

  it("refuses a resource whose wake-up interrupt somebody else has, and a second one", () => {
    const w = world();
    const driver = create(w);
    const file = w.kernel.files.get(
      driver.bind({ type: FnType.VCPU, vm: w.vm, arg: FnVcpuArg.encode({ id: 0 }) }),
    )?.file;
    w.vm.status = "RUNNING";
    const free = w.kernel.requestIrq(990, () => {});
    expect(w.vm.populate({ type: 4, label: 0, capId: 9n, intid: 990 })).toBe(false);
    expect(w.kernel.messages.at(-1)?.message).toContain("failed to request interrupt 990, -16");
    const user = { copyFrom: () => undefined, copyTo: () => false };
    expect(file?.ioctl?.(GunyahIoctl.VCPU_RUN, 0n, user)).toBe(-19);
    if (typeof free === "function") free();
    expect(w.vm.populate({ type: 4, label: 0, capId: 9n, intid: 990 })).toBe(true);
    expect(w.vm.tickets[0]?.populate({ type: 4, label: 0, capId: 10n, intid: 991 })).toBe(false);
    expect([...w.kernel.irqs]).toEqual([990]);
    w.vm.unpopulate();
    expect(w.kernel.irqs.size).toBe(0);
  });

  it("goes on after RETRY with the resume data; v15 has cleared them", async () => {
    for (const [profile, second] of [
      [AbiProfiles.v17, 7n],
      [AbiProfiles.v15, 0n],
    ] as const) {
      const { w, page, run } = running(profile, [read, { error: -2 }, { error: 31 }]);
      w.vm.demandResult = -2;
      run();
      page.mmioValue = 7n;
      page.mmioResumeAction = 0;
      expect(await run()).toBe(-16);
      expect(words(w)[2]?.[0]).toBe(second);
    }
  });

  it("runs one caller at a time", async () => {
    const { w, run } = running(AbiProfiles.v17, [{ state: 1 }, { error: 31 }, { error: 30 }]);
    const first = run();
    const second = run();
    w.kernel.interrupt(990);
    expect(await first).toBe(-16);
    expect(await second).toBe(-13);
  });

  it("wakes a sleeping run when the function is removed", async () => {
    const { driver, instance, run } = running(AbiProfiles.v17, [{ state: 1 }]);
    const pending = run();
    driver.unbind(instance);
    expect(await pending).toBe(-4);
  });

  it("says which hypervisor error ended the run", () => {
    const { file, run } = running(AbiProfiles.v17, [{ error: 31 }]);
    run();
    expect(file.diagnosis?.()).toEqual([
      { layer: "hypervisor", value: 31, code: "BUSY", detail: "vcpu_run of vCPU 0" },
    ]);
  });
});

import {
  CreateMemArgs,
  FnDesc,
  FnVcpuArg,
  GunyahIoctl,
  LinuxErrno,
  MapMemArgs,
  MapMemFlag,
  UserspaceMemoryRegion,
  VmBootContext,
  VmDtbConfig,
} from "@gunyah-ts/abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GuestMemory, GunyahDevice, type GunyahVm, isErrno } from "../src/index.ts";
import { RAM, started, type World, world } from "./support/world.ts";

const { EBADF, EEXIST, EFAULT, EINVAL, ENODEV, ENOENT, ENOTTY, EOVERFLOW, EMFILE } = LinuxErrno;

/** Raw calls of one process: bytes in, errno out. */
async function raw(w: World = world()) {
  const process = w.driver.createProcess();
  const scratch = process.alloc(4096);
  const put = (bytes: Uint8Array, at = 0): bigint => {
    process.write(scratch + BigInt(at), bytes);
    return scratch + BigInt(at);
  };
  const gunyah = process.open("/dev/gunyah");
  const vm = await process.ioctl(gunyah, GunyahIoctl.CREATE_VM, 0n);
  const createMem = (size: bigint, flags = 0n) =>
    process.ioctl(
      gunyah,
      GunyahIoctl.CREATE_GUEST_MEM,
      put(CreateMemArgs.encode({ flags, size, reserved: new Uint8Array(48) })),
    );
  const mem = await createMem(0x10_0000n);
  const map = (over: Partial<Parameters<typeof MapMemArgs.encode>[0]> = {}) =>
    process.ioctl(
      vm,
      GunyahIoctl.VM_MAP_MEM,
      put(
        MapMemArgs.encode({
          guestAddr: BigInt(RAM),
          flags: 0x71,
          guestMemFd: mem,
          offset: 0n,
          size: 0x1_0000n,
          ...over,
        }),
      ),
    );
  const fn = (type: number, arg: Uint8Array, request: number = GunyahIoctl.VM_ADD_FUNCTION, argSize = arg.length) =>
    process.ioctl(vm, request, put(FnDesc.encode({ type, argSize, arg: put(arg, 1024) })));
  return { w, process, put, gunyah, vm, mem, createMem, map, fn };
}

describe("/dev/gunyah", () => {
  it("answers every documented errno", async () => {
    const { process, gunyah, createMem } = await raw();
    expect(process.open("/dev/kvm")).toBe(-ENOENT);
    expect(await process.ioctl(99, GunyahIoctl.CREATE_VM)).toBe(-EBADF);
    expect(await process.ioctl(gunyah, GunyahIoctl.CREATE_VM, 1n)).toBe(-EINVAL);
    expect(await process.ioctl(gunyah, GunyahIoctl.VM_START)).toBe(-ENOTTY);
    expect(await process.ioctl(gunyah, GunyahIoctl.CREATE_GUEST_MEM, 8n)).toBe(-EFAULT);
    expect(await createMem(100n)).toBe(-EINVAL);
    expect(await createMem(0x1000n, 4n)).toBe(-EINVAL);
    expect(await createMem(0n)).toBeGreaterThan(0);
    let fd = 0;
    while ((fd = await process.ioctl(gunyah, GunyahIoctl.CREATE_VM, 0n)) >= 0);
    expect(fd).toBe(-EMFILE);
  });
});

describe("VM ioctls", () => {
  it("refuses what is unknown, and unreadable arguments", async () => {
    const { process, vm } = await raw();
    expect(await process.ioctl(vm, 0x4799)).toBe(-ENOTTY);
    expect(await process.ioctl(vm, GunyahIoctl.VM_SET_USER_MEM_REGION, 8n)).toBe(-ENOTTY);
    for (const request of [
      GunyahIoctl.VM_SET_DTB_CONFIG,
      GunyahIoctl.VM_MAP_MEM,
      GunyahIoctl.VM_SET_BOOT_CONTEXT,
      GunyahIoctl.VM_ADD_FUNCTION,
      GunyahIoctl.VM_REMOVE_FUNCTION,
    ])
      expect(await process.ioctl(vm, request, 8n)).toBe(-EFAULT);
  });

  it("checks SET_DTB_CONFIG and SET_BOOT_CONTEXT", async () => {
    const { process, put, vm } = await raw();
    const dtb = (guestPhysAddr: bigint, size: bigint) =>
      process.ioctl(vm, GunyahIoctl.VM_SET_DTB_CONFIG, put(VmDtbConfig.encode({ guestPhysAddr, size })));
    expect(await dtb(0xffff_ffff_ffff_f000n, 0x1000n)).toBe(-EOVERFLOW);
    expect(await dtb(0x8000_0000n, 0x1000n)).toBe(0);
    const boot = (reg: number) =>
      process.ioctl(vm, GunyahIoctl.VM_SET_BOOT_CONTEXT, put(VmBootContext.encode({ reg, reserved: 0, value: 1n })));
    for (const reg of [0, 31, 0x100, 0x200, 0x202]) expect(await boot(reg)).toBe(0);
    for (const reg of [32, 0x101, 0x203, 0x300]) expect(await boot(reg)).toBe(-EINVAL);
  });

  it("checks VM_MAP_MEM in the driver's order", async () => {
    const { map, gunyah, mem, createMem } = await raw();
    const everythingWrong = { guestMemFd: 99, flags: 0x8000, guestAddr: 1n, offset: 1n, size: 1n };
    expect(await map(everythingWrong)).toBe(-EINVAL);
    expect(await map({ guestMemFd: gunyah })).toBe(-EINVAL);
    expect(await map({ flags: 0x8071 })).toBe(-EINVAL);
    expect(await map({ flags: MapMemFlag.FORCE_LEND })).toBe(-EINVAL);
    expect(await map({ flags: 0x73 })).toBe(-EINVAL);
    expect(await map({ guestAddr: 0x8000_0800n })).toBe(-EINVAL);
    expect(await map({ offset: 0x800n })).toBe(-EINVAL);
    expect(await map({ size: 0x800n })).toBe(-EINVAL);
    const huge = await createMem(0x40_0000n, 2n);
    expect(await map({ guestMemFd: huge, size: 0x1000n })).toBe(-EINVAL);
    expect(await map({ size: 0n })).toBe(-EINVAL);
    expect(await map()).toBe(0);
    expect(await map({ guestAddr: 0x9000_0000n })).toBe(-EEXIST);
    expect(await map({ offset: 0x1_0000n })).toBe(-EEXIST);
    expect(await map({ guestAddr: 0x9000_0000n, offset: 0x1_0000n, guestMemFd: mem })).toBe(0);
  });

  it("unmaps the whole, the head and the tail, and nothing else", async () => {
    const { map } = await raw();
    const unmap = (over: object = {}) => map({ flags: 0x171, ...over });
    expect(await unmap()).toBe(-ENOENT);
    await map();
    expect(await unmap({ flags: 0x131 })).toBe(-ENOENT);
    expect(await unmap({ offset: 0x1000n })).toBe(-ENOENT);
    expect(await unmap({ size: 0x2_0000n })).toBe(-ENOENT);
    expect(await unmap({ guestAddr: BigInt(RAM + 0x4000), offset: 0x4000n, size: 0x1000n })).toBe(-EINVAL);
    expect(await unmap({ size: 0x4000n })).toBe(0);
    expect(await unmap({ guestAddr: BigInt(RAM + 0xc000), offset: 0xc000n, size: 0x4000n })).toBe(0);
    expect(await unmap({ guestAddr: BigInt(RAM + 0x4000), offset: 0x4000n, size: 0x8000n })).toBe(0);
    expect(await unmap()).toBe(-ENOENT);
  });

  it("checks ADD_FUNCTION and REMOVE_FUNCTION in the driver's order", async () => {
    const { fn, process, put, vm } = await raw();
    expect(await fn(99, new Uint8Array(4), GunyahIoctl.VM_ADD_FUNCTION, 257)).toBe(-EINVAL);
    const bad = put(FnDesc.encode({ type: 99, argSize: 4, arg: 8n }));
    expect(await process.ioctl(vm, GunyahIoctl.VM_ADD_FUNCTION, bad)).toBe(-EFAULT);
    expect(await fn(99, new Uint8Array(4))).toBe(-ENOENT);
    expect(await fn(1, new Uint8Array(8))).toBe(-EINVAL);
    expect(await fn(1, FnVcpuArg.encode({ id: 0 }))).toBeGreaterThan(0);
    expect(await fn(1, FnVcpuArg.encode({ id: 0 }))).toBe(-EEXIST);
    expect(await fn(1, new Uint8Array(0), GunyahIoctl.VM_REMOVE_FUNCTION)).toBe(-ENOENT);
    expect(await fn(1, FnVcpuArg.encode({ id: 1 }), GunyahIoctl.VM_REMOVE_FUNCTION)).toBe(-ENOENT);
    expect(await fn(1, FnVcpuArg.encode({ id: 0 }), GunyahIoctl.VM_REMOVE_FUNCTION)).toBe(0);
  });

  it("fails a start once and for all, and says which layer refused", async () => {
    const w = world();
    const process = w.driver.createProcess();
    const vm = await GunyahDevice.open(process).createVm();
    w.gunyah.rmErrors.set("VM_ALLOCATE", 2);
    await expect(vm.start()).rejects.toMatchObject({
      errno: -ENODEV,
      layers: [{ layer: "ioctl" }, { layer: "rm", code: "NORESOURCE", detail: "VM_ALLOCATE" }],
    });
    w.gunyah.rmErrors.clear();
    await expect(vm.start()).rejects.toMatchObject({ errno: -EINVAL });
    await expect(vm.start()).rejects.toMatchObject({ errno: -ENODEV });
  });

  it("refuses boot registers after start, and takes bindings", async () => {
    const { vm, device } = await started(world());
    await expect(vm.setBootContext("PC", 0n)).rejects.toMatchObject({ errno: -EINVAL });
    const more = await device.createGuestMemory(0x1000);
    await vm.mapMemory({ guestAddress: 0xa000_0000, memory: more, size: 0x1000 });
    await vm.start();
  });
});

describe("profile v14", () => {
  it("has SET_USER_MEM_REGION and not the later calls", async () => {
    const { process, put, gunyah, vm, w } = await raw(world({ abi: "v14" }));
    expect(await process.ioctl(gunyah, GunyahIoctl.CREATE_GUEST_MEM, 8n)).toBe(-ENOTTY);
    expect(await process.ioctl(vm, GunyahIoctl.VM_MAP_MEM, 8n)).toBe(-ENOTTY);
    expect(await process.ioctl(vm, GunyahIoctl.VM_SET_BOOT_CONTEXT, 8n)).toBe(-ENOTTY);
    const user = process.alloc(0x1_0000);
    const region = (over: object = {}, p = process) =>
      p.ioctl(
        vm,
        GunyahIoctl.VM_SET_USER_MEM_REGION,
        put(
          UserspaceMemoryRegion.encode({
            label: 0,
            flags: 7,
            guestPhysAddr: 0x8000_0000n,
            memorySize: 0x1_0000n,
            userspaceAddr: user,
            ...over,
          }),
        ),
      );
    expect(await region({ flags: 8 })).toBe(-EINVAL);
    expect(await region({ memorySize: 0n })).toBe(-EINVAL);
    expect(await region({ guestPhysAddr: 0x8000_0800n })).toBe(-EINVAL);
    expect(await region({ guestPhysAddr: 0xffff_ffff_ffff_f000n })).toBe(-EOVERFLOW);
    expect(await region({ userspaceAddr: 0x1000n })).toBe(-EFAULT);
    expect(await region()).toBe(0);
    expect(await region({ label: 1 })).toBe(-EEXIST);
    expect(await region({ guestPhysAddr: 0x9000_0000n })).toBe(-EEXIST);
    await process.ioctl(
      vm,
      GunyahIoctl.VM_SET_DTB_CONFIG,
      put(VmDtbConfig.encode({ guestPhysAddr: 0x8000_1000n, size: 0x1000n })),
    );
    expect(await process.ioctl(vm, GunyahIoctl.VM_START)).toBe(0);
    expect(w.gunyah.log.filter((name) => /^(VM|MEM)_/.test(name))).toEqual([
      "VM_ALLOCATE",
      "VM_GET_VMID",
      "MEM_SHARE",
      "VM_CONFIG_IMAGE",
      "VM_INIT",
      "VM_GET_HYP_RESOURCES",
      "VM_START",
    ]);
  });
});

describe("raw bytes and typed API", () => {
  it("agree on every binding", async () => {
    const sizes = fc.constantFrom(0, 0x800, 0x1000, 0x4000, 0x10_0000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            guestAddr: fc.constantFrom(0x8000_0000, 0x8000_1000, 0x8000_0800, 0x8010_0000),
            offset: sizes,
            size: sizes,
            access: fc.constantFrom("lend" as const, "share" as const, "default" as const),
            permissions: fc.constantFrom("", "r", "rw", "rwx"),
            unmap: fc.boolean(),
          }),
          { maxLength: 8 },
        ),
        async (steps) => {
          const bytes = await raw();
          const typed = world();
          const device = GunyahDevice.open(typed.driver.createProcess());
          const vm: GunyahVm = await device.createVm();
          const memory: GuestMemory = await device.createGuestMemory(0x10_0000);
          for (const step of steps) {
            const flags =
              (step.access === "lend" ? 1 : step.access === "share" ? 2 : 0) |
              [...step.permissions].reduce((sum, c) => sum | { r: 0x10, w: 0x20, x: 0x40 }[c as "r"], 0) |
              (step.unmap ? 0x100 : 0);
            const expected = await bytes.map({
              guestAddr: BigInt(step.guestAddr),
              offset: BigInt(step.offset),
              size: BigInt(step.size),
              flags,
            });
            const map = { ...step, guestAddress: step.guestAddr, memory };
            let got = 0;
            await (step.unmap ? vm.unmapMemory(map) : vm.mapMemory(map)).catch((error: { errno: number }) => {
              got = error.errno;
            });
            expect(got).toBe(expected);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("tells errors apart by errno", () => {
    expect(isErrno({ errno: -22 }, EINVAL)).toBe(true);
    expect(isErrno(undefined, EINVAL)).toBe(false);
  });
});

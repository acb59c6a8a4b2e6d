import { archArm64 } from "@gunyah-ts/arch-arm64";
import { firmware } from "@gunyah-ts/firmware";
import { hyp } from "@gunyah-ts/hyp";
import { createMachine, defineMachine, Hypervisor, PhysicalMemory, VmManager } from "@gunyah-ts/kernel";
import { rm } from "@gunyah-ts/rm";
import { vcpuProxy } from "@gunyah-ts/vcpu-proxy";
import { ExitReason, GunyahDevice, type HostDriver, vmManager } from "@gunyah-ts/vm-manager";
import { describe, expect, it } from "vitest";
import { guestTree } from "../../../packages/vm-manager/test/support/system.ts";
import { type AccessControlUnit, qcomBoard, qcomPlatform, VIRT } from "../src/index.ts";

const RAM = 0x8000_0000;
const SIZE = 4 << 20;
const DTB = 3 << 20;

/** Store 0x1234 at RAM + 1 MiB, then PSCI SYSTEM_OFF. */
const CODE = new Uint32Array([
  0xd2b00201, // movz x1, #0x8010, lsl #16
  0xd2824682, // movz x2, #0x1234
  0xf9000022, // str x2, [x1]
  0xd2b08000, // movz x0, #0x8400, lsl #16
  0xf2800100, // movk x0, #8
  0xd4000002, // hvc #0
  0x14000000, // b .
]);

describe("a machine on a Qualcomm board", () => {
  it("runs real A64 code on pages that the access control unit gave to the RM's domain, and takes them back", async () => {
    const soc = qcomBoard({ name: "test", dramBase: RAM, dramSize: 128 << 20, cpus: 1, gic: VIRT.gic });
    const m = await createMachine(
      defineMachine({ soc, plugins: [archArm64, hyp, rm, firmware, vmManager, vcpuProxy, qcomPlatform] }),
    );
    await m.start();
    const driver = m.get(VmManager) as HostDriver;
    await driver.ready;
    const unit = m.get(PhysicalMemory).accessControl as AccessControlUnit;
    const clean = unit.masks.slice();
    const before = driver.usage;

    const process = driver.createProcess();
    const device = GunyahDevice.open(process);
    const vm = await device.createVm();
    const memory = await device.createGuestMemory(SIZE);
    memory.load(0, new Uint8Array(CODE.buffer));
    memory.load(DTB, guestTree(RAM, 1));
    await vm.mapMemory({ guestAddress: RAM, memory, size: SIZE });
    const vcpu = await vm.addVcpu(0);
    await vm.setDtbConfig({ guestAddress: RAM + DTB, size: 0x1_0000 });
    await vm.setBootContext("PC", BigInt(RAM));
    await vm.start();
    const exit = await vcpu.run();
    expect([exit.reason, exit.exitType]).toEqual([ExitReason.STATUS, 1]);

    const lent = [];
    for (let pa = soc.dram.base; pa < (soc.accessControl?.base ?? 0); pa += 4096)
      if (unit.domains(pa).join() === String(0x3a)) lent.push(pa);
    // The page of the code, the page stored to, and the device tree's sixteen.
    expect(lent).toHaveLength(18);
    const back = new Uint8Array(8);
    memory.map(1 << 20, 4096).read(0, back);
    expect([back[0], back[1]]).toEqual([0x34, 0x12]);
    await process.exit();
    expect(unit.masks).toEqual(clean);
    expect(driver.usage).toEqual(before);
    expect(m.get(Hypervisor).inspect.checkOwnership()).toBeUndefined();
    await m.dispose();
  }, 30_000);
});

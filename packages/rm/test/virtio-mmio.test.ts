/** A virtio-mmio device between a guest (front-end) and its owner (back-end): register page, interrupts, tree, end. */

import { GunyahError, Hypercall, HypResourceType, RmError, VcpuRunState } from "@gunyah-ts/abi";
import { cells64, type DeviceTree, EMPTY, parseDtb } from "@gunyah-ts/devicetree";
import { describe, expect, it } from "vitest";
import { BOARD } from "./fake-hyp.ts";
import { boot, DTB_AT, DTB_SIZE, lendRequest, make } from "./host.ts";
import { bootSystem, SYSTEM_BOARD } from "./system.ts";

const vm = (vmid: number) => ({ vmid, reserved: 0 });
const RAM = 0x8000_0000;
const LABEL = 21;
const REG = { DEV_FEAT: 0x10, DEV_FEAT_SEL: 0x14, QUEUE_NOTIFY: 0x50, INTERRUPT_STATUS: 0x60 };
const NEW_BUFFER = 1n;

function virtio(name: string, edit: (tree: DeviceTree) => void = () => undefined) {
  return (tree: DeviceTree): void => {
    const path = `/gunyah-vm-config/vdevices/${name}`;
    tree
      .ensure(path)
      .set("vdevice-type", "virtio-mmio")
      .set("peer-default", EMPTY)
      .set("label", LABEL)
      .set("vqs-num", 2)
      .set("push-compatible", "acme,disk")
      .set("dma-coherent", EMPTY);
    tree
      .ensure(`${path}/memory`)
      .set("label", 7)
      .set("#address-cells", 2)
      .set("base", cells64(0xa000_0000))
      .set("optional", EMPTY);
    edit(tree);
  };
}
type Resource = { type: number; label: number; capId: bigint; virq: number; base: bigint; size: bigint };

describe("a virtio-mmio device", () => {
  it("is a page that the guest reads, whose stores the owner hears of, and goes with the VM", () => {
    const system = bootSystem();
    const { host, program, backend, hypervisor, memory } = system;
    const before = hypervisor.inspect.usage().objects;
    const registers = 0x4000_0000;
    const seen: bigint[] = [];
    backend.program(RAM, function* (cpu) {
      yield* cpu.store(registers + REG.DEV_FEAT_SEL, 4, 1n);
      seen.push(yield* cpu.load(registers + REG.DEV_FEAT, 4));
      seen.push(yield* cpu.load(registers, 4));
      yield* cpu.store(registers + REG.QUEUE_NOTIFY, 4, 1n);
      yield* cpu.store(0x1000, 4, 1n);
      seen.push(yield* cpu.load(registers + REG.INTERRUPT_STATUS, 4));
      yield* cpu.store(0x1000, 4, 2n);
      for (;;) yield* cpu.wfi();
    });
    const { vmid, handle } = make(system, "READY", { edit: virtio("disk") });
    const resources: Resource[] = host.ok("VM_GET_HYP_RESOURCES", vm(vmid)).resources;
    const device = resources.find(({ type }) => type === HypResourceType.VIRTIO_MMIO) as Resource;
    expect(device).toMatchObject({ label: LABEL, size: 0x1000n, partnerVmid: vmid });
    // Above the host's DRAM, where nothing is.
    expect(device.base).toBe(BigInt(SYSTEM_BOARD.dram.base + SYSTEM_BOARD.dram.size));
    expect(device.virq).toBeGreaterThanOrEqual(SYSTEM_BOARD.freeSpiStart);
    program.listen(device.virq);
    // The page is clean, and the owner writes what the device is.
    const page = new Uint8Array(0x1000).fill(0xee);
    expect(program.vcpu.read(Number(device.base), page)).toBe(true);
    expect(page.every((byte) => byte === 0)).toBe(true);
    expect(program.vcpu.write(Number(device.base), new TextEncoder().encode("virt"))).toBe(true);
    const virtio_mmio = device.capId;
    const features = { virtio_mmio, sel: 1, dev_feat: 3 };
    expect(program.call(Hypercall.virtio_mmio_backend_set_dev_features, features).error).toBe(GunyahError.OK);
    // Binding is the RM's.
    const vic = { virtio_mmio, vic: virtio_mmio, virq_info: 0 };
    expect(program.call(Hypercall.virtio_mmio_backend_bind_virq, vic).error).toBe(
      GunyahError.CSPACE_INSUFFICIENT_RIGHTS,
    );

    host.ok("VM_START", vm(vmid));
    const vcpu = resources.find(({ type }) => type === HypResourceType.VIRTUAL_CPU)?.capId as bigint;
    const run = () =>
      program.call(Hypercall.vcpu_run, { vcpu, resume_data_0: 0n, resume_data_1: 0n, resume_data_2: 0n });
    expect(run()).toMatchObject({ state: VcpuRunState.ADDRSPACE_VMMIO_WRITE, state_data_2: 1n });
    expect(program.takeInterrupts()).toContain(device.virq);
    expect(program.call(Hypercall.virtio_mmio_backend_get_notification, { virtio_mmio })).toMatchObject({
      vqs_bitmap: 2n,
      reason: NEW_BUFFER,
    });
    expect(program.call(Hypercall.virtio_mmio_backend_assert_virq, { virtio_mmio, interrupt_status: 1 }).error).toBe(0);
    // The owner's own interrupt is not the one that it raises.
    expect(program.takeInterrupts()).not.toContain(device.virq);
    expect(run()).toMatchObject({ state: VcpuRunState.ADDRSPACE_VMMIO_WRITE, state_data_2: 2n });
    expect(seen).toEqual([3n, 0x7472_6976n, 1n]);

    host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
    run();
    host.ok("VM_RESET", vm(vmid));
    expect(program.vcpu.read(Number(device.base), page)).toBe(false);
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    host.ok("VM_DEALLOCATE", vm(vmid));
    expect(hypervisor.inspect.usage().objects).toEqual(before);
    expect(hypervisor.inspect.checkOwnership()).toBeUndefined();
    // The next device gets the same page and address, without what was there.
    const next = make(system, "READY", { edit: virtio("disk") });
    const [again] = (host.ok("VM_GET_HYP_RESOURCES", vm(next.vmid)).resources as Resource[]).filter(
      ({ type }) => type === HypResourceType.VIRTIO_MMIO,
    );
    expect(again?.base).toBe(device.base);
    expect(program.vcpu.read(Number(again?.base), page)).toBe(true);
    expect(page.every((byte) => byte === 0)).toBe(true);
    expect(memory.view(SYSTEM_BOARD.rootVm.base, 4)).toEqual(new Uint8Array(4));
  });

  it("is a virtio,mmio node in the guest's tree, with its buffer", () => {
    const system = boot();
    const { host, hyp } = system;
    const { vmid } = make(system, "READY", { edit: virtio("disk") });
    const page = DTB_AT + 0x10_0000;
    const acl = [
      { vmid, rights: 6 },
      { vmid: BOARD.hostVmid, rights: 6 },
    ];
    host.ok("MEM_SHARE", { ...lendRequest(vmid, page, 0x2000), acl, label: 7 });
    host.ok("VM_START", vm(vmid));
    const space = hyp.addrspaceOf(vmid);
    expect(hyp.translate(space, 0xa000_1000)).toMatchObject({ pa: page + 0x1000, access: 6 });
    const tree = parseDtb(hyp.readFrom(space, RAM + 0x10_0000, DTB_SIZE) as Uint8Array);
    const node = tree.node("/hypervisor/virtio-mmio@0000000040000000");
    expect(node.strings("compatible")).toEqual(["acme,disk", "virtio,mmio"]);
    expect(node.cells64("reg")).toEqual([0x4000_0000n, 0x1000n]);
    expect(node.cells64("dma_base")).toEqual([0n]);
    expect(node.u32("label")).toBe(LABEL);
    expect(node.u32("peer")).toBe(BOARD.hostVmid);
    expect(node.has("dma-coherent")).toBe(true);
    expect(node.u32("memory-region")).toBe(tree.node("/reserved-memory/buffer@a0000000").phandle);
    // What the guest is told is what the device is bound to.
    const [device] = hyp.live("virtio_mmio");
    const [, spi] = node.cells("interrupts") ?? [];
    expect(device?.virqs.get("backend")?.virq).toBe((spi as number) + 32);
    expect(hyp.translate(space, 0x4000_0000)).toMatchObject({ access: 4 });
    expect(hyp.translate(hyp.addrspaceOf(BOARD.hostVmid), BOARD.dram.base + BOARD.dram.size)).toMatchObject({
      access: 6,
    });
  });

  it("is refused with a device type, which the hypervisor does not know", () => {
    const system = bootSystem();
    const edit = virtio("disk", (t) => t.node("/gunyah-vm-config/vdevices/disk").set("virtio,device-type", 2));
    const { vmid } = make(system, "INIT", { edit });
    expect(system.host.call("VM_INIT", vm(vmid)).error).toBe(RmError.NORESOURCE);
  });

  it("takes as many as the RM has pages, and gives every one back", () => {
    const system = boot();
    const { host, hyp } = system;
    const many = (tree: DeviceTree): void => {
      for (let i = 0; i < 6; i++) virtio(`disk${i}`)(tree);
    };
    for (let i = 0; i <= BOARD.rootVm.size / 0x1000 / 2 / 6; i++) {
      const { vmid, handle } = make(system, "READY", { edit: many });
      expect(hyp.live("virtio_mmio")).toHaveLength(6);
      host.ok("VM_RESET", vm(vmid));
      host.ok("MEM_RECLAIM", { handle, flags: 0 });
      host.ok("VM_DEALLOCATE", vm(vmid));
      expect(hyp.live("virtio_mmio")).toHaveLength(0);
    }
  });

  it("leaves nothing behind, whichever of its hypercalls is refused", () => {
    const system = boot();
    const { host, hyp } = system;
    const space = hyp.addrspaceOf(BOARD.hostVmid);
    const cycle = (refuseAt: number): boolean => {
      const { vmid, handle } = make(system, "INIT", { edit: virtio("disk") });
      let calls = 0;
      hyp.refuse = () => (calls++ === refuseAt ? GunyahError.NOMEM : 0);
      const { error } = host.call("VM_INIT", vm(vmid));
      hyp.refuse = undefined;
      const wasRefused = calls > refuseAt;
      if (wasRefused) expect([refuseAt, error]).not.toEqual([refuseAt, RmError.OK]);
      host.ok("VM_RESET", vm(vmid));
      host.ok("MEM_RECLAIM", { handle, flags: 0 });
      host.ok("VM_DEALLOCATE", vm(vmid));
      expect(hyp.live("virtio_mmio")).toEqual([]);
      expect(hyp.translate(space, BOARD.dram.base + BOARD.dram.size)).toBeUndefined();
      return wasRefused;
    };
    cycle(Number.POSITIVE_INFINITY);
    const caps = hyp.caps.size;
    let at = 0;
    while (cycle(at)) {
      expect([at, hyp.caps.size]).toEqual([at, caps]);
      at++;
    }
    expect(at).toBeGreaterThan(30);
  });
});

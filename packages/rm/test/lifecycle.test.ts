import { HypResourceType, RmError, VmExitType, VmState } from "@gunyah-ts/abi";
import { parseDtb } from "@gunyah-ts/devicetree";
import { describe, expect, it } from "vitest";
import { BOARD, FAULT, POWERED_OFF, PSCI_SYSTEM_RESET } from "./fake-hyp.ts";
import { boot, configRequest, DTB_AT, DTB_SIZE, make } from "./host.ts";

const statuses = (notes: { name: string; value: { vmState: number } }[]) =>
  notes.filter((note) => note.name === "VM_STATUS").map((note) => note.value.vmState);

describe("VM life cycle in the order of the Linux driver", () => {
  it("boots, and tells the owner of every state", () => {
    const system = boot();
    const { hyp, host } = system;
    const { vmid } = make(system, "RUNNING", { cpus: 2 });
    expect(vmid).toBe(0x80);
    expect(statuses(host.takeNotifications())).toEqual([VmState.INIT, VmState.READY, VmState.RUNNING]);
    expect(host.ok("VM_GET_STATE", { vmid, reserved: 0 })).toMatchObject({ vmState: VmState.RUNNING });
    const [bootCpu, second] = hyp.live("thread").filter((thread) => thread.virqs.has("wakeup"));
    // Code starts at the base of memory, X0 points at the tree inside the image range.
    expect(bootCpu).toMatchObject({ power: "on", entry: 0x8000_0000n, context: 0x8010_0000n });
    expect(second?.power).toBe("off");
  });

  it("lists vCPUs, doorbells, extents and the address space", () => {
    const system = boot();
    const { vmid } = make(system, "READY", { cpus: 2 });
    const { resources } = system.host.ok("VM_GET_HYP_RESOURCES", { vmid, reserved: 0 });
    expect(resources.map((r: { type: number; label: number }) => [r.type, r.label])).toEqual([
      [HypResourceType.VIRTUAL_CPU, 0],
      [HypResourceType.VIRTUAL_CPU, 1],
      [HypResourceType.DOORBELL_SRC, 5],
      [HypResourceType.MEM_EXTENT, 0],
      [HypResourceType.MEM_EXTENT, 1],
      [HypResourceType.MEM_EXTENT, 2],
      [HypResourceType.MEM_EXTENT, 3],
      [HypResourceType.ADDR_SPACE, 0],
    ]);
    expect(resources.map((r: { virq: number }) => r.virq)).toEqual([962, 963, 0, 0, 0, 0, 0, 0]);
    const extents = resources.slice(3, 7).map((r: { capId: bigint }) => system.hyp.of(r.capId));
    expect(extents[1]).toBe(extents[2]);
    expect(new Set(extents).size).toBe(3);
  });

  it("marks what it was told to demand page, and memory below 1 GiB as the VMM's", () => {
    const system = boot();
    const { vmid } = make(system, "READY");
    expect(system.hyp.addrspaceOf(vmid).ranges).toEqual([
      { op: 0, base: 0, size: 0x4000_0000 },
      { op: 2, base: 0x8000_0000, size: 0x20_0000 },
    ]);
  });

  it("makes /chosen where the tree has none", () => {
    const system = boot();
    const { hyp } = system;
    const { vmid } = make(system, "RUNNING", { edit: (tree) => tree.root.removeChild("chosen") });
    const blob = hyp.readFrom(hyp.addrspaceOf(vmid), 0x8010_0000, DTB_SIZE);
    expect(
      parseDtb(blob as Uint8Array)
        .node("/chosen")
        .get("kaslr-seed"),
    ).toHaveLength(8);
  });

  it("moves the device tree to the guest, overlay included", () => {
    const system = boot();
    const { hyp } = system;
    const { vmid } = make(system, "RUNNING");
    expect(hyp.translate(hyp.addrspaceOf(BOARD.hostVmid), DTB_AT)).toBeUndefined();
    const blob = hyp.readFrom(hyp.addrspaceOf(vmid), 0x8010_0000, DTB_SIZE);
    const tree = parseDtb(blob as Uint8Array);
    expect(tree.node("/hypervisor").strings("compatible")?.[0]).toBe("gunyah-hypervisor");
    expect(tree.node("/hypervisor/qcom,gunyah-vm").u32("qcom,vmid")).toBe(vmid);
    expect(tree.node("/hypervisor/qcom,gunyah-vm").u32("qcom,owner-vmid")).toBe(3);
    expect(tree.node("/memory").reg).toEqual([{ address: 0x8000_0000n, size: 0x20_0000n }]);
    const bell = [...tree.node("/hypervisor").children].find((node) => node.name.startsWith("bell-5@"));
    expect(bell?.cells("interrupts")).toEqual([0, 5, 1]);
    expect(bell?.u32("label")).toBe(5);
    expect(tree.node("/chosen").get("kaslr-seed")?.length).toBe(8);
    expect(tree.node("/chosen").string("bootargs")).toBe("console=ttyAMA0");
  });

  it("starts with the registers that the VMM chose", () => {
    const system = boot();
    const { hyp, host } = system;
    const { vmid } = make(system, "READY");
    const set = (registerSet: number, registerIndex: number, value: bigint) =>
      host.ok("VM_SET_BOOT_CONTEXT", { vmid, registerSet, registerIndex, value });
    set(1, 0, 0x8000_4000n);
    set(0, 0, 0x1234n);
    set(0, 5, 0x55n);
    set(2, 1, 0x8000_8000n);
    host.ok("VM_START", { vmid, reserved: 0 });
    const cpu = hyp.live("thread").find((thread) => thread.virqs.has("wakeup"));
    expect(cpu).toMatchObject({ entry: 0x8000_4000n, context: 0x1234n });
    expect([...(cpu?.registers ?? [])]).toEqual([
      ["0.5", 0x55n],
      ["2.1", 0x8000_8000n],
    ]);
    expect(host.call("VM_SET_BOOT_CONTEXT", { vmid, registerSet: 1, registerIndex: 0, value: 0n }).error).toBe(
      RmError.VM_STATE,
    );
  });

  it("is torn down: stop by force, exit notice, reset, memory back, VMID free", () => {
    const system = boot();
    const { hyp, host } = system;
    const before = hyp.live("memextent").length;
    const capsBefore = hyp.caps.size;
    const { vmid, handle } = make(system, "RUNNING", { cpus: 2 });
    host.takeNotifications();
    host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
    expect(
      hyp
        .live("thread")
        .filter((t) => t.virqs.has("wakeup"))
        .map((t) => t.power),
    ).toEqual(["killed", "killed"]);
    expect(host.takeNotifications()).toEqual([
      { name: "VM_STATUS", value: { vmid, vmState: VmState.EXITED, osState: 0, appState: 0 } },
      { name: "VM_EXITED", value: { vmid, exitType: VmExitType.VM_STOP_FORCED, reason: new Uint8Array(4) } },
    ]);
    expect(host.call("MEM_RECLAIM", { handle, flags: 0 }).error).toBe(RmError.MEM_INUSE);
    host.ok("VM_RESET", { vmid, reserved: 0 });
    const notes = host.takeNotifications();
    expect(notes.map((note) => note.name)).toEqual(["VM_STATUS", "MEM_RELEASED", "VM_STATUS"]);
    expect(statuses(notes)).toEqual([VmState.RESETTING, VmState.RESET]);
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    host.ok("VM_DEALLOCATE", { vmid, reserved: 0 });
    expect(hyp.translate(hyp.addrspaceOf(BOARD.hostVmid), DTB_AT)).toMatchObject({ pa: DTB_AT, access: 7 });
    // Lent memory is zeroed when the borrower lets it go.
    expect(hyp.physicalRead(DTB_AT, 64).every((byte) => byte === 0)).toBe(true);
    expect(hyp.live("memextent").length).toBe(before);
    expect(hyp.caps.size).toBe(capsBefore);
    expect(make(system, "RUNNING", { cpus: 2 }).vmid).toBe(vmid);
  });

  it("gives demand-paged memory that the driver left behind back to the host, zeroed", () => {
    const system = boot();
    const { hyp, host } = system;
    const { vmid } = make(system, "READY");
    const { resources } = host.ok("VM_GET_HYP_RESOURCES", { vmid, reserved: 0 });
    const [priv] = resources.filter((r: { type: number }) => r.type === HypResourceType.MEM_EXTENT);
    const page = 0x8090_0000;
    hyp.physicalWrite(page, Uint8Array.of(1, 2, 3));
    hyp.owner.set(page, hyp.of(priv.capId));
    host.ok("VM_RESET", { vmid, reserved: 0 });
    expect(hyp.translate(hyp.addrspaceOf(BOARD.hostVmid), page)).toMatchObject({ pa: page });
    expect([...hyp.physicalRead(page, 3)]).toEqual([0, 0, 0]);
  });

  it("may be configured anew after RESET", () => {
    const system = boot();
    const { host } = system;
    const { vmid, handle } = make(system, "READY");
    host.ok("VM_RESET", { vmid, reserved: 0 });
    host.ok("VM_CONFIG_IMAGE", configRequest(vmid, handle));
    host.ok("VM_INIT", { vmid, reserved: 0 });
    expect(host.ok("VM_GET_STATE", { vmid, reserved: 0 })).toMatchObject({ vmState: VmState.READY });
  });
});

describe("a VM that ends by itself", () => {
  const exits = [
    { what: "SYSTEM_OFF", halt: [POWERED_OFF, 0n, 0n], type: VmExitType.PLATFORM_OFF, reason: [0, 0, 0, 0] },
    {
      what: "SYSTEM_RESET",
      halt: [PSCI_SYSTEM_RESET, 1n << 63n, 0n],
      type: VmExitType.PLATFORM_RESET,
      reason: [0, 0, 0, 0],
    },
    {
      what: "SYSTEM_RESET2",
      halt: [PSCI_SYSTEM_RESET, (1n << 62n) | 7n, 0x2_0000_0009n],
      type: VmExitType.PSCI_SYSTEM_RESET2,
      reason: [0, 0x80, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0],
    },
    { what: "a fault", halt: [FAULT, 0n, 0n], type: VmExitType.SOFTWARE_ERROR, reason: [0, 0, 0, 0] },
  ] as const;
  it.each(exits)("by $what", ({ halt, type, reason }) => {
    const system = boot();
    const { hyp, host } = system;
    const { vmid } = make(system, "RUNNING");
    host.takeNotifications();
    const cpu = hyp.live("thread").find((thread) => thread.virqs.has("wakeup"));
    hyp.halt(cpu as NonNullable<typeof cpu>, halt[0], halt[1], halt[2]);
    host.drain();
    const notes = host.takeNotifications();
    expect(notes.map((note) => note.name)).toEqual(["VM_STATUS", "VM_EXITED"]);
    expect(notes[1]?.value).toEqual({ vmid, exitType: type, reason: Uint8Array.from(reason) });
    expect(cpu?.power).toBe("killed");
    expect(host.call("VM_STOP", { vmid, flags: 1, reason: 3 }).error).toBe(RmError.VM_STATE);
  });
});

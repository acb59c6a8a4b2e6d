import { HypResourceType, RmError, VmState } from "@gunyah-ts/abi";
import { cells, cells64, type DeviceTree, EMPTY, parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BOARD } from "./fake-hyp.ts";
import { boot, configRequest, DTB_AT, DTB_SIZE, guestTree, lendRequest, make } from "./host.ts";

const CONFIG = "/gunyah-vm-config";
const vm = (vmid: number) => ({ vmid, reserved: 0 });
type Edit = (tree: DeviceTree) => void;

/** VM_INIT of a guest with an edited tree. */
function init(edit: Edit, options: { cpus?: number; affinity?: string } = {}) {
  const system = boot();
  const { vmid } = make(system, "INIT", { ...options, edit });
  return { ...system, vmid, error: system.host.call("VM_INIT", vm(vmid)).error };
}
const device =
  (name: string, type: string, more: Edit = () => undefined): Edit =>
  (tree) => {
    tree.ensure(`${CONFIG}/vdevices/${name}`).set("vdevice-type", type).set("peer-default", EMPTY).set("label", 9);
    more(tree);
  };
const at = (name: string) => `${CONFIG}/vdevices/${name}`;

describe("what VM_INIT refuses", () => {
  const rows: [what: string, edit: Edit, error: number][] = [
    ["no gunyah-vm-config", (t) => t.root.removeChild("gunyah-vm-config"), RmError.ARGUMENT_INVALID],
    ["no image-name", (t) => t.node(CONFIG).delete("image-name"), RmError.ARGUMENT_INVALID],
    ["an image-name of 80 bytes", (t) => t.node(CONFIG).set("image-name", "x".repeat(80)), RmError.ARGUMENT_INVALID],
    ["another vm-type", (t) => t.node(CONFIG).set("vm-type", "riscv"), RmError.ARGUMENT_INVALID],
    ["a bad vm-guid", (t) => t.node(CONFIG).set("vm-guid", "1234"), RmError.ARGUMENT_INVALID],
    ["crash-fatal", (t) => t.node(CONFIG).set("vm-attrs", ["no-reset", "crash-fatal"]), RmError.DENIED],
    ["iomemory-ranges", (t) => t.node(CONFIG).set("iomemory-ranges", cells(1)), RmError.DENIED],
    ["is-direct", (t) => t.node(`${CONFIG}/memory`).set("is-direct", EMPTY), RmError.DENIED],
    [
      "a misaligned base",
      (t) => t.node(`${CONFIG}/memory`).set("base-address", cells64(0x8000_0100)),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "memory with a unit address",
      (t) => t.ensure("/memory@80000000").set("device_type", "memory"),
      RmError.ARGUMENT_INVALID,
    ],
    ["no CPU", (t) => t.root.removeChild("cpus"), RmError.ARGUMENT_INVALID],
    ["a CPU of unknown status", (t) => t.node("/cpus/cpu@0").set("status", "maybe"), RmError.ARGUMENT_INVALID],
    ["no CPU that boots", (t) => t.node("/cpus/cpu@0").set("status", "disabled"), RmError.ARGUMENT_INVALID],
    ["no interrupt controller", (t) => t.root.removeChild("intc@3fff0000"), RmError.ARGUMENT_INVALID],
    ["a GICv2", (t) => t.node("/intc@3fff0000").set("compatible", "arm,gic-400"), RmError.ARGUMENT_INVALID],
    ["two interrupt cells", (t) => t.node("/intc@3fff0000").set("#interrupt-cells", 2), RmError.ARGUMENT_INVALID],
    [
      "two redistributor regions",
      (t) => t.node("/intc@3fff0000").set("#redistributor-regions", 2),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "a small redistributor stride",
      (t) => t.node("/intc@3fff0000").set("redistributor-stride", cells64(0x1_0000)),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "static affinity without a map",
      (t) => t.node(`${CONFIG}/vcpus`).set("affinity", "static"),
      RmError.ARGUMENT_INVALID,
    ],
    ["a message queue of no direction", device("q", "message-queue"), RmError.ARGUMENT_INVALID],
    ["an rm-rpc without generate", device("r", "rm-rpc"), RmError.ARGUMENT_INVALID],
    ["shm without memory", device("s", "shm"), RmError.ARGUMENT_INVALID],
    ["shm with another child", device("s", "shm", (t) => t.ensure(`${at("s")}/other`)), RmError.ARGUMENT_INVALID],
    [
      "seven compatible strings",
      device("b", "doorbell", (t) => t.node(at("b")).set("push-compatible", [..."abcdefg"])),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "a doorbell without a peer",
      device("b", "doorbell", (t) => t.node(at("b")).delete("peer-default")),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "a peer that does not exist",
      device(
        "b",
        "doorbell",
        (t) => t.node(at("b")).delete("peer-default") && t.node(at("b")).set("peer", "vm-name:nobody"),
      ),
      RmError.NORESOURCE,
    ],
    [
      "an interrupt twice",
      device("b", "doorbell", (t) => t.node(at("b")).set("interrupts", cells(0, 5, 1))),
      RmError.NORESOURCE,
    ],
    ["a device without a backend", device("v", "vrtc-pl031"), RmError.NORESOURCE],
    [
      "more vCPUs than the board has cores",
      (t) => {
        for (let i = 1; i <= BOARD.physicalCpus; i++)
          t.ensure(`/cpus/cpu@${i}`).set("device_type", "cpu").set("reg", i).set("enable-method", "psci");
      },
      RmError.DENIED,
    ],
  ];
  it.each(rows)("%s", (_what, edit, error) => {
    const result = init(edit);
    expect(result.error).toBe(error);
    expect(result.host.ok("VM_GET_STATE", vm(result.vmid))).toMatchObject({ vmState: VmState.INIT_FAILED });
    const threads = result.hyp.live("thread").length;
    result.host.ok("VM_RESET", vm(result.vmid));
    // Whatever had been made is gone.
    expect(result.hyp.live("thread").length).toBeLessThanOrEqual(threads);
    expect(result.hyp.live("doorbell")).toEqual([]);
    expect(result.hyp.live("vic")).toHaveLength(2);
    result.host.ok("VM_DEALLOCATE", vm(result.vmid));
  });

  it("a parcel that holds no device tree", () => {
    const system = boot();
    const { host, write } = system;
    const { vmid } = make(system, "LOAD");
    write(DTB_AT, new Uint8Array(DTB_SIZE).fill(0xa5));
    const { handle } = host.ok("MEM_LEND", lendRequest(vmid, DTB_AT, DTB_SIZE));
    host.ok("VM_CONFIG_IMAGE", configRequest(vmid, handle));
    expect(host.call("VM_INIT", vm(vmid)).error).toBe(RmError.MEM_INVALID);
  });

  it("an image that its owner took back, even when another lies in the same place", () => {
    const system = boot();
    const { host } = system;
    const { vmid, handle } = make(system, "INIT");
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    host.ok("MEM_LEND", lendRequest(vmid, DTB_AT, DTB_SIZE));
    expect(host.call("VM_INIT", vm(vmid)).error).toBe(RmError.MEM_INVALID);
  });

  it("any damage to the tree, with an error and not an exception", () => {
    const good = writeDtb(guestTree(), { size: DTB_SIZE });
    const used = writeDtb(guestTree()).length;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(used - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (damage) => {
        const system = boot();
        const { host, write } = system;
        const { vmid } = make(system, "LOAD");
        const blob = good.slice();
        for (const [offset, value] of damage) blob[offset] = value;
        write(DTB_AT, blob);
        const { handle } = host.ok("MEM_LEND", lendRequest(vmid, DTB_AT, DTB_SIZE));
        host.ok("VM_CONFIG_IMAGE", configRequest(vmid, handle));
        const { error } = host.call("VM_INIT", vm(vmid));
        if (error === RmError.OK) host.call("VM_START", vm(vmid));
        const { vmState } = host.ok("VM_GET_STATE", vm(vmid));
        if (vmState === VmState.RUNNING) host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
        host.ok("VM_RESET", vm(vmid));
        host.ok("MEM_RECLAIM", { handle, flags: 0 });
      }),
      { numRuns: Number(process.env["GUNYAH_RM_FUZZ"] ?? 60) },
    );
  });
});

describe("what VM_START refuses", () => {
  const rows: [string, Edit][] = [
    ["a tree that has /hypervisor", (t) => t.ensure("/hypervisor")],
    [
      "shared memory that nobody lent",
      device("s", "shm", (t) =>
        t
          .ensure(`${at("s")}/memory`)
          .set("label", 4)
          .set("allocate-base", EMPTY),
      ),
    ],
  ];
  it.each(rows)("%s", (_what, edit) => {
    const { host, vmid, error } = init(edit);
    expect(error).toBe(RmError.OK);
    expect(host.call("VM_START", vm(vmid)).error).toBe(RmError.NORESOURCE);
    expect(host.ok("VM_GET_STATE", vm(vmid))).toMatchObject({ vmState: VmState.INIT_FAILED });
  });
});

describe("virtual devices", () => {
  const resourcesOf = ({
    host,
    vmid,
  }: ReturnType<typeof init>): { type: number; label: number; virq: number; capId: bigint }[] =>
    host.ok("VM_GET_HYP_RESOURCES", vm(vmid)).resources;

  it("message queues offer the other end", () => {
    const system = init((t) => {
      device("tx", "message-queue", () => t.node(at("tx")).set("is-sender", EMPTY))(t);
      device("pair", "message-queue-pair", () => t.node(at("pair")).set("label", 11).set("queue-depth", 3))(t);
    });
    expect(system.error).toBe(RmError.OK);
    const found = resourcesOf(system).filter(({ label }) => label === 9 || label === 11);
    expect(found.map(({ type, label }) => [type, label])).toEqual([
      [HypResourceType.MSG_QUEUE_RECV, 9],
      [HypResourceType.MSG_QUEUE_SEND, 11],
      [HypResourceType.MSG_QUEUE_RECV, 11],
    ]);
    expect(found.every(({ virq }) => virq >= 960)).toBe(true);
    expect(system.hyp.of(found[1]?.capId as bigint).depth).toBe(3);
  });

  it("a doorbell source rings in the owner", () => {
    const system = init(device("out", "doorbell-source"));
    const [bell] = resourcesOf(system).filter(({ type }) => type === HypResourceType.DOORBELL);
    expect(bell).toMatchObject({ label: 9 });
    expect(bell?.virq).toBeGreaterThanOrEqual(960);
  });

  it("shared memory is accepted at its base and announced in the tree", () => {
    const system = boot();
    const { host, hyp } = system;
    const edit = device("s", "shm-doorbell", (t) =>
      t
        .ensure(`${at("s")}/memory`)
        .set("label", 7)
        .set("#address-cells", 2)
        .set("base", cells64(0xa000_0000)),
    );
    const { vmid } = make(system, "READY", { edit });
    const acl = [
      { vmid, rights: 6 },
      { vmid: 3, rights: 6 },
    ];
    const page = DTB_AT + 0x10_0000;
    host.ok("MEM_SHARE", { ...lendRequest(vmid, page, 0x2000), acl, label: 7 });
    host.ok("VM_START", vm(vmid));
    const space = hyp.addrspaceOf(vmid);
    expect(hyp.translate(space, 0xa000_1000)).toMatchObject({ pa: page + 0x1000, access: 6 });
    const tree = parseDtb(hyp.readFrom(space, 0x8010_0000, DTB_SIZE) as Uint8Array);
    expect(tree.node("/reserved-memory/buffer@a0000000").reg).toEqual([{ address: 0xa000_0000n, size: 0x2000n }]);
    const node = [...tree.node("/hypervisor").children].find((n) => n.isCompatible("qcom,gunyah-shm-doorbell"));
    expect(node?.u32("memory-region")).toBe(tree.node("/reserved-memory/buffer@a0000000").phandle);
    expect(node?.get("tx-doorbell")?.length).toBe(8);
  });

  it("static vCPUs are the hypervisor's, with the physical CPU as label", () => {
    const system = init(
      (t) =>
        t.node(`${CONFIG}/vcpus`).set("affinity-map", cells(1, 0)) &&
        t.node("/cpus/cpu@0").set("cpu-idle-states", 1) &&
        t.node("/cpus/cpu@1").set("cpu-idle-states", 1),
      { cpus: 2, affinity: "static" },
    );
    expect(system.error).toBe(RmError.OK);
    const cpus = resourcesOf(system).filter(({ type }) => type === HypResourceType.VIRTUAL_CPU);
    expect(cpus.map(({ label, virq }) => [label, virq])).toEqual([
      [1, 0xffff_ffff],
      [0, 0xffff_ffff],
    ]);
  });

  it("an interrupt controller without an address is given one", () => {
    const system = init((t) => t.node("/intc@3fff0000").delete("reg"));
    expect(system.error).toBe(RmError.OK);
    system.host.ok("VM_START", vm(system.vmid));
    const tree = parseDtb(
      system.hyp.readFrom(system.hyp.addrspaceOf(system.vmid), 0x8010_0000, DTB_SIZE) as Uint8Array,
    );
    expect(tree.node("/intc@3fff0000").reg.map(({ size }) => size)).toEqual([0x1_0000n, 0x2_0000n]);
  });
});

describe("queries", () => {
  it("find VMs by name, URI and GUID", () => {
    const guid = "01234567-89ab-cdef-0123-456789abcdef";
    const { host, vmid } = init((t) => t.node(CONFIG).set("vm-uri", "vm:test").set("vm-guid", guid));
    const text = (value: string) => ({ text: new TextEncoder().encode(value) });
    expect(host.ok("VM_LOOKUP_NAME", text("test-vm\0"))).toEqual({ vmids: [vmid] });
    expect(host.ok("VM_LOOKUP_URI", text("vm:test"))).toEqual({ vmids: [vmid] });
    expect(host.ok("VM_LOOKUP_GUID", text(guid.toUpperCase()))).toEqual({ vmids: [vmid] });
    expect(host.ok("VM_LOOKUP_NAME", text("nobody"))).toEqual({ vmids: [] });
    expect(host.ok("VM_GET_ID", vm(vmid)).ids).toEqual([
      { type: 0, ...data(guid) },
      { type: 1, ...data("vm:test") },
      { type: 2, ...data("test-vm") },
    ]);
    expect(host.ok("VM_GET_OWNER", vm(vmid))).toEqual({ vmid: BOARD.hostVmid });
    expect(host.ok("VM_GET_PEERS", vm(vmid))).toEqual({ vmids: [BOARD.hostVmid] });
  });
  const data = (value: string) => ({ data: new TextEncoder().encode(value) });

  it("reserve parts of the caller's address space", () => {
    const { host } = boot();
    const list = (...values: number[]) => {
      const bytes = new Uint8Array(4 + 8 * values.length);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, 1, true);
      for (const [i, value] of values.entries()) view.setBigUint64(4 + 8 * i, BigInt(value), true);
      return bytes;
    };
    const reserve = (type: number, bytes: Uint8Array, genericConstraints = 0) =>
      host.call("IPA_RESERVE", { type, genericConstraints, platformConstraints: 0, list: bytes });
    expect(reserve(0, list(0x1_0000_0000, 0x1000)).error).toBe(RmError.OK);
    expect(reserve(0, list(0x1_0000_0000, 0x1000)).error).toBe(RmError.NORESOURCE);
    const { value } = reserve(1, list(0x1_0000_0000, 0x10_0000, 0x2000, 0x1000));
    expect(value).toEqual({ entries: [{ base: 0x1_0000_1000n, size: 0x2000n }] });
    expect(reserve(2, list(0, 0)).error).toBe(RmError.MSG_INVALID);
    expect(reserve(0, list(1, 0x1000)).error).toBe(RmError.ARGUMENT_INVALID);
    expect(reserve(0, list(0x2_0000_0000, 0x1000), 0x80).error).toBe(RmError.ARGUMENT_INVALID);
  });
});

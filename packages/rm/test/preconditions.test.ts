import { RmError, VmState } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { boot, configRequest, DTB_AT, DTB_SIZE, lendRequest, make, type Reply, type RmClient } from "./host.ts";

type Until = Parameters<typeof make>[1];
const vm = (vmid: number) => ({ vmid, reserved: 0 });
const STATES: readonly Until[] = ["LOAD", "INIT", "READY", "RUNNING"];

/** Which states a request is for; in every other one it is VM_STATE, and the VM stays as it is. */
const table: [
  name: string,
  allowed: readonly Until[],
  call: (host: RmClient, vmid: number, handle: number) => Reply,
][] = [
  ["VM_CONFIG_IMAGE", ["LOAD"], (host, vmid, handle) => host.call("VM_CONFIG_IMAGE", configRequest(vmid, handle))],
  ["VM_AUTH_IMAGE", [], (host, vmid) => host.call("VM_AUTH_IMAGE", { vmid, parameters: [] })],
  [
    "VM_SET_FIRMWARE_MEM",
    [],
    (host, vmid) => host.call("VM_SET_FIRMWARE_MEM", { vmid, memHandle: 1, offset: 0n, size: 0n }),
  ],
  ["VM_SET_DEMAND_PAGING", ["INIT"], (host, vmid) => host.call("VM_SET_DEMAND_PAGING", { vmid, ranges: [] })],
  [
    "VM_SET_ADDRESS_LAYOUT",
    ["INIT"],
    (host, vmid) => host.call("VM_SET_ADDRESS_LAYOUT", { vmid, rangeId: 0, base: 0n, size: 4096n }),
  ],
  ["VM_INIT", ["INIT"], (host, vmid) => host.call("VM_INIT", vm(vmid))],
  [
    "VM_SET_BOOT_CONTEXT",
    ["INIT", "READY"],
    (host, vmid) => host.call("VM_SET_BOOT_CONTEXT", { vmid, registerSet: 0, registerIndex: 3, value: 1n }),
  ],
  ["VM_START", ["READY"], (host, vmid) => host.call("VM_START", vm(vmid))],
  ["VM_STOP", ["RUNNING"], (host, vmid) => host.call("VM_STOP", { vmid, flags: 1, reason: 3 })],
  ["VM_RESET", ["READY"], (host, vmid) => host.call("VM_RESET", vm(vmid))],
  // Of a VM in INIT nothing was made.
  ["VM_DEALLOCATE", ["LOAD", "LENT", "INIT"], (host, vmid) => host.call("VM_DEALLOCATE", vm(vmid))],
];

describe.each(table)("%s", (name, allowed, call) => {
  it.each(STATES)("in a VM that is %s", (until) => {
    const system = boot();
    const { vmid, handle } = make(system, until);
    const stateOf = () => system.host.call("VM_GET_STATE", vm(vmid)).value?.vmState;
    const before = stateOf();
    // CONFIG_IMAGE of a VM without a parcel fails for that reason.
    const expected = allowed.includes(until)
      ? name === "VM_CONFIG_IMAGE"
        ? RmError.MEM_INVALID
        : RmError.OK
      : RmError.VM_STATE;
    expect(call(system.host, vmid, handle).error).toBe(expected);
    if (!allowed.includes(until)) expect(stateOf()).toBe(before);
  });

  it("names a VM that does not exist", () => {
    const { host } = boot();
    expect(call(host, 0x90, 1).error).toBe(RmError.VMID_INVALID);
  });

  it("names the host itself", () => {
    const { host } = boot();
    const { error } = call(host, 3, 1);
    expect([RmError.DENIED, RmError.VMID_INVALID]).toContain(error);
    expect(host.ok("VM_GET_STATE", vm(3))).toMatchObject({ vmState: VmState.RUNNING });
  });
});

describe("VM_ALLOCATE", () => {
  it("gives 63 dynamic VMIDs and no more", () => {
    const { host } = boot();
    for (let i = 0; i < 63; i++) expect(host.ok("VM_ALLOCATE", vm(0))).toEqual({ allocated: { vmid: 0x80 + i } });
    expect(host.call("VM_ALLOCATE", vm(0)).error).toBe(RmError.NORESOURCE);
    host.ok("VM_DEALLOCATE", vm(0x90));
    expect(host.ok("VM_ALLOCATE", vm(0))).toEqual({ allocated: { vmid: 0x90 } });
  });
  it("gives static VMIDs of the platform once", () => {
    const { host } = boot();
    expect(host.ok("VM_ALLOCATE", vm(45 - 17))).toEqual({});
    expect(host.call("VM_ALLOCATE", vm(28)).error).toBe(RmError.NORESOURCE);
    for (const vmid of [1, 2, 3, 32, 64, 0x80, 255])
      expect(host.call("VM_ALLOCATE", vm(vmid)).error).toBe(RmError.NORESOURCE);
  });
});

describe("VM_CONFIG_IMAGE", () => {
  const lent = () => {
    const system = boot();
    return { ...system, ...make(system, "LENT") };
  };
  const cases: [string, (vmid: number, handle: number) => Partial<ReturnType<typeof configRequest>>, number][] = [
    ["an unknown parcel", () => ({ memHandle: 99 }), RmError.MEM_INVALID],
    ["an image beyond the parcel", () => ({ imageSize: BigInt(DTB_SIZE) + 1n }), RmError.ARGUMENT_INVALID],
    ["a tree that wraps around", () => ({ dtbOffset: 2n ** 64n - 1n, dtbSize: 2n }), RmError.ARGUMENT_INVALID],
    ["an unknown authentication", () => ({ authType: 3 }), RmError.ARGUMENT_INVALID],
  ];
  it.each(cases)("fails for good with %s", (_what, change, error) => {
    const { host, vmid, handle } = lent();
    expect(host.call("VM_CONFIG_IMAGE", { ...configRequest(vmid, handle), ...change(vmid, handle) }).error).toBe(error);
    expect(host.ok("VM_GET_STATE", vm(vmid))).toMatchObject({ vmState: VmState.INIT_FAILED });
    host.ok("VM_RESET", vm(vmid));
    host.ok("VM_DEALLOCATE", vm(vmid));
  });
  it("waits for authentication when the type says so, which no platform here has", () => {
    const { host, vmid, handle } = lent();
    host.ok("VM_CONFIG_IMAGE", { ...configRequest(vmid, handle), authType: 1 });
    expect(host.ok("VM_GET_STATE", vm(vmid))).toMatchObject({ vmState: VmState.AUTH });
    expect(host.call("VM_AUTH_IMAGE", { vmid, parameters: [] }).error).toBe(RmError.DENIED);
    expect(host.ok("VM_GET_STATE", vm(vmid))).toMatchObject({ vmState: VmState.INIT_FAILED });
  });
});

describe("VM_START", () => {
  it("fails when the image was reclaimed in between", () => {
    const system = boot();
    const { vmid, handle } = make(system, "READY");
    system.host.ok("MEM_RECLAIM", { handle, flags: 0 });
    expect(system.host.call("VM_START", vm(vmid)).error).toBe(RmError.NORESOURCE);
    expect(system.host.ok("VM_GET_STATE", vm(vmid))).toMatchObject({ vmState: VmState.INIT_FAILED });
  });

  it.each([
    ["lent without execute", 6],
    ["read-only", 4],
  ])("fails when the image is %s", (_what, rights) => {
    const system = boot();
    const { host, write } = system;
    const { vmid } = make(system, "LENT");
    write(DTB_AT + 0x10_0000, new Uint8Array(4));
    const { handle } = host.ok("MEM_LEND", lendRequest(vmid, DTB_AT + 0x10_0000, DTB_SIZE, rights));
    // The tree is in the first parcel; the image is the second.
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    const again = host.ok("MEM_LEND", lendRequest(vmid, DTB_AT + 0x10_0000, DTB_SIZE, rights));
    host.ok("VM_CONFIG_IMAGE", configRequest(vmid, again.handle));
    expect(host.call("VM_INIT", vm(vmid)).error).toBe(RmError.MEM_INVALID);
  });

  it("starts an image that is shared with its owner, as Linux v14 does", () => {
    const system = boot();
    const { host, hyp } = system;
    const { vmid, handle } = make(system, "LENT");
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    const acl = [
      { vmid, rights: 7 },
      { vmid: 3, rights: 7 },
    ];
    const shared = host.ok("MEM_SHARE", { ...lendRequest(vmid, DTB_AT, DTB_SIZE), acl });
    host.ok("VM_CONFIG_IMAGE", configRequest(vmid, shared.handle));
    host.ok("VM_INIT", vm(vmid));
    host.ok("VM_START", vm(vmid));
    expect(hyp.translate(hyp.addrspaceOf(vmid), 0x8000_0000)).toMatchObject({ pa: DTB_AT });
    expect(hyp.translate(hyp.addrspaceOf(3), DTB_AT)).toMatchObject({ pa: DTB_AT });
    const cpu = hyp.live("thread").find((thread) => thread.virqs.has("wakeup"));
    expect(cpu).toMatchObject({ entry: 0x8000_0000n, context: 0x8000_0000n });
  });

  it("accepts private parcels behind the image, and gives them back", () => {
    const system = boot();
    const { host, hyp } = system;
    const { vmid, handle } = make(system, "LENT");
    const more = host.ok("MEM_LEND", lendRequest(vmid, DTB_AT + 0x10_0000, 0x8000));
    host.ok("VM_CONFIG_IMAGE", configRequest(vmid, handle));
    host.ok("VM_INIT", vm(vmid));
    host.ok("VM_START", vm(vmid));
    expect(hyp.translate(hyp.addrspaceOf(vmid), 0x8000_0000 + DTB_SIZE)).toMatchObject({ pa: DTB_AT + 0x10_0000 });
    host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
    host.takeNotifications();
    host.ok("VM_RESET", vm(vmid));
    expect(host.takeNotifications().filter((note) => note.name === "MEM_RELEASED")).toHaveLength(2);
    host.ok("MEM_RECLAIM", { handle: more.handle, flags: 0 });
  });
});

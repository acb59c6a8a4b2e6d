import { RmError, VmState } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { BOARD } from "./fake-hyp.ts";
import { boot, lendRequest, make, RWX, withGuest } from "./host.ts";

const AT = 0x8090_0000;
const HOST = 3;
type Create = ReturnType<typeof lendRequest>;

/** Each row: what is wrong with an otherwise good MEM_LEND. Order is the order of the checks. */
const createErrors: [
  what: string,
  name: "MEM_LEND" | "MEM_SHARE" | "MEM_DONATE",
  change: Partial<Create>,
  error: number,
][] = [
  [
    "513 ACL entries",
    "MEM_LEND",
    { acl: Array.from({ length: 513 }, () => ({ vmid: 0x80, rights: RWX })) },
    RmError.NORESOURCE,
  ],
  ["no ACL entry", "MEM_LEND", { acl: [] }, RmError.ARGUMENT_INVALID],
  ["no region", "MEM_LEND", { sgl: [] }, RmError.ARGUMENT_INVALID],
  [
    "a donation to two",
    "MEM_DONATE",
    {
      acl: [
        { vmid: 0x80, rights: 7 },
        { vmid: 0x81, rights: 7 },
      ],
    },
    RmError.ARGUMENT_INVALID,
  ],
  ["sanitized IO", "MEM_LEND", { memType: 1, flags: 1 }, RmError.ARGUMENT_INVALID],
  [
    "a VM twice",
    "MEM_LEND",
    {
      acl: [
        { vmid: 0x80, rights: 7 },
        { vmid: 0x80, rights: 7 },
      ],
    },
    RmError.ARGUMENT_INVALID,
  ],
  ["an unknown VM", "MEM_LEND", { acl: [{ vmid: 0x99, rights: 7 }] }, RmError.ARGUMENT_INVALID],
  ["write-only rights", "MEM_LEND", { acl: [{ vmid: 0x80, rights: 2 }] }, RmError.ARGUMENT_INVALID],
  ["executable IO", "MEM_LEND", { memType: 1 }, RmError.ARGUMENT_INVALID],
  ["a donation without full rights", "MEM_DONATE", { acl: [{ vmid: 0x80, rights: 6 }] }, RmError.DENIED],
  ["a share without the owner", "MEM_SHARE", {}, RmError.ARGUMENT_INVALID],
  ["a loan to the owner", "MEM_LEND", { acl: [{ vmid: HOST, rights: 7 }] }, RmError.ARGUMENT_INVALID],
  ["a bad attribute", "MEM_LEND", { attrs: [{ attr: 4, vmid: 0x80 }] as never }, RmError.ARGUMENT_INVALID],
  ["a device attribute on memory", "MEM_LEND", { attrs: [{ attr: 1, vmid: 0x80 }] as never }, RmError.ARGUMENT_INVALID],
  ["an attribute for a stranger", "MEM_LEND", { attrs: [{ attr: 2, vmid: 0x81 }] as never }, RmError.VMID_INVALID],
  ["a misaligned region", "MEM_LEND", { sgl: [{ address: BigInt(AT) + 1n, size: 4096n }] }, RmError.ARGUMENT_INVALID],
  ["a region beyond 2^44", "MEM_LEND", { sgl: [{ address: 2n ** 44n, size: 4096n }] }, RmError.ARGUMENT_INVALID],
  [
    "memory of the hypervisor",
    "MEM_LEND",
    { sgl: [{ address: BigInt(BOARD.carveOut.base), size: 4096n }] },
    RmError.MEM_INVALID,
  ],
  [
    "memory that ends too late",
    "MEM_LEND",
    { sgl: [{ address: BigInt(BOARD.rootVm.base - 4096), size: 8192n }] },
    RmError.MEM_INVALID,
  ],
  [
    "IO memory, of which the host has none",
    "MEM_LEND",
    { memType: 1, acl: [{ vmid: 0x80, rights: 6 }] },
    RmError.MEM_INVALID,
  ],
];

function withVms() {
  const system = boot();
  const a = make(system, "LOAD").vmid;
  const b = make(system, "LOAD").vmid;
  return { ...system, a, b, space: system.hyp.addrspaceOf(HOST) };
}

describe("MEM_LEND, MEM_SHARE, MEM_DONATE", () => {
  it.each(createErrors)("refuses %s", (_what, name, change, error) => {
    const { host, hyp, space } = withVms();
    expect(host.call(name, { ...lendRequest(0x80, AT, 8192), ...change }).error).toBe(error);
    expect(hyp.translate(space, AT)).toMatchObject({ pa: AT, access: 7 });
    expect(hyp.translate(space, BOARD.rootVm.base - 4096)).toMatchObject({ access: 7 });
  });

  it("takes lent memory away from the owner, and reclaim brings it back as it was", () => {
    const { host, hyp, space, a } = withVms();
    hyp.writeTo(space, AT, Uint8Array.of(1, 2, 3));
    const extents = hyp.live("memextent").length;
    const { handle } = host.ok("MEM_LEND", lendRequest(a, AT, 8192));
    expect(hyp.translate(space, AT)).toBeUndefined();
    expect(hyp.translate(space, AT + 8192)).toBeDefined();
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    expect([...(hyp.readFrom(space, AT, 3) ?? [])]).toEqual([1, 2, 3]);
    expect(hyp.live("memextent").length).toBe(extents);
    expect(host.call("MEM_RECLAIM", { handle, flags: 0 }).error).toBe(RmError.HANDLE_INVALID);
  });

  it("leaves shared memory with its owner, with the rights that it gave itself", () => {
    const { host, hyp, space, a } = withVms();
    const acl = [
      { vmid: a, rights: 6 },
      { vmid: HOST, rights: 4 },
    ];
    const { handle } = host.ok("MEM_SHARE", { ...lendRequest(a, AT, 4096), acl });
    expect(hyp.translate(space, AT)).toMatchObject({ pa: AT, access: 4 });
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    expect(hyp.translate(space, AT)).toMatchObject({ pa: AT, access: 7 });
  });

  it("zeroes on request", () => {
    const { host, hyp, a } = withVms();
    hyp.physicalWrite(AT, Uint8Array.of(9));
    host.ok("MEM_LEND", { ...lendRequest(a, AT, 4096), flags: 1 });
    expect(hyp.physicalRead(AT, 1)[0]).toBe(0);
  });

  it("puts every region back when a later one cannot move", () => {
    const { host, hyp, space, a } = withVms();
    hyp.failures.set("memextent_donate", { after: 1, error: 111 });
    const sgl = [AT, AT + 0x10000].map((at) => ({ address: BigInt(at), size: 4096n }));
    const caps = hyp.caps.size;
    expect(host.call("MEM_LEND", { ...lendRequest(a, AT, 4096), sgl }).error).toBe(RmError.MEM_INVALID);
    expect(hyp.translate(space, AT)).toMatchObject({ pa: AT });
    expect(hyp.caps.size).toBe(caps);
  });

  it("allows 64 parcels of one owner", () => {
    const { host, a } = withVms();
    for (let i = 0; i < 64; i++) host.ok("MEM_LEND", lendRequest(a, AT + i * 4096, 4096));
    expect(host.call("MEM_LEND", lendRequest(a, AT + 64 * 4096, 4096)).error).toBe(RmError.DENIED);
  });

  it("refuses the same memory twice", () => {
    const { host, a, b } = withVms();
    host.ok("MEM_LEND", lendRequest(a, AT, 4096));
    expect(host.call("MEM_LEND", lendRequest(b, AT, 4096)).error).toBe(RmError.MEM_INVALID);
  });

  it("takes more than 512 regions with MEM_APPEND", () => {
    const { host, hyp, space, a } = withVms();
    const pages = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => ({ address: BigInt(AT + (from + i) * 8192), size: 4096n }));
    const { handle } = host.ok("MEM_LEND", { ...lendRequest(a, AT, 0), flags: 2, sgl: pages(0, 512) });
    expect(host.call("MEM_APPEND", { handle, flags: 0, sgl: [] }).error).toBe(RmError.ARGUMENT_INVALID);
    host.ok("MEM_APPEND", { handle, flags: 0, sgl: pages(512, 10) });
    host.ok("MEM_APPEND", { handle, flags: 1, sgl: pages(522, 1) });
    expect(host.call("MEM_APPEND", { handle, flags: 1, sgl: pages(523, 1) }).error).toBe(RmError.DENIED);
    expect(host.call("MEM_APPEND", { handle: 999, flags: 1, sgl: pages(523, 1) }).error).toBe(RmError.HANDLE_INVALID);
    expect(hyp.translate(space, AT + 522 * 8192)).toBeUndefined();
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    expect(hyp.translate(space, AT + 522 * 8192)).toBeDefined();
  });

  it("finds a parcel by its regions", () => {
    const { host, a } = withVms();
    const request = lendRequest(a, AT, 8192);
    const { handle } = host.ok("MEM_LEND", request);
    const look = { memType: 0, label: 0, acl: request.acl, sgl: request.sgl };
    expect(host.ok("MEM_QCOM_LOOKUP_SGL", look)).toEqual({ handle });
    expect(host.call("MEM_QCOM_LOOKUP_SGL", { ...look, label: 1 }).error).toBe(RmError.LOOKUP_FAILED);
  });
});

describe("a guest with a line to the RM", () => {
  const accept = (handle: number, address?: number, flags = 0x80) => ({
    handle,
    memType: 0,
    transType: 1,
    flags,
    label: 0,
    acl: [],
    sgl: { tag: 0, entries: address === undefined ? [] : [{ address: BigInt(address), size: 8192n }] },
    attrs: [],
  });
  const lend = (system: ReturnType<typeof withGuest>) =>
    system.host.ok("MEM_LEND", lendRequest(system.vmid, AT, 8192)).handle as number;

  it("knows its own VMID and may not allocate", () => {
    const { guest, vmid } = withGuest();
    expect(guest.ok("VM_GET_VMID", {})).toEqual({ vmid });
    expect(guest.call("VM_ALLOCATE", { vmid: 0, reserved: 0 }).error).toBe(RmError.DENIED);
  });

  it("accepts a parcel, releases it, and the owner reclaims it", () => {
    const system = withGuest();
    const { guest, host, hyp, vmid, space, hostSpace } = system;
    const handle = lend(system);
    guest.ok("MEM_ACCEPT", accept(handle, 0x9000_0000));
    expect(hyp.translate(space, 0x9000_1000)).toMatchObject({ pa: AT + 0x1000, access: 7 });
    expect(host.call("MEM_RECLAIM", { handle, flags: 0 }).error).toBe(RmError.MEM_INUSE);
    guest.ok("MEM_NOTIFY", { handle, flags: 4, memInfoTag: 5 });
    host.drain();
    expect(host.takeNotifications()).toEqual([{ name: "MEM_ACCEPTED", value: { handle, vmid, memInfoTag: 5 } }]);
    guest.ok("MEM_RELEASE", { handle, flags: 0 });
    expect(guest.call("MEM_RELEASE", { handle, flags: 0 }).error).toBe(RmError.MEM_RELEASED);
    expect(hyp.translate(space, 0x9000_0000)).toBeUndefined();
    host.ok("MEM_RECLAIM", { handle, flags: 0 });
    expect(hyp.translate(hostSpace, AT)).toBeDefined();
  });

  it("is given addresses when it names none", () => {
    const system = withGuest();
    const handle = lend(system);
    const { sgl } = system.guest.ok("MEM_ACCEPT", accept(handle));
    expect(sgl.tag).toBe(0);
    expect(sgl.entries).toHaveLength(1);
    expect(system.hyp.translate(system.space, Number(sgl.entries[0].address))).toMatchObject({ pa: AT });
  });

  const acceptErrors: [what: string, change: (handle: number) => object, error: number][] = [
    ["an unknown handle", () => ({ handle: 999 }), RmError.HANDLE_INVALID],
    ["another memory type", () => ({ memType: 1 }), RmError.ARGUMENT_INVALID],
    ["another transaction", () => ({ transType: 2 }), RmError.ARGUMENT_INVALID],
    ["sanitized memory that is not", () => ({ flags: 0x81 }), RmError.VALIDATE_FAILED],
    ["another label", () => ({ flags: 0x84, label: 3 }), RmError.VALIDATE_FAILED],
    ["another ACL", () => ({ flags: 0x82 }), RmError.VALIDATE_FAILED],
    ["a map_vmid", () => ({ sgl: { tag: 1, entries: [] } }), RmError.ARGUMENT_INVALID],
    ["mapping for another VM", () => ({ flags: 0x88 }), RmError.DENIED],
    [
      "two addresses for one region",
      () => ({ sgl: { tag: 0, entries: [AT, AT + 8192].map((a) => ({ address: BigInt(a), size: 8192n })) } }),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "another size",
      () => ({ sgl: { tag: 0, entries: [{ address: 0x9000_0000n, size: 4096n }] } }),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "a misaligned address",
      () => ({ sgl: { tag: 0, entries: [{ address: 0x9000_0001n, size: 8192n }] } }),
      RmError.ARGUMENT_INVALID,
    ],
    [
      "an address that is taken",
      () => ({ sgl: { tag: 0, entries: [{ address: 0x8010_0000n, size: 8192n }] } }),
      RmError.NORESOURCE,
    ],
  ];
  it.each(acceptErrors)("cannot accept with %s", (_what, change, error) => {
    const system = withGuest();
    const handle = lend(system);
    expect(system.guest.call("MEM_ACCEPT", { ...accept(handle, 0x9000_0000), ...change(handle) } as never).error).toBe(
      error,
    );
    // The parcel is untouched: its owner may still take it back.
    system.host.ok("MEM_RECLAIM", { handle, flags: 0 });
  });

  it("may reserve addresses first and map with DONE", () => {
    const system = withGuest();
    const handle = lend(system);
    system.guest.ok("MEM_ACCEPT", accept(handle, 0x9000_0000, 0));
    expect(system.hyp.translate(system.space, 0x9000_0000)).toBeUndefined();
    expect(system.host.call("MEM_RECLAIM", { handle, flags: 0 }).error).toBe(RmError.MEM_INUSE);
    system.guest.ok("MEM_ACCEPT", accept(handle, undefined, 0x80));
    expect(system.hyp.translate(system.space, 0x9000_0000)).toMatchObject({ pa: AT });
    expect(system.guest.call("MEM_ACCEPT", accept(handle)).error).toBe(RmError.DENIED);
  });

  it("gets donated memory for good, and may lend it on", () => {
    const system = withGuest();
    const { guest, host, hyp, vmid, space, hostSpace } = system;
    const { handle } = host.ok("MEM_DONATE", lendRequest(vmid, AT, 8192));
    guest.ok("MEM_ACCEPT", { ...accept(handle, 0x9000_0000), transType: 0 });
    expect(host.call("MEM_RECLAIM", { handle, flags: 0 }).error).toBe(RmError.HANDLE_INVALID);
    const loan = guest.ok("MEM_LEND", lendRequest(HOST, 0x9000_0000, 4096));
    expect(hyp.translate(space, 0x9000_0000)).toBeUndefined();
    host.ok("MEM_ACCEPT", {
      ...accept(loan.handle),
      sgl: { tag: 0, entries: [{ address: 0x2_0000_0000n, size: 4096n }] },
    });
    expect(hyp.translate(hostSpace, 0x2_0000_0000)).toMatchObject({ pa: AT });
    // Owner dies: its loan ends first, then its memory is the host's again.
    host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
    host.ok("VM_RESET", { vmid, reserved: 0 });
    expect(hyp.translate(hostSpace, 0x2_0000_0000)).toBeUndefined();
    for (const pa of [AT, AT + 4096]) expect(hyp.translate(hostSpace, pa)).toMatchObject({ pa });
  });

  it("hears of shared memory with everything but its addresses", () => {
    const system = withGuest();
    const { guest, host, vmid } = system;
    const handle = lend(system);
    host.ok("MEM_NOTIFY", { handle, flags: 1, memInfoTag: 9, vmids: [{ vmid }] });
    guest.drain();
    expect(guest.takeNotifications()).toEqual([
      {
        name: "MEM_SHARED",
        value: {
          handle,
          memType: 0,
          transType: 1,
          flags: 0,
          owner: HOST,
          label: 0,
          memInfoTag: 9,
          acl: [{ vmid, rights: 7 }],
          sizes: [8192n],
          attrs: [],
        },
      },
    ]);
    expect(host.call("MEM_NOTIFY", { handle, flags: 1, memInfoTag: 8, vmids: [{ vmid }] }).error).toBe(
      RmError.ARGUMENT_INVALID,
    );
    expect(host.call("MEM_NOTIFY", { handle, flags: 1, memInfoTag: 9 }).error).toBe(RmError.MSG_INVALID);
    expect(host.call("MEM_NOTIFY", { handle, flags: 3, memInfoTag: 9 }).error).toBe(RmError.ARGUMENT_INVALID);
    expect(guest.call("MEM_NOTIFY", { handle, flags: 1, memInfoTag: 9, vmids: [{ vmid }] }).error).toBe(RmError.DENIED);
    expect(guest.call("MEM_NOTIFY", { handle, flags: 4, memInfoTag: 9 }).error).toBe(RmError.MEM_RELEASED);
    host.ok("MEM_NOTIFY", { handle, flags: 8, memInfoTag: 9, vmids: [{ vmid }] });
    guest.drain();
    expect(guest.takeNotifications()).toEqual([{ name: "MEM_RECALL", value: { handle, memInfoTag: 9 } }]);
  });

  it("ends itself with VM_EXIT, says how it feels with VM_SET_STATUS, shuts down when asked", () => {
    const { guest, host, vmid } = withGuest();
    guest.ok("VM_SET_STATUS", { vmState: VmState.RUNNING, osState: 4, appState: 7 });
    host.drain();
    expect(host.takeNotifications()).toEqual([
      { name: "VM_STATUS", value: { vmid, vmState: VmState.RUNNING, osState: 4, appState: 7 } },
    ]);
    host.ok("VM_STOP", { vmid, flags: 0, reason: 2 });
    guest.drain();
    expect(guest.takeNotifications()).toEqual([{ name: "VM_SHUTDOWN", value: { reason: 2 } }]);
    guest.ok("VM_SET_CRASH_MSG", { text: new TextEncoder().encode("oops") });
    guest.ok("VM_EXIT", { flags: 1, code: 2 });
    host.drain();
    expect(host.takeNotifications().map((note) => note.value)).toEqual([
      { vmid, vmState: VmState.EXITED, osState: 4, appState: 7 },
      { vmid, exitType: 0, reason: Uint8Array.of(1, 0, 2, 0) },
    ]);
    expect(new TextDecoder().decode(host.ok("VM_GET_CRASH_MSG", { vmid, reserved: 0 }).text)).toBe("oops");
  });

  it("has a console that its owner can open", () => {
    const { guest, host, vmid } = withGuest();
    const text = new TextEncoder().encode("hello");
    expect(guest.call("VM_CONSOLE_WRITE", { vmid: 0, chars: text }).error).toBe(RmError.DENIED);
    guest.ok("VM_CONSOLE_OPEN", { vmid: 0, reserved: 0 });
    host.ok("VM_CONSOLE_OPEN", { vmid, reserved: 0 });
    guest.ok("VM_CONSOLE_WRITE", { vmid: 0, chars: text });
    host.drain();
    expect(host.takeNotifications()).toEqual([{ name: "CONSOLE_CHARS", value: { vmid, chars: text } }]);
    host.ok("VM_CONSOLE_WRITE", { vmid, chars: text });
    guest.drain();
    expect(guest.takeNotifications()).toEqual([{ name: "CONSOLE_CHARS", value: { vmid: HOST, chars: text } }]);
    host.ok("VM_CONSOLE_CLOSE", { vmid, reserved: 0 });
    expect(host.call("VM_CONSOLE_CLOSE", { vmid, reserved: 0 }).error).toBe(RmError.DENIED);
    expect(host.call("VM_CONSOLE_OPEN", { vmid: HOST, reserved: 0 }).error).toBe(RmError.ARGUMENT_INVALID);
  });

  it("borrows an interrupt", () => {
    const { guest, host, hyp, vmid } = withGuest();
    const bound = () => hyp.live("hwirq").flatMap((irq) => [...irq.virqs.values()].map((v) => v.virq));
    expect(bound()).toEqual([40, 41]);
    const { handle } = host.ok("VM_IRQ_LEND", { borrower: vmid, virq: 40, label: 1 });
    expect(host.call("VM_IRQ_LEND", { borrower: vmid, virq: 40, label: 1 }).error).toBe(RmError.IRQ_INUSE);
    expect(host.call("VM_IRQ_LEND", { borrower: vmid, virq: 99, label: 1 }).error).toBe(RmError.IRQ_INVALID);
    host.ok("VM_IRQ_NOTIFY", { handle, flags: 1, vmids: [{ vmid }] });
    guest.drain();
    expect(guest.takeNotifications()).toEqual([{ name: "IRQ_LENT", value: { owner: HOST, handle, label: 1 } }]);
    expect(host.call("VM_IRQ_ACCEPT", { handle, virq: 40 }).error).toBe(RmError.HANDLE_INVALID);
    expect(guest.ok("VM_IRQ_ACCEPT", { handle, virq: 0xffff_ffff })).toEqual({ virq: 40 });
    expect(guest.call("VM_IRQ_ACCEPT", { handle, virq: 0xffff_ffff }).error).toBe(RmError.IN_USE);
    expect(host.call("VM_IRQ_RECLAIM", { handle }).error).toBe(RmError.IN_USE);
    expect(guest.call("VM_IRQ_RECLAIM", { handle }).error).toBe(RmError.HANDLE_INVALID);
    guest.ok("VM_IRQ_RELEASE", { handle });
    guest.ok("VM_IRQ_NOTIFY", { handle, flags: 2 });
    host.ok("VM_IRQ_RECLAIM", { handle });
    expect(bound()).toEqual([40, 41]);
    expect(host.takeNotifications()).toEqual([{ name: "IRQ_RELEASED", value: { handle } }]);
  });
});

import { fragmentRmMessage, RM_MAX_PAYLOAD, RmCalls, RmError, RmMessageType } from "@gunyah-ts/abi";
import { parseDtb } from "@gunyah-ts/devicetree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boot, Client, DTB_AT, lendRequest, make } from "./host.ts";

const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/**
 * One exchange: bytes to the RM, then the queue entries that come back, in order. `*` stands for a byte that is the RM's
 * to choose (its notification sequence, capability ids).
 */
type Exchange = readonly [request: string, ...answers: string[]];

function play(exchanges: readonly Exchange[], system = boot()) {
  // The image parcel's content is not part of the conversation.
  make(system, "LENT");
  const { hyp, host } = system;
  for (const [request, ...answers] of exchanges) {
    hyp.send(host.tx, unhex(request));
    for (const answer of answers) {
      const got = hyp.receive(host.rx);
      const pattern = answer.replace(/\s/g, "").replace(/\*\*/g, "..");
      expect(got === undefined ? "nothing" : hex(got)).toMatch(new RegExp(`^${pattern}$`));
    }
    expect(hyp.receive(host.rx)).toBeUndefined();
  }
}

const note = (id: string, payload: string) => `2103****${id}1056${payload}`;
const status = (state: string) => note("0800", `80000000${state}000000`);

describe("bytes of a conversation", () => {
  // VMID 0x80 is allocated and its device tree lent (handle 1) before the first line.
  const BOOT: readonly Exchange[] = [
    // VM_CONFIG_IMAGE: authentication none, handle 1, image 0/0, tree at 0, 16 KiB
    [
      `21011000 09000056 80000000 01000000 ${"00".repeat(16)} 0000000000000000 0040000000000000`,
      status("01"),
      "21021000 09000056 00000000",
    ],
    // VM_SET_DEMAND_PAGING: one range 0x80000000 + 2 MiB
    ["21011100 33000056 80000000 01000000 0000008000000000 0000200000000000", "21021100 33000056 00000000"],
    // VM_SET_ADDRESS_LAYOUT: IMAGE at 0x80100000 + 16 KiB
    ["21011200 34000056 80000000 00000000 0000108000000000 0040000000000000", "21021200 34000056 00000000"],
    // VM_INIT
    ["21011300 0b000056 80000000", status("02"), "21021300 0b000056 00000000"],
    // VM_SET_BOOT_CONTEXT: PC = 0x80000000
    ["21011400 31000056 80000100 00000000 0000008000000000", "21021400 31000056 00000000"],
    // VM_GET_HYP_RESOURCES: 7 entries of 44 bytes, in two fragments
    [
      "21011500 20000056 80000000",
      `21061500 20000056 00000000 07000000 ${"**".repeat(224)}`,
      `21041500 20000056 ${"**".repeat(84)}`,
    ],
    // VM_START
    ["21011600 04000056 80000000", status("03"), "21021600 04000056 00000000"],
  ];
  const TEARDOWN: readonly Exchange[] = [
    // VM_STOP by force, reason 3: EXITED, then the reason, then the reply
    [
      "21012000 05000056 80000100 03000000",
      status("09"),
      note("0100", "80000700 04000000 00000000"),
      "21022000 05000056 00000000",
    ],
    // VM_RESET: the reply comes when the reset begins
    [
      "21012100 06000056 80000000",
      status("0a"),
      "21022100 06000056 00000000",
      "2103**** 12001051 01000000 80000000 00000000",
      status("0b"),
    ],
    // MEM_RECLAIM of the device tree, VM_DEALLOCATE
    ["21012200 15000051 01000000 00000000", "21022200 15000051 00000000"],
    ["21012300 02000056 80000000", "21022300 02000056 00000000"],
    // The VMID is unknown now.
    ["21012400 04000056 80000000", "21022400 04000056 0d000000"],
  ];
  it("boots a VM in the order of the Linux driver", () => play(BOOT));
  it("tears it down again", () => play([...BOOT, ...TEARDOWN]));
  it("tears a VM down that never started", () =>
    play([
      ...BOOT.slice(0, 4),
      ["21012200 15000051 01000000 00000000", "21022200 15000051 00000000"],
      ["21012100 06000056 80000000", status("0a"), "21022100 06000056 00000000", status("0b")],
      ["21012300 02000056 80000000", "21022300 02000056 00000000"],
    ]));
});

describe("a queue that is treated badly", () => {
  const alive = (host: Client): void => {
    host.drain();
    expect(host.ok("VM_GET_VMID", {})).toEqual({ vmid: 3 });
  };

  it.each([
    ["a short entry", "210105"],
    ["another version", "22010500 24000056"],
    ["a longer header", "31010500 24000056 00000000"],
    ["a reply", "21020500 24000056 00000000"],
    ["a notification", "21030500 24000056"],
    ["a continuation of nothing", "21000500 24000056"],
    ["63 announced fragments", "21fd0500 24000056"],
  ])("ignores %s", (_what, bytes) => {
    const { hyp, host } = boot();
    hyp.send(host.tx, unhex(bytes));
    expect(hyp.receive(host.rx)).toBeUndefined();
    alive(host);
  });

  it.each([0x5600_0007, 0x5600_0021, 0x5600_0022, 0x5600_0055, 0x5600_00b1, 0, 0xffff_ffff])(
    "answers UNIMPLEMENTED to id 0x%s",
    (id) => {
      const { host } = boot();
      expect(host.raw(id, new Uint8Array(8)).error).toBe(RmError.UNIMPLEMENTED);
    },
  );

  it("answers MSG_INVALID to a payload of another size", () => {
    const { host } = boot();
    for (const [name, call] of Object.entries(RmCalls)) {
      const { fixedSize, minSize } = call.request;
      if (fixedSize !== undefined) {
        expect([name, host.raw(call.id, new Uint8Array(fixedSize + 1)).error]).toEqual([name, RmError.MSG_INVALID]);
      }
      if (minSize > 0)
        expect([name, host.raw(call.id, new Uint8Array(minSize - 1)).error]).toEqual([name, RmError.MSG_INVALID]);
    }
  });

  it("answers every request of a full queue, in order", () => {
    const { hyp, host } = boot();
    const sent = [];
    // More requests than either queue holds, without reading a single reply.
    for (let i = 0; i < 12; i++) {
      const [entry] = fragmentRmMessage(RmMessageType.REQUEST, 0x100 + i, RmCalls.VM_GET_VMID.id, new Uint8Array(0));
      if (hyp.send(host.tx, entry as Uint8Array) === 0) sent.push(0x100 + i);
    }
    const seen = [];
    for (let reply = hyp.receive(host.rx); reply !== undefined; reply = hyp.receive(host.rx))
      seen.push((reply[2] as number) | ((reply[3] as number) << 8));
    expect(seen).toEqual(sent);
    expect(sent.length).toBe(12);
  });

  it("keeps notifications for a client that does not read, then drops the oldest", () => {
    const system = boot();
    const { hyp, host } = system;
    const { vmid } = make(system, "LENT");
    host.takeNotifications();
    // Each failed VM_CONFIG_IMAGE and reset makes notifications; nobody reads them.
    const payload = RmCalls.VM_CONFIG_IMAGE.request.encode({
      vmid,
      authType: 9,
      memHandle: 1,
      imageOffset: 0n,
      imageSize: 0n,
      dtbOffset: 0n,
      dtbSize: 0n,
    });
    const [config] = fragmentRmMessage(RmMessageType.REQUEST, 1, RmCalls.VM_CONFIG_IMAGE.id, payload);
    const [reset] = fragmentRmMessage(
      RmMessageType.REQUEST,
      2,
      RmCalls.VM_RESET.id,
      RmCalls.VM_RESET.request.encode({ vmid, reserved: 0 }),
    );
    for (let i = 0; i < 200; i++) {
      hyp.send(host.tx, config as Uint8Array);
      hyp.send(host.tx, reset as Uint8Array);
    }
    alive(host);
  });

  it("assembles fragmented requests of several VMs at the same time", () => {
    const system = boot();
    const { hyp, host } = system;
    const rmRpc = (at: number) => ({
      at,
      base: at === DTB_AT ? 0x8000_0000 : 0x9000_0000,
      edit: (tree: import("@gunyah-ts/devicetree").DeviceTree) =>
        tree.ensure("/gunyah-vm-config/vdevices/rpc").set("vdevice-type", "rm-rpc").set("generate", "/hypervisor/rm"),
    });
    const guests = [DTB_AT, DTB_AT + 0x10_0000].map((at) => {
      const options = rmRpc(at);
      const { vmid } = make(system, "RUNNING", options);
      const blob = hyp.readFrom(hyp.addrspaceOf(vmid), options.base + 0x10_0000, 0x4000) as Uint8Array;
      const node = [...parseDtb(blob).root.walk()].find((n) => n.isCompatible("gunyah-resource-manager"));
      const [tx, rx] = node?.cells64("reg") ?? [];
      return { vmid, client: new Client(hyp, tx as bigint, rx as bigint) };
    });
    const clients = [host, ...guests.map(({ client }) => client)];
    for (const client of clients) client.drain();
    const payload = new TextEncoder().encode("test-vm".padEnd(900, "\0"));
    const messages = clients.map((_, i) =>
      fragmentRmMessage(RmMessageType.REQUEST, 0x40 + i, RmCalls.VM_LOOKUP_NAME.id, payload),
    );
    // One fragment of each in turn.
    for (let part = 0; part < (messages[0]?.length ?? 0); part++)
      clients.forEach((client, i) => {
        hyp.send(client.tx, messages[i]?.[part] as Uint8Array);
      });
    clients.forEach((client, i) => {
      client.drain();
      expect(client.take(0x40 + i).value).toEqual({ vmids: guests.map(({ vmid }) => vmid) });
    });
  });

  it("takes the largest request that the format carries", () => {
    const { host } = boot();
    const sgl = Array.from({ length: 900 }, () => ({ address: 0n, size: 4096n }));
    const payload = RmCalls.MEM_LEND.request.encode({ ...lendRequest(3, 0, 0), sgl });
    expect(payload.length).toBeLessThanOrEqual(RM_MAX_PAYLOAD);
    expect(host.raw(RmCalls.MEM_LEND.id, payload).error).toBe(RmError.NORESOURCE);
    expect(host.raw(RmCalls.VM_LOOKUP_NAME.id, new Uint8Array(RM_MAX_PAYLOAD).fill(65)).value).toEqual({ vmids: [] });
  });

  it("goes on after any message at all", () => {
    const ids = Object.values(RmCalls).map((call) => call.id);
    const entry = fc.oneof(
      fc.uint8Array({ maxLength: 240 }),
      fc
        .record({
          type: fc.nat(3),
          fragments: fc.constantFrom(0, 0, 0, 1, 2, 63),
          sequence: fc.nat(3),
          id: fc.constantFrom(...ids),
          // Payloads that start like real ones: the host's VMID, a guest's, the first handle.
          head: fc.constantFrom([0x80, 0, 0, 0], [3, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]),
          rest: fc.uint8Array({ maxLength: 60 }),
        })
        .map(({ type, fragments, sequence, id, head, rest }) => {
          const bytes = new Uint8Array(12 + rest.length);
          bytes.set([0x21, type | (fragments << 2), sequence, 0]);
          new DataView(bytes.buffer).setUint32(4, id, true);
          bytes.set(head, 8);
          bytes.set(rest, 12);
          return bytes;
        }),
    );
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 30 }), (entries) => {
        const system = boot();
        make(system, "LENT");
        const { hyp, host } = system;
        for (const bytes of entries) {
          hyp.send(host.tx, bytes);
          while (hyp.receive(host.rx) !== undefined);
        }
        expect(host.ok("VM_GET_VMID", {})).toEqual({ vmid: 3 });
      }),
      { numRuns: Number(process.env["GUNYAH_RM_FUZZ"] ?? 60) },
    );
  });
});

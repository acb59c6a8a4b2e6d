/**
 * Each request of the RM with each of its hypercalls refused in turn: it fails, everything is as it was, and the same
 * request succeeds when the hypervisor no longer refuses.
 */

import { GunyahError, RmError, VmState } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { BOARD, type FakeHyp, type FakeObject } from "./fake-hyp.ts";
import { lendRequest, type Reply, withGuest } from "./host.ts";

type World = ReturnType<typeof withGuest>;

/** Where host memory is lent from: two regions that are not one. */
const AT = 0x8090_0000;
const TWO = [AT, AT + 0x4000].map((at) => ({ address: BigInt(at), size: 0x2000n }));
/** Where the guest puts them. */
const IPAS = [0x9000_0000, 0x9100_0000];
const PATTERN = 0xa5;

const parcel = (vmid: number) => ({ ...lendRequest(vmid, AT, 0x2000), sgl: TWO });
const shared = (vmid: number) => ({
  ...parcel(vmid),
  acl: [
    { vmid, rights: 6 },
    { vmid: BOARD.hostVmid, rights: 4 },
  ],
});
const accept = (handle: number, transType: number, flags: number, ipas: readonly number[] = IPAS) => ({
  handle,
  memType: 0,
  transType,
  flags,
  label: 0,
  acl: [],
  sgl: { tag: 0, entries: ipas.map((ipa) => ({ address: BigInt(ipa), size: 0x2000n })) },
  attrs: [],
});
const DONE = 0x80;
const SANITIZE_ON_RELEASE = 32;

/** The hypervisor's state as far as a client can tell: who owns, sees and hears what. */
function stateOf(hyp: FakeHyp, ids: Map<FakeObject, number>): unknown {
  const id = (object: FakeObject): number => {
    if (!ids.has(object)) ids.set(object, ids.size);
    return ids.get(object) as number;
  };
  const objects = [...new Set(hyp.caps.values())].filter((object) => !object.revoked);
  return {
    caps: [...hyp.caps].map(([cap, object]) => `${cap}: ${object.type} ${id(object)}`),
    owners: [...hyp.owner].map(([pa, owner]) => `${pa.toString(16)}: ${id(owner)}`),
    views: objects
      .flatMap((object) =>
        object.intents.map(
          (v) => `${id(object)} in ${id(v.as)}: ${v.vbase.toString(16)} ${v.offset.toString(16)}+${v.size} ${v.access}`,
        ),
      )
      .sort(),
    virqs: objects.flatMap((object) =>
      [...object.virqs].map(([kind, bound]) => `${id(object)} ${kind}: ${id(bound.vic)} ${bound.virq}`),
    ),
    power: objects.map((object) => object.power),
  };
}

interface Scenario {
  /** What comes before. @returns what the request needs */
  readonly before?: (w: World) => number;
  readonly request: (w: World, handle: number) => Reply;
  /** What is true afterwards, and only then. */
  readonly effect: (w: World, handle: number) => boolean;
}
const guestSees = ({ hyp, space }: World, access: number): boolean =>
  IPAS.every((ipa, i) => {
    const seen = hyp.translate(space, ipa + 0x1000);
    return seen?.pa === Number(TWO[i]?.address) + 0x1000 && seen.access === access;
  });
const hostSees = ({ hyp, hostSpace }: World, access: number): boolean =>
  TWO.every(({ address }) => hyp.translate(hostSpace, Number(address))?.access === access);
const isZero = ({ hyp }: World): boolean =>
  TWO.every(({ address, size }) => hyp.physicalRead(Number(address), Number(size)).every((byte) => byte === 0));
const lent = (w: World): number => w.host.ok("MEM_LEND", parcel(w.vmid)).handle;
const donated = (w: World): number => w.host.ok("MEM_DONATE", parcel(w.vmid)).handle;
const accepted =
  (flags: number) =>
  (w: World): number => {
    const handle = lent(w);
    w.guest.ok("MEM_ACCEPT", accept(handle, 1, flags));
    return handle;
  };

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  MEM_LEND: {
    request: ({ host, vmid }) => host.call("MEM_LEND", parcel(vmid)),
    effect: (w) => TWO.every(({ address }) => w.hyp.translate(w.hostSpace, Number(address)) === undefined),
  },
  "MEM_LEND, zeroed": {
    request: ({ host, vmid }) => host.call("MEM_LEND", { ...parcel(vmid), flags: 1 }),
    effect: (w) => isZero(w) && w.hyp.translate(w.hostSpace, AT) === undefined,
  },
  MEM_SHARE: {
    request: ({ host, vmid }) => host.call("MEM_SHARE", shared(vmid)),
    effect: (w) => hostSees(w, 4),
  },
  MEM_APPEND: {
    before: ({ host, vmid }) => host.ok("MEM_SHARE", { ...shared(vmid), flags: 2, sgl: [TWO[0]] as never }).handle,
    request: ({ host }, handle) => host.call("MEM_APPEND", { handle, flags: 1, sgl: [TWO[1]] as never }),
    effect: (w) => hostSees(w, 4),
  },
  "MEM_ACCEPT of a loan": {
    before: lent,
    request: ({ guest }, handle) => guest.call("MEM_ACCEPT", accept(handle, 1, DONE)),
    effect: (w) => guestSees(w, 7),
  },
  "MEM_ACCEPT of a share": {
    before: ({ host, vmid }) => host.ok("MEM_SHARE", shared(vmid)).handle,
    request: ({ guest }, handle) => guest.call("MEM_ACCEPT", accept(handle, 2, DONE)),
    effect: (w) => guestSees(w, 6) && hostSees(w, 4),
  },
  "MEM_ACCEPT of a donation": {
    before: donated,
    request: ({ guest }, handle) => guest.call("MEM_ACCEPT", accept(handle, 0, DONE)),
    effect: (w, handle) =>
      guestSees(w, 7) && w.host.call("MEM_RECLAIM", { handle, flags: 0 }).error === RmError.HANDLE_INVALID,
  },
  "MEM_ACCEPT in a second step": {
    before: (w) => {
      const handle = lent(w);
      w.guest.ok("MEM_ACCEPT", accept(handle, 1, 0, IPAS.slice(0, 1)));
      return handle;
    },
    request: ({ guest }, handle) => guest.call("MEM_ACCEPT", accept(handle, 1, DONE, IPAS.slice(1))),
    effect: (w) => guestSees(w, 7),
  },
  "MEM_ACCEPT of a donation in a second step": {
    before: (w) => {
      const handle = donated(w);
      w.guest.ok("MEM_ACCEPT", accept(handle, 0, 0, IPAS.slice(0, 1)));
      return handle;
    },
    request: ({ guest }, handle) => guest.call("MEM_ACCEPT", accept(handle, 0, DONE, IPAS.slice(1))),
    effect: (w) => guestSees(w, 7),
  },
  MEM_RELEASE: {
    before: accepted(DONE),
    request: ({ guest }, handle) => guest.call("MEM_RELEASE", { handle, flags: 0 }),
    effect: (w) => IPAS.every((ipa) => w.hyp.translate(w.space, ipa) === undefined) && !isZero(w),
  },
  "MEM_RELEASE, zeroing": {
    before: accepted(DONE),
    request: ({ guest }, handle) => guest.call("MEM_RELEASE", { handle, flags: 1 }),
    effect: (w) => isZero(w),
  },
  "MEM_RELEASE of what was accepted to be zeroed": {
    before: accepted(DONE | SANITIZE_ON_RELEASE),
    request: ({ guest }, handle) => guest.call("MEM_RELEASE", { handle, flags: 0 }),
    effect: (w) => isZero(w),
  },
  "MEM_RECLAIM of a loan": {
    before: lent,
    request: ({ host }, handle) => host.call("MEM_RECLAIM", { handle, flags: 0 }),
    effect: (w) => hostSees(w, 7) && !isZero(w),
  },
  "MEM_RECLAIM, zeroing": {
    before: lent,
    request: ({ host }, handle) => host.call("MEM_RECLAIM", { handle, flags: 1 }),
    effect: (w) => hostSees(w, 7) && isZero(w),
  },
  "MEM_RECLAIM of a share": {
    before: ({ host, vmid }) => host.ok("MEM_SHARE", shared(vmid)).handle,
    request: ({ host }, handle) => host.call("MEM_RECLAIM", { handle, flags: 0 }),
    effect: (w) => hostSees(w, 7),
  },
  VM_IRQ_LEND: {
    request: ({ host, vmid }) => host.call("VM_IRQ_LEND", { borrower: vmid, virq: 40, label: 1 }),
    effect: ({ hyp }) => hyp.live("hwirq").filter((irq) => irq.virqs.size > 0).length === 1,
  },
  VM_IRQ_ACCEPT: {
    before: ({ host, vmid }) => host.ok("VM_IRQ_LEND", { borrower: vmid, virq: 40, label: 1 }).handle,
    request: ({ guest }, handle) => guest.call("VM_IRQ_ACCEPT", { handle, virq: 50 }),
    effect: ({ hyp }) => hyp.live("hwirq").some((irq) => irq.virqs.get("hw")?.virq === 50),
  },
  VM_IRQ_RELEASE: {
    before: ({ host, guest, vmid }) => {
      const { handle } = host.ok("VM_IRQ_LEND", { borrower: vmid, virq: 40, label: 1 });
      guest.ok("VM_IRQ_ACCEPT", { handle, virq: 50 });
      return handle;
    },
    request: ({ guest }, handle) => guest.call("VM_IRQ_RELEASE", { handle }),
    effect: ({ hyp }) => hyp.live("hwirq").filter((irq) => irq.virqs.size > 0).length === 1,
  },
  VM_IRQ_RECLAIM: {
    before: ({ host, vmid }) => host.ok("VM_IRQ_LEND", { borrower: vmid, virq: 40, label: 1 }).handle,
    request: ({ host }, handle) => host.call("VM_IRQ_RECLAIM", { handle }),
    effect: ({ hyp }) => hyp.live("hwirq").some((irq) => irq.virqs.get("hw")?.virq === 40),
  },
};

function prepared({ before }: Scenario) {
  const w = withGuest();
  for (const { address, size } of TWO) w.hyp.physicalWrite(Number(address), new Uint8Array(Number(size)).fill(PATTERN));
  return { w, handle: before?.(w) ?? 0 };
}

describe("each hypercall of a request refused in turn", () => {
  it.each(Object.entries(SCENARIOS))("%s", (_name, scenario) => {
    const { request, effect } = scenario;
    for (let refused = 0; ; refused++) {
      const { w, handle } = prepared(scenario);
      expect(effect(w, handle), "before").toBe(false);
      const ids = new Map<FakeObject, number>();
      const before = stateOf(w.hyp, ids);
      let count = 0;
      let what = "";
      w.hyp.refuse = (name) => {
        if (count++ !== refused) return 0;
        what = name;
        return GunyahError.NOMEM;
      };
      const { error } = request(w, handle);
      w.hyp.refuse = undefined;
      if (what === "") {
        expect([error, effect(w, handle)]).toEqual([RmError.OK, true]);
        expect(refused).toBeGreaterThan(0);
        return;
      }
      const which = `hypercall ${refused}, ${what}`;
      // What is given up at the end is of no use to anyone any more, and that it stays is not the client's to know.
      if (what.startsWith("cspace_")) {
        expect([which, error]).toEqual([which, RmError.OK]);
        continue;
      }
      expect([which, error]).not.toEqual([which, RmError.OK]);
      expect(stateOf(w.hyp, ids), which).toEqual(before);
      expect([which, request(w, handle).error, effect(w, handle)]).toEqual([which, RmError.OK, true]);
    }
  });
});

describe("each hypercall of VM_RESET refused in turn", () => {
  /** A VM with a loan to be zeroed, a donation, a share and an interrupt. */
  function laden() {
    const w = withGuest();
    const { host, guest, hyp, vmid } = w;
    const fill = (pa: number, size: number) => hyp.physicalWrite(pa, new Uint8Array(size).fill(PATTERN));
    const loan = accepted(DONE | SANITIZE_ON_RELEASE)(w);
    const gift = AT + 0x10_0000;
    const { handle } = host.ok("MEM_DONATE", lendRequest(vmid, gift, 0x2000));
    guest.ok("MEM_ACCEPT", accept(handle, 0, DONE, [0xa000_0000]));
    const irq = host.ok("VM_IRQ_LEND", { borrower: vmid, virq: 40, label: 1 }).handle;
    guest.ok("VM_IRQ_ACCEPT", { handle: irq, virq: 50 });
    for (const { address, size } of TWO) fill(Number(address), Number(size));
    fill(gift, 0x2000);
    host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
    return { ...w, loan, gift };
  }
  /** No byte of the guest's is where the host can read it. */
  const hidden = ({ hyp, hostSpace }: World, pa: number): boolean =>
    hyp.readFrom(hostSpace, pa, 0x2000)?.every((byte) => byte === 0) !== false;

  it("gives everything back, zeroed, when none is", () => {
    const w = laden();
    const { host, hyp, vmid, loan, gift, hostSpace } = w;
    host.ok("VM_RESET", { vmid, reserved: 0 });
    host.ok("MEM_RECLAIM", { handle: loan, flags: 0 });
    expect([AT, AT + 0x4000, gift].map((pa) => hyp.readFrom(hostSpace, pa, 0x2000))).toEqual(
      [0, 0, 0].map(() => new Uint8Array(0x2000)),
    );
    expect(hyp.live("vic")).toHaveLength(2);
    expect(hyp.live("thread")).toHaveLength(3);
  });

  it("goes on, and shows nobody what the guest left", () => {
    for (let refused = 0; ; refused++) {
      const w = laden();
      const { host, hyp, vmid, loan, gift } = w;
      let count = 0;
      let what = "";
      hyp.refuse = (name) => {
        if (count++ !== refused) return 0;
        what = name;
        return GunyahError.NOMEM;
      };
      host.ok("VM_RESET", { vmid, reserved: 0 });
      hyp.refuse = undefined;
      host.drain();
      const which = `hypercall ${refused}, ${what}`;
      expect([which, host.ok("VM_GET_STATE", { vmid, reserved: 0 }).vmState]).toEqual([which, VmState.RESET]);
      const { error } = host.call("MEM_RECLAIM", { handle: loan, flags: 0 });
      for (const pa of [AT, AT + 0x4000, gift]) expect([which, error, hidden(w, pa)]).toEqual([which, error, true]);
      host.ok("VM_DEALLOCATE", { vmid, reserved: 0 });
      if (what === "") break;
    }
  });
});

/** Effects of the object, capability, doorbell, message queue and miscellaneous calls. */

import {
  DoorbellRight,
  GunyahError as E,
  Hypercall,
  type HypercallName,
  MsgqueueRight,
  ObjectState,
  type ObjectType,
  QEMU_API_FLAGS0,
  QEMU_API_INFO,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { expect } from "vitest";
import type { Cspace } from "../src/cspace/cspace.ts";
import type { Doorbell } from "../src/ipc/doorbell.ts";
import type { Msgqueue } from "../src/ipc/msgqueue.ts";
import type { VirtioMmio } from "../src/misc/virtio-mmio.ts";
import { active, allRightsOf, type Effect, type Effects, msgqueue, PAGE, rightsOf } from "./effects.ts";
import {
  BASIC_RWX,
  create,
  createVm,
  DRAM_BASE,
  derive,
  type FakeThread,
  type FakeVic,
  objectOf,
  type World,
} from "./fixture.ts";

const ALL = 0xffff_ffff;

function creates(type: ObjectType): Readonly<Record<string, Effect>> {
  const call = Hypercall[`partition_create_${type}` as "partition_create_cspace"];
  return {
    "an INIT object, its master capability with all rights in the space that was named, paid from the heap": (w) => {
      const { vm, cspace } = createVm(w, 77);
      const before = w.core.heap.used;
      const cap = w.root.ok(call, w.caps.partition, cspace);
      expect(rightsOf(vm, cap)).toBe(allRightsOf(type));
      vm.r.x[1] = cap;
      const object = vm.cspace.lookupAny(vm.r.words[1]!, 0);
      if (typeof object === "number") throw new Error(`no object: ${object}`);
      expect([object.type, object.state, object.references]).toEqual([type, ObjectState.INIT, 1]);
      expect(object.bytes).toBeGreaterThan(0);
      // The first capability of a space takes a table, too.
      expect(w.core.heap.used - before).toBe(object.bytes + 2048);
      expect(w.root.call(Hypercall.cspace_revoke_caps_from, cspace, cap)).toBe(E.OK);
    },
    "nothing when the space is full": (w) => {
      const cspace = active(w, "cspace", (cap) => {
        w.root.ok(Hypercall.cspace_configure, cap, 1);
      });
      w.root.ok(Hypercall.partition_create_doorbell, w.caps.partition, cspace);
      const before = [w.core.heap.used, w.core.countObjects()];
      expect(w.root.call(call, w.caps.partition, cspace)).toBe(E.CSPACE_FULL);
      expect([w.core.heap.used, w.core.countObjects()]).toEqual(before);
    },
    "nothing when memory is short": (w) => {
      while (w.core.heap.take(1));
      const before = w.core.countObjects();
      expect(w.root.call(call, w.caps.partition, w.caps.cspace)).toBe(E.NOMEM);
      expect(w.core.countObjects()).toEqual(before);
    },
  };
}
const CREATABLE = ["cspace", "addrspace", "memextent", "thread", "doorbell", "msgqueue", "vic", "virtio_mmio"] as const;

function vicOf(w: World): { cap: CapId; vic: FakeVic } {
  const cap = active(w, "vic");
  return { cap, vic: objectOf<FakeVic>(w, cap) };
}

/** Bind, make the object assert, and see which interrupt it was; then unbind and see that none is. */
function binds(
  bind: HypercallName,
  make: (w: World) => CapId,
  assert: (w: World, cap: CapId) => void,
): Readonly<Record<string, Effect>> {
  return {
    "what the object asserts is the interrupt that was named": (w) => {
      const { cap: vicCap, vic } = vicOf(w);
      const cap = make(w);
      w.root.ok(Hypercall[bind], cap, vicCap, 44, 0);
      assert(w, cap);
      expect(vic.asserted).toEqual([44]);
    },
    "the interrupt is free again when the object goes": (w) => {
      const { cap: vicCap, vic } = vicOf(w);
      const cap = make(w);
      w.root.ok(Hypercall[bind], cap, vicCap, 44, 0);
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, cap);
      expect(vic.bound.size).toBe(0);
    },
  };
}
function unbinds(
  bind: HypercallName,
  unbind: HypercallName,
  make: (w: World) => CapId,
  assert: (w: World, cap: CapId) => void,
): Readonly<Record<string, Effect>> {
  return {
    "the object asserts nothing, and can be bound anew": (w) => {
      const { cap: vicCap, vic } = vicOf(w);
      const cap = make(w);
      w.root.ok(Hypercall[bind], cap, vicCap, 44, 0);
      w.root.ok(Hypercall[unbind], cap, 0);
      assert(w, cap);
      expect(vic.asserted).toEqual([]);
      expect(vic.bound.size).toBe(0);
      expect(w.root.call(Hypercall[bind], cap, vicCap, 45, 0)).toBe(E.OK);
      expect([...vic.bound.keys()]).toEqual([45]);
    },
  };
}

const BUFFER = 0x100;
const MESSAGE = Uint8Array.from({ length: 12 }, (_, i) => 0x41 + i);
/** The root VM's memory at 0, with a message at BUFFER. */
function withMemory(w: World): void {
  w.root.ok(Hypercall.addrspace_map, w.caps.addrspace, w.caps.ddr, 0, 0xf0066, 1, DRAM_BASE, 2 * PAGE);
  w.memory.write(DRAM_BASE + BUFFER, MESSAGE);
}
const send = (w: World, queue: CapId, flags = 0) =>
  w.root.ok(Hypercall.msgqueue_send, queue, MESSAGE.length, BUFFER, flags, 0);
const receive = (w: World, queue: CapId) => w.root.ok(Hypercall.msgqueue_receive, queue, 0x800, 64, 0);
const newBell = (w: World) => active(w, "doorbell");
const ring = (w: World, bell: CapId) => void w.root.ok(Hypercall.doorbell_send, bell, 1);
const receiverHears = (w: World, queue: CapId) => {
  withMemory(w);
  send(w, queue);
};
/** A queue that was full and has one message less. */
const senderHears = (w: World, queue: CapId) => {
  withMemory(w);
  for (let i = 0; i < 4; i++) send(w, queue);
  receive(w, queue);
};
const REGISTERS = DRAM_BASE + 0x10_0000;
const virtio = (w: World, queues = 2) =>
  active(w, "virtio_mmio", (cap) => {
    const page = derive(w, w.caps.ddr, REGISTERS, PAGE, BASIC_RWX);
    w.root.ok(Hypercall.virtio_mmio_configure, cap, page, queues, 0, 0);
  });
/** A register as the front-end reads it. */
const register = (w: World, offset: number) => w.memory.data.getUint32(w.memory.offsetOf(REGISTERS + offset), true);
const frontend = (w: World, cap: CapId, offset: number, value: number) => {
  expect(objectOf<VirtioMmio>(w, cap).vdeviceWrite(0, offset, 4, value)).toBe(true);
};
const REG = {
  devFeat: 0x10,
  devFeatSel: 0x14,
  drvFeat: 0x20,
  drvFeatSel: 0x24,
  queueSel: 0x30,
  queueNumMax: 0x34,
  queueNum: 0x38,
  queueReady: 0x44,
  notify: 0x50,
  irqStatus: 0x60,
  status: 0x70,
  desc: 0x80,
  drv: 0x90,
  dev: 0xa0,
};

export const objectEffects: Effects = {
  hypervisor_identify: {
    "information and flags": (w) => {
      w.root.call(Hypercall.hypervisor_identify);
      expect([...w.root.r.x.subarray(0, 4)]).toEqual([QEMU_API_INFO, QEMU_API_FLAGS0, 0n, 0n]);
    },
  },
  ...Object.fromEntries(CREATABLE.map((type) => [`partition_create_${type}`, creates(type)])),
  object_activate: {
    "ACTIVE, or FAILED where the type refuses": (w) => {
      const good = create(w, "doorbell");
      const bad = create(w, "msgqueue");
      w.root.ok(Hypercall.object_activate, good);
      expect(w.root.call(Hypercall.object_activate, bad)).toBe(E.OBJECT_CONFIG);
      expect(objectOf(w, good).state).toBe(ObjectState.ACTIVE);
      expect(objectOf(w, bad).state).toBe(ObjectState.FAILED);
    },
  },
  object_activate_from: {
    "the object of the other space, not one of the caller's": (w) => {
      const { vm, cspace } = createVm(w, 50);
      const cap = w.root.ok(Hypercall.partition_create_doorbell, w.caps.partition, cspace);
      w.root.ok(Hypercall.object_activate_from, cspace, cap);
      vm.r.x[1] = cap;
      const object = vm.cspace.lookupAny(vm.r.words[1]!, 0);
      expect(typeof object === "number" ? object : object.state).toBe(ObjectState.ACTIVE);
    },
  },
  cspace_delete_cap_from: {
    "the slot is empty; the object goes with its last capability, not before": (w) => {
      const before = [w.core.heap.used, w.core.countObjects()["doorbell"]];
      const master = create(w, "doorbell");
      const copy = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, master, w.caps.cspace, ALL);
      const { id } = objectOf(w, master);
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, master);
      expect(w.root.call(Hypercall.object_activate, master)).toBe(E.CSPACE_CAP_NULL);
      expect(w.core.object(id)).toBeDefined();
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, copy);
      expect(w.core.object(id)).toBeUndefined();
      expect([w.core.heap.used, w.core.countObjects()["doorbell"]]).toEqual(before);
    },
    "the slot can be used again": (w) => {
      const cspace = active(w, "cspace", (cap) => {
        w.root.ok(Hypercall.cspace_configure, cap, 1);
      });
      const cap = w.root.ok(Hypercall.partition_create_doorbell, w.caps.partition, cspace);
      w.root.ok(Hypercall.cspace_delete_cap_from, cspace, cap);
      expect(w.root.call(Hypercall.partition_create_doorbell, w.caps.partition, cspace)).toBe(E.OK);
    },
  },
  cspace_copy_cap_from: {
    "the rights of the source that the mask names, in the destination, and no way back to more": (w) => {
      const { vm, cspace } = createVm(w, 50);
      const bell = active(w, "doorbell");
      const { SEND, RECEIVE } = DoorbellRight;
      const copy = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, bell, cspace, SEND | RECEIVE | 0x4000);
      expect(rightsOf(vm, copy)).toBe(SEND | RECEIVE);
      const again = w.root.ok(Hypercall.cspace_copy_cap_from, cspace, copy, cspace, RECEIVE | DoorbellRight.BIND);
      expect(rightsOf(vm, again)).toBe(RECEIVE);
      expect(vm.call(Hypercall.doorbell_send, again, 1)).toBe(E.CSPACE_INSUFFICIENT_RIGHTS);
      vm.ok(Hypercall.doorbell_send, copy, 1);
      expect(objectOf<Doorbell>(w, bell).flagsLow).toBe(1);
    },
    "no master: it cannot revoke": (w) => {
      const bell = active(w, "doorbell");
      const copy = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, bell, w.caps.cspace, ALL);
      expect(w.root.call(Hypercall.cspace_revoke_caps_from, w.caps.cspace, copy)).toBe(E.CSPACE_INSUFFICIENT_RIGHTS);
    },
    "a capability that outlives the master": (w) => {
      const bell = active(w, "doorbell");
      const copy = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, bell, w.caps.cspace, ALL);
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, bell);
      expect(w.root.call(Hypercall.doorbell_send, copy, 1)).toBe(E.OK);
    },
  },
  cspace_revoke_caps_from: {
    "every copy in every space, the master and other objects not": (w) => {
      const { vm, cspace } = createVm(w, 50);
      const bell = active(w, "doorbell");
      const other = active(w, "doorbell");
      const here = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, bell, w.caps.cspace, ALL);
      const there = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, bell, cspace, ALL);
      const untouched = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, other, cspace, ALL);
      w.root.ok(Hypercall.cspace_revoke_caps_from, w.caps.cspace, bell);
      expect(w.root.call(Hypercall.doorbell_send, here, 1)).toBe(E.CSPACE_CAP_REVOKED);
      expect(vm.call(Hypercall.doorbell_send, there, 1)).toBe(E.CSPACE_CAP_REVOKED);
      expect(vm.call(Hypercall.doorbell_send, untouched, 1)).toBe(E.OK);
      expect(w.root.call(Hypercall.doorbell_send, bell, 1)).toBe(E.OK);
      // The copies hold no reference any more.
      w.root.ok(Hypercall.cspace_delete_cap_from, w.caps.cspace, bell);
      expect(w.core.countObjects()["doorbell"]).toBe(1);
    },
  },
  cspace_configure: {
    "as many capabilities as it says": (w) => {
      const cspace = create(w, "cspace");
      w.root.ok(Hypercall.cspace_configure, cspace, 3);
      w.root.ok(Hypercall.object_activate, cspace);
      const made = [0, 0, 0, 0].map(() => w.root.call(Hypercall.partition_create_doorbell, w.caps.partition, cspace));
      expect(made).toEqual([E.OK, E.OK, E.OK, E.CSPACE_FULL]);
    },
  },
  cspace_attach_thread: {
    "the thread's space, kept alive by it; the one before is let go": (w) => {
      const thread = create(w, "thread");
      const [first, second] = [0, 1].map(() =>
        active(w, "cspace", (cap) => {
          w.root.ok(Hypercall.cspace_configure, cap, 4);
        }),
      ) as [CapId, CapId];
      const [one, two] = [objectOf<Cspace>(w, first), objectOf<Cspace>(w, second)];
      w.root.ok(Hypercall.cspace_attach_thread, first, thread);
      expect(objectOf<FakeThread>(w, thread).cspace === one).toBe(true);
      expect(one.references).toBe(2);
      w.root.ok(Hypercall.cspace_attach_thread, second, thread);
      expect(objectOf<FakeThread>(w, thread).cspace === two).toBe(true);
      expect([one.references, two.references]).toEqual([1, 2]);
    },
  },

  doorbell_bind_virq: binds("doorbell_bind_virq", newBell, ring),
  doorbell_unbind_virq: unbinds("doorbell_bind_virq", "doorbell_unbind_virq", newBell, ring),
  doorbell_send: {
    "all 64 flags are added to those before": (w) => {
      const bell = newBell(w);
      w.root.ok(Hypercall.doorbell_send, bell, 0x8000_0000_0000_0001n);
      expect(w.root.ok(Hypercall.doorbell_send, bell, 0x1_0000_0004n)).toBe(0x8000_0000_0000_0001n);
      const { flagsLow, flagsHigh } = objectOf<Doorbell>(w, bell);
      expect([flagsLow, flagsHigh]).toEqual([5, 0x8000_0001]);
    },
  },
  doorbell_receive: {
    "the named flags of all 64 go, the others stay; the old ones are told": (w) => {
      const bell = newBell(w);
      w.root.ok(Hypercall.doorbell_send, bell, 0x3_0000_0003n);
      expect(w.root.ok(Hypercall.doorbell_receive, bell, 0x1_0000_0002n)).toBe(0x3_0000_0003n);
      const { flagsLow, flagsHigh } = objectOf<Doorbell>(w, bell);
      expect([flagsLow, flagsHigh]).toEqual([1, 2]);
    },
  },
  doorbell_reset: {
    "no flags, everything enabled, nothing acknowledged": (w) => {
      const { cap, vic } = vicOf(w);
      const bell = newBell(w);
      w.root.ok(Hypercall.doorbell_bind_virq, bell, cap, 44, 0);
      w.root.ok(Hypercall.doorbell_mask, bell, 0, ~0n);
      w.root.ok(Hypercall.doorbell_send, bell, ~0n);
      w.root.ok(Hypercall.doorbell_reset, bell);
      expect(vic.cleared).toEqual([44]);
      expect(w.root.ok(Hypercall.doorbell_send, bell, 1n << 63n)).toBe(0n);
      expect(vic.asserted).toEqual([44]);
      expect(w.root.ok(Hypercall.doorbell_send, bell, 1)).toBe(1n << 63n);
    },
  },
  doorbell_mask: {
    "both masks in all 64 bits": (w) => {
      const { cap, vic } = vicOf(w);
      const bell = newBell(w);
      w.root.ok(Hypercall.doorbell_bind_virq, bell, cap, 44, 0);
      w.root.ok(Hypercall.doorbell_mask, bell, 1n << 40n, (1n << 40n) | 1n);
      w.root.ok(Hypercall.doorbell_send, bell, 1n | (1n << 41n));
      expect(vic.asserted).toEqual([]);
      w.root.ok(Hypercall.doorbell_send, bell, 1n << 40n);
      expect(vic.asserted).toEqual([44]);
      expect(w.root.ok(Hypercall.doorbell_send, bell, 0)).toBe(1n << 41n);
    },
  },

  msgqueue_bind_send_virq: binds("msgqueue_bind_send_virq", msgqueue, senderHears),
  msgqueue_bind_receive_virq: binds("msgqueue_bind_receive_virq", msgqueue, receiverHears),
  msgqueue_unbind_send_virq: unbinds("msgqueue_bind_send_virq", "msgqueue_unbind_send_virq", msgqueue, senderHears),
  msgqueue_unbind_receive_virq: unbinds(
    "msgqueue_bind_receive_virq",
    "msgqueue_unbind_receive_virq",
    msgqueue,
    receiverHears,
  ),
  msgqueue_send: {
    "the bytes of the caller, as they were at the call; not_full while there is room": (w) => {
      withMemory(w);
      const queue = msgqueue(w, 2);
      expect(send(w, queue)).toBe(1n);
      w.memory.write(DRAM_BASE + BUFFER, new Uint8Array(12));
      expect(send(w, queue)).toBe(0n);
      receive(w, queue);
      expect([...w.memory.view(DRAM_BASE + 0x800, 12)]).toEqual([...MESSAGE]);
    },
    "push asserts, whatever the threshold": (w) => {
      withMemory(w);
      const { cap, vic } = vicOf(w);
      const queue = msgqueue(w);
      w.root.ok(Hypercall.msgqueue_configure_receive, queue, 4, -1, -1);
      w.root.ok(Hypercall.msgqueue_bind_receive_virq, queue, cap, 44, 0);
      send(w, queue);
      expect(vic.asserted).toEqual([]);
      send(w, queue, 1);
      expect(vic.asserted).toEqual([44]);
    },
  },
  msgqueue_receive: {
    "the oldest message, its size, whether more wait; no byte beyond it": (w) => {
      withMemory(w);
      const queue = msgqueue(w);
      w.memory.write(DRAM_BASE + 0x800, new Uint8Array(64).fill(0xee));
      send(w, queue);
      w.root.ok(Hypercall.msgqueue_send, queue, 3, BUFFER, 0, 0);
      expect(receive(w, queue)).toBe(12n);
      expect(w.root.r.x[2]).toBe(1n);
      expect([...w.memory.view(DRAM_BASE + 0x800, 13)]).toEqual([...MESSAGE, 0xee]);
      expect(receive(w, queue)).toBe(3n);
      expect(w.root.r.x[2]).toBe(0n);
      expect(objectOf<Msgqueue>(w, queue).count).toBe(0);
    },
  },
  msgqueue_flush: {
    "empty, the receiver quiet, the sender told, old bytes gone": (w) => {
      withMemory(w);
      const { cap, vic } = vicOf(w);
      const queue = msgqueue(w);
      w.root.ok(Hypercall.msgqueue_bind_send_virq, queue, cap, 44, 0);
      w.root.ok(Hypercall.msgqueue_bind_receive_virq, queue, cap, 45, 0);
      send(w, queue);
      w.root.ok(Hypercall.msgqueue_flush, queue);
      expect(objectOf<Msgqueue>(w, queue).count).toBe(0);
      expect(vic.asserted).toEqual([45, 44]);
      expect(vic.cleared).toEqual([45]);
      w.root.ok(Hypercall.msgqueue_flush, queue);
      expect(vic.asserted).toEqual([45, 44]);
    },
  },
  msgqueue_configure_send: {
    "the sender hears at the new count": (w) => {
      withMemory(w);
      const { cap, vic } = vicOf(w);
      const queue = msgqueue(w);
      for (let i = 0; i < 4; i++) send(w, queue);
      w.root.ok(Hypercall.msgqueue_bind_send_virq, queue, cap, 44, 0);
      w.root.ok(Hypercall.msgqueue_configure_send, queue, 2, -1, -1);
      expect(vic.asserted).toEqual([]);
      receive(w, queue);
      expect(vic.asserted).toEqual([]);
      receive(w, queue);
      expect(vic.asserted).toEqual([44]);
    },
  },
  msgqueue_configure_receive: {
    "the receiver hears at the new count": (w) => {
      withMemory(w);
      const { cap, vic } = vicOf(w);
      const queue = msgqueue(w);
      w.root.ok(Hypercall.msgqueue_bind_receive_virq, queue, cap, 44, 0);
      w.root.ok(Hypercall.msgqueue_configure_receive, queue, 3, -1, -1);
      send(w, queue);
      send(w, queue);
      expect(vic.asserted).toEqual([]);
      send(w, queue);
      expect(vic.asserted).toEqual([44]);
    },
  },
  msgqueue_configure: {
    "depth and largest size": (w) => {
      withMemory(w);
      const queue = msgqueue(w, 2, 12);
      w.root.ok(Hypercall.msgqueue_send, queue, 13, BUFFER, 0, 0);
      expect(objectOf<Msgqueue>(w, queue).count).toBe(0);
      const sent = [0, 0, 0].map(() => w.root.call(Hypercall.msgqueue_send, queue, 12, BUFFER, 0, 0));
      expect(sent).toEqual([E.OK, E.OK, E.MSGQUEUE_FULL]);
      expect(w.root.r.x[1]).toBe(0n);
      expect(rightsOf(w.root, queue) & MsgqueueRight.SEND).toBe(MsgqueueRight.SEND);
    },
  },

  virtio_mmio_configure: {
    "the extent is the page of registers, with that many queues": (w) => {
      const device = virtio(w, 3);
      frontend(w, device, REG.status, 1);
      expect(register(w, REG.status)).toBe(1);
      expect(w.root.call(Hypercall.virtio_mmio_backend_get_queue_info, device, 2)).toBe(E.OK);
      expect(w.root.call(Hypercall.virtio_mmio_backend_get_queue_info, device, 3)).toBe(E.ARGUMENT_INVALID);
    },
  },
  virtio_mmio_backend_bind_virq: binds(
    "virtio_mmio_backend_bind_virq",
    (w) => virtio(w),
    (w, device) => void w.root.ok(Hypercall.virtio_mmio_backend_assert_virq, device, 1),
  ),
  virtio_mmio_backend_unbind_virq: unbinds(
    "virtio_mmio_backend_bind_virq",
    "virtio_mmio_backend_unbind_virq",
    (w) => virtio(w),
    (w, device) => void w.root.ok(Hypercall.virtio_mmio_backend_assert_virq, device, 1),
  ),
  virtio_mmio_frontend_bind_virq: binds(
    "virtio_mmio_frontend_bind_virq",
    (w) => virtio(w),
    (w, device) => frontend(w, device, REG.notify, 0),
  ),
  virtio_mmio_frontend_unbind_virq: unbinds(
    "virtio_mmio_frontend_bind_virq",
    "virtio_mmio_frontend_unbind_virq",
    (w) => virtio(w),
    (w, device) => frontend(w, device, REG.notify, 0),
  ),
  virtio_mmio_backend_assert_virq: {
    "the bits are added to InterruptStatus": (w) => {
      const device = virtio(w);
      w.root.ok(Hypercall.virtio_mmio_backend_assert_virq, device, 1);
      w.root.ok(Hypercall.virtio_mmio_backend_assert_virq, device, 2);
      expect(register(w, REG.irqStatus)).toBe(3);
    },
  },
  virtio_mmio_backend_set_dev_features: {
    "the front-end reads the word that it selects": (w) => {
      const device = virtio(w);
      w.root.ok(Hypercall.virtio_mmio_backend_set_dev_features, device, 0, 0x1234);
      w.root.ok(Hypercall.virtio_mmio_backend_set_dev_features, device, 1, 3);
      for (const [sel, features] of [
        [0, 0x1234],
        [1, 3],
      ] as const) {
        frontend(w, device, REG.devFeatSel, sel);
        expect(register(w, REG.devFeat)).toBe(features);
      }
    },
  },
  virtio_mmio_backend_set_queue_num_max: {
    "of that queue alone": (w) => {
      const device = virtio(w);
      w.root.ok(Hypercall.virtio_mmio_backend_set_queue_num_max, device, 1, 256);
      const sizes = [0, 1].map((queue) => {
        frontend(w, device, REG.queueSel, queue);
        return register(w, REG.queueNumMax);
      });
      expect(sizes).toEqual([0, 256]);
    },
  },
  virtio_mmio_backend_get_drv_features: {
    "what the front-end accepted, by word": (w) => {
      const device = virtio(w);
      frontend(w, device, REG.drvFeatSel, 1);
      frontend(w, device, REG.drvFeat, 0xabcd);
      expect(w.root.ok(Hypercall.virtio_mmio_backend_get_drv_features, device, 1)).toBe(0xabcdn);
      expect(w.root.ok(Hypercall.virtio_mmio_backend_get_drv_features, device, 0)).toBe(0n);
    },
  },
  virtio_mmio_backend_get_queue_info: {
    "size, readiness and the three addresses, 64 bits each": (w) => {
      const device = virtio(w);
      frontend(w, device, REG.queueSel, 1);
      frontend(w, device, REG.queueNum, 128);
      frontend(w, device, REG.queueReady, 1);
      [REG.desc, REG.drv, REG.dev].forEach((offset, i) => {
        frontend(w, device, offset, 0x8000_0000 + i);
        frontend(w, device, offset + 4, 0x10 + i);
      });
      w.root.ok(Hypercall.virtio_mmio_backend_get_queue_info, device, 1);
      expect([...w.root.r.x.subarray(1, 6)]).toEqual([128n, 1n, 0x10_8000_0000n, 0x11_8000_0001n, 0x12_8000_0002n]);
      w.root.ok(Hypercall.virtio_mmio_backend_get_queue_info, device, 0);
      expect([...w.root.r.x.subarray(1, 6)]).toEqual([0n, 0n, 0n, 0n, 0n]);
    },
  },
  virtio_mmio_backend_get_notification: {
    "queues and reason, once; the interrupt goes": (w) => {
      const { cap, vic } = vicOf(w);
      const device = virtio(w);
      w.root.ok(Hypercall.virtio_mmio_frontend_bind_virq, device, cap, 44, 0);
      frontend(w, device, REG.notify, 1);
      expect(w.root.ok(Hypercall.virtio_mmio_backend_get_notification, device)).toBe(2n);
      expect(w.root.r.x[2]).toBe(1n);
      expect(vic.cleared).toEqual([44]);
      expect(w.root.ok(Hypercall.virtio_mmio_backend_get_notification, device)).toBe(0n);
      expect(w.root.r.x[2]).toBe(0n);
    },
  },
  virtio_mmio_backend_acknowledge_reset: {
    "Status reads 0 when the back-end has done it, not before": (w) => {
      const device = virtio(w);
      frontend(w, device, REG.status, 7);
      frontend(w, device, REG.status, 0);
      expect(register(w, REG.status)).not.toBe(0);
      w.root.ok(Hypercall.virtio_mmio_backend_acknowledge_reset, device);
      expect(register(w, REG.status)).toBe(0);
    },
  },
  virtio_mmio_backend_update_status: {
    "the front-end reads it": (w) => {
      const device = virtio(w);
      w.root.ok(Hypercall.virtio_mmio_backend_update_status, device, 0x4f);
      expect(register(w, REG.status)).toBe(0x4f);
    },
  },

  prng_get_entropy: {
    "as many random words as asked for, others zero, new ones each time": (w) => {
      const read = (bytes: number) => {
        w.root.ok(Hypercall.prng_get_entropy, bytes);
        return [...w.root.r.x.subarray(1, 5)];
      };
      const all = read(16);
      expect(new Set(all).size).toBe(4);
      for (const word of all) expect(word >> 32n).toBe(0n);
      const two = read(8);
      expect(two.slice(2)).toEqual([0n, 0n]);
      expect(two[0]).not.toBe(all[0]);
    },
  },
  trace_update_class_flags: {
    "set wins over clear; the flags stay": (w) => {
      w.root.ok(Hypercall.trace_update_class_flags, 0x43, 0);
      expect(w.root.ok(Hypercall.trace_update_class_flags, 1, 3)).toBe(0x41n);
      expect(w.root.ok(Hypercall.trace_update_class_flags, 0, 0)).toBe(0x41n);
    },
  },
};

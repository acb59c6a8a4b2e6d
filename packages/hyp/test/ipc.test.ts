import { DoorbellRight, GunyahError, Hypercall } from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { beforeEach, describe, expect, it } from "vitest";
import { create, createWorld, DRAM_BASE, type FakeVic, objectOf, type World } from "./fixture.ts";

let world: World;
let vic: FakeVic;
let vicCap: CapId;

beforeEach(() => {
  world = createWorld();
  vicCap = create(world, "vic");
  world.root.ok(Hypercall.object_activate, vicCap);
  vic = objectOf<FakeVic>(world, vicCap);
});

describe("doorbell", () => {
  let bell: CapId;
  beforeEach(() => {
    bell = create(world, "doorbell");
    world.root.ok(Hypercall.object_activate, bell);
    world.root.ok(Hypercall.doorbell_bind_virq, bell, vicCap, 40, 0);
  });

  it("returns the old flags and asserts a level", () => {
    expect(world.root.ok(Hypercall.doorbell_send, bell, 0x8000_0000_0000_0001n)).toBe(0n);
    expect(world.root.ok(Hypercall.doorbell_send, bell, 2)).toBe(0x8000_0000_0000_0001n);
    expect(vic.asserted).toEqual([40, 40]);
    expect(vic.bound.get(40)?.checkPending(false)).toBe(true);
  });

  it("clears what receive names and returns what was there", () => {
    world.root.ok(Hypercall.doorbell_send, bell, 7);
    expect(world.root.ok(Hypercall.doorbell_receive, bell, 3)).toBe(7n);
    expect(vic.bound.get(40)?.checkPending(false)).toBe(true);
    expect(world.root.ok(Hypercall.doorbell_receive, bell, 4)).toBe(4n);
    expect(vic.bound.get(40)?.checkPending(false)).toBe(false);
    expect(vic.cleared).toEqual([40]);
  });

  it("asserts only edges while the flags that are set are masked", () => {
    world.root.ok(Hypercall.doorbell_mask, bell, 4, 0);
    world.root.ok(Hypercall.doorbell_send, bell, 1);
    expect(vic.asserted).toEqual([]);
    // Enabling a flag that is set asserts; disabling it clears.
    world.root.ok(Hypercall.doorbell_mask, bell, 5, 0);
    expect(vic.asserted).toEqual([40]);
    world.root.ok(Hypercall.doorbell_mask, bell, 4, 0);
    expect(vic.cleared).toEqual([40]);
  });

  it("clears acknowledged flags as soon as they asserted", () => {
    world.root.ok(Hypercall.doorbell_mask, bell, 1, 1);
    world.root.ok(Hypercall.doorbell_send, bell, 3);
    expect(world.root.ok(Hypercall.doorbell_send, bell, 0)).toBe(2n);
  });

  it("is as new after reset", () => {
    world.root.ok(Hypercall.doorbell_mask, bell, 4, 4);
    world.root.ok(Hypercall.doorbell_send, bell, 1);
    world.root.ok(Hypercall.doorbell_reset, bell);
    expect(world.root.ok(Hypercall.doorbell_send, bell, 1)).toBe(0n);
    expect(vic.asserted).toEqual([40]);
  });

  it("needs RECEIVE to mask, which a sender's capability lacks", () => {
    const sender = world.root.ok(
      Hypercall.cspace_copy_cap_from,
      world.caps.cspace,
      bell,
      world.caps.cspace,
      DoorbellRight.SEND,
    );
    expect(world.root.call(Hypercall.doorbell_send, sender, 1)).toBe(GunyahError.OK);
    expect(world.root.call(Hypercall.doorbell_mask, sender, 1, 1)).toBe(GunyahError.CSPACE_INSUFFICIENT_RIGHTS);
  });

  it("gives its interrupt back when it dies", () => {
    world.root.ok(Hypercall.cspace_delete_cap_from, world.caps.cspace, bell);
    expect(vic.bound.size).toBe(0);
  });
});

describe("message queue", () => {
  const BUFFER = 0x1000;
  let queue: CapId;
  beforeEach(() => {
    world.root.ok(Hypercall.addrspace_map, world.caps.addrspace, world.caps.ddr, 0, 0xf0066, 1, DRAM_BASE, 0x4000);
    queue = create(world, "msgqueue");
    world.root.ok(Hypercall.msgqueue_configure, queue, 3 | (16 << 16));
    world.root.ok(Hypercall.object_activate, queue);
    world.root.ok(Hypercall.msgqueue_bind_send_virq, queue, vicCap, 50, 0);
    world.root.ok(Hypercall.msgqueue_bind_receive_virq, queue, vicCap, 51, 0);
  });
  const send = (text: string, push = 0) => {
    world.memory.write(DRAM_BASE, new TextEncoder().encode(text));
    return world.root.call(Hypercall.msgqueue_send, queue, text.length, 0, push);
  };
  const receive = (max = 16) => {
    const error = world.root.call(Hypercall.msgqueue_receive, queue, BUFFER, max);
    const size = world.root.r.num(1);
    const text = new TextDecoder().decode(world.memory.view(DRAM_BASE + BUFFER, size).slice());
    return { error, text, notEmpty: world.root.r.num(2) };
  };

  it("keeps order and sizes, and tells when it is full and empty", () => {
    for (const text of ["a", "bc", "def"]) expect(send(text)).toBe(GunyahError.OK);
    expect(world.root.r.num(1)).toBe(0);
    expect(send("ghi")).toBe(GunyahError.MSGQUEUE_FULL);
    expect(receive()).toEqual({ error: 0, text: "a", notEmpty: 1 });
    expect(send("0123456789abcdef")).toBe(GunyahError.OK);
    expect(receive()).toEqual({ error: 0, text: "bc", notEmpty: 1 });
    expect(receive()).toEqual({ error: 0, text: "def", notEmpty: 1 });
    expect(receive()).toEqual({ error: 0, text: "0123456789abcdef", notEmpty: 0 });
    expect(receive().error).toBe(GunyahError.MSGQUEUE_EMPTY);
  });

  it("asserts the receiver at its threshold or on push, the sender when room appears", () => {
    send("a");
    expect(vic.asserted).toEqual([51]);
    send("b");
    send("c", 1);
    expect(vic.asserted).toEqual([51, 51]);
    receive();
    expect(vic.asserted).toEqual([51, 51, 50]);
    receive();
    expect(vic.asserted).toEqual([51, 51, 50]);
  });

  it("keeps a message whose copy fails and still answers OK", () => {
    send("abc");
    expect(receive(2)).toEqual({ error: 0, text: "", notEmpty: 1 });
    expect(world.root.call(Hypercall.msgqueue_receive, queue, 0x9000, 16)).toBe(GunyahError.OK);
    expect(receive().text).toBe("abc");
    expect(world.root.call(Hypercall.msgqueue_send, queue, 17, 0, 0)).toBe(GunyahError.OK);
    expect(receive().error).toBe(GunyahError.MSGQUEUE_EMPTY);
  });

  it("flushes: drops everything, clears the receiver, wakes the sender", () => {
    send("a");
    send("b");
    vic.asserted.length = 0;
    world.root.ok(Hypercall.msgqueue_flush, queue);
    expect(vic.asserted).toEqual([50]);
    expect(vic.cleared).toEqual([51]);
    expect(receive().error).toBe(GunyahError.MSGQUEUE_EMPTY);
    vic.asserted.length = 0;
    world.root.ok(Hypercall.msgqueue_flush, queue);
    expect(vic.asserted).toEqual([]);
  });

  it("applies thresholds at once", () => {
    send("a");
    vic.asserted.length = 0;
    world.root.ok(Hypercall.msgqueue_configure_receive, queue, 2, -1, -1);
    expect(vic.cleared).toEqual([51]);
    send("b");
    expect(vic.asserted).toEqual([51]);
    world.root.ok(Hypercall.msgqueue_configure_send, queue, 1, -1, -1);
    expect(vic.cleared).toEqual([51, 50]);
    receive();
    expect(vic.asserted).toEqual([51, 50]);
  });
});

describe("virtio-mmio", () => {
  it("carries a driver's set-up, notification, interrupt and reset between two VMs", () => {
    const me = create(world, "memextent");
    world.root.ok(Hypercall.memextent_configure_derive, me, world.caps.ddr, DRAM_BASE + 0x10_0000, 0x1000, 7);
    world.root.ok(Hypercall.object_activate, me);
    const device = create(world, "virtio_mmio");
    world.root.ok(Hypercall.virtio_mmio_configure, device, me, 2, 0, 0);
    world.root.ok(Hypercall.object_activate, device);
    world.root.ok(Hypercall.virtio_mmio_backend_bind_virq, device, vicCap, 60, 0);
    world.root.ok(Hypercall.virtio_mmio_frontend_bind_virq, device, vicCap, 61, 0);
    world.root.ok(Hypercall.virtio_mmio_backend_set_dev_features, device, 1, 3);
    world.root.ok(Hypercall.virtio_mmio_backend_set_queue_num_max, device, 1, 256);
    // The front-end sees the page read-only; its stores trap to the frame.
    world.root.ok(Hypercall.addrspace_map, world.caps.addrspace, me, 0x900_0000, 0xf0044, 0, 0, 0);
    const frame = world.root.addrspace.vdeviceAt(0x900_0000 + 0x30, 4);
    expect(frame).toMatchObject({ base: 0x900_0000, size: 0x1000 });
    const store = (offset: number, value: number) => frame?.device.vdeviceWrite(0, offset, 4, value);
    const load = (offset: number) =>
      world.memory.data.getUint32(world.memory.offsetOf(DRAM_BASE + 0x10_0000 + offset), true);
    expect(store(0x014, 1)).toBe(true);
    expect(load(0x010)).toBe(3);
    expect(store(0x014, 2)).toBe(false);
    store(0x024, 1);
    store(0x020, 3);
    expect(world.root.ok(Hypercall.virtio_mmio_backend_get_drv_features, device, 1)).toBe(3n);
    store(0x030, 1);
    expect(load(0x034)).toBe(256);
    store(0x038, 128);
    store(0x080, 0x1000);
    store(0x084, 0x2);
    store(0x044, 1);
    world.root.ok(Hypercall.virtio_mmio_backend_get_queue_info, device, 1);
    expect([...world.root.r.x.subarray(1, 4)]).toEqual([128n, 1n, 0x2_0000_1000n]);
    store(0x070, 4);
    store(0x050, 1);
    // What the front-end asserts goes to the back-end's controller.
    expect(vic.asserted).toEqual([61, 61]);
    world.root.ok(Hypercall.virtio_mmio_backend_get_notification, device);
    expect([...world.root.r.x.subarray(1, 3)]).toEqual([2n, 9n]);
    world.root.ok(Hypercall.virtio_mmio_backend_assert_virq, device, 1);
    expect(vic.asserted).toEqual([61, 61, 60]);
    store(0x064, 1);
    expect(load(0x060)).toBe(0);
    store(0x070, 0);
    expect(load(0x070)).toBe(0x44);
    expect(world.root.call(Hypercall.virtio_mmio_backend_assert_virq, device, 1)).toBe(GunyahError.DENIED);
    world.root.ok(Hypercall.virtio_mmio_backend_acknowledge_reset, device);
    expect(load(0x070)).toBe(0);
    // Its memory is in use by the hypervisor while the device lives.
    const child = create(world, "memextent");
    world.root.ok(Hypercall.memextent_configure_derive, child, me, 0, 0x1000, 7);
    expect(world.root.call(Hypercall.object_activate, child)).toBe(GunyahError.BUSY);
  });
});

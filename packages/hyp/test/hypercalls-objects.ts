/** Documented errors of the object, capability, doorbell, message queue and miscellaneous calls. */

import {
  CspaceRight,
  DoorbellRight,
  GunyahError as E,
  Hypercall,
  type HypercallName,
  MemextentRight,
  MsgqueueRight,
  OBJECT_ACTIVATE,
  PartitionRight,
  QEMU_API_INFO,
  ThreadRight,
  VicRight,
  VirtioMmioRight,
} from "@gunyah-ts/abi";
import type { CapId } from "@gunyah-ts/kernel";
import { BASIC_RWX, create, createVm, DRAM_BASE, derive, SPARSE_RWX, type World } from "./fixture.ts";
import { type Args, type CallSpec, type CapLookup, emptyCap, revokedCap } from "./hypercall-spec.ts";

const set = (index: number, value: number | bigint) => (args: Args) => {
  args[index] = value;
};
const lookup = (
  arg: number,
  type: CapLookup["type"],
  right: number,
  mode: CapLookup["mode"] = "active",
): CapLookup => ({
  arg,
  type,
  right,
  mode,
});

function active(world: World, type: string): CapId {
  const cap = create(world, type);
  if (type === "msgqueue") world.root.ok(Hypercall.msgqueue_configure, cap, 4 | (64 << 16));
  if (type === "virtio_mmio")
    world.root.ok(
      Hypercall.virtio_mmio_configure,
      cap,
      derive(world, world.caps.ddr, virtioPage(world), 0x1000, BASIC_RWX),
      2,
      0,
      0,
    );
  if (type === "cspace") world.root.ok(Hypercall.cspace_configure, cap, 16);
  world.root.ok(Hypercall.object_activate, cap);
  return cap;
}

/** A page of DRAM that no other device of the world has. */
function virtioPage(world: World): number {
  let page = DRAM_BASE;
  while (world.core.memdb.owner(page) !== world.ddr.id) page += 0x1000;
  return page;
}

function fullCspace(world: World): CapId {
  const cap = create(world, "cspace");
  world.root.ok(Hypercall.cspace_configure, cap, 1);
  world.root.ok(Hypercall.object_activate, cap);
  world.root.ok(Hypercall.partition_create_doorbell, world.caps.partition, cap);
  return cap;
}

function exhaust(world: World): void {
  while (world.core.heap.take(64));
}

const CREATE: readonly HypercallName[] = [
  "partition_create_cspace",
  "partition_create_addrspace",
  "partition_create_memextent",
  "partition_create_thread",
  "partition_create_doorbell",
  "partition_create_msgqueue",
  "partition_create_vic",
  "partition_create_virtio_mmio",
];
const createSpecs: readonly CallSpec[] = CREATE.map((call) => ({
  call,
  good: (w) => [w.caps.partition, w.caps.cspace, 0],
  lookups: [lookup(0, "partition", PartitionRight.OBJECT_CREATE), lookup(1, "cspace", CspaceRight.CAP_CREATE)],
  faults: [
    { when: "no memory left", error: E.NOMEM, apply: (_a, w) => exhaust(w), alone: true },
    {
      when: "capability space full",
      error: E.CSPACE_FULL,
      apply: (a, w) => {
        a[1] = fullCspace(w);
      },
      alone: true,
    },
  ],
}));

const unimplemented = (call: HypercallName): CallSpec => ({
  call,
  good: (w) => [w.caps.cspace, w.caps.cspace, 0],
  lookups: [],
  result: E.UNIMPLEMENTED,
});

type Bound = "doorbell" | "msgqueue" | "virtio_mmio";
const bindSpec = (call: HypercallName, type: Bound, right: number): CallSpec => ({
  call,
  good: (w) => [active(w, type), active(w, "vic"), 40, 0],
  lookups: [lookup(0, type, right), lookup(1, "vic", VicRight.BIND_SOURCE)],
  faults: [
    { when: "number is no SPI", error: E.ARGUMENT_INVALID, apply: set(2, 31), alone: true },
    {
      when: "source bound already",
      error: E.VIRQ_BOUND,
      apply: (a, w) => {
        w.root.ok(Hypercall[call], ...a);
        a[2] = 41;
      },
      alone: true,
    },
    {
      when: "number taken",
      error: E.BUSY,
      apply: (a, w) => {
        w.root.ok(Hypercall[call], active(w, type), ...a.slice(1));
      },
      alone: true,
    },
  ],
});
const unbindSpec = (call: HypercallName, type: Bound, right: number): CallSpec => ({
  call,
  good: (w) => [active(w, type), 0],
  lookups: [lookup(0, type, right)],
});

export const objectSpecs: readonly CallSpec[] = [
  { call: "hypervisor_identify", good: () => [], lookups: [], result: Number(QEMU_API_INFO) },
  unimplemented("partition_create_partition"),
  ...createSpecs,
  {
    call: "object_activate",
    good: (w) => [create(w, "doorbell"), 0],
    lookups: [],
    faults: [
      { when: "cap malformed", error: E.ARGUMENT_INVALID, apply: set(0, 0xffff_ffff_ffff_ffffn), alone: true },
      {
        when: "cap empty",
        error: E.CSPACE_CAP_NULL,
        apply: (a, w) => {
          a[0] = emptyCap(w);
        },
        alone: true,
      },
      {
        when: "cap revoked",
        error: E.CSPACE_CAP_REVOKED,
        apply: (a, w) => {
          a[0] = revokedCap(w);
        },
        alone: true,
      },
      {
        when: "cap without OBJECT_ACTIVATE",
        error: E.CSPACE_INSUFFICIENT_RIGHTS,
        apply: (a, w) => {
          a[0] = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, a[0] as CapId, w.caps.cspace, 0x7fff_ffff);
        },
        alone: true,
      },
      {
        when: "object not in INIT",
        error: E.OBJECT_STATE,
        apply: (a, w) => {
          a[0] = active(w, "doorbell");
        },
        alone: true,
      },
      {
        when: "message queue not configured",
        error: E.OBJECT_CONFIG,
        apply: (a, w) => {
          a[0] = create(w, "msgqueue");
        },
        alone: true,
      },
      {
        when: "capability space not configured",
        error: E.OBJECT_CONFIG,
        apply: (a, w) => {
          a[0] = create(w, "cspace");
        },
        alone: true,
      },
      {
        when: "memory extent not configured",
        error: E.OBJECT_CONFIG,
        apply: (a, w) => {
          a[0] = create(w, "memextent");
        },
        alone: true,
      },
      {
        when: "VMID in use",
        error: E.BUSY,
        apply: (a, w) => {
          a[0] = create(w, "addrspace");
          w.root.ok(Hypercall.addrspace_configure, a[0], 255);
        },
        alone: true,
      },
      {
        when: "object failed before",
        error: E.OBJECT_STATE,
        apply: (a, w) => {
          a[0] = create(w, "msgqueue");
          w.root.call(Hypercall.object_activate, a[0]);
        },
        alone: true,
      },
      {
        when: "basic extent whose memory the partition does not own",
        error: E.MEMDB_NOT_OWNER,
        apply: (a, w) => {
          a[0] = create(w, "memextent");
          w.root.ok(Hypercall.memextent_configure, a[0], 0x8000_0000, 0x1000, 7);
        },
        alone: true,
      },
      {
        when: "no memory left",
        error: E.NOMEM,
        apply: (a, w) => {
          a[0] = create(w, "msgqueue");
          w.root.ok(Hypercall.msgqueue_configure, a[0], 4 | (64 << 16));
          exhaust(w);
        },
        alone: true,
      },
    ],
  },
  {
    call: "object_activate_from",
    good: (w) => {
      const { vm, cspace } = createVm(w, 50);
      void vm;
      return [cspace, w.root.ok(Hypercall.partition_create_doorbell, w.caps.partition, cspace), 0];
    },
    lookups: [lookup(0, "cspace", CspaceRight.CAP_CREATE)],
    faults: [
      { when: "cap malformed", error: E.ARGUMENT_INVALID, apply: set(1, 0xffff_ffff_ffff_ffffn), alone: true },
      {
        when: "object not in INIT",
        error: E.OBJECT_STATE,
        apply: (a, w) => {
          w.root.ok(Hypercall.object_activate_from, ...a);
        },
        alone: true,
      },
    ],
  },
  unimplemented("object_reset"),
  unimplemented("object_reset_from"),
  {
    call: "cspace_delete_cap_from",
    good: (w) => [w.caps.cspace, create(w, "doorbell"), 0],
    lookups: [lookup(0, "cspace", CspaceRight.CAP_DELETE)],
    faults: [
      { when: "cap malformed", error: E.ARGUMENT_INVALID, apply: set(1, 0xffff_ffff_ffff_ffffn), alone: true },
      {
        when: "cap empty",
        error: E.CSPACE_CAP_NULL,
        apply: (a, w) => {
          a[1] = emptyCap(w);
        },
        alone: true,
      },
      {
        when: "cap revoked (frees its slot)",
        error: E.OK,
        apply: (a, w) => {
          a[1] = revokedCap(w);
        },
        alone: true,
      },
    ],
  },
  {
    call: "cspace_copy_cap_from",
    good: (w) => [w.caps.cspace, create(w, "doorbell"), w.caps.cspace, DoorbellRight.SEND, 0],
    lookups: [lookup(0, "cspace", CspaceRight.CAP_COPY), lookup(2, "cspace", CspaceRight.CAP_CREATE)],
    faults: [
      {
        when: "destination full (before the source is looked at)",
        error: E.CSPACE_FULL,
        apply: (a, w) => {
          a[2] = fullCspace(w);
          a[1] = emptyCap(w);
        },
        alone: true,
      },
      { when: "cap malformed", error: E.ARGUMENT_INVALID, apply: set(1, 0xffff_ffff_ffff_ffffn), alone: true },
      {
        when: "cap empty",
        error: E.CSPACE_CAP_NULL,
        apply: (a, w) => {
          a[1] = emptyCap(w);
        },
        alone: true,
      },
      {
        when: "cap revoked",
        error: E.CSPACE_CAP_REVOKED,
        apply: (a, w) => {
          a[1] = revokedCap(w);
        },
        alone: true,
      },
      { when: "no right left", error: E.CSPACE_INSUFFICIENT_RIGHTS, apply: set(3, 0), alone: true },
    ],
  },
  unimplemented("cspace_revoke_cap_from"),
  {
    call: "cspace_revoke_caps_from",
    good: (w) => [w.caps.cspace, create(w, "doorbell"), 0],
    lookups: [lookup(0, "cspace", CspaceRight.CAP_REVOKE)],
    faults: [
      { when: "cap malformed", error: E.ARGUMENT_INVALID, apply: set(1, 0xffff_ffff_ffff_ffffn), alone: true },
      {
        when: "cap empty",
        error: E.CSPACE_CAP_NULL,
        apply: (a, w) => {
          a[1] = emptyCap(w);
        },
        alone: true,
      },
      {
        when: "cap revoked",
        error: E.CSPACE_CAP_REVOKED,
        apply: (a, w) => {
          a[1] = revokedCap(w);
        },
        alone: true,
      },
      {
        when: "cap not the master",
        error: E.CSPACE_INSUFFICIENT_RIGHTS,
        apply: (a, w) => {
          a[1] = w.root.ok(Hypercall.cspace_copy_cap_from, w.caps.cspace, a[1] as CapId, w.caps.cspace, 0xffff_ffff);
        },
        alone: true,
      },
    ],
  },
  {
    call: "cspace_configure",
    good: (w) => [create(w, "cspace"), 1024, 0],
    lookups: [lookup(0, "cspace", OBJECT_ACTIVATE, "configure")],
    faults: [{ when: "too many", error: E.ARGUMENT_INVALID, apply: set(1, 65536) }],
  },
  {
    call: "cspace_attach_thread",
    good: (w) => [w.caps.cspace, create(w, "thread"), 0],
    lookups: [lookup(1, "thread", ThreadRight.OBJECT_ACTIVATE, "configure"), lookup(0, "cspace", CspaceRight.ATTACH)],
  },

  bindSpec("doorbell_bind_virq", "doorbell", DoorbellRight.BIND),
  unbindSpec("doorbell_unbind_virq", "doorbell", DoorbellRight.BIND),
  {
    call: "doorbell_send",
    good: (w) => [active(w, "doorbell"), 1, 0],
    lookups: [lookup(0, "doorbell", DoorbellRight.SEND)],
  },
  {
    call: "doorbell_receive",
    good: (w) => [active(w, "doorbell"), 1, 0],
    lookups: [lookup(0, "doorbell", DoorbellRight.RECEIVE)],
    faults: [{ when: "no flag to clear", error: E.ARGUMENT_INVALID, apply: set(1, 0) }],
  },
  {
    call: "doorbell_reset",
    good: (w) => [active(w, "doorbell"), 0],
    lookups: [lookup(0, "doorbell", DoorbellRight.RECEIVE)],
  },
  {
    call: "doorbell_mask",
    good: (w) => [active(w, "doorbell"), 1, 1, 0],
    lookups: [lookup(0, "doorbell", DoorbellRight.RECEIVE)],
  },

  bindSpec("msgqueue_bind_send_virq", "msgqueue", MsgqueueRight.BIND_SEND),
  bindSpec("msgqueue_bind_receive_virq", "msgqueue", MsgqueueRight.BIND_RECEIVE),
  unbindSpec("msgqueue_unbind_send_virq", "msgqueue", MsgqueueRight.BIND_SEND),
  unbindSpec("msgqueue_unbind_receive_virq", "msgqueue", MsgqueueRight.BIND_RECEIVE),
  {
    call: "msgqueue_send",
    good: (w) => {
      w.root.ok(Hypercall.addrspace_map, w.caps.addrspace, w.caps.ddr, 0, 0xf0066, 1, 0x8000_0000, 0x1000);
      return [active(w, "msgqueue"), 12, 0, 0, 0];
    },
    lookups: [lookup(0, "msgqueue", MsgqueueRight.SEND)],
    faults: [
      {
        when: "queue full",
        error: E.MSGQUEUE_FULL,
        apply: (a, w) => {
          for (let i = 0; i < 4; i++) w.root.ok(Hypercall.msgqueue_send, ...a);
        },
        alone: true,
      },
      { when: "message too large (dropped)", error: E.OK, apply: set(1, 65), alone: true },
      { when: "message not readable (dropped)", error: E.OK, apply: set(2, 0x5000), alone: true },
    ],
  },
  {
    call: "msgqueue_receive",
    good: (w) => {
      w.root.ok(Hypercall.addrspace_map, w.caps.addrspace, w.caps.ddr, 0, 0xf0066, 1, 0x8000_0000, 0x1000);
      const queue = active(w, "msgqueue");
      w.root.ok(Hypercall.msgqueue_send, queue, 12, 0, 0);
      return [queue, 0x100, 240, 0];
    },
    lookups: [lookup(0, "msgqueue", MsgqueueRight.RECEIVE)],
    faults: [
      {
        when: "queue empty",
        error: E.MSGQUEUE_EMPTY,
        apply: (a, w) => {
          w.root.ok(Hypercall.msgqueue_receive, ...a);
        },
        alone: true,
      },
      { when: "buffer too small (message stays)", error: E.OK, apply: set(2, 11), alone: true },
      { when: "buffer not writable (message stays)", error: E.OK, apply: set(1, 0x5000), alone: true },
    ],
  },
  {
    call: "msgqueue_flush",
    good: (w) => [active(w, "msgqueue"), 0],
    lookups: [lookup(0, "msgqueue", MsgqueueRight.RECEIVE)],
  },
  {
    call: "msgqueue_configure_send",
    good: (w) => [active(w, "msgqueue"), 2, -1, -1],
    lookups: [lookup(0, "msgqueue", MsgqueueRight.SEND)],
    faults: [
      { when: "hold-off given", error: E.UNIMPLEMENTED, apply: set(2, 5) },
      { when: "threshold as deep as the queue", error: E.ARGUMENT_INVALID, apply: set(1, 4) },
      { when: "threshold unchanged", error: E.OK, apply: set(1, -1), alone: true },
    ],
  },
  {
    call: "msgqueue_configure_receive",
    good: (w) => [active(w, "msgqueue"), 2, -1, -1],
    lookups: [lookup(0, "msgqueue", MsgqueueRight.RECEIVE)],
    faults: [
      { when: "hold-off given", error: E.UNIMPLEMENTED, apply: set(2, 5) },
      { when: "threshold 0", error: E.ARGUMENT_INVALID, apply: set(1, 0), alone: true },
      { when: "threshold above the depth", error: E.ARGUMENT_INVALID, apply: set(1, 5), alone: true },
      { when: "threshold unchanged", error: E.OK, apply: set(1, -1), alone: true },
      { when: "threshold as deep as the queue", error: E.OK, apply: set(1, -2), alone: true },
    ],
  },
  {
    call: "msgqueue_configure",
    good: (w) => [create(w, "msgqueue"), 8 | (240 << 16), 0],
    lookups: [lookup(0, "msgqueue", OBJECT_ACTIVATE, "configure")],
    faults: [
      { when: "depth 0", error: E.ARGUMENT_INVALID, apply: set(1, 240 << 16) },
      { when: "depth 256", error: E.ARGUMENT_INVALID, apply: set(1, 256 | (240 << 16)) },
      { when: "size 0", error: E.ARGUMENT_INVALID, apply: set(1, 8) },
      { when: "size 1024", error: E.ARGUMENT_INVALID, apply: set(1, 8 | (1024 << 16)) },
    ],
  },
  ...virtioSpecs(),
  {
    call: "prng_get_entropy",
    good: () => [16, 0],
    lookups: [],
    faults: [
      { when: "no bytes", error: E.ARGUMENT_SIZE, apply: set(0, 0), alone: true },
      { when: "more than 16 bytes", error: E.ARGUMENT_SIZE, apply: set(0, 17), alone: true },
      { when: "not a multiple of 4", error: E.ARGUMENT_ALIGNMENT, apply: set(0, 5), alone: true },
      {
        when: "fifth read in 33 ms",
        error: E.BUSY,
        apply: (a, w) => {
          for (let i = 0; i < 4; i++) w.root.ok(Hypercall.prng_get_entropy, ...a);
        },
        alone: true,
      },
    ],
  },
  { call: "trace_update_class_flags", good: () => [1, 0, 0], lookups: [] },
];

function virtioSpecs(): CallSpec[] {
  const { BIND_BACKEND_VIRQ, BIND_FRONTEND_VIRQ, ASSERT_VIRQ, CONFIG } = VirtioMmioRight;
  const config = (call: HypercallName, ...args: Args): Omit<CallSpec, "faults"> => ({
    call,
    good: (w) => [active(w, "virtio_mmio"), ...args, 0],
    lookups: [lookup(0, "virtio_mmio", CONFIG)],
  });
  const noQueue = { when: "queue that does not exist", error: E.ARGUMENT_INVALID, apply: set(1, 2) };
  const badSel = { when: "selector above 1", error: E.ARGUMENT_INVALID, apply: set(1, 2) };
  return [
    {
      call: "virtio_mmio_configure",
      good: (w) => [create(w, "virtio_mmio"), derive(w, w.caps.ddr, DRAM_BASE, 0x1000, BASIC_RWX), 2, 0, 0],
      lookups: [lookup(1, "memextent", MemextentRight.ATTACH), lookup(0, "virtio_mmio", OBJECT_ACTIVATE, "configure")],
      faults: [
        {
          when: "extent not basic",
          error: E.ARGUMENT_INVALID,
          apply: (a, w) => {
            a[1] = derive(w, w.caps.ddr, virtioPage(w), 0x1000, SPARSE_RWX);
          },
          alone: true,
        },
        {
          when: "extent not one page",
          error: E.ARGUMENT_INVALID,
          apply: (a, w) => {
            a[1] = derive(w, w.caps.ddr, virtioPage(w), 0x2000, BASIC_RWX);
          },
          alone: true,
        },
        { when: "more than 16 queues", error: E.ARGUMENT_INVALID, apply: set(2, 17) },
        { when: "device type that is not built in", error: E.ARGUMENT_INVALID, apply: set(3, 0x40) },
      ],
    },
    bindSpec("virtio_mmio_backend_bind_virq", "virtio_mmio", BIND_BACKEND_VIRQ),
    unbindSpec("virtio_mmio_backend_unbind_virq", "virtio_mmio", BIND_BACKEND_VIRQ),
    bindSpec("virtio_mmio_frontend_bind_virq", "virtio_mmio", BIND_FRONTEND_VIRQ),
    unbindSpec("virtio_mmio_frontend_unbind_virq", "virtio_mmio", BIND_FRONTEND_VIRQ),
    {
      call: "virtio_mmio_backend_assert_virq",
      good: (w) => [active(w, "virtio_mmio"), 1, 0],
      lookups: [lookup(0, "virtio_mmio", ASSERT_VIRQ)],
      faults: [
        {
          when: "reset pending",
          error: E.DENIED,
          apply: (a, w) => {
            w.root.ok(Hypercall.virtio_mmio_backend_update_status, a[0] as CapId, 0x40);
          },
        },
      ],
    },
    {
      ...config("virtio_mmio_backend_set_dev_features", 1, 3),
      faults: [
        badSel,
        { when: "VERSION_1 missing", error: E.DENIED, apply: set(2, 2), alone: true },
        { when: "ACCESS_PLATFORM missing", error: E.DENIED, apply: set(2, 1), alone: true },
        { when: "NOTIFICATION_DATA set", error: E.DENIED, apply: set(2, 0x43), alone: true },
      ],
    },
    { ...config("virtio_mmio_backend_set_queue_num_max", 1, 256), faults: [noQueue] },
    { ...config("virtio_mmio_backend_get_drv_features", 1), faults: [badSel] },
    { ...config("virtio_mmio_backend_get_queue_info", 1), faults: [noQueue] },
    config("virtio_mmio_backend_get_notification"),
    config("virtio_mmio_backend_acknowledge_reset"),
    config("virtio_mmio_backend_update_status", 1),
    { ...config("virtio_input_configure", 0, 0, 0, 0), result: E.OBJECT_CONFIG },
    { ...config("virtio_input_set_data", 0, 0, 0, 0), result: E.OBJECT_CONFIG },
  ];
}

/**
 * Owners that describe anything: device trees with every property that the RM reads set to anything, odd offsets and
 * layouts, hundreds of CPUs and devices, deep trees, on the real hypervisor. The RM answers with an error, the VM can
 * be reset, nothing stays behind, and the same RM serves the next VM.
 */

import { RmError, VmState } from "@gunyah-ts/abi";
import { cells, type DeviceNode, DeviceTreeError, EMPTY, writeDtb } from "@gunyah-ts/devicetree";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DTB_AT, guestTree, lendRequest, make } from "./host.ts";
import { bootSystem } from "./system.ts";

const NIGHTLY = process.env["GUNYAH_NIGHTLY"] === "1";
const SIZE = 0x2_0000;
const ERRORS: ReadonlySet<number> = new Set(Object.values(RmError));
const DEVICES = [
  "doorbell",
  "doorbell-source",
  "message-queue",
  "message-queue-pair",
  "rm-rpc",
  "shm",
  "shm-doorbell",
  "virtio-mmio",
  "vrtc-pl031",
  "iomem",
  "vsmmu-v2",
  "unknown",
];
const PATHS = [
  "/",
  "/chosen",
  "/memory",
  "/cpus",
  "/cpus/cpu@0",
  "/cpus/cpu@1",
  "/psci",
  "/hypervisor",
  "/intc@3fff0000",
  "/gunyah-vm-config",
  "/gunyah-vm-config/memory",
  "/gunyah-vm-config/interrupts",
  "/gunyah-vm-config/vcpus",
  "/gunyah-vm-config/vdevices",
  ...[0, 1, 2].flatMap((i) => [`/gunyah-vm-config/vdevices/d${i}`, `/gunyah-vm-config/vdevices/d${i}/memory`]),
];
const NAMES = [
  ..."#address-cells #size-cells #interrupt-cells #redistributor-regions redistributor-stride reg compatible".split(
    " ",
  ),
  ..."device_type status enable-method cpu-idle-states phandle interrupt-parent interrupt-controller".split(" "),
  ..."base-address size-min size-max firmware-address firmware-size-max config affinity affinity-map".split(" "),
  ..."sched-priority sched-timeslice kernel-entry-offset image-name vm-uri vm-guid vm-attrs vendor".split(" "),
  ..."vdevice-type generate label qcom,label peer-default peer interrupts push-compatible message-size".split(" "),
  ..."queue-depth is-sender is-receiver source-can-clear base allocate-base optional vqs-num".split(" "),
  ..."virtio,device-type dma_base dma-coherent console-dev vmid method".split(" "),
];
const cell = fc.oneof(
  { weight: 4, arbitrary: fc.nat(40) },
  { weight: 2, arbitrary: fc.nat(1100) },
  { weight: 1, arbitrary: fc.nat(31).map((bit) => (2 ** 32 - 2 ** bit) >>> 0) },
  { weight: 1, arbitrary: fc.nat(31).map((bit) => 2 ** bit) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);
const text = fc.constantFrom(
  ...["", "okay", "disabled", "fail-x", "cpu", "memory", "psci", "arm,gic-v3", "arm,psci-1.0", "proxy", "static"],
  ...[
    "sticky",
    "pinned",
    "/",
    "/cpus",
    "/intc@3fff0000",
    "/hypervisor/x",
    "/a/b/c/d",
    "//",
    "/hypervisor/../x",
    "x@@y",
  ],
  ...["vm-name:test-vm", "vm-uri:", "vm-guid:1", "\0", "é\uD83D\uDE00", "test-vm", ...DEVICES],
);
const value = fc.oneof(
  { weight: 5, arbitrary: fc.array(cell, { maxLength: 8 }).map((list) => cells(...list)) },
  { weight: 3, arbitrary: fc.array(text, { minLength: 1, maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constant(EMPTY) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
);
const edit = fc.oneof(
  { weight: 10, arbitrary: fc.record({ path: fc.constantFrom(...PATHS), name: fc.constantFrom(...NAMES), value }) },
  { weight: 4, arbitrary: fc.record({ device: fc.nat(2), type: fc.constantFrom(...DEVICES) }) },
  {
    weight: 1,
    arbitrary: fc.record({ remove: fc.constantFrom(...PATHS), property: fc.constantFrom(undefined, ...NAMES) }),
  },
  { weight: 1, arbitrary: fc.record({ cpus: fc.integer({ min: 0, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ devices: fc.integer({ min: 0, max: 150 }), of: fc.constantFrom(...DEVICES) }) },
  { weight: 1, arbitrary: fc.record({ deep: fc.integer({ min: 1, max: 60 }) }) },
);
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

/** A device of a type as a VMM describes it, complete. */
function describeDevice(node: DeviceNode, type: string, label: number): void {
  node
    .set("vdevice-type", type)
    .set("label", label)
    .set("peer-default", EMPTY)
    .set("generate", `/hypervisor/g${label}`);
  if (type === "message-queue") node.set("is-sender", EMPTY);
  if (type !== "shm" && type !== "shm-doorbell" && type !== "virtio-mmio") return;
  const memory = node.child("memory") ?? node.addChild("memory");
  memory.set("label", label).set("allocate-base", EMPTY).set("optional", EMPTY);
}

function blobOf(edits: readonly Edit[]): Uint8Array | undefined {
  const tree = guestTree({ cpus: 2 });
  try {
    for (const e of edits) {
      if ("path" in e) tree.ensure(e.path).set(e.name, e.value);
      else if ("device" in e) {
        describeDevice(tree.ensure(`/gunyah-vm-config/vdevices/d${e.device}`), e.type, e.device);
      } else if ("remove" in e) {
        const node = tree.find(e.remove);
        if (e.property === undefined) node?.parent?.removeChild(node.name);
        else node?.delete(e.property);
      } else if ("cpus" in e) {
        for (let i = 0; i < e.cpus; i++)
          tree
            .ensure(`/cpus/cpu@${i.toString(16)}`)
            .set("device_type", "cpu")
            .set("reg", i)
            .set("enable-method", "psci");
      } else if ("devices" in e) {
        for (let i = 0; i < e.devices; i++)
          describeDevice(tree.ensure(`/gunyah-vm-config/vdevices/many-${i}`), e.of, 100 + i);
      } else tree.ensure(Array.from({ length: e.deep }, (_, i) => `/n${i}`).join("")).set("vdevice-type", "doorbell");
    }
    const blob = writeDtb(tree);
    return blob.length > SIZE ? undefined : writeDtb(tree, { size: SIZE });
  } catch (error) {
    // The writer's own limits are no guest's.
    if (error instanceof DeviceTreeError) return undefined;
    throw error;
  }
}

const wide = fc.oneof(
  { weight: 3, arbitrary: fc.bigInt({ min: 0n, max: 0x3_0000n }) },
  { weight: 1, arbitrary: fc.nat(63).map((bit) => 1n << BigInt(bit)) },
  { weight: 1, arbitrary: fc.nat(63).map((bit) => (1n << 64n) - (1n << BigInt(bit))) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);
/** Mostly right, so that VM_INIT is reached. */
const mostly = <T>(right: T, otherwise: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: otherwise });
const image = fc.record({
  imageOffset: mostly(0n, wide),
  imageSize: mostly(0n, wide),
  dtbOffset: mostly(0n, wide),
  dtbSize: mostly(BigInt(SIZE), wide),
  authType: mostly(0, fc.nat(4)),
});
const layout = fc.record({
  rangeId: mostly(0, fc.nat(4)),
  base: mostly(0x8010_0000n, wide),
  size: mostly(BigInt(SIZE), wide),
});
const boot = fc.array(fc.record({ registerSet: fc.nat(4), registerIndex: fc.nat(33), value: wide }), { maxLength: 3 });
const demand = mostly(
  [{ base: 0x8000_0000n, size: 0x20_0000n }],
  fc.array(fc.record({ base: wide, size: wide }), { maxLength: 4 }),
);

type System = ReturnType<typeof bootSystem>;

/** One VM from allocation to deallocation; `act` does what lies between. @returns the state that it reached */
function cycle(system: System, blob: Uint8Array, act: (vmid: number, handle: number) => void): number {
  const { host, write } = system;
  const { vmid } = make(system, "LOAD");
  expect(write(DTB_AT, blob)).toBe(true);
  const { handle } = host.ok("MEM_LEND", lendRequest(vmid, DTB_AT, SIZE));
  act(vmid, handle);
  const id = { vmid, reserved: 0 };
  // No platform here authenticates an image: the VM fails, and can be reset.
  if (host.ok("VM_GET_STATE", id).vmState === VmState.AUTH)
    expect(host.call("VM_AUTH_IMAGE", { vmid, parameters: [] }).error).toBe(RmError.DENIED);
  const { vmState } = host.ok("VM_GET_STATE", id);
  if (vmState === VmState.RUNNING) host.ok("VM_STOP", { vmid, flags: 1, reason: 3 });
  host.ok("VM_RESET", id);
  host.ok("MEM_RECLAIM", { handle, flags: 0 });
  host.ok("VM_DEALLOCATE", id);
  host.takeNotifications();
  return vmState;
}

function startPlain(system: System): void {
  const { host } = system;
  const state = cycle(system, blobOf([]) as Uint8Array, (vmid, memHandle) => {
    const range = { imageOffset: 0n, imageSize: 0n, dtbOffset: 0n, dtbSize: BigInt(SIZE) };
    host.ok("VM_CONFIG_IMAGE", { vmid, authType: 0, memHandle, ...range });
    host.ok("VM_INIT", { vmid, reserved: 0 });
    host.ok("VM_START", { vmid, reserved: 0 });
  });
  expect(state).toBe(VmState.RUNNING);
}

describe("owners that describe anything", () => {
  it("get errors, can reset, and leave nothing behind", { timeout: NIGHTLY ? 3_600_000 : 120_000 }, () => {
    const reached = new Map<number, number>();
    fc.assert(
      fc.property(
        fc.array(edit, { maxLength: 6 }),
        image,
        layout,
        boot,
        demand,
        (edits, config, range, context, ranges) => {
          const blob = blobOf(edits);
          if (blob === undefined) return;
          const system = bootSystem({ quiet: true });
          const { host, hypervisor } = system;
          startPlain(system);
          // Live objects and pages of tables. A capability space keeps the slots that it once needed.
          const usage = () => ({ ...hypervisor.inspect.usage().objects, pages: hypervisor.core.carveOut.pages });
          const before = usage();
          const state = cycle(system, blob, (vmid, memHandle) => {
            const errors = [
              host.call("VM_CONFIG_IMAGE", { vmid, memHandle, ...config }).error,
              host.call("VM_SET_DEMAND_PAGING", { vmid, ranges }).error,
              host.call("VM_SET_ADDRESS_LAYOUT", { vmid, ...range }).error,
              ...context.map((register) => host.call("VM_SET_BOOT_CONTEXT", { vmid, ...register }).error),
              host.call("VM_INIT", { vmid, reserved: 0 }).error,
              host.call("VM_GET_HYP_RESOURCES", { vmid, reserved: 0 }).error,
              host.call("VM_START", { vmid, reserved: 0 }).error,
            ];
            for (const error of errors) expect(ERRORS.has(error)).toBe(true);
            hypervisor.schedule(1000);
          });
          reached.set(state, (reached.get(state) ?? 0) + 1);
          expect(hypervisor.inspect.checkOwnership()).toBeUndefined();
          expect(usage()).toEqual(before);
          startPlain(system);
        },
      ),
      { numRuns: NIGHTLY ? 1000 : 40 },
    );
    // The edits must not all be refused at the door.
    expect(reached.get(VmState.RUNNING)).toBeGreaterThan(2);
  });
});

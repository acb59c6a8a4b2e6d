import type { ObjectType } from "./objects.ts";

/**
 * The hypercall table: number, name, inputs and outputs in order.
 * Source: gunyah-hypervisor hyp/interfaces/<module>/<module>.hvc (December 2023); the names are theirs.
 *
 * A parameter is written `name:kind`. Kinds: `cap <object type>` capability id, `cap` when any type may be named; `ipa`
 * address in an address space; `va` virtual address of the caller; `pa` physical address; `offset` bytes from the base of
 * a memory extent; `size` bytes; `u64`; `u32`; `res0` reserved, must be 0; `res1` reserved, must be -1. Every call but
 * hypervisor_identify also returns an error in out0, which the table leaves out.
 *
 * Whoever makes a call and whoever answers it take names and types from here: see `HypercallInputs`,
 * `HypercallArguments` and `encodeHypercall`, and the hypervisor's decoder.
 */
export type ParameterKind = "cap" | "ipa" | "va" | "pa" | "offset" | "size" | "u64" | "u32" | "res0" | "res1";
type ParameterSpec = `${string}:${ParameterKind}` | `${string}:cap ${ObjectType}` | "res0" | "res1";
type Specs = readonly ParameterSpec[];

export interface HypercallParameter {
  readonly name: string;
  readonly kind: ParameterKind;
  /** Type of the object that a `cap` names; undefined when several may be. */
  readonly object: ObjectType | undefined;
  /** Register in the SMCCC form: 1 for X1 and so on (inputs); 0 or more for outputs. */
  readonly register: number;
}

export interface HypercallDefinition<In extends Specs = Specs, Out extends Specs = Specs> {
  /** Call number, 14 bits. */
  readonly number: number;
  readonly name: string;
  /** SMCCC function id, 32 bits: 0xC6008000 | number. */
  readonly fid: number;
  readonly inputs: readonly HypercallParameter[];
  readonly outputs: readonly HypercallParameter[];
  /** Whether X0 is an error code; only hypervisor_identify has none. */
  readonly returnsError: boolean;
  /** The specs that types are computed from. */
  readonly spec: { readonly in: In; readonly out: Out };
}

/** A number or bigint of one kind. Plain values fit; one of another kind does not. */
type Branded<T, Space extends string> = T & { readonly __space?: Space };
/** Capability id of an object of one type; `never` stands for one whose type nobody said. */
export type HypercallCap<O extends ObjectType = never> = Branded<bigint, "cap"> & { readonly __object?: O };
/**
 * Values of a kind, as callers give them. An offset in an extent that is based at 0 is a physical address; without
 * stage 1 a virtual address is an IPA.
 */
type InputValue<K extends string> = K extends `cap ${infer O extends ObjectType}`
  ? HypercallCap<O>
  : K extends "cap"
    ? Branded<bigint, "cap">
    : K extends "ipa" | "pa" | "size"
      ? Branded<number, K>
      : K extends "va"
        ? Branded<number, "va" | "ipa">
        : K extends "offset"
          ? Branded<number, "offset" | "pa">
          : K extends "u64"
            ? number | bigint
            : number;

type Named<S extends string> = S extends `${infer Name}:${string}` ? Name : never;
type KindOf<S extends string, N extends string> =
  Extract<S, `${N}:${string}`> extends `${string}:${infer K}` ? K : never;

/** Inputs by name, reserved ones left out. */
export type HypercallInputs<D> =
  D extends HypercallDefinition<infer In, Specs>
    ? { readonly [N in Named<In[number]>]: InputValue<KindOf<In[number], N>> }
    : never;
/** Inputs in order, reserved ones left out. */
export type HypercallArguments<D> = D extends HypercallDefinition<infer In, Specs> ? ArgumentsOf<In> : never;
type ArgumentsOf<In extends readonly string[]> = In extends readonly [infer S, ...infer Rest extends readonly string[]]
  ? S extends `${string}:${infer K}`
    ? [InputValue<K>, ...ArgumentsOf<Rest>]
    : ArgumentsOf<Rest>
  : [];
/** Kind of each input by name, for decoders. */
export type HypercallInputKinds<D> =
  D extends HypercallDefinition<infer In, Specs> ? { readonly [N in Named<In[number]>]: KindOf<In[number], N> } : never;
/** Kind of each output by name. */
export type HypercallOutputKinds<D> =
  D extends HypercallDefinition<Specs, infer Out>
    ? { readonly [N in Named<Out[number]>]: KindOf<Out[number], N> }
    : never;
/** Outputs by name: bigint for `cap` and `u64`, number for the others. */
export type HypercallOutputs<D> =
  D extends HypercallDefinition<Specs, infer Out>
    ? { [N in Named<Out[number]>]: KindOf<Out[number], N> extends "cap" | "u64" ? bigint : number }
    : never;

function parameters(specs: Specs, first: number): HypercallParameter[] {
  return specs.map((spec, i) => {
    const [name = "", text = name] = spec.split(":");
    const [kind, object] = text.split(" ") as [ParameterKind, ObjectType | undefined];
    return { name, kind, object, register: first + i };
  });
}

function call<const In extends Specs, const Out extends Specs>(
  number: number,
  name: string,
  input: In,
  output: Out,
  returnsError = true,
): HypercallDefinition<In, Out> {
  return Object.freeze({
    number,
    name,
    fid: hypercallFid(number),
    inputs: Object.freeze(parameters(input, 1)),
    outputs: Object.freeze(parameters(output, returnsError ? 1 : 0)),
    returnsError,
    spec: { in: input, out: output },
  });
}

/** SMCCC function id of a call number. */
export function hypercallFid(number: number): number {
  return (0xc600_8000 | number) >>> 0;
}
/** HVC immediate of the native form. */
export function hypercallImmediate(number: number): number {
  return 0x6000 + number;
}
/** First and last immediate that belong to Gunyah. */
export const HYPERCALL_IMMEDIATES = { first: 0x6000, last: 0x61ff } as const;
/** Bits 15:14 of a vendor-hypervisor function id. */
export const HypercallClass = { PLATFORM: 0, UNASSIGNED: 1, HYPERCALL: 2, SERVICE: 3 } as const;

const create = ["partition:cap partition", "cspace:cap cspace", "res0"] as const;
const created = ["new_cap:cap"] as const;
const bind = ["vic:cap vic", "virq_info:u32", "res0"] as const;

export const Hypercall = {
  hypervisor_identify: call(
    0x00,
    "hypervisor_identify",
    [],
    ["api_info:u64", "flags0:u64", "flags1:u64", "flags2:u64"],
    false,
  ),
  partition_create_partition: call(0x01, "partition_create_partition", create, created),
  partition_create_cspace: call(0x02, "partition_create_cspace", create, created),
  partition_create_addrspace: call(0x03, "partition_create_addrspace", create, created),
  partition_create_memextent: call(0x04, "partition_create_memextent", create, created),
  partition_create_thread: call(0x05, "partition_create_thread", create, created),
  partition_create_doorbell: call(0x06, "partition_create_doorbell", create, created),
  partition_create_msgqueue: call(0x07, "partition_create_msgqueue", create, created),
  partition_create_watchdog: call(0x09, "partition_create_watchdog", create, created),
  partition_create_vic: call(0x0a, "partition_create_vic", create, created),
  partition_create_vpm_group: call(0x0b, "partition_create_vpm_group", create, created),
  object_activate: call(0x0c, "object_activate", ["cap:cap", "res0"], []),
  object_activate_from: call(0x0d, "object_activate_from", ["cspace:cap cspace", "cap:cap", "res0"], []),
  object_reset: call(0x0e, "object_reset", ["cap:cap", "res0"], []),
  object_reset_from: call(0x0f, "object_reset_from", ["cspace:cap cspace", "cap:cap", "res0"], []),

  doorbell_bind_virq: call(0x10, "doorbell_bind_virq", ["doorbell:cap doorbell", ...bind], []),
  doorbell_unbind_virq: call(0x11, "doorbell_unbind_virq", ["doorbell:cap doorbell", "res0"], []),
  doorbell_send: call(0x12, "doorbell_send", ["doorbell:cap doorbell", "new_flags:u64", "res0"], ["old_flags:u64"]),
  doorbell_receive: call(
    0x13,
    "doorbell_receive",
    ["doorbell:cap doorbell", "clear_flags:u64", "res0"],
    ["old_flags:u64"],
  ),
  doorbell_reset: call(0x14, "doorbell_reset", ["doorbell:cap doorbell", "res0"], []),
  doorbell_mask: call(0x15, "doorbell_mask", ["doorbell:cap doorbell", "enable_mask:u64", "ack_mask:u64", "res0"], []),

  msgqueue_bind_send_virq: call(0x17, "msgqueue_bind_send_virq", ["msgqueue:cap msgqueue", ...bind], []),
  msgqueue_bind_receive_virq: call(0x18, "msgqueue_bind_receive_virq", ["msgqueue:cap msgqueue", ...bind], []),
  msgqueue_unbind_send_virq: call(0x19, "msgqueue_unbind_send_virq", ["msgqueue:cap msgqueue", "res0"], []),
  msgqueue_unbind_receive_virq: call(0x1a, "msgqueue_unbind_receive_virq", ["msgqueue:cap msgqueue", "res0"], []),
  msgqueue_send: call(
    0x1b,
    "msgqueue_send",
    ["msgqueue:cap msgqueue", "size:size", "data:va", "send_flags:u32", "res0"],
    ["not_full:u32"],
  ),
  msgqueue_receive: call(
    0x1c,
    "msgqueue_receive",
    ["msgqueue:cap msgqueue", "buffer:va", "max_size:size", "res0"],
    ["size:size", "not_empty:u32"],
  ),
  msgqueue_flush: call(0x1d, "msgqueue_flush", ["msgqueue:cap msgqueue", "res0"], []),
  msgqueue_configure_send: call(
    0x1f,
    "msgqueue_configure_send",
    ["msgqueue:cap msgqueue", "not_full_threshold:u64", "not_full_holdoff:u64", "res1"],
    [],
  ),
  msgqueue_configure_receive: call(
    0x20,
    "msgqueue_configure_receive",
    ["msgqueue:cap msgqueue", "not_empty_threshold:u64", "not_empty_holdoff:u64", "res1"],
    [],
  ),
  msgqueue_configure: call(0x21, "msgqueue_configure", ["msgqueue:cap msgqueue", "create_info:u32", "res0"], []),

  cspace_delete_cap_from: call(0x22, "cspace_delete_cap_from", ["cspace:cap cspace", "cap:cap", "res0"], []),
  cspace_copy_cap_from: call(
    0x23,
    "cspace_copy_cap_from",
    ["src_cspace:cap cspace", "src_cap:cap", "dst_cspace:cap cspace", "rights_mask:u32", "res0"],
    created,
  ),
  cspace_revoke_cap_from: call(0x24, "cspace_revoke_cap_from", ["cspace:cap cspace", "cap:cap", "res0"], []),
  cspace_configure: call(0x25, "cspace_configure", ["cspace:cap cspace", "max_caps:u32", "res0"], []),

  hwirq_bind_virq: call(0x26, "hwirq_bind_virq", ["hwirq:cap hwirq", ...bind], []),
  hwirq_unbind_virq: call(0x27, "hwirq_unbind_virq", ["hwirq:cap hwirq", "res0"], []),
  vic_configure: call(
    0x28,
    "vic_configure",
    ["vic:cap vic", "max_vcpus:u32", "max_virqs:u32", "options:u64", "max_msis:u32"],
    [],
  ),
  vic_attach_vcpu: call(0x29, "vic_attach_vcpu", ["vic:cap vic", "vcpu:cap thread", "index:u32", "res0"], []),

  addrspace_attach_thread: call(
    0x2a,
    "addrspace_attach_thread",
    ["addrspace:cap addrspace", "thread:cap thread", "res0"],
    [],
  ),
  addrspace_map: call(
    0x2b,
    "addrspace_map",
    [
      "addrspace:cap addrspace",
      "memextent:cap memextent",
      "vbase:ipa",
      "map_attrs:u32",
      "map_flags:u32",
      "offset:offset",
      "size:size",
      "res0",
    ],
    [],
  ),
  addrspace_unmap: call(
    0x2c,
    "addrspace_unmap",
    [
      "addrspace:cap addrspace",
      "memextent:cap memextent",
      "vbase:ipa",
      "map_flags:u32",
      "offset:offset",
      "size:size",
      "res0",
    ],
    [],
  ),
  addrspace_update_access: call(
    0x2d,
    "addrspace_update_access",
    [
      "addrspace:cap addrspace",
      "memextent:cap memextent",
      "vbase:ipa",
      "access_attrs:u32",
      "map_flags:u32",
      "offset:offset",
      "size:size",
      "res0",
    ],
    [],
  ),
  addrspace_configure: call(0x2e, "addrspace_configure", ["addrspace:cap addrspace", "vmid:u32", "res0"], []),
  addrspace_attach_vdma: call(
    0x2f,
    "addrspace_attach_vdma",
    ["addrspace:cap addrspace", "dma_device:cap", "index:u32", "res0"],
    [],
  ),
  memextent_modify: call(
    0x30,
    "memextent_modify",
    ["memextent:cap memextent", "flags:u32", "offset:offset", "size:size"],
    [],
  ),
  memextent_configure: call(
    0x31,
    "memextent_configure",
    ["memextent:cap memextent", "phys_base:pa", "size:size", "attributes:u32", "res0"],
    [],
  ),
  memextent_configure_derive: call(
    0x32,
    "memextent_configure_derive",
    ["memextent:cap memextent", "parent:cap memextent", "offset:offset", "size:size", "attributes:u32", "res0"],
    [],
  ),

  vcpu_configure: call(0x34, "vcpu_configure", ["vcpu:cap thread", "options:u64", "res0"], []),
  vcpu_poweron: call(0x38, "vcpu_poweron", ["vcpu:cap thread", "entry_point:u64", "context:u64", "flags:u32"], []),
  vcpu_poweroff: call(0x39, "vcpu_poweroff", ["vcpu:cap thread", "flags:u32"], []),
  vcpu_kill: call(0x3a, "vcpu_kill", ["vcpu:cap thread", "res0"], []),
  scheduler_yield: call(0x3b, "scheduler_yield", ["control:u32", "arg1:u64", "res0"], []),
  vpm_group_attach_vcpu: call(
    0x3c,
    "vpm_group_attach_vcpu",
    ["vpm_group:cap vpm_group", "vcpu:cap thread", "index:u32", "res0"],
    [],
  ),
  vcpu_set_affinity: call(0x3d, "vcpu_set_affinity", ["vcpu:cap thread", "cpu_index:u64", "res1"], []),
  cspace_attach_thread: call(0x3e, "cspace_attach_thread", ["cspace:cap cspace", "thread:cap thread", "res0"], []),
  trace_update_class_flags: call(
    0x3f,
    "trace_update_class_flags",
    ["set_flags:u64", "clear_flags:u64", "res0"],
    ["flags:u64"],
  ),
  watchdog_attach_vcpu: call(0x40, "watchdog_attach_vcpu", ["watchdog:cap watchdog", "vcpu:cap thread", "res0"], []),
  watchdog_bind_virq: call(
    0x41,
    "watchdog_bind_virq",
    ["watchdog:cap watchdog", "vic:cap vic", "virq_info:u32", "flags:u32"],
    [],
  ),
  watchdog_unbind_virq: call(0x42, "watchdog_unbind_virq", ["watchdog:cap watchdog", "flags:u32"], []),
  vpm_group_bind_virq: call(0x43, "vpm_group_bind_virq", ["vpm_group:cap vpm_group", ...bind], []),
  vpm_group_unbind_virq: call(0x44, "vpm_group_unbind_virq", ["vpm_group:cap vpm_group", "res0"], []),
  vpm_group_get_state: call(0x45, "vpm_group_get_state", ["vpm_group:cap vpm_group", "res0"], ["state:u64"]),
  vcpu_set_priority: call(0x46, "vcpu_set_priority", ["vcpu:cap thread", "priority:u32"], []),
  vcpu_set_timeslice: call(0x47, "vcpu_set_timeslice", ["vcpu:cap thread", "timeslice_ns:u64"], []),

  partition_create_virtio_mmio: call(0x48, "partition_create_virtio_mmio", create, created),
  virtio_mmio_configure: call(
    0x49,
    "virtio_mmio_configure",
    ["virtio_mmio:cap virtio_mmio", "memextent:cap memextent", "vqs_num:u32", "flags:u32", "device_type:u32"],
    [],
  ),
  virtio_mmio_backend_bind_virq: call(
    0x4a,
    "virtio_mmio_backend_bind_virq",
    ["virtio_mmio:cap virtio_mmio", ...bind],
    [],
  ),
  virtio_mmio_backend_unbind_virq: call(
    0x4b,
    "virtio_mmio_backend_unbind_virq",
    ["virtio_mmio:cap virtio_mmio", "res0"],
    [],
  ),
  virtio_mmio_frontend_bind_virq: call(
    0x4c,
    "virtio_mmio_frontend_bind_virq",
    ["virtio_mmio:cap virtio_mmio", ...bind],
    [],
  ),
  virtio_mmio_frontend_unbind_virq: call(
    0x4d,
    "virtio_mmio_frontend_unbind_virq",
    ["virtio_mmio:cap virtio_mmio", "res0"],
    [],
  ),
  virtio_mmio_backend_assert_virq: call(
    0x4e,
    "virtio_mmio_backend_assert_virq",
    ["virtio_mmio:cap virtio_mmio", "interrupt_status:u32", "res0"],
    [],
  ),
  virtio_mmio_backend_set_dev_features: call(
    0x4f,
    "virtio_mmio_backend_set_dev_features",
    ["virtio_mmio:cap virtio_mmio", "sel:u32", "dev_feat:u32", "res0"],
    [],
  ),
  virtio_mmio_backend_set_queue_num_max: call(
    0x50,
    "virtio_mmio_backend_set_queue_num_max",
    ["virtio_mmio:cap virtio_mmio", "queue_sel:u32", "queue_num_max:u32", "res0"],
    [],
  ),
  virtio_mmio_backend_get_drv_features: call(
    0x51,
    "virtio_mmio_backend_get_drv_features",
    ["virtio_mmio:cap virtio_mmio", "sel:u32", "res0"],
    ["drv_feat:u32"],
  ),
  virtio_mmio_backend_get_queue_info: call(
    0x52,
    "virtio_mmio_backend_get_queue_info",
    ["virtio_mmio:cap virtio_mmio", "queue_sel:u32", "res0"],
    ["queue_num:u32", "queue_ready:u32", "queue_desc:u64", "queue_drv:u64", "queue_dev:u64"],
  ),
  virtio_mmio_backend_get_notification: call(
    0x53,
    "virtio_mmio_backend_get_notification",
    ["virtio_mmio:cap virtio_mmio", "res0"],
    ["vqs_bitmap:u64", "reason:u64"],
  ),
  virtio_mmio_backend_acknowledge_reset: call(
    0x54,
    "virtio_mmio_backend_acknowledge_reset",
    ["virtio_mmio:cap virtio_mmio", "res0"],
    [],
  ),
  virtio_mmio_backend_update_status: call(
    0x55,
    "virtio_mmio_backend_update_status",
    ["virtio_mmio:cap virtio_mmio", "status:u32", "res0"],
    [],
  ),

  vic_bind_msi_source: call(0x56, "vic_bind_msi_source", ["vic:cap vic", "msi_source:cap", "res0"], []),
  prng_get_entropy: call(
    0x57,
    "prng_get_entropy",
    ["num_bytes:size", "res0"],
    ["data0:u32", "data1:u32", "data2:u32", "data3:u32"],
  ),
  watchdog_configure: call(0x58, "watchdog_configure", ["watchdog:cap watchdog", "flags:u32", "res0"], []),
  cspace_revoke_caps_from: call(0x59, "cspace_revoke_caps_from", ["cspace:cap cspace", "master_cap:cap", "res0"], []),
  addrspace_lookup: call(
    0x5a,
    "addrspace_lookup",
    ["addrspace:cap addrspace", "memextent:cap memextent", "vbase:ipa", "size:size", "res0"],
    ["offset:offset", "size:size", "map_attrs:u32"],
  ),
  addrspace_configure_info_area: call(
    0x5b,
    "addrspace_configure_info_area",
    ["addrspace:cap addrspace", "memextent:cap memextent", "ipa:ipa", "res0"],
    [],
  ),
  vcpu_bind_virq: call(
    0x5c,
    "vcpu_bind_virq",
    ["vcpu:cap thread", "vic:cap vic", "virq_info:u32", "virq_type:u32", "res0"],
    [],
  ),
  vcpu_unbind_virq: call(0x5d, "vcpu_unbind_virq", ["vcpu:cap thread", "virq_type:u32", "res0"], []),
  virtio_input_configure: call(
    0x5e,
    "virtio_input_configure",
    ["virtio_mmio:cap virtio_mmio", "devids:u64", "prop_bits:u32", "num_evtypes:u32", "num_absaxes:u32", "res0"],
    [],
  ),
  virtio_input_set_data: call(
    0x5f,
    "virtio_input_set_data",
    ["virtio_mmio:cap virtio_mmio", "sel:u32", "subsel:u32", "size:size", "data:va", "res0"],
    [],
  ),
  addrspace_configure_vmmio: call(
    0x60,
    "addrspace_configure_vmmio",
    ["addrspace:cap addrspace", "vbase:ipa", "size:size", "op:u32", "res0"],
    [],
  ),
  memextent_donate: call(
    0x61,
    "memextent_donate",
    ["options:u32", "from:cap", "to:cap", "offset:offset", "size:size", "res0"],
    [],
  ),
  addrspace_attach_vdevice: call(
    0x62,
    "addrspace_attach_vdevice",
    ["addrspace:cap addrspace", "vdevice:cap vic", "index:u32", "vbase:ipa", "size:size", "flags:u32"],
    [],
  ),
  watchdog_manage: call(0x63, "watchdog_manage", ["watchdog:cap watchdog", "operation:u32"], []),
  vcpu_register_write: call(
    0x64,
    "vcpu_register_write",
    ["vcpu:cap thread", "register_set:u32", "register_index:u32", "value:u64", "res0"],
    [],
  ),
  vcpu_run: call(
    0x65,
    "vcpu_run",
    ["vcpu:cap thread", "resume_data_0:u64", "resume_data_1:u64", "resume_data_2:u64", "res0"],
    ["state:u32", "state_data_0:u64", "state_data_1:u64", "state_data_2:u64"],
  ),
  vpm_group_configure: call(0x66, "vpm_group_configure", ["vpm_group:cap vpm_group", "flags:u32", "res0"], []),
  vgic_set_mpidr_mapping: call(
    0x67,
    "vgic_set_mpidr_mapping",
    ["vic:cap vic", "mask:u64", "aff0_shift:u32", "aff1_shift:u32", "aff2_shift:u32", "aff3_shift:u32", "mt:u32"],
    [],
  ),
  vcpu_run_check: call(
    0x68,
    "vcpu_run_check",
    ["vcpu:cap thread", "res0"],
    ["state:u32", "state_data_0:u64", "state_data_1:u64", "state_data_2:u64"],
  ),
} as const;
export type HypercallName = keyof typeof Hypercall;

/** Definitions by call number; undefined where the API has no call. Calls of the Linux series are in `LINUX_HYPERCALLS`. */
export const hypercallByNumber: readonly (HypercallDefinition | undefined)[] = (() => {
  const table: (HypercallDefinition | undefined)[] = new Array(0x69).fill(undefined);
  for (const definition of Object.values(Hypercall)) table[definition.number] = definition as HypercallDefinition;
  return Object.freeze(table);
})();

/** What the Linux series calls, with its own names for them. */
export const LINUX_HYPERCALLS = {
  identify: Hypercall.hypervisor_identify,
  bell_send: Hypercall.doorbell_send,
  bell_set_mask: Hypercall.doorbell_mask,
  msgq_send: Hypercall.msgqueue_send,
  msgq_recv: Hypercall.msgqueue_receive,
  addrspace_map: Hypercall.addrspace_map,
  addrspace_unmap: Hypercall.addrspace_unmap,
  memextent_donate: Hypercall.memextent_donate,
  vcpu_run: Hypercall.vcpu_run,
} as const;

export type HypercallSelector =
  | { readonly kind: "hypercall"; readonly number: number }
  /** Vendor-hypervisor owner, but platform, service or unassigned class. */
  | { readonly kind: "vendor"; readonly class: number; readonly number: number }
  /** Fast call of another owner, or a 32-bit or yielding call. */
  | { readonly kind: "other" };

/** What X0 of `HVC #0` selects. The SVE hint (bit 16) is ignored, bits 23:17 must be zero. */
export function selectHypercall(fid: number): HypercallSelector {
  if (fid >>> 24 !== 0xc6 || (fid & 0x00fe_0000) !== 0) return { kind: "other" };
  const klass = (fid >>> 14) & 3;
  return klass === HypercallClass.HYPERCALL
    ? { kind: "hypercall", number: fid & 0x3fff }
    : { kind: "vendor", class: klass, number: fid & 0x3fff };
}

/** One line for traces: `doorbell_send(doorbell=0x1 new_flags=0x1)`. @param x registers X0-X17 as at the HVC */
export function formatHypercall(definition: HypercallDefinition, x: BigUint64Array): string {
  const parts = definition.inputs
    .filter((p) => p.kind !== "res0" && p.kind !== "res1")
    .map((p) => `${p.name}=0x${(x[p.register] ?? 0n).toString(16)}`);
  return `${definition.name}(${parts.join(" ")})`;
}

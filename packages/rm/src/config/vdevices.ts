import { RmError } from "@gunyah-ts/abi";
import type { DeviceNode } from "@gunyah-ts/devicetree";
import { check } from "../errors.ts";
import { cellCounts, interruptsOf, numberOf, stringOf, stringsOf, u32Of } from "./property.ts";

export type Interrupt = { readonly virq: number; readonly trigger: "edge" | "level" };

/** What every virtual device node has. */
export interface VdeviceCommon {
  readonly path: string;
  readonly label: number;
  /** Path of the node that the overlay makes, without the unit address. */
  readonly generate: string;
  readonly pushCompatible: readonly string[];
  /** `undefined`: the VM's owner. Otherwise `vm-name:…`, `vm-guid:…`, `vm-uri:…`. */
  readonly peer: string | undefined;
  /** Undefined: the RM allocates. */
  readonly interrupts: readonly Interrupt[] | undefined;
}
export interface QueueGeometry {
  readonly messageSize: number;
  readonly queueDepth: number;
}
/** The child `memory` of a device with shared memory. */
export interface SharedMemoryConfig {
  readonly label: number;
  readonly base: number | undefined;
  readonly isOptional: boolean;
}

export type VdeviceConfig = VdeviceCommon &
  (
    | { readonly type: "doorbell"; readonly sourceCanClear: boolean }
    | { readonly type: "doorbell-source"; readonly sourceCanClear: boolean }
    | ({ readonly type: "message-queue"; readonly isSender: boolean } & QueueGeometry)
    | ({ readonly type: "message-queue-pair" } & QueueGeometry)
    | ({ readonly type: "rm-rpc"; readonly isConsole: boolean } & QueueGeometry)
    | { readonly type: "shm"; readonly memory: SharedMemoryConfig; readonly dmaBase: Uint8Array | undefined }
    | { readonly type: "shm-doorbell"; readonly memory: SharedMemoryConfig; readonly dmaBase: Uint8Array | undefined }
    | {
        readonly type: "virtio-mmio";
        readonly memory: SharedMemoryConfig;
        readonly vqs: number;
        readonly deviceType: number | undefined;
        readonly dmaCoherent: boolean;
        readonly dmaBase: Uint8Array | undefined;
      }
    | { readonly type: "vrtc-pl031" }
    | { readonly type: "iomem" }
    | { readonly type: "vsmmu-v2" }
  );
export type VdeviceOf<T extends VdeviceConfig["type"]> = Extract<VdeviceConfig, { type: T }>;

const DEFAULT_GENERATE: Readonly<Record<string, string>> = {
  doorbell: "/hypervisor/qcom,doorbell",
  "doorbell-source": "/hypervisor/qcom,doorbell-source",
  "message-queue": "/hypervisor/qcom,message-queue",
  "message-queue-pair": "/hypervisor/qcom,message-queue-pair",
  shm: "/hypervisor/qcom,shm",
  "shm-doorbell": "/hypervisor/qcom,shm-doorbell",
  "virtio-mmio": "/hypervisor/virtio-mmio",
  "vrtc-pl031": "/vsoc/vrtc",
};
const MAX_PUSH_COMPATIBLE = 6;
const DEFAULT_MESSAGE_SIZE = 240;
const DEFAULT_QUEUE_DEPTH = 8;

/**
 * One node with a `vdevice-type`. Undefined for a type that the RM does not know (it leaves the node alone).
 * Errors: ARGUMENT_INVALID
 * Source: gunyah-resource-manager src/vm_config/vm_config_parser.c, parse_* listeners
 */
export function parseVdevice(node: DeviceNode): VdeviceConfig | undefined {
  const type = stringOf(node, "vdevice-type");
  const geometry = (): QueueGeometry => {
    const messageSize = u32Of(node, "message-size") ?? DEFAULT_MESSAGE_SIZE;
    const queueDepth = u32Of(node, "queue-depth") ?? DEFAULT_QUEUE_DEPTH;
    const fits = messageSize >= 1 && messageSize <= 1023 && queueDepth >= 1 && queueDepth <= 255;
    check(fits, RmError.ARGUMENT_INVALID, `queue geometry of ${node.path}`);
    return { messageSize, queueDepth };
  };
  switch (type) {
    case "doorbell":
      return { ...common(node, type, 1), type, sourceCanClear: node.has("source-can-clear") };
    case "doorbell-source":
      return { ...common(node, type, 0), type, sourceCanClear: node.has("source-can-clear") };
    case "message-queue": {
      const isSender = node.has("is-sender");
      check(isSender !== node.has("is-receiver"), RmError.ARGUMENT_INVALID, `direction of ${node.path}`);
      check(node.has("peer-default"), RmError.ARGUMENT_INVALID, `peer-default of ${node.path}`);
      return { ...common(node, type, 1), type, isSender, ...geometry() };
    }
    case "message-queue-pair":
      return { ...common(node, type, 2), type, ...geometry() };
    case "rm-rpc":
      check(stringOf(node, "generate") !== undefined, RmError.ARGUMENT_INVALID, `generate of ${node.path}`);
      return { ...common(node, type, 2, false), type, isConsole: node.has("console-dev"), ...geometry() };
    case "shm":
    case "shm-doorbell":
      check(node.has("peer-default"), RmError.ARGUMENT_INVALID, `peer-default of ${node.path}`);
      return { ...common(node, type, 1), type, memory: sharedMemory(node), dmaBase: node.get("dma_base") };
    case "virtio-mmio":
      check(node.has("peer-default"), RmError.ARGUMENT_INVALID, `peer-default of ${node.path}`);
      return {
        ...common(node, type, 1),
        type,
        memory: sharedMemory(node),
        vqs: u32Of(node, "vqs-num") ?? 1,
        deviceType: u32Of(node, "virtio,device-type"),
        dmaCoherent: node.has("dma-coherent"),
        dmaBase: node.get("dma_base"),
      };
    case "vrtc-pl031":
    case "iomem":
    case "vsmmu-v2":
      return { ...common(node, type, 0, false), type };
    default:
      return undefined;
  }
}

function common(node: DeviceNode, type: string, interrupts: number, needsPeer = true): VdeviceCommon {
  const peer = stringOf(node, "peer");
  check(
    !needsPeer || node.has("peer-default") || peer !== undefined,
    RmError.ARGUMENT_INVALID,
    `no peer in ${node.path}`,
  );
  const pushCompatible = stringsOf(node, "push-compatible") ?? [];
  check(pushCompatible.length <= MAX_PUSH_COMPATIBLE, RmError.ARGUMENT_INVALID, `push-compatible of ${node.path}`);
  return {
    path: node.path,
    label: u32Of(node, "qcom,label") ?? u32Of(node, "label") ?? 0,
    generate: stringOf(node, "generate") ?? DEFAULT_GENERATE[type] ?? `/hypervisor/${type}`,
    pushCompatible,
    peer: node.has("peer-default") ? undefined : peer,
    interrupts: interrupts === 0 ? undefined : interruptsOf(node, interrupts),
  };
}

function sharedMemory(node: DeviceNode): SharedMemoryConfig {
  let memory: DeviceNode | undefined;
  for (const child of node.children) {
    check(child.name === "memory", RmError.ARGUMENT_INVALID, `${child.path} is not "memory"`);
    memory = child;
  }
  check(memory !== undefined, RmError.ARGUMENT_INVALID, `${node.path} has no memory`);
  const hasBase = memory.has("base");
  check(hasBase !== memory.has("allocate-base"), RmError.ARGUMENT_INVALID, `base of ${memory.path}`);
  // VMMs give the cell counts on the memory node itself as well as on its parent.
  const own = u32Of(memory, "#address-cells");
  const base = hasBase ? (numberOf(memory, "base", own ?? cellCounts(memory).address) ?? undefined) : undefined;
  check(!hasBase || base !== undefined, RmError.ARGUMENT_INVALID, `base of ${memory.path}`);
  const label = u32Of(memory, "qcom,label") ?? u32Of(memory, "label");
  check(label !== undefined, RmError.ARGUMENT_INVALID, `label of ${memory.path}`);
  return { label, base, isOptional: memory.has("optional") };
}

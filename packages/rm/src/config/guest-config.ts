import type { GicConfig } from "./gic.ts";
import type { MemoryConfig } from "./memory.ts";
import type { VcpusConfig } from "./vcpus.ts";
import type { VdeviceConfig } from "./vdevices.ts";

export type VmAttribute =
  | "ras-error-handler"
  | "amu-counting-disabled"
  | "crash-fatal"
  | "context-dump"
  | "no-shutdown"
  | "no-reset";

/** What a guest's device tree asks for. Source: gunyah-resource-manager src/vm_config/vm_config_parser.c */
export interface GuestConfig {
  readonly imageName: string;
  readonly vendor: string | undefined;
  readonly uri: string | undefined;
  readonly guid: string | undefined;
  readonly attributes: ReadonlySet<VmAttribute>;
  /** Offset of the entry point in the image, bytes. */
  readonly entryOffset: number;
  readonly memory: MemoryConfig;
  readonly vcpus: VcpusConfig;
  readonly gic: GicConfig;
  readonly vdevices: readonly VdeviceConfig[];
  /** A PSCI node, or CPUs that need one: the VM gets a VPM group. */
  readonly psci: boolean;
}

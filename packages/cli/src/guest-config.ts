import type { CpuModelName } from "@gunyah-ts/arch-arm64";
import type { DeviceConfig } from "@gunyah-ts/vmm";
import { checkSection } from "./section.ts";

/** The `guest` section of a configuration, as `gunyah run` reads it. Paths are relative to the configuration. */
export interface GuestConfig {
  readonly kernel?: string;
  readonly kernelAddress?: number;
  readonly initrd?: string;
  readonly dtb?: string;
  readonly image?: string;
  readonly cmdline?: string;
  /** Bytes. */
  readonly memory?: number;
  readonly cpus?: number;
  /** CPU model of the machine. */
  readonly cpu?: CpuModelName;
  readonly devices?: readonly DeviceConfig[];
  readonly abi?: "v14" | "v15" | "v16" | "v17";
}

const KEYS: Readonly<Record<keyof GuestConfig, string>> = {
  kernel: "string",
  kernelAddress: "number",
  initrd: "string",
  dtb: "string",
  image: "string",
  cmdline: "string",
  memory: "number",
  cpus: "number",
  cpu: "string",
  devices: "object",
  abi: "string",
};

/** Errors: KERNEL_CONFIG_UNKNOWN_KEY, KERNEL_CONFIG_INVALID, with the path of the key */
export function checkGuestConfig(section: object | undefined): GuestConfig {
  return checkSection("guest", section, KEYS);
}

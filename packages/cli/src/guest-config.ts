import type { CpuModelName } from "@gunyah-ts/arch-arm64";
import { ModelError } from "@gunyah-ts/kernel";
import type { DeviceConfig } from "@gunyah-ts/vmm";

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
  for (const [key, value] of Object.entries(section ?? {})) {
    const path = `guest.${key}`;
    const type = KEYS[key as keyof GuestConfig];
    if (type === undefined)
      throw new ModelError(
        "KERNEL_CONFIG_UNKNOWN_KEY",
        `nothing reads ${path}; known are ${Object.keys(KEYS).join(", ")}`,
        { path },
      );
    if (typeof value !== type || (key === "devices" && !Array.isArray(value)))
      throw new ModelError(
        "KERNEL_CONFIG_INVALID",
        `${path} must be ${key === "devices" ? "a list of devices" : `a ${type}`}`,
        { path },
      );
  }
  return (section ?? {}) as GuestConfig;
}

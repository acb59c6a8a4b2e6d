import type { DeviceConfig } from "@gunyah-ts/vmm";
import { checkSection } from "./section.ts";

/** The `host` section of a configuration, as `gunyah run` reads it. Paths are relative to the configuration. */
export interface HostSection {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly dtb?: string;
  readonly cmdline?: string;
  readonly cpus?: number;
  /** Bytes of DRAM of the host. */
  readonly memory?: number;
  readonly devices?: readonly DeviceConfig[];
}

const KEYS: Readonly<Record<keyof HostSection, string>> = {
  kernel: "string",
  initrd: "string",
  dtb: "string",
  cmdline: "string",
  cpus: "number",
  memory: "number",
  devices: "object",
};

/** Errors: KERNEL_CONFIG_UNKNOWN_KEY, KERNEL_CONFIG_INVALID, with the path of the key */
export function checkHostSection(section: object | undefined): HostSection {
  return checkSection("host", section, KEYS);
}

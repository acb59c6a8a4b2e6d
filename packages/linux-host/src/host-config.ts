import { ModelError } from "@gunyah-ts/kernel";
import type { DeviceConfig } from "@gunyah-ts/vmm";

/** The `host` section of a machine's configuration: what the host VM runs. How many CPUs and how much memory it has says the board. */
export interface HostConfig {
  /** arm64 Image (raw, gzip, zstd, EFI-zboot), or a flat binary; it is placed at the board's `hostEntry`. */
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  /** A device tree of the user's own, instead of the one that firmware makes of the board. */
  readonly dtb?: Uint8Array;
  /** Kernel command line. */
  readonly cmdline?: string;
  /** Devices of the board. Default: a PL011. */
  readonly devices?: readonly DeviceConfig[];
  /** Load `kernel` as it is, whatever it begins with. */
  readonly flat?: boolean;
}

const CHECKS: Readonly<Record<keyof HostConfig, readonly [kind: string, isRight: (value: unknown) => boolean]>> = {
  kernel: ["the bytes of an image", isBytes],
  initrd: ["the bytes of an initramfs", isBytes],
  dtb: ["the bytes of a device tree", isBytes],
  cmdline: ["a text", (value) => typeof value === "string"],
  devices: ["a list of devices, each with a type", (value) => Array.isArray(value) && value.every(isDevice)],
  flat: ["true or false", (value) => typeof value === "boolean"],
};

/** Errors: HOST_CONFIG, with the path of the key */
export function checkHostConfig(section: object | undefined): HostConfig {
  for (const [key, value] of Object.entries(section ?? {})) {
    const check = CHECKS[key as keyof HostConfig];
    if (check === undefined)
      throw invalid(`host.${key}`, `nothing reads it; known are ${Object.keys(CHECKS).join(", ")}`);
    if (value !== undefined && !check[1](value)) throw invalid(`host.${key}`, `it must be ${check[0]}`);
  }
  if (section === undefined || !("kernel" in section)) throw invalid("host.kernel", "it is missing");
  return section as HostConfig;
}

function isBytes(value: unknown): boolean {
  return value instanceof Uint8Array;
}

function isDevice(value: unknown): boolean {
  return typeof (value as DeviceConfig | null)?.type === "string";
}

function invalid(path: string, what: string): ModelError {
  return new ModelError("HOST_CONFIG", `${path}: ${what}`, { path });
}

import { parseArgs } from "node:util";
import { CPU_MODELS, type CpuModelName, DEFAULT_CPU_MODEL, TIERS, type Tier } from "@gunyah-ts/arch-arm64";
import { ModelError } from "@gunyah-ts/kernel";
import { type DeviceConfig, GuestLayout } from "@gunyah-ts/vmm";
import { parseInteger, parseSize } from "./size.ts";
import type { AbiName } from "./stack.ts";

/** What `gunyah run` was asked for: the command line over the `guest` section of a configuration. */
export interface RunOptions {
  readonly config: string | undefined;
  readonly kernel: string | undefined;
  readonly kernelAddress: number | undefined;
  readonly initrd: string | undefined;
  readonly dtb: string | undefined;
  readonly image: string | undefined;
  readonly cmdline: string | undefined;
  /** Bytes. */
  readonly memory: number | undefined;
  readonly cpus: number | undefined;
  readonly cpu: CpuModelName | undefined;
  readonly tier: Tier | undefined;
  readonly disks: readonly DeviceConfig[];
  readonly plugins: readonly string[];
  readonly clock: "virtual" | "host" | undefined;
  readonly seed: string | undefined;
  readonly abi: AbiName | undefined;
  readonly host: HostOptions;
  readonly trace: string | undefined;
  /** Seconds. */
  readonly timeout: number | undefined;
  readonly quiet: boolean;
}

/** A real kernel as the host VM: the command line over the `host` section of a configuration. */
export interface HostOptions {
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  readonly dtb: string | undefined;
  readonly cmdline: string | undefined;
  /** Bytes. */
  readonly memory: number | undefined;
  readonly cpus: number | undefined;
  readonly disks: readonly DeviceConfig[];
}

export const RUN_HELP = `gunyah run [config] [options]      boot a guest

  config                 gunyah.config.ts, .js or .json, or a directory with one
  --kernel FILE          arm64 Image (raw, gzip, zstd, EFI-zboot), ELF, or a flat binary with --kernel-address
  --kernel-address ADDR  where an Image or flat binary is loaded
  --initrd FILE          initramfs
  --dtb FILE             a device tree of your own
  --image NAME           kernel and initrd made by "gunyah image", for example debian
  --cmdline TEXT         kernel command line, added to what the console needs
  --mem SIZE             guest memory, for example 512M or 1G (default 256M)
  --cpus N               vCPUs, 1 to 8 (default 1)
  --cpu MODEL            ${Object.keys(CPU_MODELS).join(", ")} (default ${DEFAULT_CPU_MODEL})
  --tier TIER            what executes hot code: interpreter, jit, or auto with a helper thread
  --disk FILE[,ro][,overlay]   a virtio block device; overlay keeps writes in memory; may be repeated
  --plugin NAME          load a plugin from your project; may be repeated
  --clock host|virtual   wall clock, or time that only instructions move (default host)
  --seed TEXT            seed of all random bytes (default: random with --clock host, 0 with virtual)
  --abi v14|v15|v16|v17  revision of the Linux driver series; v14 gives all memory at start (default v17)
  --trace FILE           write a trace for Perfetto or chrome://tracing
  --timeout SECONDS      give up after this long, exit code 124
  --quiet                no summary at the end

With a kernel of your own as the host VM, whose console the terminal then is (it makes its guests itself):
  --host-kernel FILE     arm64 Image with the Gunyah driver, or any other
  --host-initrd FILE, --host-dtb FILE, --host-cmdline TEXT
  --host-cpus N          CPUs of the board, all of them the host's (default 1)
  --host-mem SIZE        memory of the host and its guests (default 512M)
  --host-disk FILE[,ro][,overlay]   a virtio block device of the host; may be repeated

On a terminal: Ctrl-A x quits, Ctrl-A s shows the status, Ctrl-A h helps.`;

/** Errors: CLI_USAGE */
export function parseRunOptions(args: readonly string[]): RunOptions {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) throw usage(`one configuration at most, not ${positionals.join(" ")}`);
  checkHostOptions(values, positionals.length > 0);
  return {
    config: positionals[0],
    kernel: values.kernel,
    kernelAddress: given(values["kernel-address"], (text) => parseInteger(text, "--kernel-address")),
    initrd: values.initrd,
    dtb: values.dtb,
    image: values.image,
    cmdline: values.cmdline,
    memory: given(values.mem, (text) => parseSize(text, "--mem")),
    cpus: given(values.cpus, parseCpus),
    cpu: oneOf(values.cpu, "--cpu", Object.keys(CPU_MODELS) as CpuModelName[]),
    tier: oneOf(values.tier, "--tier", TIERS),
    disks: (values.disk ?? []).map(parseDisk),
    plugins: values.plugin ?? [],
    clock: oneOf(values.clock, "--clock", ["host", "virtual"] as const),
    seed: values.seed,
    abi: oneOf(values.abi, "--abi", ["v14", "v15", "v16", "v17"] as const),
    host: {
      kernel: values["host-kernel"],
      initrd: values["host-initrd"],
      dtb: values["host-dtb"],
      cmdline: values["host-cmdline"],
      memory: given(values["host-mem"], (text) => parseSize(text, "--host-mem")),
      cpus: given(values["host-cpus"], (text) => parseHostCpus(text)),
      disks: (values["host-disk"] ?? []).map(parseDisk),
    },
    trace: values.trace,
    timeout: given(values.timeout, (text) => parseInteger(text, "--timeout")),
    quiet: values.quiet ?? false,
  };
}

/** Options that mean nothing together. Errors: CLI_USAGE */
function checkHostOptions(values: ReturnType<typeof parse>["values"], hasConfig: boolean): void {
  const given = Object.keys(values).map((name) => `--${name}`);
  const ofHost = given.filter((name) => name.startsWith("--host-"));
  if (values["host-kernel"] === undefined) {
    const [first] = ofHost;
    if (first !== undefined && !hasConfig) throw usage(`${first}: give --host-kernel too`);
    return;
  }
  const ofGuest = given.find((name) => GUEST_OPTIONS.includes(name));
  if (ofGuest !== undefined) throw usage(`${ofGuest}: the host makes its guests itself; leave it out`);
}

const GUEST_OPTIONS = [
  "--kernel",
  "--kernel-address",
  "--initrd",
  "--dtb",
  "--image",
  "--cmdline",
  "--mem",
  "--cpus",
  "--disk",
  "--abi",
];
const MAX_HOST_CPUS = 8;

function parseHostCpus(text: string): number {
  const cpus = parseInteger(text, "--host-cpus");
  if (cpus < 1 || cpus > MAX_HOST_CPUS) throw usage(`--host-cpus ${text}: give 1 to ${MAX_HOST_CPUS}`);
  return cpus;
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  const list = { type: "string", multiple: true } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        kernel: text,
        "kernel-address": text,
        initrd: text,
        dtb: text,
        image: text,
        cmdline: text,
        mem: text,
        cpus: text,
        cpu: text,
        tier: text,
        disk: list,
        plugin: list,
        clock: text,
        seed: text,
        abi: text,
        "host-kernel": text,
        "host-initrd": text,
        "host-dtb": text,
        "host-cmdline": text,
        "host-mem": text,
        "host-cpus": text,
        "host-disk": list,
        trace: text,
        timeout: text,
        quiet: { type: "boolean" },
      },
    });
  } catch (cause) {
    throw usage((cause as Error).message, cause);
  }
}

function parseCpus(text: string): number {
  const cpus = parseInteger(text, "--cpus");
  if (cpus < 1 || cpus > GuestLayout.MAX_CPUS) throw usage(`--cpus ${text}: give 1 to ${GuestLayout.MAX_CPUS}`);
  return cpus;
}

/** "path,ro,overlay". A path with a comma in it cannot be given here, but in a configuration. */
function parseDisk(text: string): DeviceConfig {
  const [path = "", ...flags] = text.split(",");
  const unknown = flags.find((flag) => flag !== "ro" && flag !== "overlay");
  if (path === "" || unknown !== undefined) throw usage(`--disk ${text}: give FILE, FILE,ro or FILE,overlay`);
  return { type: "virtio-blk", path, readOnly: flags.includes("ro"), overlay: flags.includes("overlay") };
}

function given<T>(value: string | undefined, convert: (text: string) => T): T | undefined {
  return value === undefined ? undefined : convert(value);
}

function oneOf<T extends string>(value: string | undefined, option: string, allowed: readonly T[]): T | undefined {
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  throw usage(`${option} ${value}: give ${allowed.join(" or ")}`);
}

function usage(message: string, cause?: unknown): ModelError {
  return new ModelError("CLI_USAGE", message, { cause });
}

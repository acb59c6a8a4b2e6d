import { resolve } from "node:path";
import { guestLinux } from "@gunyah-ts/guest-linux";
import {
  Hypervisor,
  type LoadedConfig,
  loadMachineConfig,
  type Machine,
  type MachineConfig,
  type PluginEntry,
  use,
} from "@gunyah-ts/kernel";
import { type DeviceConfig, type VirtualMachine, type VirtualMachineOptions, VmmService } from "@gunyah-ts/vmm";
import { virtBoard } from "../board.ts";
import { Session } from "../console/session.ts";
import { RunStatus } from "../console/status.ts";
import { type ExitCode, exitCodeOf } from "../exit-code.ts";
import { readUserFile } from "../files.ts";
import { checkGuestConfig, type GuestConfig } from "../guest-config.ts";
import { checkHostSection } from "../host-section.ts";
import { ImageStore } from "../image/store.ts";
import { timeAndChance, withMachine } from "../machine-run.ts";
import { parseRunOptions, type RunOptions } from "../run-options.ts";
import { defaultPlugins, withUserPlugins } from "../stack.ts";
import { runHost } from "./run-host.ts";

const DEFAULT_MEMORY = 256 * 2 ** 20;
/** What every guest of ours can print to from its first instruction on. */
const CONSOLE = "console=ttyAMA0";

/** `gunyah run`. @returns the process's exit code */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const options = parseRunOptions(args);
  const loaded = options.config === undefined ? undefined : await loadMachineConfig(options.config);
  const host = checkHostSection(loaded?.config.host);
  if ((options.host.kernel ?? host.kernel) !== undefined) return runHost(options, loaded, host);
  const guest = await resolveGuest(options, checkGuestConfig(loaded?.config.guest), loaded?.root ?? process.cwd());
  return withMachine(machineConfig(options, loaded, guest), options, loaded, async (machine) => {
    await machine.start();
    return runGuest(machine, options, guest);
  });
}

/** What the VM is made of, files read. */
interface Guest {
  readonly vm: Omit<VirtualMachineOptions, "console" | "log">;
  readonly memory: number;
}

async function resolveGuest(options: RunOptions, config: GuestConfig, root: string): Promise<Guest> {
  const memory = options.memory ?? config.memory ?? DEFAULT_MEMORY;
  const file = (path: string | undefined, fallback: string | undefined, what: string): Uint8Array | undefined => {
    if (path !== undefined) return readUserFile(path, what, memory);
    return fallback === undefined ? undefined : readUserFile(resolve(root, fallback), what, memory);
  };
  const imageName = options.image ?? (options.kernel === undefined ? config.image : undefined);
  const image = imageName === undefined ? undefined : new ImageStore().get(imageName);
  const ownKernel = file(options.kernel, image === undefined ? config.kernel : undefined, "kernel");
  const standard = ownKernel === undefined && image === undefined ? await guestLinux() : undefined;
  const kernel = ownKernel ?? (image === undefined ? standard?.kernel : readUserFile(image.kernel, "kernel", memory));
  const initrd =
    file(options.initrd, image === undefined ? config.initrd : undefined, "initrd") ??
    (image === undefined ? standard?.initrd : readUserFile(image.initrd, "initrd", memory));
  const dtb = file(options.dtb, config.dtb, "device tree");
  const cmdline = [CONSOLE, image?.cmdline, options.cmdline ?? config.cmdline].filter((part) => part !== undefined);
  const devices: DeviceConfig[] = [
    ...(config.devices ?? [{ type: "pl011" }, { type: "virtio-rng" }]),
    ...options.disks,
  ];
  const kernelAddress = options.kernelAddress ?? config.kernelAddress;
  return {
    memory,
    vm: {
      kernel: kernel as Uint8Array,
      ...(initrd === undefined ? {} : { initrd }),
      ...(dtb === undefined ? {} : { dtb }),
      ...(kernelAddress === undefined ? {} : { kernelAddress }),
      memory,
      cpus: options.cpus ?? config.cpus ?? 1,
      cmdline: cmdline.join(" "),
      devices,
      abi: options.abi ?? config.abi ?? "v17",
    },
  };
}

function machineConfig(options: RunOptions, loaded: LoadedConfig | undefined, guest: Guest): MachineConfig {
  const config = loaded?.config;
  const user: PluginEntry[] = [...(config?.plugins ?? []), ...options.plugins.map((name) => use(name))];
  return {
    ...config,
    soc: config?.soc ?? virtBoard(guest.memory, guest.vm.cpus),
    plugins: withUserPlugins(
      defaultPlugins(guest.vm.abi, options.cpu ?? checkGuestConfig(config?.guest).cpu, options.tier),
      user,
    ),
    ...timeAndChance(options, config),
  };
}

/** One run of one guest on the user's terminal. */
async function runGuest(machine: Machine, options: RunOptions, guest: Guest): Promise<ExitCode> {
  const status = new RunStatus(machine.get(Hypervisor).inspect, guest.memory);
  let vm: VirtualMachine | undefined;
  const session = new Session(status, { ...options, what: "guest", stop: () => vm?.stop() });
  return session.run(async () => {
    vm = await machine.get(VmmService).createVm({ ...guest.vm, console: session.terminal, log: session.log });
    try {
      if (session.stopCode !== undefined) return session.stopCode;
      status.state = "running";
      const end = await vm.run();
      status.state = END_TEXT[end.reason];
      return session.stopCode ?? exitCodeOf(end);
    } catch (error) {
      status.state = "failed";
      throw error;
    } finally {
      status.refresh();
      await vm.close();
    }
  });
}

const END_TEXT = {
  off: "powered off",
  reset: "asked for a reset",
  crash: "crashed",
  "load-failed": "could not be started",
  stopped: "stopped",
} as const;

import { resolve } from "node:path";
import { guestLinux } from "@gunyah-ts/guest-linux";
import {
  createMachine,
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
import { RunStatus } from "../console/status.ts";
import { Terminal } from "../console/terminal.ts";
import { ExitCode, exitCodeOf } from "../exit-code.ts";
import { readUserFile } from "../files.ts";
import { checkGuestConfig, type GuestConfig } from "../guest-config.ts";
import { ImageStore } from "../image/store.ts";
import { parseRunOptions, type RunOptions } from "../run-options.ts";
import { defaultPlugins, withUserPlugins } from "../stack.ts";
import { TraceFile } from "../trace/perfetto.ts";

const DEFAULT_MEMORY = 256 * 2 ** 20;
/** What every guest of ours can print to from its first instruction on. */
const CONSOLE = "console=ttyAMA0";

/** `gunyah run`. @returns the process's exit code */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const options = parseRunOptions(args);
  const loaded = options.config === undefined ? undefined : await loadMachineConfig(options.config);
  const guest = await resolveGuest(options, checkGuestConfig(loaded?.config.guest), loaded?.root ?? process.cwd());
  const machine = await createMachine(machineConfig(options, loaded, guest), {
    root: loaded?.root ?? process.cwd(),
  });
  const trace = options.trace === undefined ? undefined : new TraceFile(options.trace, frequencyOf(machine));
  if (trace !== undefined) machine.trace.listen(trace.event);
  try {
    await machine.start();
    return await new Session(machine, options, guest).run();
  } finally {
    await machine.dispose();
    trace?.close();
  }
}

function frequencyOf(machine: Machine): number {
  const { soc } = machine.config;
  return typeof soc === "object" ? soc.timerFrequencyHz : 19_200_000;
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
  const clock = options.clock ?? config?.clock ?? "host";
  const isVirtual = clock === "virtual" || (typeof clock === "object" && clock.kind === "virtual");
  const entropy =
    options.seed !== undefined ? { seed: options.seed } : (config?.entropy ?? (isVirtual ? { seed: 0 } : "host"));
  return {
    ...config,
    soc: config?.soc ?? virtBoard(guest.memory, guest.vm.cpus),
    plugins: withUserPlugins(defaultPlugins(guest.vm.abi, options.cpu ?? checkGuestConfig(config?.guest).cpu), user),
    clock,
    entropy,
  };
}

/** One run of one guest on the user's terminal. */
class Session {
  readonly #machine: Machine;
  readonly #options: RunOptions;
  readonly #guest: Guest;
  readonly #status: RunStatus;
  readonly #terminal: Terminal;
  #vm: VirtualMachine | undefined;
  /** Why we stopped it, when we did. */
  #stopCode: ExitCode | undefined;

  constructor(machine: Machine, options: RunOptions, guest: Guest) {
    this.#machine = machine;
    this.#options = options;
    this.#guest = guest;
    this.#status = new RunStatus(machine.get(Hypervisor).inspect, guest.memory);
    this.#terminal = new Terminal(process.stdin, process.stdout, {
      quit: () => this.#stop(ExitCode.STOPPED),
      hangup: () => this.#stop(ExitCode.HANGUP),
      status: () => this.#status.line(),
    });
  }

  async run(): Promise<ExitCode> {
    const signals = { SIGINT: ExitCode.STOPPED, SIGTERM: ExitCode.TERMINATED, SIGHUP: ExitCode.HANGUP } as const;
    const handlers = Object.entries(signals).map(([signal, code]) => {
      const handler = (): void => this.#stop(code);
      process.on(signal, handler);
      return () => process.off(signal, handler);
    });
    const title = this.#showTitle();
    const timeout = this.#options.timeout;
    const timer =
      timeout === undefined ? undefined : setTimeout(() => this.#stop(ExitCode.TIMEOUT), timeout * 1000).unref();
    try {
      return await this.#runVm();
    } finally {
      clearTimeout(timer);
      clearInterval(title);
      for (const remove of handlers) remove();
      this.#terminal.close();
      if (this.#stopCode === ExitCode.TIMEOUT)
        process.stderr.write(`\ngunyah: CLI_TIMEOUT: the guest did not end within ${timeout} s\n`);
      if (!this.#options.quiet) process.stderr.write(`\n${this.#status.summary()}\n`);
    }
  }

  async #runVm(): Promise<ExitCode> {
    const vmm = this.#machine.get(VmmService);
    const vm = await vmm.createVm({
      ...this.#guest.vm,
      console: this.#terminal,
      log: (level, message) => this.#terminal.say(`gunyah: ${level === "info" ? "" : `${level}: `}${message}`),
    });
    this.#vm = vm;
    try {
      if (this.#stopCode !== undefined) return this.#stopCode;
      this.#status.state = "running";
      const end = await vm.run();
      this.#status.state = END_TEXT[end.reason];
      return this.#stopCode ?? exitCodeOf(end);
    } catch (error) {
      this.#status.state = "failed";
      throw error;
    } finally {
      this.#status.refresh();
      await vm.close();
    }
  }

  #stop(code: ExitCode): void {
    this.#stopCode ??= code;
    this.#vm?.stop();
  }

  /** The status in the terminal's title: the screen itself is the guest's. */
  #showTitle(): NodeJS.Timeout | undefined {
    if (!process.stdout.isTTY) return undefined;
    return setInterval(() => {
      process.stdout.write(`\x1b]0;gunyah: ${this.#status.line()}\x07`);
    }, 1000).unref();
  }
}

const END_TEXT = {
  off: "powered off",
  reset: "asked for a reset",
  crash: "crashed",
  "load-failed": "could not be started",
  stopped: "stopped",
} as const;

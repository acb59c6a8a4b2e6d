import { resolve } from "node:path";
import {
  Board,
  BoardPower,
  Hypervisor,
  type LoadedConfig,
  type Machine,
  type MachineConfig,
  use,
} from "@gunyah-ts/kernel";
import { type HostConfig, hostEnd, LinuxHostService } from "@gunyah-ts/linux-host";
import { hostBoard } from "../board.ts";
import { Session } from "../console/session.ts";
import { RunStatus } from "../console/status.ts";
import { ExitCode } from "../exit-code.ts";
import { readUserFile } from "../files.ts";
import type { HostSection } from "../host-section.ts";
import { timeAndChance, withMachine } from "../machine-run.ts";
import type { RunOptions } from "../run-options.ts";
import { linuxHostPlugins, withUserPlugins } from "../stack.ts";

const DEFAULT_MEMORY = 512 * 2 ** 20;
const CONSOLE = "console=ttyAMA0";

/** `gunyah run --host-kernel`: the terminal is the host's console. @returns the process's exit code */
export async function runHost(
  options: RunOptions,
  loaded: LoadedConfig | undefined,
  section: HostSection,
): Promise<ExitCode> {
  const config = loaded?.config;
  const memory = options.host.memory ?? section.memory ?? DEFAULT_MEMORY;
  const machineConfig: MachineConfig = {
    ...config,
    soc: config?.soc ?? hostBoard(memory, options.host.cpus ?? section.cpus ?? 1),
    plugins: withUserPlugins(linuxHostPlugins(options.cpu), [
      ...(config?.plugins ?? []),
      ...options.plugins.map((name) => use(name)),
    ]),
    ...timeAndChance(options, config),
    host: hostConfig(options, section, loaded?.root ?? process.cwd(), memory),
  };
  return withMachine(machineConfig, options, loaded, (machine) => run(machine, options, memory));
}

/** The section with its files read and the command line over it. Errors: CLI_FILE */
function hostConfig({ host }: RunOptions, section: HostSection, root: string, memory: number): HostConfig {
  const file = (path: string | undefined, fallback: string | undefined, what: string): Uint8Array | undefined => {
    if (path !== undefined) return readUserFile(path, `host's ${what}`, memory);
    return fallback === undefined ? undefined : readUserFile(resolve(root, fallback), `host's ${what}`, memory);
  };
  const initrd = file(host.initrd, section.initrd, "initrd");
  const dtb = file(host.dtb, section.dtb, "device tree");
  return {
    kernel: file(host.kernel, section.kernel, "kernel") as Uint8Array,
    ...(initrd === undefined ? {} : { initrd }),
    ...(dtb === undefined ? {} : { dtb }),
    cmdline: [CONSOLE, host.cmdline ?? section.cmdline].filter((part) => part !== undefined).join(" "),
    devices: [...(section.devices ?? [{ type: "pl011" }, { type: "virtio-rng" }]), ...host.disks],
  };
}

async function run(machine: Machine, options: RunOptions, memory: number): Promise<ExitCode> {
  const { inspect } = machine.get(Hypervisor);
  const { hostVmid } = machine.get(Board);
  const status = new RunStatus(inspect, memory, (vmid) => vmid === hostVmid);
  let stop = (): void => {};
  const stopped = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
  });
  const session = new Session(status, { ...options, what: "host", stop });
  return session.run(async () => {
    machine.get(LinuxHostService).connect(session.terminal, session.log);
    const ended = hostEnd(machine.get(BoardPower));
    try {
      await machine.start();
      status.state = "running";
      const end = await Promise.race([ended, stopped]);
      status.state = end === undefined ? "stopped" : END_TEXT[end.reason];
      if (end?.reason === "crash") process.stderr.write(`\ngunyah: ${end.detail}\n`);
      return session.stopCode ?? (end === undefined ? ExitCode.STOPPED : EXIT_CODE[end.reason]);
    } catch (error) {
      status.state = "failed";
      throw error;
    } finally {
      status.refresh();
    }
  });
}

const END_TEXT = { off: "powered off", reset: "asked for a reset", crash: "crashed" } as const;
const EXIT_CODE = { off: ExitCode.OFF, reset: ExitCode.RESET, crash: ExitCode.CRASH } as const;

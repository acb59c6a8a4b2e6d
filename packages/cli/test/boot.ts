import { guestLinux } from "@gunyah-ts/guest-linux";
import { createMachine, Hypervisor, type Machine, type TraceEvent } from "@gunyah-ts/kernel";
import { type VirtualMachineOptions, type VmEnd, VmmService } from "@gunyah-ts/vmm";
import { virtBoard } from "../src/board.ts";
import { RunStatus } from "../src/console/status.ts";
import { type AbiName, defaultPlugins } from "../src/stack.ts";
import { guestRuns } from "./support.ts";

export interface Booted {
  readonly console: string;
  readonly end: VmEnd;
  /** Exact. */
  readonly retired: number;
  /** Most that the guest could access at one time. Bytes. */
  readonly memoryProvided: number;
  readonly events: readonly TraceEvent[];
}

const MiB = 2 ** 20;

/** Boot the default guest on the whole stack in this process, under the virtual clock. */
export async function bootDefaultGuest(options: {
  readonly command: string;
  readonly memory?: number;
  readonly cpus?: number;
  readonly abi?: AbiName;
  readonly seed?: string;
  readonly trace?: (event: TraceEvent) => boolean;
  readonly devices?: VirtualMachineOptions["devices"];
}): Promise<Booted> {
  const { memory = 128 * MiB, cpus = 1, abi = "v17", seed = "test", command } = options;
  const { kernel, initrd } = await guestLinux();
  const machine = await createMachine({
    soc: virtBoard(memory, cpus),
    plugins: defaultPlugins(abi),
    clock: "virtual",
    entropy: { seed },
  });
  const events: TraceEvent[] = [];
  const keep = options.trace;
  if (keep !== undefined)
    machine.trace.listen((event) => {
      if (keep(event)) events.push(event);
    });
  try {
    return {
      ...(await boot(machine, { kernel, initrd, memory, cpus, abi, command, devices: options.devices })),
      events,
    };
  } finally {
    await machine.dispose();
  }
}

async function boot(
  machine: Machine,
  guest: Pick<VirtualMachineOptions, "kernel" | "initrd" | "abi"> & {
    readonly memory: number;
    readonly cpus: number;
    readonly command: string;
    readonly devices: VirtualMachineOptions["devices"] | undefined;
  },
): Promise<Omit<Booted, "events">> {
  await machine.start();
  const { inspect } = machine.get(Hypervisor);
  const status = new RunStatus(inspect, guest.memory);
  let text = "";
  const { command, devices = [{ type: "pl011" }], ...rest } = guest;
  const vm = await machine.get(VmmService).createVm({
    ...rest,
    devices,
    cmdline: `console=ttyAMA0 ${guestRuns(command)}`,
    console: {
      size: undefined,
      // The guest is about to power off: look while its memory is there.
      output: (bytes) => {
        text += new TextDecoder().decode(bytes);
        if (text.endsWith("exited with 0")) status.refresh();
      },
      onInput: () => () => {},
      onResize: () => () => {},
    },
  });
  let result: Omit<Booted, "events">;
  try {
    const end = await vm.run();
    const { retired, memoryProvided } = status;
    result = { console: text, end, retired, memoryProvided };
  } finally {
    await vm.close();
  }
  const fault = inspect.checkOwnership();
  if (fault !== undefined) throw new Error(`ownership: ${JSON.stringify(fault)}`);
  return result;
}

import { type Clock, type DeviceType, type Entropy, type Trace, token, type VmManager } from "@gunyah-ts/kernel";
import type { VirtualMachineOptions } from "./machine/options.ts";
import { VirtualMachine } from "./machine/virtual-machine.ts";

/** What the VMM of a machine is made of. */
export interface VmmParts {
  readonly vmManager: VmManager;
  readonly deviceType: (type: string) => DeviceType | undefined;
  readonly deviceTypes: () => readonly string[];
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly trace: Trace;
}

/** Makes VMs. Each VM is run by a process of its own, so one that is closed takes everything of its own with it. */
export class Vmm {
  readonly #parts: VmmParts;

  constructor(parts: VmmParts) {
    this.#parts = parts;
  }

  /** Device types that the machine's plugins provide, sorted. */
  get deviceTypes(): readonly string[] {
    return this.#parts.deviceTypes();
  }

  /** See `VirtualMachine.create`. Waits until the host driver has probed; rejects as `VmManager.ready` does. */
  async createVm(options: VirtualMachineOptions): Promise<VirtualMachine> {
    const { vmManager } = this.#parts;
    await vmManager.ready;
    return VirtualMachine.create(options, { ...this.#parts, process: vmManager.createProcess() });
  }
}

/** The VMM of a machine. */
export const VmmService = token<Vmm>("vmm/Vmm");

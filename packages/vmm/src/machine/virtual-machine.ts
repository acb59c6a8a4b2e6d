import { errnoName, VmExitType } from "@gunyah-ts/abi";
import { type Clock, type DeviceType, type Entropy, type HostProcess, ModelError, type Trace } from "@gunyah-ts/kernel";
import {
  ExitReason,
  GunyahDevice,
  type GunyahVcpu,
  type GunyahVm,
  type HostEventFd,
  ResumeAction,
  type VcpuExit,
  VmStatus,
} from "@gunyah-ts/vm-manager";
import type { GuestRam } from "./guest-ram.ts";
import { IrqfdLine } from "./interrupt.ts";
import { checkRamSize, LentRam } from "./lent-ram.ts";
import { MmioBus } from "./mmio-bus.ts";
import type { VirtualMachineOptions, VmEnd } from "./options.ts";
import { PinnedRam } from "./pinned-ram.ts";
import { planVm, type VmPlan } from "./plan.ts";

/** What a VMM needs of its surroundings. */
export interface VmmServices {
  readonly process: HostProcess;
  readonly deviceType: (type: string) => DeviceType | undefined;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly trace: Trace;
}

const DEFAULT_MEMORY = 256 * 2 ** 20;

/**
 * A VM: created and loaded, then run to its end. All that it does to the guest, it does through `/dev/gunyah`.
 */
export class VirtualMachine {
  readonly plan: VmPlan;
  readonly #services: VmmServices;
  readonly #options: VirtualMachineOptions;
  readonly #device: GunyahDevice;
  readonly #vm: GunyahVm;
  readonly #ram: GuestRam;
  readonly #bus = new MmioBus();
  readonly #vcpus: GunyahVcpu[] = [];
  readonly #stopListening = new AbortController();
  #end: VmEnd | undefined;
  #failure: unknown;
  #state: "created" | "running" | "ended" | "closed" = "created";
  /** The run under way. */
  #run: Promise<VmEnd> | undefined;

  private constructor(
    plan: VmPlan,
    services: VmmServices,
    options: VirtualMachineOptions,
    parts: { device: GunyahDevice; vm: GunyahVm; ram: GuestRam },
  ) {
    this.plan = plan;
    this.#services = services;
    this.#options = options;
    this.#device = parts.device;
    this.#vm = parts.vm;
    this.#ram = parts.ram;
  }

  /**
   * Check everything, create the VM, load its memory, connect its devices. Nothing is left behind when it fails.
   * Errors: VMM_MEMORY_SIZE, VMM_CPUS, IMAGE_*, VMM_LAYOUT_*, VMM_DTB_INVALID, VMM_DEVICE_*, VMM_DISK,
   * VMM_HOST_CALL_FAILED
   */
  static async create(options: VirtualMachineOptions, services: VmmServices): Promise<VirtualMachine> {
    const memory = options.memory ?? DEFAULT_MEMORY;
    checkRamSize(memory);
    const log = options.log ?? (() => {});
    const plan = await planVm(options, {
      memory,
      deviceType: services.deviceType,
      entropy: services.entropy,
      deviceContext: (name) => ({
        name,
        log,
        clock: services.clock,
        entropy: services.entropy,
        trace: services.trace,
        console: options.console,
      }),
    });
    try {
      const device = GunyahDevice.open(services.process);
      const vm = await device.createVm();
      const { address, size } = plan.ram;
      const ram =
        options.abi === "v14"
          ? new PinnedRam(services.process, vm, { address, size })
          : await LentRam.create(device, vm, { address, size, dmaPool: plan.dmaPool });
      const machine = new VirtualMachine(plan, services, options, { device, vm, ram });
      await machine.#load();
      await machine.#connect();
      return machine;
    } catch (error) {
      for (const { device } of plan.devices) await device.dispose();
      await services.process.exit();
      throw error;
    }
  }

  /** How it ended, undefined while it has not. */
  get end(): VmEnd | undefined {
    return this.#end;
  }

  /**
   * Start the VM and run its vCPUs until it ends. Throws what ended it from the VMM's side: VMM_GUEST_FAULT,
   * VMM_HOST_CALL_FAILED.
   */
  async run(): Promise<VmEnd> {
    if (this.#state !== "created") throw new ModelError("VMM_STATE", `run() of a VM that is ${this.#state}`);
    this.#state = "running";
    this.#run = this.#runToEnd();
    return this.#run;
  }

  async #runToEnd(): Promise<VmEnd> {
    await this.#vm.start();
    await this.#ram.started();
    // The boot vCPU last: the others sleep at once, so none of them begins in the middle of the guest's run.
    await Promise.all([...this.#vcpus].reverse().map((vcpu) => this.#runVcpu(vcpu)));
    if (this.#state === "running") this.#state = "ended";
    for (const { device } of this.plan.devices) await device.flush?.();
    if (this.#failure !== undefined) throw this.#failure;
    return (this.#end ??= { reason: "stopped", exitType: -1 });
  }

  /** Make `run` return soon, with reason `stopped`. */
  stop(): void {
    this.#finish({ reason: "stopped", exitType: -1 });
  }

  /** Tear everything down. When the VM still runs, it is stopped first, and `run` returns. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const runs = this.#state === "running";
    this.#state = "closed";
    if (runs) {
      this.stop();
      // Whoever called `run` hears of a failure.
      await this.#run?.catch(() => {});
    }
    this.#stopListening.abort();
    for (const { device } of this.plan.devices) await device.dispose();
    await this.#services.process.exit();
  }

  async #load(): Promise<void> {
    const { kernel, initrd, dtb, dtbBytes } = this.plan;
    for (const { address, bytes } of kernel.segments) this.#ram.load(address, bytes);
    if (initrd !== undefined) this.#ram.load(initrd.address, this.#options.initrd as Uint8Array);
    this.#ram.load(dtb.address, dtbBytes);
    await this.#ram.attach();
    await this.#vm.setDtbConfig({ guestAddress: dtb.address, size: dtb.size });
    // v14 starts the image at the base of memory with X0 = device tree, and has no call to say otherwise.
    if (this.#options.abi !== "v14") {
      await this.#vm.setBootContext("PC", BigInt(kernel.entry));
      await this.#vm.setBootContext("X0", BigInt(dtb.address));
    }
  }

  async #connect(): Promise<void> {
    for (const { device, address, spi } of this.plan.devices) {
      const irq = this.#device.createEventFd();
      await this.#vm.addIrqfd({ fd: irq.fd, label: spi, level: device.interrupt === "level" });
      device.activate({ memory: this.#ram, line: new IrqfdLine(irq.event), defer: this.#deviceThread() });
      this.#bus.add(address, device);
      for (const { offset, length, datamatch, notified } of device.notifications ?? []) {
        const event = this.#device.createEventFd();
        await this.#vm.addIoeventfd({
          fd: event.fd,
          address: address + offset,
          length,
          ...(datamatch === undefined ? {} : { datamatch: BigInt(datamatch) }),
        });
        void this.#listen(event, notified);
      }
    }
    for (const { type, arg } of this.#options.functions ?? []) await this.#vm.addFunction(type, arg);
    for (let id = 0; id < this.plan.cpus; id++) this.#vcpus.push(await this.#vm.addVcpu(id));
  }

  /** A thread for work that a device put off: what it is woken for is done in a turn of its own. */
  #deviceThread(): (work: () => void) => void {
    const thread = this.#device.createEventFd();
    const todo: (() => void)[] = [];
    void this.#listen(thread, () => {
      for (const work of todo.splice(0)) work();
    });
    return (work) => {
      todo.push(work);
      thread.event.signal();
    };
  }

  /** A device thread: sleeps on its eventfd, then serves the queue. */
  async #listen({ event }: HostEventFd, notified: () => void): Promise<void> {
    const { signal } = this.#stopListening;
    for (;;) {
      try {
        await event.wait(signal);
      } catch {
        return; // aborted: the VM is being closed
      }
      try {
        notified();
      } catch (error) {
        this.#fail(error);
        return;
      }
    }
  }

  async #runVcpu(vcpu: GunyahVcpu): Promise<void> {
    try {
      await vcpu.serve((exit) => this.#handle(exit));
    } catch (error) {
      if (this.#end === undefined) this.#fail(error);
    }
  }

  /** @returns true when this vCPU is done */
  #handle(exit: VcpuExit): boolean {
    switch (exit.reason) {
      case ExitReason.MMIO:
        this.#access(exit);
        return false;
      case ExitReason.STATUS:
        this.#finish(endOf(exit));
        return true;
      case ExitReason.PAGE_FAULT:
        this.#fail(
          new ModelError(
            "VMM_GUEST_FAULT",
            `the guest touched 0x${exit.address.toString(16)} and the driver could not give it memory there: ` +
              errnoName(exit.attempt),
          ),
        );
        return true;
      default:
        return this.#end !== undefined;
    }
  }

  #access(exit: VcpuExit): void {
    if (this.#bus.serve(exit)) return;
    // Nobody answers on the bus: the access ends in an external abort.
    this.#options.log?.(
      "warn",
      `the guest ${exit.isWrite ? "stored to" : "loaded from"} 0x${exit.address.toString(16)}, where there is no device`,
    );
    exit.resumeAction = ResumeAction.FAULT;
  }

  #finish(end: VmEnd): void {
    this.#end ??= end;
    for (const vcpu of this.#vcpus) vcpu.kick();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#finish({ reason: "crash", exitType: -1 });
  }
}

function endOf(exit: VcpuExit): VmEnd {
  const { status, exitType } = exit;
  if (status === VmStatus.LOAD_FAILED) return { reason: "load-failed", exitType };
  switch (exitType) {
    case VmExitType.VM_EXIT:
    case VmExitType.PLATFORM_OFF:
      return { reason: "off", exitType };
    case VmExitType.PLATFORM_RESET:
    case VmExitType.PSCI_SYSTEM_RESET2:
      return { reason: "reset", exitType };
    case VmExitType.VM_STOP_FORCED:
      return { reason: "stopped", exitType };
    default:
      return { reason: "crash", exitType };
  }
}

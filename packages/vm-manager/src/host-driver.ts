import { type AbiProfile, DEFAULT_ABI_PROFILE, type RmCallName } from "@gunyah-ts/abi";
import {
  type Clock,
  type Errno,
  GicClient,
  type HostKernel,
  type HostProcess,
  type Hypercalls,
  type LayerError,
  ModelError,
  type NativeProgram,
  type NativeVcpu,
  type Trace,
  type VmManager,
} from "@gunyah-ts/kernel";
import { GunyahDeviceFile } from "./gunyah/device.ts";
import type { FunctionDrivers } from "./gunyah/functions.ts";
import { NO_PLATFORM, type PlatformOps } from "./gunyah/platform.ts";
import type { FaultInjector, GunyahDriver, Vm } from "./gunyah/vm.ts";
import { HostKernelCore } from "./kernel/host-kernel.ts";
import { HostHypercalls } from "./kernel/hypercalls.ts";
import { late } from "./kernel/late.ts";
import { HostScheduler } from "./kernel/scheduler.ts";
import { HostMemory, hostIpa } from "./mm/host-memory.ts";
import { PageAllocator } from "./mm/page-allocator.ts";
import { findGic, findMemory, findResourceManager, readDeviceTree } from "./probe/device-tree.ts";
import { type HypervisorIdentity, identifyHypervisor } from "./probe/identify.ts";
import { Process } from "./process/process.ts";
import { RmClient } from "./rm/rm-client.ts";

export interface HostDriverOptions {
  readonly clock: Clock;
  readonly trace?: Trace | undefined;
  /** Revision of the series; v17. */
  readonly profile?: AbiProfile;
  /** Drivers of VM function types. Default: none. */
  readonly functions?: FunctionDrivers;
  /** Default: every operation succeeds. */
  readonly platform?: PlatformOps;
  /** State changes of VMs. */
  readonly onVmState?: (vmid: number, state: string) => void;
  /** Give up an RM call after this long, ticks. 0 (default): never, like Linux. */
  readonly rmTimeoutTicks?: number;
  /** pr_warn and friends. Default: console. */
  readonly log?: (level: "warn" | "info" | "error", message: string) => void;
  /** Points where the driver may be made to fail: `host.alloc.…`, `host.rm.…`, `host.hypercall.…`. */
  readonly fault?: FaultInjector;
}

/** GunyahError that an injected hypercall failure answers: NOMEM. */
const INJECTED = 10;

/** Counts that a test compares before and after. */
export interface HostUsage {
  readonly vms: number;
  readonly processes: number;
  readonly usedPages: number;
  readonly kernelPages: number;
  readonly irqs: number;
  readonly rmCalls: number;
}

/**
 * The host VM's kernel with the driver behind `/dev/gunyah`, as a native program: it starts with the device tree at
 * X0, probes as the series does, and from then on answers the system calls of VMM processes.
 *
 * Source: Linux series v17, drivers/virt/gunyah
 */
export class HostDriver implements VmManager {
  readonly program: NativeProgram;
  readonly ready: Promise<void>;
  /** The inside of the host kernel and its hypercalls, for modules: to be used once the program runs. */
  readonly moduleKernel: HostKernel;
  readonly moduleHypercalls: Hypercalls;
  readonly #options: HostDriverOptions;
  readonly #vms = new Set<Vm>();
  #settleReady!: { resolve(): void; reject(error: unknown): void };
  #kernel: HostKernelCore | undefined;
  #rm: RmClient | undefined;
  #endExplaining: (() => void) | undefined;
  #identity: HypervisorIdentity | undefined;
  #hostVmid: number | undefined;

  constructor(options: HostDriverOptions) {
    this.#options = options;
    const { name: abi } = options.profile ?? DEFAULT_ABI_PROFILE;
    this.moduleKernel = late<HostKernel>({ abi }, () => this.kernel);
    this.moduleHypercalls = late<Hypercalls>({}, () => this.kernel.hypercalls);
    this.ready = new Promise<void>((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    // Whoever does not wait for it learns of a failure at createProcess.
    this.ready.catch(() => {});
    this.program = {
      name: "gunyah host driver",
      start: (vcpu, context) => this.#start(vcpu, Number(context)),
      interrupt: () => this.#kernel?.takeInterrupts(),
      stopped: () => this.stop(),
    };
  }

  /** The inside of the host kernel. Throws VMM_NOT_STARTED before the program runs. */
  get kernel(): HostKernelCore {
    if (this.#kernel === undefined)
      throw new ModelError(
        "VMM_NOT_STARTED",
        "the host VM has not started: boot the hypervisor with this program at the board's hostEntry first",
      );
    return this.#kernel;
  }
  /** What the hypervisor said of itself. */
  get identity(): HypervisorIdentity | undefined {
    return this.#identity;
  }
  /** VMs that live. */
  get vms(): ReadonlySet<Vm> {
    return this.#vms;
  }
  get usage(): HostUsage {
    const { kernel } = this;
    return {
      vms: this.#vms.size,
      processes: kernel.processes.size,
      usedPages: kernel.memory.pages.usedPages,
      kernelPages: kernel.kernelPages,
      irqs: kernel.requestedIrqs,
      rmCalls: this.#rm?.outstanding.length ?? 0,
    };
  }

  /** Power off: the host's CPU runs no more, and nothing keeps the event loop alive. */
  stop(): void {
    this.#endExplaining?.();
    this.#kernel?.scheduler.stop();
  }

  createProcess(): HostProcess {
    const { kernel } = this;
    const process = new Process(kernel);
    kernel.started(process);
    return process;
  }

  #start(vcpu: NativeVcpu, context: number): void {
    try {
      this.#probe(vcpu, context);
      this.#settleReady.resolve();
    } catch (error) {
      this.#log("error", String(error));
      this.#settleReady.reject(error);
    }
  }

  /** In the order of the series: hypervisor, device tree node of RM, interrupts, misc device. */
  #probe(vcpu: NativeVcpu, context: number): void {
    const { clock, trace, profile = DEFAULT_ABI_PROFILE, fault } = this.#options;
    this.#identity = identifyHypervisor(vcpu);
    const { tree, size } = readDeviceTree(vcpu, context);
    const node = findResourceManager(tree);
    const gicNode = findGic(tree);
    const { memory, reserved } = findMemory(tree);

    const gic = new GicClient(gicNode);
    gic.init(vcpu);
    const pages = new PageAllocator(memory, [...reserved, { base: context, size }]);
    if (fault !== undefined) pages.fault = () => fault("host.alloc.page");
    const scheduler = new HostScheduler({ clock, wfi: () => this.#wfi(vcpu) });
    const hypercalls = new HostHypercalls(vcpu, () => this.#kernel?.afterHypercall());
    if (fault !== undefined) hypercalls.fault = (name) => (fault(`host.hypercall.${name}`) ? INJECTED : 0);
    const kernel = new HostKernelCore({
      profile,
      clock,
      trace,
      memory: new HostMemory(pages, vcpu),
      scheduler,
      hypercalls,
      lines: {
        enable: (intid, raise) => gic.enable(vcpu, intid, raise),
        disable: (intid) => gic.disable(vcpu, intid),
        dispatch: () => gic.dispatch(vcpu),
      },
      smc: (x) => vcpu.smc(x),
      log: (level, message) => this.#log(level, message),
    });
    this.#kernel = kernel;

    const buffers = kernel.memory.allocZeroed();
    if (buffers < 0) throw new ModelError("VMM_PROBE_FAILED", "no memory for the RM's message buffers (ENOMEM)");
    const rm = new RmClient({
      vcpu,
      hypercalls,
      scheduler,
      clock,
      txCap: node.txCap,
      rxCap: node.rxCap,
      txBuffer: hostIpa(buffers),
      rxBuffer: hostIpa(buffers + 2048),
      timeoutTicks: this.#options.rmTimeoutTicks ?? 0,
      log: (level, message) => this.#log(level, message),
      ...(fault !== undefined && { fault: (name: RmCallName) => fault(`host.rm.${name}`) }),
    });
    this.#rm = rm;
    this.#endExplaining = trace?.listenErrors(rm.explain);
    kernel.requestIrq(node.txIntid, rm.handleTx);
    kernel.requestIrq(node.rxIntid, rm.handleRx);
    scheduler.onStall = () => {
      if (rm.retryReceive()) return;
      const calls = rm.outstanding;
      if (calls.length > 0)
        this.#log(
          "warn",
          `nothing can run any more while RM owes the reply to ${calls.join(", ")}: the RM may be dead`,
        );
    };

    const driver: GunyahDriver = {
      kernel,
      rm,
      platform: this.#options.platform ?? NO_PLATFORM,
      functions: this.#options.functions ?? { get: () => undefined, load: async () => false },
      fault,
      hostVmid: () => this.#askHostVmid(),
      vmCreated: (vm) => void this.#vms.add(vm),
      vmDestroyed: (vm) => void this.#vms.delete(vm),
      vmState: (vm) => this.#vmState(vm),
    };
    vcpu.masked = false;
    kernel.registerDevice("/dev/gunyah", () => new GunyahDeviceFile(driver));
  }

  #wfi(vcpu: NativeVcpu): boolean {
    const interrupted = vcpu.wfi();
    this.#kernel?.afterHypercall();
    return interrupted;
  }

  async #askHostVmid(): Promise<{ errno: Errno; vmid: number; layers: readonly LayerError[] }> {
    if (this.#hostVmid === undefined) {
      const rm = this.#rm as RmClient;
      const { errno, value, layers } = await rm.call("VM_GET_VMID", {});
      if (errno !== 0 || value === undefined) return { errno, vmid: 0, layers };
      this.#hostVmid = value.vmid;
    }
    return { errno: 0, vmid: this.#hostVmid, layers: [] };
  }

  #vmState(vm: Vm): void {
    const { trace, clock, onVmState } = this.#options;
    onVmState?.(vm.vmid, vm.status);
    if (trace?.enabled === true) trace.emit({ kind: "vm-state", at: clock.now(), vmid: vm.vmid, state: vm.status });
  }

  #log(level: "warn" | "info" | "error", message: string): void {
    if (this.#options.log !== undefined) this.#options.log(level, message);
    else console[level](`gunyah: ${message}`);
  }
}

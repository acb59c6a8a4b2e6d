/**
 * The hypervisor of one machine: what board firmware does to it, and the wiring of its parts.
 */

import { GunyahError } from "@gunyah-ts/abi";
import type {
  BoardConfig,
  Clock,
  CpuBackend,
  Entropy,
  Hypervisor,
  HypervisorInspect,
  Intid,
  PhysicalMemory,
  SecureMonitor,
  SystemBus,
  Trace,
  VmInfo,
  VmMemory,
} from "@gunyah-ts/kernel";
import { assertModel, bug, ModelError } from "@gunyah-ts/kernel";
import { checkBoard, createRootVm, type RootVm } from "./boot/root-vm.ts";
import { HypCore } from "./core.ts";
import { installCore } from "./hypercall/install.ts";
import { NativeEngine } from "./native/native-engine.ts";
import { ProgramTable } from "./native/program-table.ts";
import { checkOwnership } from "./ownership/check.ts";
import { accessiblePages, inspectPage, usage } from "./ownership/inspect.ts";
import { OwnershipJournal } from "./ownership/journal.ts";
import { OwnershipWatch } from "./ownership/watch.ts";
import { addVpmGroupCalls } from "./psci/calls.ts";
import { VpmGroup } from "./psci/vpm-group.ts";
import { CpuLoop } from "./scheduler/cpu-loop.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { busFrame } from "./trap/bus-frame.ts";
import { TrapDispatch } from "./trap/dispatch.ts";
import { SmcccRouter } from "./trap/smccc.ts";
import { Stage2Access, type VdeviceFrame } from "./vcpu/address-space.ts";
import { addVcpuCalls } from "./vcpu/calls.ts";
import type { Engine } from "./vcpu/engine.ts";
import { PeEngine } from "./vcpu/pe-engine.ts";
import type { VcpuRuntime } from "./vcpu/runtime.ts";
import { StreamMemory } from "./vcpu/stream-memory.ts";
import { Vcpu } from "./vcpu/vcpu.ts";
import { addVicCalls } from "./vgic/calls.ts";
import { VicObject } from "./vgic/vic-object.ts";
import { addWatchdogCalls } from "./watchdog/calls.ts";
import { Watchdog } from "./watchdog/watchdog.ts";

export interface HypervisorOptions {
  readonly board: BoardConfig;
  readonly backend: CpuBackend;
  readonly memory: PhysicalMemory;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly trace: Trace;
  /** Secure firmware, asked in order. */
  readonly secureMonitors?: readonly SecureMonitor[];
  /** The board's devices, which the host VM reaches. */
  readonly bus?: SystemBus;
  /**
   * After `boot` run the vCPUs that the hypervisor schedules, in turns of the event loop, unless a native program is the
   * host: that runs them by its WFI. Called with what ended it when a layer below threw.
   */
  readonly onCrash?: (error: unknown) => void;
  /** Instructions of one turn of the scheduler and of one vcpu_run. Default 200,000. */
  readonly quantum?: number;
  /** Check after every hypercall that the ownership invariant holds for what it changed. For tests. */
  readonly checkOwnership?: boolean;
}

/** Security domains 0-63 are VMIDs; VMs above share this one. Source: Linux drivers/virt/gunyah/gunyah_qcom.c */
const RM_MANAGED_DOMAIN = 0x3a;
const MAX_DOMAIN = 0x3f;

/** Errors: HYP_BOARD_INVALID */
export function createHypervisor(options: HypervisorOptions): GunyahHypervisor {
  return new GunyahHypervisor(options);
}

export class GunyahHypervisor implements Hypervisor, VcpuRuntime {
  readonly programs = new ProgramTable();
  readonly inspect: HypervisorInspect;
  readonly core: HypCore;
  readonly scheduler: Scheduler;
  readonly traps: TrapDispatch;
  readonly backend: CpuBackend;
  readonly clock: Clock;
  readonly memory: PhysicalMemory;
  readonly trace: Trace;
  readonly secureMonitors: readonly SecureMonitor[];
  readonly busFrame: VdeviceFrame | undefined;
  readonly #board: BoardConfig;
  readonly #cpus: CpuLoop | undefined;
  readonly #onCrash: HypervisorOptions["onCrash"];
  #root: RootVm | undefined;
  #pes = 0;
  /** Looks at what each hypercall changed; only with `checkOwnership`. */
  #watch: OwnershipWatch | undefined;

  constructor(options: HypervisorOptions) {
    const { board, backend, memory, clock, entropy, trace } = options;
    checkBoard(board);
    this.#board = board;
    this.backend = backend;
    this.memory = memory;
    this.clock = clock;
    this.trace = trace;
    this.secureMonitors = options.secureMonitors ?? [];
    const journal = options.checkOwnership === true ? new OwnershipJournal() : undefined;
    const afterCall = journal === undefined ? undefined : (number: number) => this.#checkAfter(number);
    const { carveOut } = board;
    this.core = new HypCore({ memory, clock, entropy, trace, carveOut, tlbi: backend, journal, afterCall });
    this.scheduler = new Scheduler(clock, {
      cpus: board.physicalCpus,
      ...(options.quantum === undefined ? {} : { quantum: options.quantum }),
    });
    this.busFrame = options.bus === undefined ? undefined : busFrame(options.bus);
    const { onCrash } = options;
    this.#onCrash = onCrash;
    if (onCrash !== undefined)
      this.#cpus = new CpuLoop({ clock, schedule: (budget) => this.scheduler.schedule(budget), onCrash });
    this.traps = new TrapDispatch(this.core, new SmcccRouter(this.core, this.secureMonitors));
    installCore(this.core);
    this.#install();
    this.inspect = {
      checkOwnership: () => checkOwnership(this.core),
      vms: () => this.#vms(),
      page: (pa) => inspectPage(this.core, pa),
      usage: () => usage(this.core),
      accessiblePages: (vmid) => accessiblePages(this.core, vmid),
    };
    if (journal !== undefined) this.#watch = new OwnershipWatch(this.core, journal);
  }

  boot(): void {
    assertModel(this.#root === undefined, "BUG_HYP_BOOT", "the hypervisor was booted before");
    const root = createRootVm(this.core, this, this.#board);
    this.#root = root;
    const error = root.vcpu.powerOn(BigInt(this.#board.rootVmEntry), BigInt(root.environmentIpa));
    if (error !== GunyahError.OK) bug("BUG_HYP_BOOT", "the root VM cannot be powered on", { error });
    this.scheduler.runNative();
    if (this.programs.at(this.#board.hostEntry) === undefined) this.#cpus?.start();
  }

  halt(): void {
    this.#cpus?.stop();
  }

  schedule(budget: number): boolean {
    return this.scheduler.schedule(budget);
  }

  setSpi(intid: Intid, high: boolean): void {
    this.#root?.hwirqs.get(intid)?.setLevel(high);
    this.#cpus?.poke();
  }

  external<T>(work: Promise<T>): Promise<T> {
    return this.#cpus?.external(work) ?? work;
  }

  memoryOf(vmid: number): VmMemory {
    return new StreamMemory(this.core, this.memory, vmid, this.domainOf(vmid));
  }

  hostCrashed(vcpu: Vcpu, why: string): void {
    const pc = (vcpu.engine as PeEngine).pe.read("ELR_EL2").toString(16);
    const error = new ModelError("HYP_HOST_CRASHED", `CPU ${vcpu.index} of the host, PC 0x${pc}: ${why}`);
    this.#onCrash?.(error);
  }

  domainOf(vmid: number): number {
    return vmid <= MAX_DOMAIN ? vmid : RM_MANAGED_DOMAIN;
  }

  engineFor(vcpu: Vcpu, current: Engine | undefined): Engine | number {
    const entry = vcpu.context.pc;
    const pa = entry < 2n ** 48n ? vcpu.addrspace.translate(Number(entry), Stage2Access.EXECUTE) : -1;
    const program = pa < 0 ? undefined : this.programs.at(pa);
    if (program !== undefined) {
      if (current instanceof NativeEngine && current.program === program) return current;
      return new NativeEngine(vcpu, this, program);
    }
    if (current instanceof PeEngine) return current;
    if (this.#pes >= this.backend.maxPes) return GunyahError.NOMEM;
    this.#pes++;
    return new PeEngine(vcpu, this, () => {
      this.#pes--;
    });
  }

  #install(): void {
    const { core } = this;
    core.factories.set("thread", (c, partition) => new Vcpu(c, partition, this));
    core.factories.set("vic", (c, partition) => new VicObject(c, partition));
    core.factories.set("vpm_group", (c, partition) => new VpmGroup(c, partition));
    core.factories.set("watchdog", (c, partition) => new Watchdog(c, partition));
    addVcpuCalls(core.hypercalls);
    addVicCalls(core.hypercalls);
    addVpmGroupCalls(core.hypercalls);
    addWatchdogCalls(core.hypercalls);
  }

  #checkAfter(number: number): void {
    const fault = this.#watch?.check();
    if (fault !== undefined) bug("BUG_HYP_OWNERSHIP", `hypercall 0x${number.toString(16)} broke the invariant`, fault);
  }

  #vms(): readonly VmInfo[] {
    const vms = new Map<number, { vmid: number; vcpus: { index: number; state: string; retired: number }[] }>();
    for (const vmid of this.core.vmids.keys()) vms.set(vmid, { vmid, vcpus: [] });
    for (const object of this.core.objectsOf("thread")) {
      if (!(object instanceof Vcpu)) continue;
      vms.get(object.vmid)?.vcpus.push({ index: object.index, state: object.stateName, retired: object.retired });
    }
    return [...vms.values()];
  }
}

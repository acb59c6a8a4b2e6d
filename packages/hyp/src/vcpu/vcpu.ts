/**
 * A vCPU: a thread of the hypervisor that executes a VM's code.
 * Source: gunyah-hypervisor hyp/vm/vcpu, hyp/core/thread_standard
 */

import {
  GunyahError,
  Scheduler as Limits,
  PsciResult,
  VcpuOptions,
  VcpuRunState,
  VcpuRunWakeupFrom,
  VcpuVirqType,
} from "@gunyah-ts/abi";
import type { Addrspace } from "../addrspace/addrspace.ts";
import type { HypCore } from "../core.ts";
import type { Cspace } from "../cspace/cspace.ts";
import type { Caller } from "../hypercall/caller.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import type { VpmGroup } from "../psci/vpm-group.ts";
import type { VgicCpu } from "../vgic/vgic-cpu.ts";
import type { VicObject } from "../vgic/vic-object.ts";
import { VirqSource } from "../virq/virq-source.ts";
import type { Watchdog } from "../watchdog/watchdog.ts";
import { Block, blockName, NON_KILLABLE } from "./block.ts";
import { InitialContext } from "./context.ts";
import type { Engine } from "./engine.ts";
import { PvTime, pvTimeOffset } from "./pv-time.ts";
import type { VcpuRuntime } from "./runtime.ts";
import { Vmmio } from "./vmmio.ts";

/** Life of the thread inside an ACTIVE object. */
export const ThreadState = { READY: 0, KILLED: 1, EXITED: 2 } as const;
export type ThreadState = (typeof ThreadState)[keyof typeof ThreadState];

/** Result of vcpu_run and vcpu_run_check: a state and three data words. */
export interface RunReport {
  state: number;
  data0: bigint;
  data1: bigint;
  data2: bigint;
}

/** What an interrupt ends. */
const WAITING = Block.VCPU_WFI | Block.VCPU_WFE | Block.VCPU_SUSPEND;
const VCPU_BYTES = 8192;
const RUN_SCHEDULED = VcpuOptions.pack({ vcpuRunScheduled: 1 });
const PINNED = VcpuOptions.pack({ pinned: 1 });
/** Priority of the root VM's vCPU: above every priority that vcpu_set_priority can give. */
export const ROOT_PRIORITY = 63;

export class Vcpu extends HypObject implements Caller {
  static readonly TYPE = "thread";
  override readonly type = "thread";
  readonly runtime: VcpuRuntime;
  /** Asserted when the vCPU turned itself off for good, or faulted. */
  readonly haltVirq = new VirqSource((reasserted) => reasserted);
  /** Asserted when a proxy-scheduled vCPU became runnable. */
  readonly wakeupVirq = new VirqSource((reasserted) => reasserted);

  vic: VicObject | undefined;
  vicIndex = -1;
  vpmGroup: VpmGroup | undefined;
  vpmIndex = -1;
  watchdog: Watchdog | undefined;
  /** vcpu_configure options, bits 31:0. */
  options = 0;
  isHlos = false;
  priority: number = Limits.DEFAULT_PRIORITY;
  timesliceNs: number = Limits.DEFAULT_TIMESLICE_NS;
  /** Physical CPU, -1 for none. */
  affinity = 0;

  readonly context = new InitialContext();
  engine: Engine | undefined;
  vgicCpu: VgicCpu | undefined;
  threadState: ThreadState = ThreadState.READY;
  /** Inside `engine.run` or a hypercall of this vCPU, perhaps below others on the JavaScript stack. */
  isExecuting = false;
  /** Instructions retired in its current time slice. */
  sliceUsed = 0;
  /** The access that an ADDRSPACE_* state is about. */
  readonly vmmio = new Vmmio(this);
  /** PSCI power state of the last CPU_SUSPEND, 32 bits. */
  suspendState = 0;
  /** Set by SYSTEM_RESET and SYSTEM_RESET2. */
  resetWord: bigint | undefined;
  resetCookie = 0n;

  /** Scratch of this vCPU's own vcpu_run and vcpu_run_check. */
  readonly scratchReport: RunReport = { state: 0, data0: 0n, data1: 0n, data2: 0n };

  #blocks: number = Block.VCPU_OFF | Block.THREAD_LIFECYCLE;
  #retiredBefore = 0;
  #cspace: Cspace | undefined;
  #addrspace: Addrspace | undefined;
  #yielded = false;
  #pvTime: PvTime | undefined;

  constructor(core: HypCore, partition: Partition, runtime: VcpuRuntime) {
    super(core, partition, VCPU_BYTES);
    this.runtime = runtime;
  }

  /** `Block` bits. */
  get blocks(): number {
    return this.#blocks;
  }
  get isDying(): boolean {
    return this.threadState !== ThreadState.READY;
  }
  /** Whether a physical CPU could execute it now. */
  get isRunnable(): boolean {
    if (this.threadState === ThreadState.EXITED) return false;
    return (this.threadState === ThreadState.KILLED ? this.#blocks & NON_KILLABLE : this.#blocks) === 0;
  }
  get isProxyScheduled(): boolean {
    return (this.options & RUN_SCHEDULED) !== 0;
  }
  /** Where its capability ids are looked up. Undefined only before cspace_attach_thread; an ACTIVE vCPU has one. */
  get cspace(): Cspace {
    return this.#cspace as Cspace;
  }
  set cspace(cspace: Cspace | undefined) {
    this.#cspace = cspace;
  }
  /** Undefined only before addrspace_attach_thread. */
  get addrspace(): Addrspace {
    return this.#addrspace as Addrspace;
  }
  set addrspace(addrspace: Addrspace | undefined) {
    this.#addrspace = addrspace;
  }
  /** VMID of its address space, 0 when it has none. */
  get vmid(): number {
    return this.#addrspace?.vmid ?? 0;
  }
  /** Index inside its VM, for traces. */
  get index(): number {
    return this.vicIndex >= 0 ? this.vicIndex : Math.max(this.vpmIndex, 0);
  }
  /** Affinity fields of MPIDR_EL1, 32 bits: Aff3.Aff2.Aff1.Aff0. */
  get mpidr(): number {
    return this.vic !== undefined && this.vicIndex >= 0 ? this.vic.affinity(this.vicIndex) : 0;
  }
  /** Index of its redistributor, and of its PV time record. */
  get gicrIndex(): number {
    return Math.max(this.vicIndex, 0);
  }
  /** Its stolen time: undefined when its VM has no record of it, and for native programs, which spend no virtual time. */
  get pvTime(): PvTime | undefined {
    return this.engine?.isNative === true ? undefined : this.#pvTime;
  }
  get retired(): number {
    return this.#retiredBefore + (this.engine?.retired ?? 0);
  }
  /** State for people and tools. */
  get stateName(): string {
    if (this.threadState === ThreadState.EXITED) return "EXITED";
    if (this.threadState === ThreadState.KILLED) return "KILLED";
    return blockName(this.#blocks);
  }

  /** Set a block. */
  block(bit: number): void {
    this.#blocks |= bit;
    if (this.runtime.scheduler.current === this) this.#pvTime?.blockedItself(bit);
  }

  /** Lift a block; when the vCPU thereby becomes runnable the scheduler hears of it. */
  unblock(bit: number): void {
    const before = this.isRunnable;
    this.clearBlock(bit);
    if (!before && this.isRunnable) this.runtime.scheduler.ready(this);
  }

  /**
   * An interrupt, a power-on or a kill may have made the vCPU ready: if only "needs vcpu_run" holds it back, tell the
   * proxy.
   * Source: gunyah-hypervisor hyp/vm/vcpu_run/src/vcpu_run.c, vcpu_run_trigger_virq
   */
  notifyProxy(): void {
    if ((this.#blocks & Block.VCPU_RUN) === 0) return;
    const others = this.threadState === ThreadState.KILLED ? this.#blocks & NON_KILLABLE : this.#blocks;
    if (others === Block.VCPU_RUN && this.threadState !== ThreadState.EXITED) this.wakeupVirq.assert(true);
  }

  /** Whether an option word has a bit that does not exist. */
  static hasUnknownOption(low: number, high: number): boolean {
    return VcpuOptions.reserved(low) !== 0 || (high & 0x7fff_ffff) !== 0;
  }

  /** vcpu_configure. `low` and `high` are the 32-bit halves of the option word. */
  configure(low: number, high: number): number {
    if (Vcpu.hasUnknownOption(low, high)) return GunyahError.ARGUMENT_INVALID;
    this.options = low >>> 0;
    this.isHlos = high >>> 31 === 1;
    return GunyahError.OK;
  }

  protected override onActivate(): GunyahError {
    if (this.#cspace === undefined || this.#addrspace === undefined) return GunyahError.OBJECT_CONFIG;
    if (this.affinity >= this.runtime.scheduler.cpuCount) return GunyahError.OBJECT_CONFIG;
    if (this.vic !== undefined) {
      const error = this.vic.claim(this, this.vicIndex);
      if (error !== GunyahError.OK) return error;
    }
    if (this.vpmGroup !== undefined) {
      const error = this.vpmGroup.join(this, this.vpmIndex);
      if (error !== GunyahError.OK) {
        this.vic?.unclaim(this, this.vicIndex);
        return error;
      }
    }
    const area = this.#addrspace.infoArea;
    const record = pvTimeOffset(area, this.gicrIndex);
    if (area !== undefined && record !== undefined) {
      const { memory, clock } = this.runtime;
      this.#pvTime = new PvTime(memory, area.pa + record, clock.frequencyHz, Block.VCPU_OFF);
    }
    this.runtime.scheduler.add(this);
    if (this.isProxyScheduled) this.block(Block.VCPU_RUN);
    if (this.affinity < 0) this.block(Block.AFFINITY);
    this.unblock(Block.THREAD_LIFECYCLE);
    return GunyahError.OK;
  }

  protected override onDeactivate(): void {
    this.block(Block.THREAD_LIFECYCLE);
    this.threadState = ThreadState.EXITED;
    this.runtime.scheduler.remove(this);
    this.#dropEngine();
    this.haltVirq.unbind();
    this.wakeupVirq.unbind();
    this.vpmGroup?.leave(this, this.vpmIndex);
    this.vic?.unclaim(this, this.vicIndex);
  }

  protected override onCleanup(): void {
    this.#cspace?.release();
    this.#addrspace?.release();
    this.vic?.release();
    this.vpmGroup?.release();
    this.watchdog?.release();
    this.#cspace = undefined;
    this.#addrspace = undefined;
    this.vic = undefined;
    this.vpmGroup = undefined;
    this.watchdog = undefined;
  }

  /**
   * Power on at `entry` with X0 = `context`; undefined keeps what vcpu_register_write stored.
   *
   * @returns GunyahError: BUSY when it is not off, FAILURE when it was killed or exited, NOMEM when the CPU backend
   * has no PE left
   * Source: gunyah-hypervisor hyp/vm/vcpu/src/vcpu.c, vcpu_poweron
   */
  powerOn(entry: bigint | undefined, context: bigint | undefined): number {
    if (this.isDying) return GunyahError.FAILURE;
    if ((this.#blocks & Block.VCPU_OFF) === 0) return GunyahError.BUSY;
    if (entry !== undefined) this.context.pc = entry;
    if (context !== undefined) this.context.x[0] = context;
    const error = this.#makeEngine();
    if (error !== GunyahError.OK) return error;
    this.engine!.reset(this.context);
    this.vpmGroup?.poweredOn(this);
    this.sliceUsed = 0;
    this.unblock(Block.VCPU_OFF);
    this.notifyProxy();
    return GunyahError.OK;
  }

  /**
   * Power off; for the vCPU itself.
   * @param isLast the caller says that it is the last one of its VM
   * @param isForced SYSTEM_OFF and SYSTEM_RESET: never refused, and the halt interrupt is asserted
   * @returns GunyahError: DENIED when `isLast` is wrong
   */
  powerOff(isLast: boolean, isForced: boolean): number {
    const error =
      this.vpmGroup === undefined
        ? this.#offAlone(isLast, isForced)
        : this.vpmGroup.poweringOff(this, isLast, isForced);
    if (error !== GunyahError.OK) return error;
    this.block(Block.VCPU_OFF);
    if (isForced) this.haltVirq.assert(true);
    return GunyahError.OK;
  }

  #offAlone(isLast: boolean, isForced: boolean): number {
    return isLast || isForced ? GunyahError.OK : GunyahError.DENIED;
  }

  /**
   * Kill: the vCPU executes no guest instruction any more; it exits as soon as it is scheduled.
   * @returns GunyahError OK, also when it was killed before
   * Source: gunyah-hypervisor hyp/core/thread_standard/src/thread.c, thread_kill
   */
  kill(): number {
    if (this.threadState !== ThreadState.READY) return GunyahError.OK;
    const before = this.isRunnable;
    this.threadState = ThreadState.KILLED;
    this.vmmio.drop();
    if (!before && this.isRunnable) this.runtime.scheduler.ready(this);
    this.runtime.scheduler.requestReschedule();
    this.notifyProxy();
    return GunyahError.OK;
  }

  /** A killed vCPU that was scheduled: it is gone. Called by the scheduler, never inside the vCPU's own code. */
  exit(): void {
    this.threadState = ThreadState.EXITED;
    this.runtime.scheduler.remove(this);
    this.#dropEngine();
    this.vpmGroup?.exited(this);
  }

  /** An unrecoverable fault: it never runs again unless it is killed. The host's takes the machine with it. */
  fault(why = "took an exception that no VM can cause"): void {
    this.block(Block.VCPU_FAULT);
    this.haltVirq.assert(true);
    if (this.isHlos) this.runtime.hostCrashed(this, why);
  }

  /** vcpu_register_write. @returns GunyahError: OBJECT_STATE when killed, BUSY when not off, else `InitialContext.write` */
  writeRegister(set: number, index: number, value: bigint): number {
    if (this.isDying) return GunyahError.OBJECT_STATE;
    if ((this.#blocks & Block.VCPU_OFF) === 0) return GunyahError.BUSY;
    return this.context.write(set, index, value);
  }

  /** vcpu_set_affinity. @param cpu -1 makes it unschedulable */
  setAffinity(cpu: number): number {
    if (this.threadState === ThreadState.EXITED) return GunyahError.OBJECT_STATE;
    if ((this.options & PINNED) !== 0 && this.isActive) return GunyahError.DENIED;
    this.affinity = cpu;
    if (!this.isActive) return GunyahError.OK;
    if (cpu < 0) this.block(Block.AFFINITY);
    else this.unblock(Block.AFFINITY);
    return GunyahError.OK;
  }

  /** vcpu_bind_virq. */
  bindVirq(vic: VicObject, virqInfo: number, kind: number): number {
    if (kind === VcpuVirqType.HALT) return vic.bind(this.haltVirq, virqInfo);
    if (kind !== VcpuVirqType.VCPU_RUN_WAKEUP) return GunyahError.ARGUMENT_INVALID;
    if (this.isExecuting) return GunyahError.BUSY;
    const error = vic.bind(this.wakeupVirq, virqInfo);
    if (error === GunyahError.OK && !this.isProxyScheduled) {
      this.options |= RUN_SCHEDULED;
      this.block(Block.VCPU_RUN);
    }
    return error;
  }

  /** vcpu_unbind_virq. The vCPU stays proxy scheduled. */
  unbindVirq(kind: number): number {
    if (kind === VcpuVirqType.HALT) this.haltVirq.unbind();
    else if (kind === VcpuVirqType.VCPU_RUN_WAKEUP) this.wakeupVirq.unbind();
    else return GunyahError.ARGUMENT_INVALID;
    return GunyahError.OK;
  }

  /**
   * What vcpu_run reports about a vCPU that is not runnable.
   * Source: gunyah-hypervisor hyp/vm/vcpu_run/src/vcpu_run.c, do_vcpu_run_check; the order of its handlers
   */
  report(into: RunReport): void {
    into.data0 = 0n;
    into.data1 = 0n;
    into.data2 = 0n;
    const blocks = this.#blocks;
    if (this.threadState === ThreadState.EXITED) {
      into.state = VcpuRunState.POWERED_OFF;
      into.data0 = 1n;
    } else if (this.threadState === ThreadState.KILLED) {
      into.state = VcpuRunState.BLOCKED;
    } else if (this.resetWord !== undefined) {
      into.state = VcpuRunState.PSCI_SYSTEM_RESET;
      into.data0 = this.resetWord;
      into.data1 = this.resetCookie;
    } else if ((blocks & Block.VCPU_SUSPEND) !== 0) {
      into.state = VcpuRunState.EXPECTS_WAKEUP;
      into.data0 = BigInt(this.suspendState >>> 0);
      into.data1 = BigInt(VcpuRunWakeupFrom.CPU_SUSPEND);
    } else if (this.vmmio.isPending) {
      this.vmmio.report(into);
    } else if ((blocks & (Block.VCPU_WFI | Block.VCPU_WFE)) !== 0) {
      into.state = VcpuRunState.EXPECTS_WAKEUP;
      // Differs: without a VPM group the source gives the deepest power state here, not 0.
      into.data1 = BigInt(VcpuRunWakeupFrom.WFI);
    } else if ((blocks & Block.VCPU_FAULT) !== 0) {
      into.state = VcpuRunState.FAULT;
    } else if ((blocks & Block.VCPU_OFF) !== 0) {
      into.state = VcpuRunState.POWERED_OFF;
    } else {
      into.state = VcpuRunState.BLOCKED;
    }
  }

  guestRead(va: number, into: Uint8Array): boolean {
    return this.engine?.guestRead(va, into) ?? false;
  }

  guestWrite(va: number, bytes: Uint8Array): boolean {
    return this.engine?.guestWrite(va, bytes) ?? false;
  }

  /** scheduler_yield: give up the rest of the slice. */
  yield(): void {
    this.#yielded = true;
    this.runtime.scheduler.yield(this);
  }

  /** Whether it yielded since this was asked last. For native programs, which cannot be switched away from. */
  takeYield(): boolean {
    const yielded = this.#yielded;
    this.#yielded = false;
    return yielded;
  }

  /** Drop a block without telling the scheduler: the vCPU executes already. */
  clearBlock(bit: number): void {
    const lifted = this.#blocks & bit;
    this.#blocks &= ~bit;
    if (lifted !== 0) this.#pvTime?.unblocked(lifted, this.runtime.clock.now());
  }

  /** WFI: wait until an interrupt would be signalled. */
  waitForInterrupt(): void {
    if (this.engine?.isInterrupted !== true) this.block(Block.VCPU_WFI);
  }

  /** WFE: wait until an event comes, or an interrupt. */
  waitForEvent(): void {
    if (this.engine?.isInterrupted === true || this.engine?.isEventPending === true) return;
    this.block(Block.VCPU_WFE);
    this.runtime.scheduler.waitForEvent(this);
  }

  /** SEV, an event stream, or a store to what its PE's monitor watches. */
  eventCame(): void {
    if ((this.#blocks & Block.VCPU_WFE) === 0) return;
    this.unblock(Block.VCPU_WFE);
    this.notifyProxy();
  }

  /**
   * PSCI CPU_SUSPEND.
   * @returns PsciResult: SUCCESS at once when an interrupt is pending, otherwise after the wake-up
   */
  suspend(powerState: number, entry: bigint, context: bigint, isPowerDown: boolean): number {
    this.suspendState = powerState;
    if (this.vic !== undefined && this.vgicCpu !== undefined && this.vic.hasPending(this.vgicCpu))
      return PsciResult.SUCCESS;
    this.block(Block.VCPU_SUSPEND);
    if (isPowerDown) this.engine?.warmReset(entry, context);
    return PsciResult.SUCCESS;
  }

  /** An interrupt was put into a list register of this vCPU. */
  readonly interruptListed = (): void => {
    if ((this.#blocks & WAITING) === 0) {
      this.runtime.scheduler.interruptFor(this);
      return;
    }
    const wakes = (this.#blocks & Block.VCPU_SUSPEND) !== 0 || this.engine?.isInterrupted === true;
    if (!wakes || this.isDying) return;
    this.unblock(WAITING);
    this.notifyProxy();
  };

  /** Find what executes the code at the context's entry: a native program installed there, else a PE. */
  #makeEngine(): number {
    const { engine, runtime } = this;
    const made = runtime.engineFor(this, engine);
    if (typeof made === "number") return made;
    if (made === engine) return GunyahError.OK;
    this.#dropEngine();
    this.engine = made;
    if (this.vic !== undefined && this.vicIndex >= 0)
      this.vgicCpu = this.vic.attachCpu(this.vicIndex, made.lrs, this.interruptListed);
    return GunyahError.OK;
  }

  #dropEngine(): void {
    if (this.vgicCpu !== undefined) this.vic?.detachCpu(this.vgicCpu);
    this.vgicCpu = undefined;
    this.#retiredBefore = this.retired;
    const engine = this.engine;
    this.engine = undefined;
    engine?.dispose();
  }
}

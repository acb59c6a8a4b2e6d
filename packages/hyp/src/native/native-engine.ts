/**
 * A vCPU whose code is a program of this process: the instructions that `NativeVcpu` offers, with the scheduling that
 * they would have on hardware.
 *
 * The program runs to completion whenever it is called. Its calls nest the scheduler: after HVC, SMC and WFI what is
 * runnable with a higher priority runs first, then this vCPU takes its interrupts. It may also be called from outside
 * (an ioctl that a VMM makes): then the vCPU executes for as long as that call takes.
 */

import { SMCCC_NOT_SUPPORTED } from "@gunyah-ts/abi";
import { type Intid, type Ipa, ModelError, type NativeProgram, type NativeVcpu } from "@gunyah-ts/kernel";
import { Registers } from "../hypercall/registers.ts";
import { Stage2Access } from "../vcpu/address-space.ts";
import { Block } from "../vcpu/block.ts";
import type { InitialContext } from "../vcpu/context.ts";
import type { Engine } from "../vcpu/engine.ts";
import { GuestMemory } from "../vcpu/guest-memory.ts";
import type { VcpuRuntime } from "../vcpu/runtime.ts";
import type { Vcpu } from "../vcpu/vcpu.ts";
import { NativeCpuInterface } from "../vgic/cpu-interface.ts";

/** Views remembered at one time. */
const VIEWS = 64;

export class NativeEngine implements Engine, NativeVcpu {
  readonly isNative = true;
  /** Differs: a native program spends no instructions, and with the virtual clock no time. */
  readonly retired = 0;
  readonly spent = 0;
  readonly isEventPending = false;
  readonly program: NativeProgram;
  readonly lrs = new NativeCpuInterface();
  readonly #vcpu: Vcpu;
  readonly #runtime: VcpuRuntime;
  readonly #memory: GuestMemory;
  readonly #views = new Map<string, Uint8Array>();
  #viewGeneration = -1;
  #registers: Registers | undefined;
  #startContext: bigint | undefined;
  #masked = true;
  #inHandler = false;
  #acknowledged = 0;
  #disposed = false;

  constructor(vcpu: Vcpu, runtime: VcpuRuntime, program: NativeProgram) {
    this.#vcpu = vcpu;
    this.#runtime = runtime;
    this.program = program;
    this.#memory = new GuestMemory(vcpu.addrspace, runtime.memory, runtime.domainOf(vcpu.vmid));
    this.lrs.onEnd(() => {
      if (vcpu.vgicCpu !== undefined) vcpu.vic?.sync(vcpu.vgicCpu);
    });
  }

  // Engine

  get isInterrupted(): boolean {
    return !this.#masked && !this.#inHandler && this.lrs.virtualInterruptPending;
  }

  reset(context: InitialContext): void {
    this.lrs.reset();
    this.#masked = true;
    this.#startContext = context.x[0]!;
  }

  /** Differs: a native program cannot lose its stack, so power-down states of CPU_SUSPEND behave as standby. */
  warmReset(): void {}

  run(): void {
    const context = this.#startContext;
    if (context !== undefined) {
      this.#startContext = undefined;
      this.#trace("start");
      this.program.start(this, context);
    }
    this.#deliver();
    this.#rest();
  }

  guestRead(va: number, into: Uint8Array): boolean {
    return this.#memory.read(va, into);
  }

  guestWrite(va: number, bytes: Uint8Array): boolean {
    return this.#memory.write(va, bytes);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#memory.dispose();
    this.#views.clear();
    this.program.stopped?.(this);
  }

  // NativeVcpu

  get mpidr(): number {
    return this.#vcpu.mpidr;
  }

  get masked(): boolean {
    return this.#masked;
  }

  set masked(masked: boolean) {
    this.#masked = masked;
    if (!masked && this.lrs.virtualInterruptPending) this.#vcpu.interruptListed();
  }

  get counter(): number {
    return this.#runtime.clock.now();
  }

  hvc(x: BigUint64Array): void {
    this.#call(x, false);
  }

  smc(x: BigUint64Array): void {
    this.#call(x, true);
  }

  wfi(): boolean {
    if (!this.#isAlive) return false;
    return this.#inside(() => {
      const { scheduler, clock } = this.#runtime;
      for (;;) {
        if (!this.#isAlive) return false;
        if (this.#takeInterrupt()) return true;
        if (scheduler.runOne(scheduler.quantum)) {
          scheduler.fireTimers();
          continue;
        }
        if (clock.fire() > 0 || clock.idle()) continue;
        return false;
      }
    });
  }

  read(ipa: Ipa, into: Uint8Array): boolean {
    return this.#isAlive && this.#memory.read(ipa, into);
  }

  write(ipa: Ipa, bytes: Uint8Array): boolean {
    return this.#isAlive && this.#memory.write(ipa, bytes);
  }

  fill(ipa: Ipa, size: number, value: number): boolean {
    return this.#isAlive && this.#memory.fill(ipa, size, value);
  }

  view(ipa: Ipa, size: number, access: "r" | "rw"): Uint8Array | undefined {
    if (!this.#isAlive) return undefined;
    const generation = this.#memory.generation;
    if (generation !== this.#viewGeneration || this.#views.size >= VIEWS) {
      this.#views.clear();
      this.#viewGeneration = generation;
    }
    const bits = access === "r" ? Stage2Access.READ : Stage2Access.READ | Stage2Access.WRITE;
    // Access control can change without a change of stage 2, so permission is looked up every time.
    const pa = this.#memory.translateRange(ipa, size, bits);
    if (pa < 0) return undefined;
    const key = `${ipa}:${size}`;
    let view = this.#views.get(key);
    if (view === undefined) {
      view = this.#runtime.memory.view(pa, size);
      this.#views.set(key, view);
    }
    return view;
  }

  wrote(ipa: Ipa, size: number): void {
    this.#memory.wrote(ipa, size);
  }

  load(ipa: Ipa, size: 1 | 2 | 4 | 8): bigint | undefined {
    if (!this.#isAlive) return undefined;
    const pa = this.#memory.translate(ipa, Stage2Access.READ);
    if (pa < 0) return this.#loadDevice(ipa, size);
    const bytes = new Uint8Array(size);
    if (!this.#memory.read(ipa, bytes)) return undefined;
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return value;
  }

  store(ipa: Ipa, size: 1 | 2 | 4 | 8, value: bigint): boolean {
    if (!this.#isAlive) return false;
    if (this.#memory.translate(ipa, Stage2Access.WRITE) < 0) return this.#storeDevice(ipa, size, value);
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
    return this.#memory.write(ipa, bytes);
  }

  acknowledge(): Intid {
    this.#acknowledged++;
    return this.lrs.acknowledge();
  }

  endOfInterrupt(intid: Intid): void {
    this.lrs.endOfInterrupt(intid);
  }

  setPriorityMask(mask: number): void {
    this.lrs.setPriorityMask(mask);
  }

  setGroup1Enabled(enabled: boolean): void {
    this.lrs.setGroup1Enabled(enabled);
  }

  // Inside

  get #isAlive(): boolean {
    return (
      !this.#disposed && !this.#vcpu.isDying && (this.#vcpu.blocks & (Block.VCPU_OFF | Block.THREAD_LIFECYCLE)) === 0
    );
  }

  #call(x: BigUint64Array, isSmc: boolean): void {
    if (!this.#isAlive) {
      x[0] = SMCCC_NOT_SUPPORTED;
      return;
    }
    if (this.#registers?.x !== x) this.#registers = new Registers(x);
    const r = this.#registers;
    this.#inside(() => {
      const { scheduler, traps } = this.#runtime;
      traps.smccc.call(this.#vcpu, r, isSmc);
      // CPU_SUSPEND: wait here for the wake-up, as the instruction would.
      while ((this.#vcpu.blocks & Block.VCPU_SUSPEND) !== 0 && !this.#vcpu.isDying) {
        if (!scheduler.runOne(scheduler.quantum) && !this.#runtime.clock.idle()) break;
      }
      this.#vcpu.clearBlock(Block.VCPU_SUSPEND);
      scheduler.runAbove(this.#vcpu, this.#vcpu.takeYield());
      this.#deliver();
    });
  }

  /** Execute as this vCPU, also when the call comes from outside the scheduler. */
  #inside<T>(body: () => T): T {
    const vcpu = this.#vcpu;
    const { scheduler } = this.#runtime;
    const outer = scheduler.current;
    const wasExecuting = vcpu.isExecuting;
    scheduler.current = vcpu;
    vcpu.isExecuting = true;
    vcpu.clearBlock(Block.VCPU_WFI);
    vcpu.retain();
    try {
      return body();
    } finally {
      scheduler.current = outer;
      vcpu.isExecuting = wasExecuting;
      if (!wasExecuting) {
        if (vcpu.isDying && vcpu.isRunnable) vcpu.exit();
        else this.#rest();
      }
      vcpu.release();
    }
  }

  /** Between calls the vCPU is in WFI. */
  #rest(): void {
    if (this.#isAlive && !this.isInterrupted && this.#startContext === undefined) this.#vcpu.block(Block.VCPU_WFI);
  }

  /** A signalled interrupt ends WFI; unmasked, its handler runs first. */
  #takeInterrupt(): boolean {
    if (!this.lrs.virtualInterruptPending) return false;
    this.#deliver();
    return true;
  }

  #deliver(): void {
    while (this.isInterrupted && this.#isAlive) {
      const before = this.#acknowledged;
      this.#inHandler = true;
      try {
        this.program.interrupt(this);
      } finally {
        this.#inHandler = false;
      }
      if (this.#acknowledged === before && this.isInterrupted) {
        throw new ModelError(
          "HYP_INTERRUPT_IGNORED",
          `native program ${this.program.name} returned from interrupt() without acknowledging what is signalled; ` +
            "it would be interrupted forever",
        );
      }
    }
  }

  #loadDevice(ipa: Ipa, size: 1 | 2 | 4 | 8): bigint | undefined {
    const frame = this.#vcpu.addrspace.vdeviceAt(ipa, size);
    if (frame === undefined || ipa % size !== 0) return undefined;
    const offset = ipa - frame.base;
    if (size !== 8) {
      const value = frame.device.vdeviceRead(frame.index, offset, size);
      return value < 0 ? undefined : BigInt(value);
    }
    const low = frame.device.vdeviceRead(frame.index, offset, 4);
    const high = frame.device.vdeviceRead(frame.index, offset + 4, 4);
    return low < 0 || high < 0 ? undefined : (BigInt(high) << 32n) | BigInt(low);
  }

  #storeDevice(ipa: Ipa, size: 1 | 2 | 4 | 8, value: bigint): boolean {
    const frame = this.#vcpu.addrspace.vdeviceAt(ipa, size);
    if (frame === undefined || ipa % size !== 0) return false;
    const offset = ipa - frame.base;
    const low = Number(value & 0xffff_ffffn);
    if (size !== 8) return frame.device.vdeviceWrite(frame.index, offset, size, low);
    return (
      frame.device.vdeviceWrite(frame.index, offset, 4, low) &&
      frame.device.vdeviceWrite(frame.index, offset + 4, 4, Number((value >> 32n) & 0xffff_ffffn))
    );
  }

  #trace(reason: string): void {
    const { trace, clock } = this.#runtime;
    if (!trace.enabled) return;
    trace.emit({
      kind: "vcpu-exit",
      at: clock.now(),
      vmid: this.#vcpu.vmid,
      vcpu: this.#vcpu.index,
      reason: `native ${this.program.name} ${reason}`,
      retired: 0,
    });
  }
}

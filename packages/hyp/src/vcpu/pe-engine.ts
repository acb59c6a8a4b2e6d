/**
 * A vCPU on a PE of the CPU backend: enter, and handle what it exits with until something else has to run.
 * Source: gunyah-hypervisor hyp/vm/vcpu/aarch64/src/{aarch64_init,trap_dispatch}.c
 */

import { bug, type ClockTimer, type Ipa, PAGE_SIZE, type Pe, PeExit, PePpi } from "@gunyah-ts/kernel";
import { Registers } from "../hypercall/registers.ts";
import { VmTimer, VmTimerKind } from "../timer/vm-timer.ts";
import { DeadEnd } from "../trap/dead-end.ts";
import type { ListRegisters, MaintenanceConditions } from "../vgic/list-registers.ts";
import { Stage2Access } from "./address-space.ts";
import { Block } from "./block.ts";
import type { InitialContext } from "./context.ts";
import type { Engine } from "./engine.ts";
import { GuestMemory } from "./guest-memory.ts";
import { PmuInterrupt } from "./pmu-interrupt.ts";
import type { VcpuRuntime } from "./runtime.ts";
import { STAGE1_FAULT, translateStage1 } from "./stage1.ts";
import type { Vcpu } from "./vcpu.ts";

/**
 * HCR_EL2: VM, SWIO, FMO, IMO, AMO, TWI, TSC, TIDCP, RW, APK, API (pointer authentication is the guest's own). WFE is not trapped: a spinning guest costs nothing more.
 * Differs: TID3, TACR, TSW and TLOR are clear, because the CPU backend's ID registers describe exactly what it has.
 */
const HCR = 0x1n | 0x2n | 0x8n | 0x10n | 0x20n | (1n << 13n) | (1n << 19n) | (1n << 20n) | (1n << 31n) | (3n << 40n);
/** CPTR_EL2: RES1 bits; floating point is not trapped. */
const CPTR = 0x33ffn;
/**
 * CNTHCT_EL2.{EL1PCTEN,EL1PCEN}: the physical counter and the physical timer are the guest's.
 * Source: gunyah-hypervisor hyp/vm/arm_vm_timer/aarch64/src/arm_vm_timer.c
 */
const CNTHCT = 3n;
/** ICH_HCR_EL2. Source: IHI 0069H §12.4.8 */
const ICH_HCR = { EN: 1n, LRENPIE: 1n << 2n, NPIE: 1n << 3n, TDIR: 1n << 14n, EOI_COUNT: 0x1fn << 27n } as const;
/** EL1h with D, A, I and F masked. */
const SPSR_RESET = 0x3c5n;
/** The timers' registers, which survive a power-down state. Source: gunyah-hypervisor hyp/vm/arm_vm_timer */
const TIMER_REGISTERS = ["CNTV_CVAL_EL0", "CNTV_CTL_EL0", "CNTP_CVAL_EL0", "CNTP_CTL_EL0"] as const;

/**
 * What an exit counts for, in instructions: a guest that does nothing else (polls a register, faults, calls) retires
 * hardly any, and would keep the process from its event loop. An exit takes 2 to 8 us, as long as some thousand
 * instructions. A number and not a measured time, so that a run on the virtual clock repeats.
 */
const EXIT_COST = 1000;

/** A PE's list registers, with the maintenance conditions of ICH_HCR_EL2. */
class PeListRegisters implements ListRegisters {
  readonly #pe: Pe;
  readonly listRegisterCount: number;
  readonly listRegisters: Uint32Array;

  constructor(pe: Pe) {
    this.#pe = pe;
    this.listRegisterCount = pe.listRegisterCount;
    this.listRegisters = pe.listRegisters;
  }

  get virtualInterruptPending(): boolean {
    return this.#pe.virtualInterruptPending;
  }

  listRegistersChanged(): void {
    this.#pe.listRegistersChanged();
  }

  setMaintenance({ nonePending, unlistedEnds }: MaintenanceConditions): void {
    const old = this.#pe.read("ICH_HCR_EL2");
    const count = (old & ICH_HCR.LRENPIE) !== 0n && unlistedEnds ? old & ICH_HCR.EOI_COUNT : 0n;
    this.#write(count | (nonePending ? ICH_HCR.NPIE : 0n) | (unlistedEnds ? ICH_HCR.LRENPIE | ICH_HCR.TDIR : 0n));
  }

  takeUnlistedEnds(): number {
    const hcr = this.#pe.read("ICH_HCR_EL2");
    const count = hcr & ICH_HCR.EOI_COUNT;
    if (count !== 0n) this.#write(hcr & ~ICH_HCR.EOI_COUNT);
    return Number(count >> 27n);
  }

  deactivatePhysical(intid: number): void {
    this.#pe.deactivate(intid);
  }

  #write(hcr: bigint): void {
    this.#pe.write("ICH_HCR_EL2", ICH_HCR.EN | hcr);
    this.#pe.listRegistersChanged();
  }
}

export class PeEngine implements Engine {
  readonly isNative = false;
  readonly pe: Pe;
  readonly lrs: ListRegisters;
  /** X0-X17 as hypercalls see them; live. */
  readonly registers: Registers;
  readonly memory: GuestMemory;
  readonly #vcpu: Vcpu;
  readonly #runtime: VcpuRuntime;
  readonly #timers: readonly VmTimer[];
  readonly #pmu: PmuInterrupt;
  #event: ClockTimer | undefined;
  readonly #gone: () => void;
  readonly deadEnd = new DeadEnd();
  #exitCost = 0;
  #disposed = false;
  #running = false;

  /** @param gone called once, when the PE was given back */
  constructor(vcpu: Vcpu, runtime: VcpuRuntime, gone: () => void) {
    this.#gone = gone;
    this.#vcpu = vcpu;
    this.#runtime = runtime;
    const addrspace = vcpu.addrspace;
    const pe = runtime.backend.createPe({
      mpidr: vcpu.vic?.mpidrOf(vcpu.vicIndex) ?? 0x8000_0000n,
      domain: runtime.domainOf(addrspace.vmid),
    });
    this.pe = pe;
    this.memory = new GuestMemory(addrspace, runtime.memory, runtime.domainOf(addrspace.vmid));
    this.registers = new Registers(pe.x);
    this.lrs = new PeListRegisters(pe);
    const expired = () => this.#timersDue();
    this.#timers = [VmTimerKind.VIRTUAL, VmTimerKind.PHYSICAL].map(
      (kind) => new VmTimer(kind, pe, runtime.clock, expired),
    );
    this.#pmu = new PmuInterrupt(pe);
    pe.write("HCR_EL2", HCR | addrspace.hcr);
    pe.write("VTCR_EL2", addrspace.vtcr);
    pe.write("VTTBR_EL2", addrspace.vttbr);
    pe.write("CPTR_EL2", CPTR);
    pe.write("CNTHCT_EL2", CNTHCT);
    pe.events.onEvent = () => vcpu.eventCame();
    pe.write("CNTVOFF_EL2", 0n);
    pe.write("ICH_HCR_EL2", ICH_HCR.EN);
    for (const { source, ppi } of this.#timers) vcpu.vic?.bindHardware(source, vcpu.vicIndex, ppi);
    vcpu.vic?.bindHardware(this.#pmu.source, vcpu.vicIndex, PePpi.PMU);
  }

  get retired(): number {
    return this.pe.retired;
  }

  get spent(): number {
    return this.pe.spent + this.#exitCost;
  }

  get isInterrupted(): boolean {
    return this.pe.virtualInterruptPending || this.#pendingTimer !== undefined;
  }

  reset(context: InitialContext): void {
    this.#warm(context.pc);
    this.pe.x.set(context.x);
    this.pe.write("SP_EL0", context.spEl0);
    this.pe.write("SP_EL1", context.spEl1);
  }

  warmReset(entry: bigint, context: bigint): void {
    // The timers go on: one of them is what most often ends a power-down state.
    const timers = TIMER_REGISTERS.map((name) => this.pe.read(name));
    this.#warm(entry);
    TIMER_REGISTERS.forEach((name, i) => {
      this.pe.write(name, timers[i]!);
    });
    this.pe.x[0] = context;
  }

  #warm(entry: bigint): void {
    const pe = this.pe;
    pe.reset();
    pe.write("ICH_VMCR_EL2", 0n);
    pe.write("ICH_AP0R0_EL2", 0n);
    pe.write("ICH_AP1R0_EL2", 0n);
    pe.write("CNTV_CTL_EL0", 0n);
    pe.write("ELR_EL2", entry);
    pe.write("SPSR_EL2", SPSR_RESET);
    pe.listRegistersChanged();
  }

  run(budget: number): void {
    const { pe } = this;
    const { scheduler, trace, clock } = this.#runtime;
    const vcpu = this.#vcpu;
    const end = this.spent + budget;
    if (trace.enabled) trace.emit({ kind: "vcpu-enter", at: clock.now(), vmid: vcpu.vmid, vcpu: vcpu.index });
    this.#running = true;
    for (const timer of this.#timers) timer.enter();
    while (vcpu.isRunnable && !vcpu.isDying && !this.#disposed) {
      const left = end - this.spent;
      if (left <= 0) break;
      const exit = pe.run(Math.min(left, scheduler.instructionsToDeadline()));
      this.#exitCost += EXIT_COST;
      if (exit === PeExit.SYNC) this.#runtime.traps.handle(vcpu, this);
      else if (exit === PeExit.IRQ) this.#physicalInterrupt();
      else if (exit === PeExit.WAIT) vcpu.waitForInterrupt();
      else if (exit === PeExit.WAIT_EVENT) vcpu.waitForEvent();
      if (this.#disposed) break;
      scheduler.fireTimers();
      if (scheduler.reschedule) break;
    }
    this.#running = false;
    if (!this.#disposed) {
      for (const timer of this.#timers) timer.leave();
      this.#watchEvents();
    } else this.#giveBack();
    if (trace.enabled)
      trace.emit({
        kind: "vcpu-exit",
        at: clock.now(),
        vmid: vcpu.vmid,
        vcpu: vcpu.index,
        reason: vcpu.stateName,
        retired: vcpu.retired,
      });
  }

  get isEventPending(): boolean {
    return this.pe.events.pending;
  }

  /** A vCPU that waits for an event sleeps until the next one of its event streams at most. */
  #watchEvents(): void {
    this.#event?.cancel();
    this.#event = undefined;
    if ((this.#vcpu.blocks & Block.VCPU_WFE) === 0) return;
    const { next } = this.pe.events;
    if (next !== Number.POSITIVE_INFINITY) this.#event = this.#runtime.clock.at(next, () => this.#vcpu.eventCame());
  }

  /** The timer whose PPI is the PE's pending one. */
  get #pendingTimer(): VmTimer | undefined {
    const intid = this.pe.pendingInterrupt;
    return intid < 0 ? undefined : this.#timers.find((timer) => timer.ppi === intid);
  }

  /** The PE tells of its lowest PPI alone: both timers may be due, and the PMU's comes before theirs. */
  #timersDue(): void {
    for (;;) {
      const timer = this.#pendingTimer;
      if (timer !== undefined) timer.interrupt();
      else if (this.pe.pendingInterrupt === PePpi.PMU) this.#pmu.interrupt();
      else return;
    }
  }

  #physicalInterrupt(): void {
    const intid = this.pe.pendingInterrupt;
    const timer = this.#pendingTimer;
    if (timer !== undefined) timer.interrupt();
    else if (intid === PePpi.PMU) this.#pmu.interrupt();
    else if (intid === PePpi.MAINTENANCE) {
      if (this.#vcpu.vgicCpu !== undefined) this.#vcpu.vic?.sync(this.#vcpu.vgicCpu);
      if (this.pe.pendingInterrupt === PePpi.MAINTENANCE)
        bug("BUG_HYP_MAINTENANCE", "a maintenance interrupt stays asserted", { misr: this.pe.read("ICH_MISR_EL2") });
    } else if (intid >= 0) {
      // Nothing else is enabled for EL2; end it so that it cannot repeat.
      this.pe.acknowledge(intid);
    }
  }

  guestRead(va: number, into: Uint8Array): boolean {
    return this.#eachPage(va, into.length, false, (ipa, done, size) =>
      this.memory.read(ipa, into.subarray(done, done + size)),
    );
  }

  guestWrite(va: number, bytes: Uint8Array): boolean {
    return this.#eachPage(va, bytes.length, true, (ipa, done, size) =>
      this.memory.write(ipa, bytes.subarray(done, done + size)),
    );
  }

  /** Check every page of [va, va + size) first, so that a fault copies nothing. */
  #eachPage(
    va: number,
    size: number,
    isWrite: boolean,
    copy: (ipa: Ipa, done: number, size: number) => boolean,
  ): boolean {
    const parts: number[] = [];
    const { addrspace } = this.#vcpu;
    const access = isWrite ? Stage2Access.WRITE : Stage2Access.READ;
    for (let done = 0; done < size; ) {
      const at = va + done;
      const ipa = translateStage1(this.pe, addrspace, this.#runtime.memory, at, isWrite);
      if (ipa === STAGE1_FAULT || this.memory.translate(ipa, access) < 0) return false;
      parts.push(ipa, done);
      done += PAGE_SIZE - (ipa % PAGE_SIZE);
    }
    for (let i = 0; i < parts.length; i += 2) {
      const done = parts[i + 1]!;
      if (!copy(parts[i]!, done, (parts[i + 3] ?? size) - done)) return false;
    }
    return true;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.memory.dispose();
    for (const timer of this.#timers) timer.dispose();
    this.#pmu.dispose();
    this.#event?.cancel();
    this.pe.events.onEvent = undefined;
    // A PE that is inside `run` goes when that returns.
    if (!this.#running) this.#giveBack();
  }

  #giveBack(): void {
    this.pe.dispose();
    this.#gone();
  }
}

/**
 * A PE: the `Pe` contract over a state block, and the loop around the interpreter.
 *
 * Source: DDI 0487 K.a, D1 (exceptions, reset), D12 (timers); contract `CpuBackend` of @gunyah-ts/kernel.
 */
import {
  type Intid,
  type Ipa,
  type Pe,
  type PeConfig,
  PeExit,
  PePpi,
  type PeRegister,
  type PeState,
} from "@gunyah-ts/kernel";
import type { Cpu } from "./cpu/cpu.ts";
import { arm64Error } from "./errors.ts";
import { EC, HCR, VECTOR } from "./exception/constants.ts";
import { DebugUnit } from "./exception/debug.ts";
import { VirtualCpuInterface } from "./gic/cpu-interface.ts";
import { M } from "./mmu/layout.ts";
import { Tlb } from "./mmu/tlb.ts";
import { PerformanceMonitors } from "./pmu/monitors.ts";
import { S, StateBlock } from "./state/block.ts";
import type { PeCore } from "./state/core.ts";
import { EventRegister } from "./state/event-register.ts";
import { MONITOR_OPEN, restoreMonitor, savedMonitor } from "./state/exclusive-monitor.ts";
import { L, LEAVE, PENDING, PSTATE } from "./state/layout.ts";
import type { Machine } from "./state/machine.ts";
import { Work } from "./state/work.ts";
import { readRegister, SystemAccess, writeRegister } from "./sysreg/access.ts";
import { updateControls } from "./sysreg/controls.ts";
import { LIST_REGISTERS } from "./sysreg/table.ts";
import { GenericTimers } from "./timer/timers.ts";

const PPIS = [PePpi.PMU, PePpi.MAINTENANCE, PePpi.VIRTUAL_TIMER, PePpi.PHYSICAL_TIMER] as const;
/** V8 has no on-stack replacement for WebAssembly: a loop keeps the baseline compiler's code until entered anew. */
const LONGEST_EXECUTE = 1 << 18;

/** With the host clock, instructions between two looks at an armed timer: about 50 us. */
const HOST_CLOCK_SLICE = 20_000;
/** SPSR_EL2 after reset: EL1h, DAIF set. */
const RESET_SPSR = 0x3c5n;

export class Arm64Pe implements Pe, PeCore {
  readonly config: PeConfig;
  readonly x: BigUint64Array;
  readonly xWords: Uint32Array;
  readonly v: Uint8Array;
  readonly listRegisterCount = LIST_REGISTERS;
  readonly listRegisters: Uint32Array;

  readonly cpu: Cpu;
  readonly state: StateBlock;
  readonly wasm: Machine["wasm"];
  readonly tlb: Tlb;
  readonly gic: VirtualCpuInterface;
  readonly timers: GenericTimers;
  readonly events: EventRegister;
  readonly work: Work;
  readonly debug: DebugUnit;
  readonly pmu: PerformanceMonitors;
  readonly sysregs: SystemAccess;
  readonly alone: readonly PeCore[] = [this];
  claim = 0;

  readonly #machine: Machine;
  /** Active PPIs, bit n for INTID n. */
  #activePpis = 0;
  /** Level of the maintenance interrupt at the last `interruptsChanged`. */
  #maintenance = false;
  #running = false;
  #disposed = false;

  constructor(machine: Machine, index: number, config: PeConfig) {
    const domain = config.domain ?? 0;
    if (!Number.isInteger(domain) || domain < 0 || domain > 63)
      throw arm64Error("ARM64_CONFIG_INVALID", `domain ${domain} is not 0-63`);
    this.config = config;
    this.#machine = machine;
    this.cpu = machine.cpu;
    const { memory } = machine.physical;
    const state = new StateBlock(memory, index);
    this.state = state;
    this.wasm = machine.wasm;
    this.x = new BigUint64Array(memory.buffer, state.base + L.X, 31);
    this.xWords = new Uint32Array(memory.buffer, state.base + L.X, 62);
    this.v = new Uint8Array(memory.buffer, state.base + L.V, 512);
    this.listRegisters = new Uint32Array(memory.buffer, state.base + L.SYSREG + S.ICH_LR0 * 8, LIST_REGISTERS * 2);
    this.tlb = new Tlb(state);
    this.gic = new VirtualCpuInterface(state, (pintid) => this.deactivate(pintid));
    this.timers = new GenericTimers(state, machine.clock);
    this.events = new EventRegister(state, machine.clock);
    this.pmu = new PerformanceMonitors(state, () => this.retired);
    this.work = new Work(state);
    this.debug = new DebugUnit(state, machine.wasm, this.tlb);
    this.sysregs = new SystemAccess(this);

    state.bytes.fill(0, state.base, state.base + L.TLB_META);
    state.set(L.PE_INDEX, index);
    state.set(M.DOMAIN, domain);
    for (const row of this.cpu.registers) state.setSlot(row.slot, row.reset);
    state.setSlot(S.VMPIDR, config.mpidr);
    this.reset();
  }

  // ------------------------------------------------------------------------------------------------------- running

  run(budget: number): PeExit {
    if (this.#disposed) throw arm64Error("BUG_PE_DISPOSED", `PE ${this.state.index} is gone`);
    if (this.#running) throw arm64Error("BUG_PE_REENTERED", `PE ${this.state.index} is in run`);
    this.#machine.beforeRun();
    this.#running = true;
    this.events.leaveWait();
    this.tlb.enter();
    const reason = this.#run(budget);
    this.tlb.leave();
    this.#running = false;
    return reason;
  }

  #run(budget: number): PeExit {
    const { state, wasm } = this;
    const { base } = state;
    const end = this.spent + budget;
    // ERET from EL2
    const spsr = state.low(S.SPSR_EL2);
    const ss = (spsr & PSTATE.SS) === 0 ? 0 : this.debug.returnSs(spsr, true);
    state.set(L.PC, state.low(S.ELR_EL2));
    state.set(L.PC + 4, state.high(S.ELR_EL2));
    state.set(L.LEAVE, LEAVE.LOOK_UP);
    state.set(L.BUDGET, 0);
    state.set(L.EXECUTE_BUDGET, 0);
    wasm.setPstate(base, (spsr & ~PSTATE.SS) | ss);
    if ((state.get(L.PSTATE) & PSTATE.IL) !== 0) wasm.takeSync(base, (EC.ILLEGAL_STATE << 26) | (1 << 25));
    state.raise(PENDING.SYNC | PENDING.INTERRUPT);

    for (;;) {
      if (state.get(L.LEAVE) === LEAVE.SYNC) return PeExit.SYNC;
      if (state.get(L.LEAVE) === LEAVE.WAIT) return this.#leave(PeExit.WAIT);
      if (state.get(L.LEAVE) === LEAVE.WAIT_EVENT) return this.#leave(PeExit.WAIT_EVENT);
      const pending = state.get(L.PENDING);
      if (pending !== 0) {
        state.lower(pending);
        if ((pending & PENDING.EXIT) !== 0) return this.#leave(PeExit.BUDGET);
        if ((pending & PENDING.SYNC) !== 0) this.debug.update();
      }
      if (this.#isInterrupted) return this.#leave(PeExit.IRQ);
      if (this.#takeVirtualInterrupt()) continue;
      const left = end - this.spent;
      if (left <= 0) return this.#leave(PeExit.BUDGET);
      this.#execute(
        Math.min(
          left,
          LONGEST_EXECUTE,
          this.pmu.untilOverflow,
          this.#machine.instructionsUntil(this.timers.nextDeadline, HOST_CLOCK_SLICE),
        ),
      );
    }
  }

  #execute(slice: number): void {
    const { state, wasm } = this;
    // What raised it has been looked at.
    state.lower(PENDING.INTERRUPT | PENDING.SYNC);
    if (state.get(L.STEPPING) !== 0) {
      if (this.debug.beforeInstruction()) return;
      state.set(L.BUDGET, 1);
      state.set(L.EXECUTE_BUDGET, 1);
      wasm.execute(state.base);
      this.account();
      this.debug.afterInstruction(state.get(L.WORD));
      state.raise(PENDING.SYNC);
      return;
    }
    state.set(L.BUDGET, slice);
    state.set(L.EXECUTE_BUDGET, slice);
    wasm.execute(state.base);
    this.account();
    this.#machine.afterExecute();
  }

  /** Take the virtual interrupt of the highest priority that PSTATE does not mask. */
  #takeVirtualInterrupt(): boolean {
    const { state, wasm } = this;
    const lines = state.get(M.LINES) & ~state.get(L.DAIF);
    if (lines === 0) return false;
    if ((lines & 0x100) !== 0) {
      // AArch64.TakeVirtualSErrorException: HCR_EL2.VSE is cleared, the syndrome is IMPLEMENTATION DEFINED (IDS)
      state.setLow(S.HCR, state.low(S.HCR) & ~HCR.VSE);
      wasm.enterEl1(state.base, (EC.SERROR << 26) | (1 << 25) | (1 << 24), VECTOR.SERROR);
    } else wasm.enterEl1(state.base, 0, (lines & 0x40) !== 0 ? VECTOR.FIQ : VECTOR.IRQ);
    return true;
  }

  /** Leave for a reason that is no exception: ELR_EL2 and SPSR_EL2 hold the state to resume from. */
  #leave(reason: PeExit): PeExit {
    const { state, wasm } = this;
    state.setLow(S.ELR_EL2, state.get(L.PC));
    state.setHigh(S.ELR_EL2, state.get(L.PC + 4));
    state.setLow(S.SPSR_EL2, wasm.composeSpsr(state.base));
    state.setHigh(S.SPSR_EL2, 0);
    return reason;
  }

  account(): GenericTimers {
    const { state } = this;
    const left = state.get(L.BUDGET);
    const retired = state.get(L.EXECUTE_BUDGET) - left;
    if (retired > 0) {
      state.f64[L.RETIRED >> 3]! += retired;
      state.set(L.EXECUTE_BUDGET, left);
      this.pmu.sync();
      this.#machine.retire(retired);
    }
    return this.timers;
  }

  random64(): bigint {
    return this.#machine.entropy?.next64() ?? 0n;
  }

  requestExit(): void {
    this.state.raise(PENDING.EXIT);
  }

  get retired(): number {
    const { state } = this;
    return (state.f64[L.RETIRED >> 3] as number) + Math.max(0, state.get(L.EXECUTE_BUDGET) - state.get(L.BUDGET));
  }
  get spent(): number {
    return this.retired + this.work.charged;
  }

  // --------------------------------------------------------------------------------------------------- syndromes

  get esr(): number {
    return this.state.low(S.ESR_EL2) >>> 0;
  }
  get far(): bigint {
    return this.state.slot(S.FAR_EL2);
  }
  get faultIpa(): Ipa {
    const { state } = this;
    // HPFAR_EL2.FIPA 43:4 is IPA 51:12
    const page = (state.low(S.HPFAR) >>> 4) * 4096 + (state.high(S.HPFAR) >>> 0) * 2 ** 40;
    return page + (state.low(S.FAR_EL2) & 0xfff);
  }

  // -------------------------------------------------------------------------------------------------- interrupts

  lines(): number {
    const { state } = this;
    const hcr = state.low(S.HCR);
    let lines = this.gic.lines;
    if ((hcr & (HCR.VI | HCR.IMO)) === (HCR.VI | HCR.IMO)) lines |= 0x80;
    if ((hcr & (HCR.VF | HCR.FMO)) === (HCR.VF | HCR.FMO)) lines |= 0x40;
    if ((hcr & (HCR.VSE | HCR.AMO)) === (HCR.VSE | HCR.AMO)) lines |= 0x100;
    return lines;
  }

  interruptsChanged(): boolean {
    this.state.set(M.LINES, this.lines());
    this.#maintenance = this.gic.maintenance;
    this.state.raise(PENDING.INTERRUPT);
    return true;
  }

  #asserted(intid: number): boolean {
    if (intid === PePpi.MAINTENANCE) return this.gic.maintenance;
    if (intid === PePpi.PMU) return this.pmu.asserted;
    return this.timers.asserted(intid === PePpi.VIRTUAL_TIMER);
  }

  /** `pendingInterrupt >= 0`, for each turn of the run loop: list registers as of the last `interruptsChanged`. */
  get #isInterrupted(): boolean {
    const active = this.#activePpis;
    return (
      (this.state.get(M.PMU) !== 0 && (active & (1 << PePpi.PMU)) === 0 && this.pmu.asserted) ||
      (this.#maintenance && (active & (1 << PePpi.MAINTENANCE)) === 0) ||
      ((active & (1 << PePpi.VIRTUAL_TIMER)) === 0 && this.timers.asserted(true)) ||
      ((active & (1 << PePpi.PHYSICAL_TIMER)) === 0 && this.timers.asserted(false))
    );
  }

  get pendingInterrupt(): Intid | -1 {
    for (const intid of PPIS) if ((this.#activePpis & (1 << intid)) === 0 && this.#asserted(intid)) return intid;
    return -1;
  }

  acknowledge(intid: Intid): void {
    if (intid >= 16 && intid < 32) this.#activePpis |= 1 << intid;
  }
  deactivate(intid: Intid): void {
    if (intid >= 16 && intid < 32) this.#activePpis &= ~(1 << intid);
    this.state.raise(PENDING.INTERRUPT);
  }

  listRegistersChanged(): void {
    this.interruptsChanged();
  }
  get virtualInterruptPending(): boolean {
    return this.lines() !== 0;
  }

  // --------------------------------------------------------------------------------------------------- registers

  /** SP_EL0 or SP_EL1 in its slot, unless it is the live stack pointer. */
  #isLiveSp(name: string): boolean {
    const { state } = this;
    const selected = (state.get(L.EL) & state.get(L.SPSEL)) !== 0 ? "SP_EL1" : "SP_EL0";
    return name === selected;
  }

  read(register: PeRegister): bigint {
    const { state } = this;
    if (register.startsWith("SP_EL"))
      return this.#isLiveSp(register) ? state.get64(L.SP) : state.slot(register === "SP_EL0" ? S.SP_EL0 : S.SP_EL1);
    const row = this.cpu.register(register);
    if (row !== undefined && row.kind !== "inline") return readRegister(this, row);
    if (register === "FPCR") return BigInt(state.get(L.FPCR) >>> 0);
    if (register === "FPSR") return BigInt(state.get(L.FPSR) >>> 0);
    const x = xIndex(register);
    if (x >= 0) return this.x[x] as bigint;
    throw arm64Error("ARM64_UNKNOWN_REGISTER", `no register ${register}`);
  }

  write(register: PeRegister, value: bigint): void {
    const { state } = this;
    if (register === "SP_EL0" || register === "SP_EL1") {
      if (this.#isLiveSp(register)) state.set64(L.SP, value);
      else state.setSlot(register === "SP_EL0" ? S.SP_EL0 : S.SP_EL1, value);
      return;
    }
    const row = this.cpu.register(register);
    if (row !== undefined && row.kind !== "inline") {
      // ISTATUS and the like are read-only; OSLSR_EL1 is writable here so that a saved state can be put back.
      if (register === "OSLSR_EL1") state.setSlot(row.slot, (value & 2n) | (row.reset & ~2n));
      else writeRegister(this, row, value);
      return;
    }
    if (register === "FPCR") {
      state.set(L.FPCR, Number(value & this.cpu.fpcr));
      return;
    }
    if (register === "FPSR") {
      state.set(L.FPSR, Number(value & 0x0800_009fn));
      return;
    }
    const x = xIndex(register);
    if (x < 0) throw arm64Error("ARM64_UNKNOWN_REGISTER", `no register ${register}`);
    this.x[x] = value;
  }

  // ---------------------------------------------------------------------------------- reset, save, restore, dispose

  /**
   * Warm reset of EL1 and EL0. EL2's own registers (op1 4) keep their values: EL2 does not reset.
   * UNKNOWN values are zero, so that the same machine runs the same way each time.
   */
  reset(): void {
    const { state } = this;
    for (const row of this.cpu.registers) if (row.op1 !== 4) state.setSlot(row.slot, row.reset);
    state.setSlot(S.SP_EL1, 0n);
    state.setSlot(S.CNTFRQ, BigInt(this.#machine.clock.frequencyHz));
    state.bytes.fill(0, state.base + L.X, state.base + L.PC);
    state.bytes.fill(0, state.base + L.V, state.base + L.V + 512);
    for (const offset of [L.FPCR, L.FPSR, L.NZCV, L.PSTATE, L.STEPPING]) state.set(offset, 0);
    state.set64(L.PC, 0n);
    state.set64(L.EXCL_ADDRESS, MONITOR_OPEN);
    state.set(L.EL, 1);
    state.set(L.SPSEL, 1);
    state.set(L.DAIF, 0x3c0);
    state.setSlot(S.ELR_EL2, 0n);
    state.setSlot(S.SPSR_EL2, RESET_SPSR);
    this.#activePpis = 0;
    this.claim = 0;
    this.events.reset();
    this.tlb.dropAll();
    this.#refresh();
  }

  /** Recompute everything that follows from registers. */
  #refresh(): void {
    updateControls(this.state, this.wasm);
    this.debug.update();
    this.pmu.update();
    this.interruptsChanged();
  }

  save(): PeState {
    const { state } = this;
    this.pmu.sync();
    const registers: { [name: string]: string } = {};
    for (let n = 0; n < 31; n++) registers[`X${n}`] = hex(this.x[n] as bigint);
    for (const row of this.cpu.registers) if (row.kind !== "inline") registers[row.name] = hex(state.slot(row.slot));
    registers["SP_EL0"] = hex(this.read("SP_EL0"));
    registers["SP_EL1"] = hex(this.read("SP_EL1"));
    registers["FPCR"] = hex(this.read("FPCR"));
    registers["FPSR"] = hex(this.read("FPSR"));
    registers["DBGCLAIMCLR_EL1"] = hex(BigInt(this.claim));
    registers["EVENT"] = hex(this.events.pending ? 1n : 0n);
    return {
      version: 1,
      registers,
      v: [...this.v].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
      exclusive: savedMonitor(state, this.#machine.physical),
      activePpis: PPIS.filter((intid) => (this.#activePpis & (1 << intid)) !== 0),
      retired: this.retired,
    };
  }

  restore(saved: PeState): void {
    const { state } = this;
    const { physical } = this.#machine;
    if (saved.version !== 1) throw arm64Error("ARM64_STATE_INVALID", `version ${saved.version} is not 1`);
    if (!/^[0-9a-f]{1024}$/i.test(saved.v)) throw arm64Error("ARM64_STATE_INVALID", "v is not 512 hexadecimal bytes");
    if (!Number.isSafeInteger(saved.retired) || saved.retired < 0)
      throw arm64Error("ARM64_STATE_INVALID", "retired is not a count");
    const values = new Map<string, bigint>();
    for (const [name, text] of Object.entries(saved.registers)) {
      if (typeof text !== "string" || !/^0x[0-9a-f]{1,16}$/i.test(text))
        throw arm64Error("ARM64_STATE_INVALID", `${name} is ${text}, not 64 bits in hexadecimal`);
      if (
        name !== "EVENT" &&
        name !== "FPCR" &&
        name !== "FPSR" &&
        xIndex(name) < 0 &&
        this.cpu.register(name) === undefined
      )
        throw arm64Error("ARM64_STATE_INVALID", `no register ${name}`);
      values.set(name, BigInt(text));
      if (name.startsWith("ID_AA64") && BigInt(text) !== this.cpu.register(name)?.reset)
        throw arm64Error("ARM64_STATE_INVALID", `${name} is ${text}: the state is of another CPU model`);
    }
    this.reset();
    for (let n = 0; n < 31; n++) this.x[n] = values.get(`X${n}`) ?? 0n;
    for (const row of this.cpu.registers) {
      const value = values.get(row.name);
      if (value === undefined || row.kind === "inline") continue;
      const mask = row.name === "OSLSR_EL1" ? row.mask & 2n : row.mask;
      state.setSlot(row.slot, (value & mask) | (row.reset & ~mask));
    }
    state.setSlot(S.CNTFRQ, BigInt(this.#machine.clock.frequencyHz));
    // The live stack pointer is the one that the block's PSTATE selects: SP_EL1 after reset.
    state.set64(L.SP, values.get("SP_EL1") ?? 0n);
    state.setSlot(S.SP_EL0, values.get("SP_EL0") ?? 0n);
    state.setSlot(S.SP_EL1, values.get("SP_EL1") ?? 0n);
    this.write("FPCR", values.get("FPCR") ?? 0n);
    this.write("FPSR", values.get("FPSR") ?? 0n);
    this.claim = Number((values.get("DBGCLAIMCLR_EL1") ?? 0n) & 0xffn);
    state.set(L.EVENT, Number((values.get("EVENT") ?? 0n) & 1n));
    for (let i = 0; i < 512; i++) this.v[i] = Number.parseInt(saved.v.slice(i * 2, i * 2 + 2), 16);
    restoreMonitor(state, physical, saved.exclusive, this.cpu.features.has("FEAT_LSE2"));
    for (const intid of saved.activePpis) this.acknowledge(intid);
    state.f64[L.RETIRED >> 3] = saved.retired;
    state.set(L.BUDGET, 0);
    state.set(L.EXECUTE_BUDGET, 0);
    this.tlb.dropAll();
    this.#refresh();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.tlb.dropAll();
    this.#machine.release(this);
  }

  // ------------------------------------------------------------------------------------------------- other PEs

  sameVmid(): readonly PeCore[] {
    const vmid = this.state.high(S.VTTBR) >>> 16;
    return this.#machine.pesOf(vmid);
  }
  all(): readonly PeCore[] {
    return this.#machine.pes;
  }
  /** VTTBR_EL2.VMID. */
  get vmid(): number {
    return this.state.high(S.VTTBR) >>> 16;
  }
}

const hex = (value: bigint) => `0x${value.toString(16)}`;

/** n of "Xn", -1 for any other name. */
function xIndex(name: string): number {
  const match = /^X(\d|[12]\d|30)$/.exec(name);
  return match === null ? -1 : Number(match[1]);
}

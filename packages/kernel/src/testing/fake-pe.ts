/**
 * One scripted PE. Source: DDI 0487 K.a, D1.3 (exceptions), D24.2.40 (ESR_EL2 ISS), D24.2.62 (HPFAR_EL2).
 */
import type { Intid, Ipa, Pa } from "../contracts/address.ts";
import { type Pe, type PeConfig, PeExit, PePpi, type PeRegister, type PeState } from "../contracts/cpu-backend.ts";
import { bug, ModelError } from "../errors.ts";
import type { PeHost } from "./fake-cpu-backend.ts";
import { FakeEvents } from "./fake-events.ts";
import { FakeVirtualCpuInterface, LIST_REGISTERS } from "./fake-vcpu-interface.ts";
import type { PeOp, ScriptCpu } from "./pe-script.ts";
import { makeScriptCpu } from "./script-cpu.ts";
import { FaultStatus, isFault } from "./stage2-walk.ts";

const EC_WFX = 0x01;
const EC_HVC64 = 0x16;
const EC_SMC64 = 0x17;
const EC_SYSREG = 0x18;
const EC_INSTRUCTION_ABORT_LOWER = 0x20;
const EC_DATA_ABORT_LOWER = 0x24;
const EC_DATA_ABORT_SAME = 0x25;
const HCR_VM = 1n << 0n;
const HCR_IMO = 1n << 4n;
const HCR_TWI = 1n << 13n;
const HCR_TWE = 1n << 14n;
const HCR_TSC = 1n << 19n;
const HCR_TEA = 1n << 37n;
const PSTATE_I = 1n << 7n;
const PSTATE_EL1H = 0x3c5n;
const MASK64 = 0xffff_ffff_ffff_ffffn;

interface Frame {
  readonly steps: Generator<PeOp, void, undefined>;
  /** Address of `op`. */
  pc: number;
  /** Undefined once the script is over: the PE then sits in WFI. */
  op: PeOp | undefined;
}

const DONE = -1;

export class FakePe implements Pe {
  readonly config: PeConfig;
  readonly x = new BigUint64Array(31);
  readonly xWords = new Uint32Array(this.x.buffer);
  readonly v = new Uint8Array(512);
  readonly listRegisterCount = LIST_REGISTERS;
  readonly listRegisters: Uint32Array;
  retired = 0;
  /** How often EL2 said that list registers changed. */
  listRegisterChanges = 0;
  readonly #host: PeHost;
  readonly #interface: FakeVirtualCpuInterface;
  readonly #registers = new Map<string, bigint>();
  readonly #active = new Set<Intid>();
  readonly #cpu: ScriptCpu;
  readonly events = new FakeEvents();
  #frames: Frame[] = [];
  #exitRequested = false;
  #disposed = false;

  constructor(config: PeConfig, host: PeHost) {
    this.config = config;
    this.#host = host;
    this.#interface = new FakeVirtualCpuInterface((intid) => this.#active.delete(intid));
    this.listRegisters = this.#interface.lr;
    this.#registers.set("VMPIDR_EL2", config.mpidr);
    this.#registers.set("SPSR_EL2", PSTATE_EL1H);
    this.#cpu = makeScriptCpu(this, this.#interface);
  }

  get spent(): number {
    return this.retired;
  }

  get esr(): number {
    return Number(this.read("ESR_EL2") & 0xffff_ffffn);
  }

  get far(): bigint {
    return this.read("FAR_EL2");
  }

  get faultIpa(): Ipa {
    const page = Number((this.read("HPFAR_EL2") >> 4n) & 0xff_ffff_ffffn) * 4096;
    const ec = this.esr >>> 26;
    const isAbort = ec === EC_DATA_ABORT_LOWER || ec === EC_INSTRUCTION_ABORT_LOWER;
    return isAbort ? page + Number(this.far & 0xfffn) : page;
  }

  get pendingInterrupt(): Intid | -1 {
    if (this.#interface.misr() !== 0 && !this.#active.has(PePpi.MAINTENANCE)) return PePpi.MAINTENANCE;
    if (this.#timerAsserted("CNTV", this.read("CNTVOFF_EL2")) && !this.#active.has(PePpi.VIRTUAL_TIMER)) {
      return PePpi.VIRTUAL_TIMER;
    }
    if (this.#timerAsserted("CNTP", 0n) && !this.#active.has(PePpi.PHYSICAL_TIMER)) return PePpi.PHYSICAL_TIMER;
    return -1;
  }

  get virtualInterruptPending(): boolean {
    return this.#interface.candidate() >= 0;
  }

  acknowledge(intid: Intid): void {
    this.#active.add(intid);
  }

  deactivate(intid: Intid): void {
    this.#active.delete(intid);
  }

  requestExit(): void {
    this.#exitRequested = true;
  }

  listRegistersChanged(): void {
    this.listRegisterChanges++;
  }

  run(budget: number): PeExit {
    this.#live();
    if (!(budget >= 1 && budget < 2 ** 31)) bug("BUG_PE_BUDGET", "budget is outside 1..2^31-1", { budget });
    this.events.leaveWait();
    const before = this.retired;
    let exit = DONE as PeExit | typeof DONE;
    while (exit === DONE) {
      if (this.pendingInterrupt !== -1 && (this.read("HCR_EL2") & HCR_IMO) !== 0n) exit = PeExit.IRQ;
      else if (this.#exitRequested || this.retired - before >= budget) exit = PeExit.BUDGET;
      else {
        const retired = this.retired;
        exit = this.#step();
        this.#host.clock.retire(this.retired - retired);
      }
    }
    this.#exitRequested = false;
    return exit as PeExit;
  }

  read(register: PeRegister): bigint {
    this.#live();
    const name: string = register;
    const general = /^X(\d+)$/.exec(name);
    if (general !== null) return this.x[Number(general[1])] ?? 0n;
    const list = /^ICH_LR(\d+)_EL2$/.exec(name);
    if (list !== null) return readPair(this.listRegisters, Number(list[1]));
    switch (name) {
      case "ICH_HCR_EL2":
        return BigInt(this.#interface.hcr >>> 0);
      case "ICH_VMCR_EL2":
        return BigInt(this.#interface.vmcr >>> 0);
      case "ICH_AP1R0_EL2":
        return BigInt(this.#interface.ap1r >>> 0);
      case "ICH_MISR_EL2":
        return BigInt(this.#interface.misr());
      case "ICH_EISR_EL2":
        return BigInt(this.#interface.eisr());
      case "ICH_ELRSR_EL2":
        return BigInt(this.#interface.elrsr());
      case "ICH_VTR_EL2":
        // Five priority and preemption bits, 16 INTID bits, ListRegs - 1.
        return (4n << 29n) | (4n << 26n) | BigInt(LIST_REGISTERS - 1);
      case "CNTV_CTL_EL0":
        return this.#timerControl("CNTV", this.read("CNTVOFF_EL2"));
      case "CNTP_CTL_EL0":
        return this.#timerControl("CNTP", 0n);
      case "CNTVCT_EL0":
        return (BigInt(this.#host.clock.now()) - this.read("CNTVOFF_EL2")) & MASK64;
      case "CNTPCT_EL0":
        return BigInt(this.#host.clock.now());
      default:
        return this.#registers.get(name) ?? 0n;
    }
  }

  write(register: PeRegister, value: bigint): void {
    this.#live();
    const name: string = register;
    const general = /^X(\d+)$/.exec(name);
    if (general !== null) {
      this.x[Number(general[1])] = value;
      return;
    }
    const list = /^ICH_LR(\d+)_EL2$/.exec(name);
    if (list !== null) {
      const index = Number(list[1]) * 2;
      this.listRegisters[index] = Number(value & 0xffff_ffffn);
      this.listRegisters[index + 1] = Number((value >> 32n) & 0xffff_ffffn);
      return;
    }
    const low = Number(value & 0xffff_ffffn);
    if (name === "ICH_HCR_EL2") this.#interface.hcr = low;
    else if (name === "ICH_VMCR_EL2") this.#interface.vmcr = low;
    else if (name === "ICH_AP1R0_EL2") this.#interface.ap1r = low;
    else this.#registers.set(name, value & MASK64);
  }

  reset(): void {
    this.#live();
    this.#frames = [];
    this.#active.clear();
    this.events.reset();
    this.x.fill(0n);
    this.v.fill(0);
    for (const name of ["SCTLR_EL1", "CNTV_CTL_EL0", "CNTP_CTL_EL0", "VBAR_EL1"]) this.#registers.delete(name);
    this.#registers.set("SPSR_EL2", PSTATE_EL1H);
  }

  save(): PeState {
    this.#live();
    const registers: Record<string, string> = {};
    for (let i = 0; i < 31; i++) registers[`X${i}`] = hex(this.x[i] as bigint);
    for (const [name, value] of this.#registers) registers[name] = hex(value);
    for (const name of ["ICH_HCR_EL2", "ICH_VMCR_EL2", "ICH_AP1R0_EL2"]) registers[name] = hex(this.read(name));
    for (let i = 0; i < LIST_REGISTERS; i++) registers[`ICH_LR${i}_EL2`] = hex(readPair(this.listRegisters, i));
    return {
      version: 1,
      registers,
      v: Array.from(this.v, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      exclusive: { valid: false, address: "0x0", size: 0, value: "0x0" },
      activePpis: [...this.#active].sort((a, b) => a - b),
      retired: this.retired,
    };
  }

  restore(state: PeState): void {
    this.#live();
    if (state.version !== 1) throw new ModelError("KERNEL_VERSION", `PE state has version ${String(state.version)}`);
    this.#frames = [];
    for (const [name, value] of Object.entries(state.registers)) if (value) this.write(name, BigInt(value));
    for (let i = 0; i < 512; i++) this.v[i] = Number.parseInt(state.v.slice(i * 2, i * 2 + 2), 16);
    this.#active.clear();
    for (const intid of state.activePpis) this.#active.add(intid);
    this.retired = state.retired;
  }

  dispose(): void {
    this.#live();
    this.#disposed = true;
    this.#host.dispose(this);
  }

  #live(): void {
    if (this.#disposed) bug("BUG_PE_DISPOSED", "a PE was used after dispose", { mpidr: this.config.mpidr });
  }

  /** One instruction, or one exception to EL1. */
  #step(): PeExit | typeof DONE {
    if ((this.read("SPSR_EL2") & PSTATE_I) === 0n && this.virtualInterruptPending) {
      this.#exceptionToEl1(0x280, undefined, undefined);
    }
    const frame = this.#frame();
    if (this.#host.fetches) {
      const exit = this.#access(frame.pc, 4, "x", frame.op);
      if (typeof exit !== "bigint") return exit === "el1" ? DONE : exit;
    }
    if (frame.op === undefined) return this.#wait(frame, "wfi");
    return this.#execute(frame, frame.op);
  }

  #execute(frame: Frame, op: PeOp): PeExit | typeof DONE {
    switch (op.kind) {
      case "nop":
        this.retired++;
        if (--op.count <= 0) this.#advance(frame);
        return DONE;
      case "load":
      case "store": {
        const pa = this.#access(op.ipa, op.size, op.kind === "load" ? "r" : "w", op);
        if (typeof pa !== "bigint") return pa === "el1" ? DONE : pa;
        this.#transfer(Number(pa), op);
        break;
      }
      case "access-no-syndrome": {
        const pa = this.#access(op.ipa, 8, op.write ? "w" : "r", op);
        if (typeof pa !== "bigint") return pa === "el1" ? DONE : pa;
        break;
      }
      case "hvc":
        this.retired++;
        this.#advancePc(frame);
        return this.#sync(EC_HVC64, op.imm);
      case "smc":
        if ((this.read("HCR_EL2") & HCR_TSC) !== 0n) return this.#sync(EC_SMC64, op.imm);
        // Without a trap it would go to EL3, which this SoC model has not: SMCCC's answer.
        this.x[0] = MASK64;
        break;
      case "wfi":
        return this.#wait(frame, "wfi");
      case "wfe":
        if (!this.events.pending) return this.#wait(frame, "wfe");
        this.events.pending = false;
        break;
      case "sev":
        this.#host.sendEvent();
        break;
      case "sevl":
        this.events.send();
        break;
      case "trapped-sysreg": {
        const { op0, op1, op2, crn, crm } = op.encoding;
        const iss = (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | (op.rt << 5) | (crm << 1) | Number(op.read);
        return this.#sync(EC_SYSREG, iss);
      }
      case "msr":
        this.write(op.name, op.value);
        break;
      case "eret":
        this.retired++;
        this.events.send();
        this.#registers.set("ELR_EL2", this.read("ELR_EL1"));
        this.#registers.set("SPSR_EL2", this.read("SPSR_EL1"));
        return DONE;
    }
    this.retired++;
    this.#advance(frame);
    return DONE;
  }

  #wait(frame: Frame, kind: "wfi" | "wfe"): PeExit | typeof DONE {
    if (this.virtualInterruptPending) {
      this.retired++;
      this.#advance(frame);
      return DONE;
    }
    if ((this.read("HCR_EL2") & (kind === "wfi" ? HCR_TWI : HCR_TWE)) !== 0n) {
      return this.#sync(EC_WFX, (1 << 24) | (0xe << 20) | (kind === "wfe" ? 1 : 0));
    }
    this.retired++;
    // What follows the WFI must not run before the interrupt that ends it is taken.
    if (frame.op !== undefined) this.#advancePc(frame);
    if (kind === "wfi") return PeExit.WAIT;
    this.events.waiting = true;
    return PeExit.WAIT_EVENT;
  }

  /** The frame whose instruction is at ELR_EL2, started or resumed. */
  #frame(): Frame {
    const pc = Number(this.read("ELR_EL2"));
    for (let depth = this.#frames.length - 1; depth >= 0; depth--) {
      const frame = this.#frames[depth] as Frame;
      if (frame.pc !== pc && !(frame.pc + 4 === pc && frame.op !== undefined)) continue;
      this.#frames.length = depth + 1;
      // EL2 moved past the instruction: it was emulated.
      if (frame.pc !== pc) this.#next(frame);
      return frame;
    }
    const vmid = Number(this.read("VTTBR_EL2") >> 48n);
    const script = this.#host.script(pc, vmid);
    if (script === undefined) {
      return bug("BUG_FAKE_PE_NO_SCRIPT", "no script at ELR_EL2; add one with backend.program", { pc, vmid });
    }
    const frame: Frame = { steps: script(this.#cpu), pc: pc - 4, op: undefined };
    this.#frames.push(frame);
    this.#next(frame);
    return frame;
  }

  /** Complete the instruction of `frame` and move ELR_EL2 with it. */
  #advance(frame: Frame): void {
    if (frame.op !== undefined) this.#next(frame);
    this.#registers.set("ELR_EL2", BigInt(frame.pc));
  }

  /** Only ELR_EL2: the instruction completes when the PE runs again. */
  #advancePc(frame: Frame): void {
    this.#registers.set("ELR_EL2", BigInt(frame.pc + 4));
  }

  #next(frame: Frame): void {
    const step = frame.steps.next();
    frame.pc += 4;
    frame.op = step.done === true ? undefined : step.value;
  }

  /** Translate and check. Returns the PA as a bigint, an exit, or "el1" when EL1 took the exception. */
  #access(ipa: Ipa, size: number, kind: "r" | "w" | "x", op: PeOp | undefined): bigint | PeExit | "el1" {
    let pa: Pa = ipa as number;
    if ((this.read("HCR_EL2") & HCR_VM) !== 0n) {
      const result = this.#host.translate(this.read("VTTBR_EL2"), this.read("VTCR_EL2"), ipa);
      if (isFault(result)) return this.#abort(ipa, kind, result.fault, op);
      const allowed = kind === "r" ? result.read : kind === "w" ? result.write : result.execute;
      if (!allowed) return this.#abort(ipa, kind, FaultStatus.PERMISSION + result.level, op);
      pa = result.pa;
    }
    const memory = this.#host.memory;
    const domain = this.config.domain ?? 0;
    const refused = memory.accessControl !== undefined && !memory.accessControl.allows(domain, pa);
    if (!refused && memory.contains(pa, size)) return BigInt(pa);
    if ((this.read("HCR_EL2") & HCR_TEA) !== 0n) return this.#abort(ipa, kind, FaultStatus.EXTERNAL, op);
    this.#exceptionToEl1(0x200, kind === "x" ? 0x21 : EC_DATA_ABORT_SAME, ipa);
    return "el1";
  }

  #abort(ipa: Ipa, kind: "r" | "w" | "x", status: number, op: PeOp | undefined): PeExit {
    this.#registers.set("FAR_EL2", BigInt(ipa));
    this.#registers.set("HPFAR_EL2", BigInt(Math.floor(ipa / 4096)) << 4n);
    if (kind === "x") return this.#sync(EC_INSTRUCTION_ABORT_LOWER, status);
    let iss = status | (kind === "w" ? 1 << 6 : 0);
    if (op?.kind === "load" || op?.kind === "store") {
      const sas = Math.log2(op.size);
      iss |= (1 << 24) | (sas << 22) | (op.rt << 16) | (op.size === 8 ? 1 << 15 : 0);
    }
    return this.#sync(EC_DATA_ABORT_LOWER, iss);
  }

  #sync(ec: number, iss: number): PeExit {
    this.#registers.set("ESR_EL2", BigInt(((ec << 26) | (1 << 25) | iss) >>> 0));
    return PeExit.SYNC;
  }

  #exceptionToEl1(vector: number, ec: number | undefined, far: number | undefined): void {
    this.#registers.set("ELR_EL1", this.read("ELR_EL2"));
    this.#registers.set("SPSR_EL1", this.read("SPSR_EL2"));
    if (ec !== undefined) this.#registers.set("ESR_EL1", BigInt(ec * 2 ** 26 + 2 ** 25 + FaultStatus.EXTERNAL));
    if (far !== undefined) this.#registers.set("FAR_EL1", BigInt(far));
    this.#registers.set("SPSR_EL2", PSTATE_EL1H);
    this.#registers.set("ELR_EL2", this.read("VBAR_EL1") + BigInt(vector));
  }

  #transfer(pa: number, op: Extract<PeOp, { kind: "load" | "store" }>): void {
    const { memory } = this.#host;
    const at = memory.offsetOf(pa);
    if (op.kind === "load") {
      let value = 0n;
      for (let i = op.size - 1; i >= 0; i--) value = (value << 8n) | BigInt(memory.bytes[at + i] as number);
      this.x[op.rt] = value;
    } else {
      let value = this.x[op.rt] ?? 0n;
      for (let i = 0; i < op.size; i++) {
        memory.bytes[at + i] = Number(value & 0xffn);
        value >>= 8n;
      }
    }
  }

  #timerControl(timer: "CNTV" | "CNTP", offset: bigint): bigint {
    const control = (this.#registers.get(`${timer}_CTL_EL0`) ?? 0n) & 3n;
    const due = BigInt(this.#host.clock.now()) - offset >= (this.#registers.get(`${timer}_CVAL_EL0`) ?? 0n);
    return (control & 1n) === 1n && due ? control | 4n : control;
  }

  #timerAsserted(timer: "CNTV" | "CNTP", offset: bigint): boolean {
    return (this.#timerControl(timer, offset) & 7n) === 5n;
  }
}

function readPair(words: Uint32Array, index: number): bigint {
  return (BigInt(words[index * 2 + 1] ?? 0) << 32n) | BigInt(words[index * 2] ?? 0);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/**
 * The least that a guest needs at EL2, for tests of the CPU backend: identity stage 2, PSCI, a PL011, and a GICv3
 * distributor and redistributor that only remember what is written. Not a hypervisor.
 */
import {
  type Clock,
  createPhysicalMemory,
  createSeededEntropy,
  createVirtualClock,
  type Pe,
  PeExit,
  PePpi,
  type PeState,
  type PhysicalMemory,
} from "@gunyah-ts/kernel";
import { type Arm64Backend, type Arm64BackendOptions, createArm64Backend } from "../../src/backend.ts";
import type { CpuModelName } from "../../src/cpu/models.ts";

export const DRAM_BASE = 0x4000_0000;
export const UART = 0x0900_0000;
const GICD = 0x0800_0000;
const GICR = 0x080a_0000;
/** Above the guest's DRAM: stage 2 tables. */
const CARVE_OUT = 0x20_0000;

/** HCR_EL2: VM, SWIO, FMO, IMO, AMO, TSC, RW, APK, API. */
const HCR = 0x300_8008_003bn;
/** VTCR_EL2: 40-bit IPA from level 1 (two concatenated tables), 4 KiB, write-back, 48-bit PA. */
const VTCR = 0x8005_3558n;

const PSCI = {
  VERSION: 0x8400_0000,
  SYSTEM_OFF: 0x8400_0008,
  SYSTEM_RESET: 0x8400_0009,
  FEATURES: 0x8400_000a,
  CPU_ON: 0xc400_0003,
  CPU_OFF: 0x8400_0002,
} as const;
const SMCCC_VERSION = 0x8000_0000;

export interface MinimalEl2Options {
  readonly guestBytes: number;
  readonly reservedBytes?: number;
  readonly clock?: Clock;
  readonly cpu?: CpuModelName;
  /** CPUs that PSCI CPU_ON can start, 1 unless given. */
  readonly cpus?: number;
  readonly onConsole?: (text: string) => void;
  /** Tier and bounds of the JIT. */
  readonly backend?: Pick<Arm64BackendOptions, "tier" | "jit">;
}

export class MinimalEl2 {
  readonly physical: PhysicalMemory;
  readonly clock: Clock;
  readonly backend: Arm64Backend;
  readonly pes: Pe[];
  readonly guestBytes: number;
  console = "";
  off = false;
  /** Exits by kind, for reports. */
  readonly exits = { sync: 0, irq: 0, wait: 0, mmio: 0, hvc: 0 };
  readonly #options: MinimalEl2Options;
  readonly #registers = new Map<number, number>();
  readonly #on: boolean[] = [true];
  readonly #waiting: (PeExit | undefined)[] = [];
  /** INTIDs that found no list register, by CPU. */
  readonly #queued: number[][] = [];

  constructor(options: MinimalEl2Options) {
    this.#options = options;
    this.guestBytes = options.guestBytes;
    this.physical = createPhysicalMemory({
      dramBase: DRAM_BASE,
      dramSize: options.guestBytes + CARVE_OUT,
      reservedBytes: options.reservedBytes ?? 64 * 1024 * 1024,
    });
    this.clock = options.clock ?? createVirtualClock();
    this.backend = createArm64Backend({
      physicalMemory: this.physical,
      clock: this.clock,
      entropy: createSeededEntropy("minimal EL2"),
      ...(options.cpu === undefined ? {} : { cpu: options.cpu }),
      ...options.backend,
    });
    this.#buildStage2();
    this.pes = Array.from({ length: options.cpus ?? 1 }, (_, n) => this.createPe(0x8000_0000n | BigInt(n)));
    this.#queued = this.pes.map(() => []);
  }

  /** A PE in this VM, ready to run from reset. */
  createPe(mpidr: bigint): Pe {
    const pe = this.backend.createPe({ mpidr });
    pe.write("HCR_EL2", HCR);
    pe.write("VTCR_EL2", VTCR);
    pe.write("VTTBR_EL2", (1n << 48n) | BigInt(this.#tables));
    pe.write("CPTR_EL2", 0x33ffn & ~0x400n);
    pe.write("CNTHCT_EL2", 3n);
    pe.write("ICH_HCR_EL2", 1n);
    return pe;
  }

  /** The boot CPU. */
  get pe(): Pe {
    return this.pes[0] as Pe;
  }

  /** Put every CPU's state, as JSON, into a new PE, and go on with those. */
  replacePes(): void {
    this.pes.forEach((old, n) => {
      const saved = JSON.parse(JSON.stringify(old.save())) as PeState;
      old.dispose();
      const pe = this.backend.createPe(old.config);
      pe.restore(saved);
      this.pes[n] = pe;
    });
  }

  get #tables(): number {
    return DRAM_BASE + this.guestBytes;
  }

  /** Level 1: 1024 entries (8 KiB); level 2 tables for each GiB of DRAM, 2 MiB blocks. */
  #buildStage2(): void {
    const { data } = this.physical;
    const level1 = this.physical.offsetOf(this.#tables);
    for (let gib = 0; gib * 2 ** 30 < this.guestBytes; gib++) {
      const level2 = this.#tables + 0x2000 + gib * 0x1000;
      data.setBigUint64(level1 + (1 + gib) * 8, BigInt(level2) | 3n, true);
      for (let n = 0; n < 512; n++) {
        const pa = DRAM_BASE + gib * 2 ** 30 + n * 0x20_0000;
        // block, AF, inner shareable, S2AP read and write, Normal write-back
        if (pa < DRAM_BASE + this.guestBytes)
          data.setBigUint64(this.physical.offsetOf(level2) + n * 8, BigInt(pa) | 0x7fdn, true);
      }
    }
  }

  /** Replace the stage 2 mapping of one 2 MiB block by a table of pages, and give the address of the table. */
  splitBlock(ipa: number): number {
    const { physical } = this;
    const entry = physical.offsetOf(this.#tables + 0x2000) + Math.floor((ipa - DRAM_BASE) / 0x20_0000) * 8;
    const table = this.#tables + 0x10_0000;
    const block = ipa - (ipa % 0x20_0000);
    for (let n = 0; n < 512; n++)
      physical.data.setBigUint64(physical.offsetOf(table) + n * 8, BigInt(block + n * 4096) | 0x7ffn, true);
    physical.data.setBigUint64(entry, BigInt(table) | 3n, true);
    this.backend.tlbiIpa(1, block, 0x20_0000);
    return table;
  }

  /** Start at `entry`, as PSCI CPU_ON does. */
  start(entry: number, x0 = 0): void {
    this.pe.reset();
    this.pe.write("ELR_EL2", BigInt(entry));
    this.pe.write("SPSR_EL2", 0x3c5n);
    this.pe.x[0] = BigInt(x0);
  }

  /** Run until the guest turns the machine off or the boot CPU has retired so many instructions. CPUs take turns. */
  run(instructions: number, until?: () => boolean): void {
    const end = this.pe.retired + instructions;
    const slice = this.pes.length > 1 ? 20_000 : 1_000_000;
    while (!this.off && this.pe.retired < end && until?.() !== true) {
      let idle = true;
      this.pes.forEach((pe, n) => {
        if (this.#on[n] !== true) return;
        const waits = this.#waiting[n];
        const wakes = waits === PeExit.WAIT_EVENT && pe.events.pending;
        if (waits !== undefined && !wakes && !pe.virtualInterruptPending && pe.pendingInterrupt < 0) return;
        this.#waiting[n] = undefined;
        idle = false;
        this.#turn(n, Math.min(slice, Math.max(1, end - pe.retired)));
      });
      if (idle) this.#idle();
    }
  }

  #turn(n: number, budget: number): void {
    const pe = this.pes[n] as Pe;
    const end = pe.retired + budget;
    while (!this.off && pe.retired < end) {
      const exit = pe.run(end - pe.retired);
      const queued = this.#queued[n] as number[];
      if (exit === PeExit.SYNC) this.#sync(pe);
      else if (exit === PeExit.IRQ) this.#irq(pe, n);
      else if (exit === PeExit.WAIT || exit === PeExit.WAIT_EVENT) {
        this.exits.wait++;
        this.#waiting[n] = exit;
        return;
      }
      if (queued.length > 0 && pe.read("ICH_ELRSR_EL2") !== 0n) this.inject(queued.shift() as number, undefined, n);
    }
  }

  /** Every CPU waits: jump to the first timer. */
  #idle(): void {
    this.pes.forEach((pe, n) => {
      if (this.#waiting[n] === PeExit.WAIT_EVENT && pe.events.next !== Number.POSITIVE_INFINITY)
        this.clock.at(pe.events.next, () => undefined);
      if ((pe.read("CNTV_CTL_EL0") & 3n) !== 1n) return;
      this.clock.at(Number(BigInt.asUintN(64, pe.read("CNTV_CVAL_EL0") + pe.read("CNTVOFF_EL2"))), () => undefined);
    });
    if (!this.clock.idle()) throw new Error(`the guest waits for nothing at ${this.pe.read("ELR_EL2").toString(16)}`);
  }

  #irq(pe: Pe, n: number): void {
    this.exits.irq++;
    const intid = pe.pendingInterrupt;
    if (intid !== PePpi.VIRTUAL_TIMER) throw new Error(`physical interrupt ${intid}`);
    pe.acknowledge(intid);
    this.inject(intid, intid, n);
  }

  /** Pending in a list register, group 1; `pintid` makes it a hardware interrupt. */
  inject(intid: number, pintid?: number, n = 0): void {
    const pe = this.pes[n] as Pe;
    const lrs = pe.listRegisters;
    // An SGI that is still in a list register only becomes pending again.
    for (let i = 0; i < pe.listRegisterCount; i++) {
      if (lrs[i * 2] === intid && (lrs[i * 2 + 1] as number) >>> 30 !== 0) {
        lrs[i * 2 + 1] = ((lrs[i * 2 + 1] as number) | 0x4000_0000) >>> 0;
        pe.listRegistersChanged();
        return;
      }
    }
    const free = Number(pe.read("ICH_ELRSR_EL2"));
    if (free === 0) {
      (this.#queued[n] as number[]).push(intid);
      return;
    }
    const i = 31 - Math.clz32(free & -free);
    lrs[i * 2] = intid;
    lrs[i * 2 + 1] = (0x5000_0000 | (0xa0 << 16) | (pintid === undefined ? 0 : 0x2000_0000 | pintid)) >>> 0;
    pe.listRegistersChanged();
  }

  #sync(pe: Pe): void {
    this.exits.sync++;
    const ec = pe.esr >>> 26;
    if (ec === 0x16 || ec === 0x17) {
      this.exits.hvc++;
      this.#smccc(pe);
      if (ec === 0x17) pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
      return;
    }
    if (ec === 0x24 && (pe.esr & (1 << 24)) !== 0) {
      this.exits.mmio++;
      this.#mmio(pe, pe.faultIpa, pe.esr);
      pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
      return;
    }
    if (ec === 0x18) {
      // ICC_SGI1R_EL1: INTID 27:24, IRM 40, target list 15:0
      const value = pe.x[(pe.esr >>> 5) & 31] as bigint;
      this.pes.forEach((target, n) => {
        if ((value >> 40n) & 1n ? target !== pe : (value >> BigInt(n)) & 1n)
          this.inject(Number((value >> 24n) & 15n), undefined, n);
      });
      pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
      return;
    }
    throw new Error(
      `exit: esr ${pe.esr.toString(16)} far ${pe.far.toString(16)} ipa ${pe.faultIpa.toString(16)} elr ${pe.read("ELR_EL2").toString(16)}`,
    );
  }

  #smccc(pe: Pe): void {
    const answer = this.#answer(pe, pe.xWords[0] as number);
    if (answer !== undefined) pe.x[0] = BigInt.asUintN(64, answer);
  }

  /** What PSCI and SMCCC return; undefined: nothing returns. */
  #answer(pe: Pe, id: number): bigint | undefined {
    switch (id) {
      case PSCI.VERSION:
      case SMCCC_VERSION:
        return 0x1_0001n;
      case PSCI.FEATURES:
        return (pe.xWords[2] as number) === SMCCC_VERSION ? 0n : -1n;
      case PSCI.CPU_ON: {
        const n = Number((pe.x[1] as bigint) & 0xffn);
        const target = this.pes[n];
        if (target === undefined) return -2n;
        if (this.#on[n] === true) return -4n;
        this.#on[n] = true;
        target.reset();
        target.write("ELR_EL2", pe.x[2] as bigint);
        target.x[0] = pe.x[3] as bigint;
        return 0n;
      }
      case PSCI.SYSTEM_OFF:
      case PSCI.SYSTEM_RESET:
        this.off = true;
        return undefined;
      default:
        return -1n;
    }
  }

  #mmio(pe: Pe, ipa: number, esr: number): void {
    const srt = (esr >>> 16) & 31;
    const isWrite = (esr & (1 << 6)) !== 0;
    if (isWrite) {
      const value = srt === 31 ? 0 : (pe.xWords[srt * 2] as number);
      if (ipa === UART) {
        const text = String.fromCharCode(value & 0xff);
        this.console += text;
        this.#options.onConsole?.(text);
      } else this.#registers.set(ipa, value);
      return;
    }
    let value = this.#registers.get(ipa) ?? 0;
    if (ipa >= UART && ipa < UART + 0x1000) value = UART_READ[ipa - UART] ?? value;
    else if (ipa === GICD + 4) value = 0x0379_0001;
    else if (ipa === GICD) value &= 0x7fff_ffff;
    else if (ipa === GICD + 0xffe8) value = 0x3b;
    else if (ipa >= GICR && ipa < GICR + this.pes.length * 0x2_0000) {
      const n = Math.floor((ipa - GICR) / 0x2_0000);
      const offset = (ipa - GICR) % 0x2_0000;
      if (offset === 0) value &= 0x7fff_ffff;
      else if (offset === 0xffe8) value = 0x3b;
      // GICR_TYPER: Processor_Number, Last, affinity
      else if (offset === 8) value = (n << 8) | (n === this.pes.length - 1 ? 0x10 : 0);
      else if (offset === 0xc) value = n;
      else if (offset === 0x14) value = (value & 2) === 0 ? 0 : 6;
    }
    if (srt === 31) return;
    // SAS 3: the only 64-bit register that a guest reads is GICR_TYPER
    const high =
      (esr >>> 22) % 4 === 3 && (ipa - GICR) % 0x2_0000 === 8 ? BigInt(Math.floor((ipa - GICR) / 0x2_0000)) << 32n : 0n;
    pe.x[srt] = high | BigInt(value >>> 0);
  }
}

/** PL011: flags (transmit and receive FIFO empty) and the PrimeCell identification. */
const UART_READ: { readonly [offset: number]: number } = {
  24: 0x90,
  4064: 0x11,
  4068: 0x10,
  4072: 0x14,
  4076: 0,
  4080: 0x0d,
  4084: 0xf0,
  4088: 0x05,
  4092: 0xb1,
};

/**
 * The least that a guest needs at EL2, for tests of the CPU backend: identity stage 2, PSCI, a PL011, and a GICv3
 * distributor and redistributor that only remember what is written. Not a hypervisor.
 */
import { type Clock, createPhysicalMemory, createVirtualClock, type Pe, PeExit, PePpi, type PhysicalMemory } from "@gunyah-ts/kernel";
import { type Arm64Backend, createArm64Backend } from "../../src/backend.ts";

export const DRAM_BASE = 0x4000_0000;
export const UART = 0x0900_0000;
const GICD = 0x0800_0000;
const GICR = 0x080a_0000;
/** Above the guest's DRAM: stage 2 tables. */
const CARVE_OUT = 0x20_0000;

/** HCR_EL2: VM, SWIO, FMO, IMO, AMO, TSC, RW. */
const HCR = 0x8008_003bn;
/** VTCR_EL2: 40-bit IPA from level 1 (two concatenated tables), 4 KiB, write-back, 48-bit PA. */
const VTCR = 0x8005_3558n;

const PSCI = { VERSION: 0x8400_0000, SYSTEM_OFF: 0x8400_0008, SYSTEM_RESET: 0x8400_0009, FEATURES: 0x8400_000a, CPU_ON: 0xc400_0003, CPU_OFF: 0x8400_0002 } as const;
const SMCCC_VERSION = 0x8000_0000;

export interface MinimalEl2Options {
  readonly guestBytes: number;
  readonly reservedBytes?: number;
  readonly clock?: Clock;
  readonly onConsole?: (text: string) => void;
}

export class MinimalEl2 {
  readonly physical: PhysicalMemory;
  readonly clock: Clock;
  readonly backend: Arm64Backend;
  readonly pe: Pe;
  readonly guestBytes: number;
  console = "";
  off = false;
  /** Exits by kind, for reports. */
  readonly exits = { sync: 0, irq: 0, wait: 0, mmio: 0, hvc: 0 };
  readonly #options: MinimalEl2Options;
  readonly #registers = new Map<number, number>();

  constructor(options: MinimalEl2Options) {
    this.#options = options;
    this.guestBytes = options.guestBytes;
    this.physical = createPhysicalMemory({
      dramBase: DRAM_BASE, dramSize: options.guestBytes + CARVE_OUT, reservedBytes: options.reservedBytes ?? 64 * 1024 * 1024,
    });
    this.clock = options.clock ?? createVirtualClock();
    this.backend = createArm64Backend({ physicalMemory: this.physical, clock: this.clock });
    this.#buildStage2();
    this.pe = this.createPe(0x8000_0000n);
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
        if (pa < DRAM_BASE + this.guestBytes) data.setBigUint64(this.physical.offsetOf(level2) + n * 8, BigInt(pa) | 0x7fdn, true);
      }
    }
  }

  /** Replace the stage 2 mapping of one 2 MiB block by a table of pages, and give the address of the table. */
  splitBlock(ipa: number): number {
    const { physical } = this;
    const entry = physical.offsetOf(this.#tables + 0x2000) + Math.floor((ipa - DRAM_BASE) / 0x20_0000) * 8;
    const table = this.#tables + 0x10_0000;
    const block = ipa - (ipa % 0x20_0000);
    for (let n = 0; n < 512; n++) physical.data.setBigUint64(physical.offsetOf(table) + n * 8, BigInt(block + n * 4096) | 0x7ffn, true);
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

  /** Run until the guest turns the machine off or so many instructions have retired. */
  run(instructions: number, until?: () => boolean): void {
    const end = this.pe.retired + instructions;
    while (!this.off && this.pe.retired < end && until?.() !== true) {
      const exit = this.pe.run(Math.min(1_000_000, end - this.pe.retired));
      if (exit === PeExit.SYNC) this.#sync();
      else if (exit === PeExit.IRQ) this.#irq();
      else if (exit === PeExit.WAIT) {
        this.exits.wait++;
        const deadline = Number(BigInt.asUintN(64, this.pe.read("CNTV_CVAL_EL0") + this.pe.read("CNTVOFF_EL2")));
        const armed = (this.pe.read("CNTV_CTL_EL0") & 3n) === 1n;
        if (!armed) throw new Error(`the guest waits for nothing at ${this.pe.read("ELR_EL2").toString(16)}`);
        this.clock.at(deadline, () => undefined);
        this.clock.idle();
      }
    }
  }

  #irq(): void {
    this.exits.irq++;
    const { pe } = this;
    const intid = pe.pendingInterrupt;
    if (intid !== PePpi.VIRTUAL_TIMER) throw new Error(`physical interrupt ${intid}`);
    pe.acknowledge(intid);
    this.inject(intid, intid);
  }

  /** Pending in the first free list register, group 1; `pintid` makes it a hardware interrupt. */
  inject(intid: number, pintid?: number): void {
    const { pe } = this;
    const free = Number(pe.read("ICH_ELRSR_EL2"));
    const n = 31 - Math.clz32(free & -free);
    pe.listRegisters[n * 2] = intid;
    pe.listRegisters[n * 2 + 1] = (0x5000_0000 | (0xa0 << 16) | (pintid === undefined ? 0 : 0x2000_0000 | pintid)) >>> 0;
    pe.listRegistersChanged();
  }

  #sync(): void {
    this.exits.sync++;
    const { pe } = this;
    const ec = pe.esr >>> 26;
    if (ec === 0x16 || ec === 0x17) {
      this.exits.hvc++;
      this.#smccc();
      if (ec === 0x17) pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
      return;
    }
    if (ec === 0x24 && (pe.esr & (1 << 24)) !== 0) {
      this.exits.mmio++;
      this.#mmio(pe.faultIpa, pe.esr);
      pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
      return;
    }
    if (ec === 0x18) {
      // ICC_SGI1R_EL1: to itself only
      pe.write("ELR_EL2", pe.read("ELR_EL2") + 4n);
      return;
    }
    throw new Error(`exit: esr ${pe.esr.toString(16)} far ${pe.far.toString(16)} ipa ${pe.faultIpa.toString(16)} elr ${pe.read("ELR_EL2").toString(16)}`);
  }

  #smccc(): void {
    const { pe } = this;
    const id = pe.xWords[0] as number;
    const answer = (value: bigint) => { pe.x[0] = BigInt.asUintN(64, value); };
    switch (id) {
      case PSCI.VERSION: return answer(0x1_0001n);
      case SMCCC_VERSION: return answer(0x1_0001n);
      case PSCI.FEATURES: return answer((pe.xWords[2] as number) === SMCCC_VERSION ? 0n : -1n);
      case PSCI.SYSTEM_OFF:
      case PSCI.SYSTEM_RESET:
        this.off = true;
        return;
      default: return answer(-1n);
    }
  }

  #mmio(ipa: number, esr: number): void {
    const { pe } = this;
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
    else if (ipa === GICD || ipa === GICR) value &= 0x7fff_ffff;
    else if (ipa === GICD + 0xffe8 || ipa === GICR + 0xffe8) value = 0x3b;
    else if (ipa === GICR + 8) value = 0x10;
    else if (ipa === GICR + 0x14) value = (value & 2) === 0 ? 0 : 6;
    if (srt !== 31) pe.x[srt] = BigInt(value >>> 0);
  }
}

/** PL011: flags (transmit and receive FIFO empty) and the PrimeCell identification. */
const UART_READ: { readonly [offset: number]: number } = {
  0x18: 0x90, 0xfe0: 0x11, 0xfe4: 0x10, 0xfe8: 0x14, 0xfec: 0, 0xff0: 0x0d, 0xff4: 0xf0, 0xff8: 0x05, 0xffc: 0xb1,
};

import type { Intid, Ipa } from "../contracts/address.ts";
import type { NativeVcpu } from "../contracts/native-vcpu.ts";
import { bug } from "../errors.ts";

/**
 * The interrupt controller driver of a native program: what a small GICv3 driver at EL1 does with one distributor and
 * the redistributor of the vCPU that it runs on. Programs it with loads and stores and the ICC registers only.
 *
 * Source: IHI 0069H, chapter 12 (GICD_*, GICR_*); Linux drivers/irqchip/irq-gic-v3.c for the order
 */
export interface GicClientOptions {
  /** Base of GICD, 64 KiB. */
  readonly distributor: Ipa;
  /** Base of this vCPU's GICR_RD frame, 128 KiB. Needed for private interrupts, absent when there are none. */
  readonly redistributor?: Ipa;
}

export interface GicEnableOptions {
  /** Edge triggered (default) or level. Ignored for SGIs. */
  readonly trigger?: "edge" | "level";
  /** GICD_IPRIORITYR value, 8 bits, 0 highest. */
  readonly priority?: number;
}

const GICD = {
  CTLR: 0x0000,
  IGROUPR: 0x0080,
  ISENABLER: 0x0100,
  ICENABLER: 0x0180,
  ICPENDR: 0x0280,
  IPRIORITYR: 0x0400,
  ICFGR: 0x0c00,
  IGROUPR_E: 0x1000,
  ISENABLER_E: 0x1200,
  ICENABLER_E: 0x1400,
  ICPENDR_E: 0x1800,
  IPRIORITYR_E: 0x2000,
  ICFGR_E: 0x3000,
  IROUTER: 0x6000,
  IROUTER_E: 0x8000,
} as const;
const GICR = { WAKER: 0x0014, SGI_FRAME: 0x1_0000 } as const;
/** ARE_NS, EnableGrp1A, EnableGrp1: what Linux writes. */
const GICD_CTLR_ENABLE = 0x13n;
const GICR_WAKER_PROCESSOR_SLEEP = 2n;
/** INTIDs from here on are special: 1020-1023 mean that nothing was acknowledged. */
const INTID_SPECIAL_FIRST = 1020;
const INTID_SPECIAL_LAST = 1023;
const ESPI_FIRST = 4096;
const ESPI_LAST = 5119;
const DEFAULT_PRIORITY = 0xa0;
/** Interrupts taken in one call at most, so that a stuck level cannot hold a program for ever. */
const MAX_PER_CALL = 64;

/** Registers of one interrupt: which frame, and its index there. */
interface Place {
  readonly base: number;
  readonly index: number;
  readonly extended: boolean;
}

export class GicClient {
  readonly #options: GicClientOptions;
  readonly #handlers = new Map<Intid, (vcpu: NativeVcpu) => void>();
  #spurious = 0;

  constructor(options: GicClientOptions) {
    this.#options = options;
  }

  /** Interrupts that nobody had asked for and that were ended without a handler. */
  get unhandled(): number {
    return this.#spurious;
  }

  /** Enable the distributor, wake the redistributor, open the CPU interface. Interrupts stay masked in PSTATE. */
  init(vcpu: NativeVcpu): void {
    const { distributor, redistributor } = this.#options;
    this.#store(vcpu, distributor + GICD.CTLR, 4, GICD_CTLR_ENABLE);
    if (redistributor !== undefined) {
      const waker = this.#load(vcpu, redistributor + GICR.WAKER, 4);
      this.#store(vcpu, redistributor + GICR.WAKER, 4, waker & ~GICR_WAKER_PROCESSOR_SLEEP);
    }
    vcpu.setPriorityMask(0xf8);
    vcpu.setGroup1Enabled(true);
  }

  /**
   * Configure, route to the calling vCPU and enable one interrupt.
   * @param handler runs between acknowledge and end of interrupt
   */
  enable(vcpu: NativeVcpu, intid: Intid, handler: (vcpu: NativeVcpu) => void, options: GicEnableOptions = {}): void {
    const place = this.#place(intid);
    const word = 4 * Math.floor(place.index / 32);
    const bit = 1n << BigInt(place.index % 32);
    this.#handlers.set(intid, handler);
    const group = place.base + (place.extended ? GICD.IGROUPR_E : GICD.IGROUPR) + word;
    this.#store(vcpu, group, 4, this.#load(vcpu, group, 4) | bit);
    const priority = place.base + (place.extended ? GICD.IPRIORITYR_E : GICD.IPRIORITYR) + place.index;
    this.#store(vcpu, priority, 1, BigInt(options.priority ?? DEFAULT_PRIORITY));
    if (intid >= 16) {
      const config = place.base + (place.extended ? GICD.ICFGR_E : GICD.ICFGR) + 4 * Math.floor(place.index / 16);
      const edge = 2n << BigInt(2 * (place.index % 16));
      const old = this.#load(vcpu, config, 4);
      this.#store(vcpu, config, 4, (options.trigger ?? "edge") === "edge" ? old | edge : old & ~edge);
    }
    if (intid >= 32) {
      const router = place.base + (place.extended ? GICD.IROUTER_E : GICD.IROUTER) + 8 * place.index;
      const affinity = (BigInt(vcpu.mpidr >>> 24) << 32n) | BigInt(vcpu.mpidr & 0xff_ffff);
      this.#store(vcpu, router, 8, affinity);
    }
    this.#store(vcpu, place.base + (place.extended ? GICD.ISENABLER_E : GICD.ISENABLER) + word, 4, bit);
  }

  /** Disable one interrupt, drop what is pending and forget its handler. */
  disable(vcpu: NativeVcpu, intid: Intid): void {
    const place = this.#place(intid);
    const word = 4 * Math.floor(place.index / 32);
    const bit = 1n << BigInt(place.index % 32);
    this.#store(vcpu, place.base + (place.extended ? GICD.ICENABLER_E : GICD.ICENABLER) + word, 4, bit);
    this.#store(vcpu, place.base + (place.extended ? GICD.ICPENDR_E : GICD.ICPENDR) + word, 4, bit);
    this.#handlers.delete(intid);
  }

  /** The body of `NativeProgram.interrupt`: acknowledge, handle and end what is signalled. @returns how many */
  dispatch(vcpu: NativeVcpu): number {
    let handled = 0;
    while (handled < MAX_PER_CALL) {
      const intid = vcpu.acknowledge();
      if (intid >= INTID_SPECIAL_FIRST && intid <= INTID_SPECIAL_LAST) break;
      handled++;
      const handler = this.#handlers.get(intid);
      if (handler === undefined) this.#spurious++;
      else handler(vcpu);
      vcpu.endOfInterrupt(intid);
    }
    return handled;
  }

  #place(intid: Intid): Place {
    const { distributor, redistributor } = this.#options;
    if (intid >= ESPI_FIRST && intid <= ESPI_LAST)
      return { base: distributor, index: intid - ESPI_FIRST, extended: true };
    if (intid >= 32 && intid < INTID_SPECIAL_FIRST) return { base: distributor, index: intid, extended: false };
    if (intid >= 0 && intid < 32 && redistributor !== undefined)
      return { base: redistributor + GICR.SGI_FRAME, index: intid, extended: false };
    return bug("BUG_NATIVE_GIC_INTID", `INTID ${intid} cannot be reached through this interrupt controller`);
  }
  #load(vcpu: NativeVcpu, ipa: Ipa, size: 4 | 8): bigint {
    const value = vcpu.load(ipa, size);
    if (value === undefined) return this.#fault(ipa);
    return value;
  }
  #store(vcpu: NativeVcpu, ipa: Ipa, size: 1 | 4 | 8, value: bigint): void {
    if (!vcpu.store(ipa, size, value)) this.#fault(ipa);
  }
  #fault(ipa: Ipa): never {
    return bug(
      "BUG_NATIVE_GIC_FAULT",
      `no interrupt controller answers at IPA 0x${ipa.toString(16)}: the VM was made without its virtual GIC there`,
    );
  }
}

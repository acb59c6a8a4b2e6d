/**
 * Stolen time of a vCPU: how long it could have run and did not. The guest reads it in its record of the info area.
 * Source: Arm DEN 0057 (Paravirtualized Time for Arm-based Systems) §3.2; gunyah-hypervisor
 * hyp/vm/arm_pv_time/src/arm_pv_time.c
 */

import type { Ipa, Pa, PhysicalMemory } from "@gunyah-ts/kernel";

/** Bytes from one record to the next: 31:0 revision (0), 63:32 attributes (0), 127:64 stolen time in ns, padding. */
const RECORD_SIZE = 64;
/** Bytes of a record that mean something. */
const RECORD_USED = 16;
const STOLEN_NS = 8;
const NS_PER_SECOND = 1_000_000_000n;

/** An info area: records of all vCPUs of a VM. */
export interface InfoArea {
  readonly ipa: Ipa;
  readonly pa: Pa;
  /** Bytes. */
  readonly size: number;
}

/**
 * Bytes from the start of the area to the record of redistributor `gicr`; undefined when the area ends before it.
 * Differs: there an area that ends before it is a failed assertion.
 */
export function pvTimeOffset(area: InfoArea | undefined, gicr: number): number | undefined {
  const offset = gicr * RECORD_SIZE;
  return area === undefined || offset + RECORD_SIZE > area.size ? undefined : offset;
}

/**
 * Times are ticks of the machine's clock.
 * Differs: one thread plays all physical CPUs and the clock goes on meanwhile, so turns of the others are stolen too.
 */
export class PvTime {
  readonly #memory: PhysicalMemory;
  readonly #record: Pa;
  readonly #frequency: bigint;
  /** `Block` bits that the vCPU set last on itself: it gave the CPU up, so that nothing is stolen until one is lifted. */
  #selfBlock: number;
  /** When the last of them was lifted; undefined while it is set. */
  #unblockedAt: number | undefined;
  #lastRunEnd = 0;
  /** Spent since then in vCPUs that it yielded to by name. */
  #yieldTime = 0;
  #stolen = 0;

  /**
   * The record becomes zero.
   * @param record physical address
   * @param frequencyHz of the clock
   * @param off block of a vCPU that has not been powered on yet, which counts as its own
   */
  constructor(memory: PhysicalMemory, record: Pa, frequencyHz: number, off: number) {
    this.#memory = memory;
    this.#record = record;
    this.#frequency = BigInt(frequencyHz);
    this.#selfBlock = off;
    memory.fill(record, RECORD_USED, 0);
  }

  /** The vCPU itself set blocks. */
  blockedItself(blocks: number): void {
    this.#selfBlock = blocks;
    this.#unblockedAt = undefined;
  }

  /** Anybody lifted blocks. */
  unblocked(blocks: number, now: number): void {
    if (this.#unblockedAt === undefined && (blocks & this.#selfBlock) !== 0) this.#unblockedAt = now;
  }

  /** It goes onto a physical CPU: what passed since it last could have is stolen. */
  switchedIn(now: number): void {
    const from = Math.max(this.#unblockedAt ?? 0, this.#lastRunEnd + this.#yieldTime);
    this.#yieldTime = 0;
    if (now === from) return;
    this.#stolen += now - from;
    const ns = new Uint8Array(8);
    new DataView(ns.buffer).setBigUint64(0, (BigInt(this.#stolen) * NS_PER_SECOND) / this.#frequency, true);
    this.#memory.write(this.#record + STOLEN_NS, ns);
  }

  switchedOut(now: number): void {
    this.#lastRunEnd = now;
  }

  /** A vCPU that it named ran in its place. */
  yielded(ticks: number): void {
    this.#yieldTime += ticks;
  }
}

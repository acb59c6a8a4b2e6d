/**
 * A virtual GICv3: distributor, a redistributor for each vCPU, and the virq sources bound to it.
 * Source: gunyah-hypervisor hyp/vm/vgic; IHI 0069H
 */

import { GunyahError } from "@gunyah-ts/abi";
import type { Vdevice } from "../vcpu/address-space.ts";
import type { Vic, VirqSink } from "../virq/vic.ts";
import { virqInfo } from "../virq/vic.ts";
import type { VirqSource } from "../virq/virq-source.ts";
import { Delivery } from "./deliver.ts";
import { Distributor, distributorAllows } from "./distributor.ts";
import { InterruptFrames } from "./frames.ts";
import { InterruptTable, IrqFlag, SGI_COUNT, SPI_BASE, SPI_COUNT } from "./interrupt-table.ts";
import type { ListRegisters } from "./list-registers.ts";
import { affinityToIndex, indexToAffinity, type MpidrMapping } from "./mpidr-mapping.ts";
import { Redistributor, redistributorAllows } from "./redistributor.ts";
import { VgicCpu } from "./vgic-cpu.ts";

/** Most vCPUs of one VIC. Source: gunyah-hypervisor, PLATFORM_MAX_CORES */
export const MAX_VCPUS = 16;

export interface VgicOptions {
  /** 1 to `MAX_VCPUS`. */
  readonly maxVcpus: number;
  /** Shared interrupts, 0 to 988. */
  readonly maxVirqs: number;
  readonly mpidr: MpidrMapping;
}

export class Vgic implements Vic, VirqSink, Vdevice {
  readonly options: VgicOptions;
  readonly #table: InterruptTable;
  readonly #delivery: Delivery;
  readonly #distributor: Distributor;
  readonly #redistributors: readonly Redistributor[];
  readonly #cpus: (VgicCpu | undefined)[];
  readonly #affinities: Uint32Array;

  constructor(options: VgicOptions) {
    this.options = options;
    const { maxVcpus, maxVirqs, mpidr } = options;
    this.#table = new InterruptTable(maxVcpus, Math.min(maxVirqs, SPI_COUNT));
    this.#cpus = new Array<VgicCpu | undefined>(maxVcpus).fill(undefined);
    this.#delivery = new Delivery(this.#table, this.#cpus);
    const frames = new InterruptFrames(this.#table, this.#delivery);
    const indexOf = (aff: number, aff3: number): number => {
      const index = affinityToIndex(mpidr, ((aff3 << 24) | aff) >>> 0);
      return index < maxVcpus ? index : -1;
    };
    this.#distributor = new Distributor(this.#table, this.#delivery, frames, indexOf);
    this.#affinities = Uint32Array.from({ length: maxVcpus }, (_, i) => indexToAffinity(mpidr, i));
    this.#redistributors = Array.from(
      { length: maxVcpus },
      (_, i) => new Redistributor(frames, i, i === maxVcpus - 1, this.#affinities[i]!),
    );
    // GICD_IROUTER resets to an unknown value; ours to affinity 0, which is vCPU 0.
  }

  /** Affinity of a vCPU index, 32 bits. */
  affinity(index: number): number {
    return this.#affinities[index]!;
  }

  /** Attach a vCPU's list registers. @param listed called whenever an interrupt is put into one */
  attachCpu(index: number, lrs: ListRegisters, listed: () => void): VgicCpu {
    const cpu = new VgicCpu(index, lrs, listed);
    this.#cpus[index] = cpu;
    for (let i = 0; i < 32; i++) this.#delivery.update(index * 32 + i);
    for (let slot = this.#table.spiSlot; slot < this.#table.slotCount; slot++)
      if (this.#table.target[slot] === index) this.#delivery.update(slot);
    return cpu;
  }

  /** The vCPU is destroyed: what its list registers held goes back to the distributor. */
  detachCpu(cpu: VgicCpu): void {
    this.#delivery.releaseCpu(cpu);
    this.#cpus[cpu.index] = undefined;
  }

  /** Maintenance interrupt, or anything else that ends a guest's run with list registers changed. */
  sync(cpu: VgicCpu): void {
    this.#delivery.syncCpu(cpu);
  }

  /** Whether an enabled interrupt is pending for the vCPU, whatever its CPU interface masks. */
  hasPending(cpu: VgicCpu): boolean {
    return this.#delivery.hasPending(cpu);
  }

  /**
   * Send an SGI: ICC_SGI1R_EL1 (group 1) or ICC_SGI0R_EL1 (group 0) as 32-bit halves.
   * Source: IHI 0069H §12.2.20
   */
  sendSgi(from: number, low: number, high: number, group1: boolean): void {
    const intid = (low >>> 24) & 0xf;
    const toAllOthers = (high & (1 << 8)) !== 0;
    const upper = ((low >>> 16) & 0xff) | ((high & 0xff) << 8) | (((high >>> 16) & 0xff) << 16);
    const firstAff0 = ((high >>> 12) & 0xf) * 16;
    for (let i = 0; i < this.#affinities.length; i++) {
      if (toAllOthers ? i === from : !this.#isTarget(this.#affinities[i]!, upper, firstAff0, low & 0xffff)) continue;
      const slot = i * 32 + intid;
      if (((this.#table.flags[slot]! & IrqFlag.GROUP1) !== 0) === group1) this.#delivery.setPending(slot);
    }
  }

  /** ICC_DIR_EL1 of vCPU `index`: the interrupt is not active any more. Special and unknown INTIDs do nothing. */
  deactivate(index: number, intid: number): void {
    const slot = this.#table.slotOf(index, intid);
    if (slot >= 0) this.#delivery.deactivate(slot);
  }

  #isTarget(affinity: number, upper: number, firstAff0: number, list: number): boolean {
    if (affinity >>> 8 !== upper) return false;
    const aff0 = (affinity & 0xff) - firstAff0;
    return aff0 >= 0 && aff0 < 16 && (list & (1 << aff0)) !== 0;
  }

  bind(source: VirqSource, virqInfoWord: number): number {
    const { virq, vcpuIndex } = virqInfo(virqInfoWord);
    return virq < SPI_BASE ? this.bindPrivate(source, vcpuIndex, virq) : this.bindShared(source, virq);
  }

  bindShared(source: VirqSource, virq: number): number {
    if (virq < SPI_BASE) return GunyahError.ARGUMENT_INVALID;
    return this.#bind(source, this.#table.slotOf(0, virq));
  }

  bindPrivate(source: VirqSource, vcpuIndex: number, virq: number): number {
    if (virq < SGI_COUNT || virq >= SPI_BASE || vcpuIndex >= this.options.maxVcpus) return GunyahError.ARGUMENT_INVALID;
    return this.#bind(source, vcpuIndex * 32 + virq);
  }

  /**
   * Bind a source whose interrupt has the same INTID in hardware: the guest's EOI deactivates the physical one.
   * Level-sensitive; `checkPending` of the source says whether the physical level still stands.
   */
  bindHardware(source: VirqSource, vcpuIndex: number, intid: number): number {
    const error = this.bindPrivate(source, vcpuIndex, intid);
    if (error === GunyahError.OK) this.#table.flags[vcpuIndex * 32 + intid]! |= IrqFlag.HARDWARE;
    return error;
  }

  #bind(source: VirqSource, slot: number): number {
    if (slot < 0) return GunyahError.ARGUMENT_INVALID;
    if (source.isBound) return GunyahError.VIRQ_BOUND;
    if (this.#table.sources[slot] !== undefined) return GunyahError.BUSY;
    this.#table.sources[slot] = source;
    source.attach(this, slot);
    if (source.checkPending(false)) this.virqAssert(slot, false);
    return GunyahError.OK;
  }

  virqAssert(slot: number, edgeOnly: boolean): boolean {
    if ((this.#table.flags[slot]! & IrqFlag.EDGE) !== 0) return this.#delivery.setPending(slot);
    return !edgeOnly && this.#delivery.setLevel(slot);
  }

  virqClear(slot: number): void {
    this.#delivery.clearLevel(slot);
  }

  virqQuery(slot: number): boolean {
    return this.#delivery.isPending(slot);
  }

  virqUnbind(slot: number): void {
    this.#delivery.clearLevel(slot);
    this.#table.sources[slot] = undefined;
    this.#table.flags[slot]! &= ~IrqFlag.HARDWARE;
  }

  vdeviceAllows(index: number, offset: number, size: number): boolean {
    return index === 0 ? distributorAllows(offset, size) : redistributorAllows(offset, size);
  }

  /** Frame 0 is GICD, frame n the redistributor of vCPU n - 1. */
  vdeviceRead(index: number, offset: number, size: 1 | 2 | 4): number {
    const frame = index === 0 ? this.#distributor : this.#redistributors[index - 1];
    if (frame === undefined) return -1;
    return size === 4 ? frame.read32(offset) >>> 0 : frame.read8(offset);
  }

  vdeviceWrite(index: number, offset: number, size: 1 | 2 | 4, value: number): boolean {
    const frame = index === 0 ? this.#distributor : this.#redistributors[index - 1];
    if (frame === undefined) return false;
    if (size === 4) frame.write32(offset, value);
    else frame.write8(offset, value & 0xff);
    return true;
  }

  /** Nothing is delivered any more; every source is detached. */
  dispose(): void {
    for (const cpu of this.#cpus) if (cpu !== undefined) this.detachCpu(cpu);
    for (const source of this.#table.sources) source?.detach();
    this.#table.sources.fill(undefined);
  }
}

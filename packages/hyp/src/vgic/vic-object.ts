/**
 * The VIC object: a virtual GIC with its configuration, its vCPUs and its frames in address spaces.
 * Source: gunyah-hypervisor hyp/interfaces/vic/vic.hvc, hyp/vm/vgic/src/distrib.c
 */

import { GicFrame, GunyahError } from "@gunyah-ts/abi";
import type { Ipa } from "@gunyah-ts/kernel";
import type { Addrspace } from "../addrspace/addrspace.ts";
import type { HypCore } from "../core.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import type { Vcpu } from "../vcpu/vcpu.ts";
import type { VirqSource } from "../virq/virq-source.ts";
import { SPI_COUNT } from "./interrupt-table.ts";
import type { ListRegisters } from "./list-registers.ts";
import { DEFAULT_MPIDR_MAPPING, indexToAffinity, type MpidrMapping, mpidrOf } from "./mpidr-mapping.ts";
import { MAX_VCPUS, Vgic } from "./vgic.ts";
import type { VgicCpu } from "./vgic-cpu.ts";

export class VicObject extends HypObject {
  static readonly TYPE = "vic";
  override readonly type = VicObject.TYPE;
  #maxVcpus = 1;
  #maxVirqs = 0;
  #mpidr: MpidrMapping = DEFAULT_MPIDR_MAPPING;
  #vgic: Vgic | undefined;
  readonly #vcpus: (Vcpu | undefined)[] = [];
  readonly #addrspaces = new Set<Addrspace>();

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 4096);
  }

  /**
   * @param maxMsis must be 0: there are no LPIs
   * @returns GunyahError: ARGUMENT_INVALID
   */
  configure(maxVcpus: number, maxVirqs: number, maxMsis: number): number {
    if (maxVcpus === 0 || maxVcpus > MAX_VCPUS || maxVirqs > SPI_COUNT || maxMsis !== 0)
      return GunyahError.ARGUMENT_INVALID;
    this.#maxVcpus = maxVcpus;
    this.#maxVirqs = maxVirqs;
    return GunyahError.OK;
  }

  /** vgic_set_mpidr_mapping. @returns GunyahError: ARGUMENT_INVALID for a shift above 31 */
  setMpidrMapping(mapping: MpidrMapping): number {
    if (mapping.shifts.some((shift) => shift > 31)) return GunyahError.ARGUMENT_INVALID;
    this.#mpidr = mapping;
    return GunyahError.OK;
  }

  protected override onActivate(): GunyahError {
    this.#vgic = new Vgic({ maxVcpus: this.#maxVcpus, maxVirqs: this.#maxVirqs, mpidr: this.#mpidr });
    return GunyahError.OK;
  }

  protected override onDeactivate(): void {
    for (const addrspace of this.#addrspaces) {
      addrspace.removeVdevice(this.vgic);
      addrspace.release();
    }
    this.#addrspaces.clear();
    this.#vgic?.dispose();
  }

  get maxVcpus(): number {
    return this.#maxVcpus;
  }

  get vgic(): Vgic {
    return this.#vgic as Vgic;
  }

  /** Affinity of a vCPU index, 32 bits. */
  affinity(index: number): number {
    return indexToAffinity(this.#mpidr, index);
  }

  /** MPIDR_EL1 of a vCPU index, 64 bits. */
  mpidrOf(index: number): bigint {
    return mpidrOf(this.#mpidr, index);
  }

  /** The affinity mapping, for PSCI. */
  get mpidrMapping(): MpidrMapping {
    return this.#mpidr;
  }

  /** A vCPU that is attached with this index becomes ACTIVE. @returns GunyahError: BUSY when the index has one */
  claim(vcpu: Vcpu, index: number): GunyahError {
    if (this.#vcpus[index] !== undefined) return GunyahError.BUSY;
    this.#vcpus[index] = vcpu;
    return GunyahError.OK;
  }

  unclaim(vcpu: Vcpu, index: number): void {
    if (this.#vcpus[index] === vcpu) this.#vcpus[index] = undefined;
  }

  /** addrspace_attach_vdevice: 0 is GICD, n the redistributor of vCPU n - 1. */
  attachVdevice(addrspace: Addrspace, index: number, vbase: Ipa, size: number, _flags: number): number {
    if (index > this.#maxVcpus) return GunyahError.ARGUMENT_INVALID;
    const least = index === 0 ? GicFrame.DISTRIBUTOR : GicFrame.REDISTRIBUTOR;
    if (size < least) return GunyahError.ARGUMENT_SIZE;
    const error = addrspace.addVdevice({ base: vbase, size: least, device: this.vgic, index });
    if (error === GunyahError.OK && !this.#addrspaces.has(addrspace)) this.#addrspaces.add(addrspace.retain());
    return error;
  }

  bind(source: VirqSource, virqInfoWord: number): number {
    return this.vgic.bind(source, virqInfoWord);
  }
  bindShared(source: VirqSource, virq: number): number {
    return this.vgic.bindShared(source, virq);
  }
  bindPrivate(source: VirqSource, vcpuIndex: number, virq: number): number {
    return this.vgic.bindPrivate(source, vcpuIndex, virq);
  }
  bindHardware(source: VirqSource, vcpuIndex: number, intid: number): number {
    return this.vgic.bindHardware(source, vcpuIndex, intid);
  }
  attachCpu(index: number, lrs: ListRegisters, listed: () => void): VgicCpu {
    return this.vgic.attachCpu(index, lrs, listed);
  }
  detachCpu(cpu: VgicCpu): void {
    this.vgic.detachCpu(cpu);
  }
  sync(cpu: VgicCpu): void {
    this.vgic.sync(cpu);
  }
  hasPending(cpu: VgicCpu): boolean {
    return this.vgic.hasPending(cpu);
  }
  sendSgi(from: number, low: number, high: number, group1: boolean): void {
    this.vgic.sendSgi(from, low, high, group1);
  }
  deactivate(index: number, intid: number): void {
    this.vgic.deactivate(index, intid);
  }
}

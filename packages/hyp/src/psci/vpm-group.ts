/**
 * A VPM group: the vCPUs of one VM as PSCI sees them.
 * Source: gunyah-hypervisor hyp/vm/psci/src/psci_common.c, hyp/interfaces/vpm
 */

import { GunyahError, VpmState } from "@gunyah-ts/abi";
import type { HypCore } from "../core.ts";
import { HypObject } from "../object/object.ts";
import type { Partition } from "../partition/partition.ts";
import { Block } from "../vcpu/block.ts";
import type { Vcpu } from "../vcpu/vcpu.ts";
import { MAX_VCPUS } from "../vgic/vgic.ts";
import { VirqSource } from "../virq/virq-source.ts";

export class VpmGroup extends HypObject {
  static readonly TYPE = "vpm_group";
  override readonly type = VpmGroup.TYPE;
  /** Asserted when the VM suspends as a whole, which needs SYSTEM_SUSPEND: this platform does not offer it. */
  readonly virq = new VirqSource((reasserted) => reasserted);
  /** Flags of vpm_group_configure: bit 0 keeps the group out of power aggregation. */
  flags = 0;
  readonly #vcpus: (Vcpu | undefined)[] = new Array<Vcpu | undefined>(MAX_VCPUS).fill(undefined);
  readonly #online = new Set<Vcpu>();

  constructor(core: HypCore, partition: Partition) {
    super(core, partition, 1024);
  }

  protected override onCleanup(): void {
    this.virq.unbind();
  }

  get vcpus(): readonly (Vcpu | undefined)[] {
    return this.#vcpus;
  }

  /** A vCPU of the group becomes ACTIVE. @returns GunyahError: DENIED when the index has one */
  join(vcpu: Vcpu, index: number): GunyahError {
    if (this.#vcpus[index] !== undefined) return GunyahError.DENIED;
    this.#vcpus[index] = vcpu;
    return GunyahError.OK;
  }

  leave(vcpu: Vcpu, index: number): void {
    if (this.#vcpus[index] === vcpu) this.#vcpus[index] = undefined;
    this.#online.delete(vcpu);
  }

  poweredOn(vcpu: Vcpu): void {
    this.#online.add(vcpu);
  }

  /** @returns GunyahError: DENIED when the last online vCPU does not say so, or another one does */
  poweringOff(vcpu: Vcpu, isLast: boolean, isForced: boolean): number {
    const isOnlyOne = this.#online.size === 1 && this.#online.has(vcpu);
    if (!isForced && isOnlyOne !== isLast) return GunyahError.DENIED;
    this.#online.delete(vcpu);
    return GunyahError.OK;
  }

  exited(vcpu: Vcpu): void {
    this.#online.delete(vcpu);
  }

  /** vpm_group_get_state. */
  vpmState(): number {
    let any = false;
    for (const vcpu of this.#vcpus) {
      if (vcpu === undefined || (vcpu.blocks & Block.VCPU_OFF) !== 0) continue;
      any = true;
      if ((vcpu.blocks & Block.VCPU_SUSPEND) === 0) return VpmState.RUNNING;
    }
    return any ? VpmState.CPUS_SUSPENDED : VpmState.NO_STATE;
  }
}

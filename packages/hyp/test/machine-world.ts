/** A world over a booted hypervisor, whose root VM calls with HVC: for the calls that need real vCPUs and a real GIC. */

import { gunyahErrorFromRegister } from "@gunyah-ts/abi";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import type { Cspace } from "../src/cspace/cspace.ts";
import type { Registers } from "../src/hypercall/registers.ts";
import type { Vcpu } from "../src/vcpu/vcpu.ts";
import { type CallForm, objectOf, RETURN_ADDRESS, Vm, type World } from "./fixture.ts";
import { Machine } from "./machine.ts";

class MachineVm extends Vm {
  readonly machine: Machine;
  readonly #vcpu: Vcpu;

  constructor(machine: Machine, vcpu: Vcpu) {
    super(machine.hypervisor.core, vcpu.cspace as Cspace, vcpu.addrspace as Addrspace);
    this.machine = machine;
    this.#vcpu = vcpu;
  }

  override raw(number: number, r: Registers, form: CallForm): void {
    if (form === "smccc") this.machine.root.vcpu.hvc(r.x);
    else this.core.hypercalls.dispatchNative(this.#vcpu, number, r, RETURN_ADDRESS);
  }

  override call(definition: { readonly number: number }, ...args: readonly (number | bigint)[]): number {
    const { root } = this.machine;
    root.call(definition, ...args);
    this.r.x.set(root.x);
    return gunyahErrorFromRegister(root.x[0] as bigint);
  }
}

/** The environment of the root VM, for what a `World` does not hold (hardware interrupts). */
export function machineOf(world: World): Machine {
  return (world.root as MachineVm).machine;
}

export function createMachineWorld(machine: Machine = new Machine()): World {
  const { core } = machine.hypervisor;
  const vcpu = [...core.objectsOf("thread")][0] as Vcpu;
  const root = new MachineVm(machine, vcpu);
  const { env, memory } = machine;
  const caps = {
    partition: BigInt(env.partition),
    cspace: BigInt(env.cspace),
    addrspace: BigInt(env.addrspace),
    ddr: BigInt(env.ddrMemextent),
  };
  const world = { core, memory, root, tlbi: [], caps, ddr: undefined as never };
  return { ...world, ddr: objectOf(world, caps.ddr) };
}

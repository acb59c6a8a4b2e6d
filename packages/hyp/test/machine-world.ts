/** A world over a booted hypervisor, whose root VM calls with HVC: for the calls that need real vCPUs and a real GIC. */

import { gunyahErrorFromRegister } from "@gunyah-ts/abi";
import type { Addrspace } from "../src/addrspace/addrspace.ts";
import type { Cspace } from "../src/cspace/cspace.ts";
import type { Vcpu } from "../src/vcpu/vcpu.ts";
import { objectOf, Vm, type World } from "./fixture.ts";
import { Machine } from "./machine.ts";

class MachineVm extends Vm {
  readonly machine: Machine;

  constructor(machine: Machine, cspace: Cspace, addrspace: Addrspace) {
    super(machine.hypervisor.core, cspace, addrspace);
    this.machine = machine;
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

export function createMachineWorld(): World {
  const machine = new Machine();
  const { core } = machine.hypervisor;
  const vcpu = [...core.objectsOf("thread")][0] as Vcpu;
  const root = new MachineVm(machine, vcpu.cspace as Cspace, vcpu.addrspace as Addrspace);
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

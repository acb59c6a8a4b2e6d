import {
  Access,
  AddrspaceRight,
  GicFrame,
  Hypercall,
  HypResourceType,
  MemextentRight,
  Scheduler,
  ThreadRight,
  VcpuOptions,
  VcpuVirqType,
  VmExtentLabel,
  VmmioOp,
  VpmGroupFlags,
} from "@gunyah-ts/abi";
import type { CapId, Ipa } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { must } from "../errors.ts";
import { Objects } from "../hypercall/index.ts";
import { offer } from "../vdevice/make.ts";
import { onHalt } from "./exit.ts";
import { merge, VMMIO_RANGE } from "./ranges.ts";
import type { Vcpu, Vm, VmObjects } from "./vm.ts";

/** Capabilities that a VM's space holds. */
const CSPACE_MAX_CAPS = 1024;
const MAX_VIRQS = 988;

/** Shape of a VM to make. */
export interface VmShape {
  readonly cpus: readonly { readonly boots: boolean }[];
  readonly gic: { readonly distributor: Ipa; readonly redistributors: Ipa; readonly stride: number };
  readonly psci: boolean;
  readonly isHost: boolean;
  /** vCPUs run by the owner with vcpu_run, or by the hypervisor on these physical CPUs. */
  readonly proxy: boolean;
  readonly affinityMap: readonly number[];
  readonly priority?: number | undefined;
  readonly timesliceNs?: number | undefined;
}

/**
 * Make a VM's hypervisor objects and pin down its address space. `vm.objects` is set on return; `vm.undoVm` takes all of
 * it apart, also after a failure half way.
 * Source: gunyah-resource-manager src/vm_creation/vm_creation.c, src/vm_mgnt/vm_mgnt.c
 */
export function buildVm(rm: RmContext, vm: Vm, shape: VmShape): VmObjects {
  const { objects, hvc } = rm;
  const undo = vm.undoVm;
  const keep = (cap: CapId): CapId => {
    undo.push(() => objects.destroy(cap));
    return cap;
  };

  const cspace = keep(objects.create("cspace"));
  must("cspace_configure", hvc.call(Hypercall.cspace_configure, { cspace, max_caps: CSPACE_MAX_CAPS }).error);
  objects.activate(cspace);

  const addrspace = keep(objects.create("addrspace"));
  must("addrspace_configure", hvc.call(Hypercall.addrspace_configure, { addrspace, vmid: vm.vmid }).error);
  objects.activate(addrspace);

  const vic = keep(objects.create("vic"));
  must(
    "vic_configure",
    hvc.call(Hypercall.vic_configure, {
      vic,
      max_vcpus: shape.cpus.length,
      max_virqs: MAX_VIRQS,
      options: 0,
      max_msis: 0,
    }).error,
  );
  objects.activate(vic);
  attachGic(rm, vm, addrspace, vic, shape);

  const vpmGroup = shape.psci ? keep(makeVpmGroup(rm)) : undefined;
  vm.objects = {
    cspace,
    addrspace,
    vic,
    vcpus: [],
    memextent: undefined,
    guestPrivate: undefined,
    guestShared: undefined,
  };
  const made = vm.objects;
  const vcpus: Vcpu[] = [];
  for (const [index, cpu] of shape.cpus.entries()) {
    const cap = keep(objects.create("thread"));
    vcpus.push(makeVcpu(rm, vm, made, shape, { cap, index, isBoot: cpu.boots, vpmGroup }));
  }
  made.vcpus = vcpus;
  return made;
}

function makeVpmGroup(rm: RmContext): CapId {
  const flags = VpmGroupFlags.pack({});
  return rm.objects.make("vpm_group", (vpm_group) =>
    must("vpm_group_configure", rm.hvc.call(Hypercall.vpm_group_configure, { vpm_group, flags }).error),
  );
}

function attachGic(rm: RmContext, vm: Vm, addrspace: CapId, vdevice: CapId, { gic, cpus }: VmShape): void {
  const attach = (index: number, vbase: Ipa, size: number): void => {
    const inputs = { addrspace, vdevice, index, vbase, size, flags: 0 };
    must("addrspace_attach_vdevice", rm.hvc.call(Hypercall.addrspace_attach_vdevice, inputs).error);
    vm.reserve(vbase, size, "interrupt controller");
  };
  attach(0, gic.distributor, GicFrame.DISTRIBUTOR);
  for (let i = 0; i < cpus.length; i++) attach(1 + i, gic.redistributors + i * gic.stride, gic.stride);
}

function makeVcpu(
  rm: RmContext,
  vm: Vm,
  { cspace, addrspace, vic }: VmObjects,
  shape: VmShape,
  vcpu: { readonly cap: CapId; readonly index: number; readonly isBoot: boolean; readonly vpmGroup: CapId | undefined },
): Vcpu {
  const { hvc, objects } = rm;
  const { cap, index, vpmGroup, isBoot } = vcpu;
  const options = BigInt(VcpuOptions.pack({})) | (shape.isHost ? 1n << 63n : 0n);
  must("vcpu_configure", hvc.call(Hypercall.vcpu_configure, { vcpu: cap, options }).error);
  must("cspace_attach_thread", hvc.call(Hypercall.cspace_attach_thread, { cspace, thread: cap }).error);
  must("addrspace_attach_thread", hvc.call(Hypercall.addrspace_attach_thread, { addrspace, thread: cap }).error);
  must("vic_attach_vcpu", hvc.call(Hypercall.vic_attach_vcpu, { vic, vcpu: cap, index }).error);
  if (vpmGroup !== undefined)
    must(
      "vpm_group_attach_vcpu",
      hvc.call(Hypercall.vpm_group_attach_vcpu, { vpm_group: vpmGroup, vcpu: cap, index }).error,
    );
  const priority = shape.proxy ? Scheduler.MIN_PRIORITY : shape.priority;
  const timeslice_ns = shape.proxy ? Scheduler.MIN_TIMESLICE_NS : shape.timesliceNs;
  if (priority !== undefined)
    must("vcpu_set_priority", hvc.call(Hypercall.vcpu_set_priority, { vcpu: cap, priority }).error);
  if (timeslice_ns !== undefined)
    must("vcpu_set_timeslice", hvc.call(Hypercall.vcpu_set_timeslice, { vcpu: cap, timeslice_ns }).error);
  const cpu_index = shape.affinityMap[index];
  if (!shape.proxy && cpu_index !== undefined)
    must("vcpu_set_affinity", hvc.call(Hypercall.vcpu_set_affinity, { vcpu: cap, cpu_index }).error);
  objects.activate(cap);

  const made: Vcpu = { cap, index, isBoot, wakeupVirq: shape.proxy ? bindWakeup(rm, vm, cap) : undefined };
  const bindHalt = (to: CapId, virq_info: number) =>
    hvc.call(Hypercall.vcpu_bind_virq, { vcpu: cap, vic: to, virq_info, virq_type: VcpuVirqType.HALT }).error;
  vm.undoVm.push(rm.listen(bindHalt, () => onHalt(rm, vm, made)));
  return made;
}

/** The interrupt that tells the owner to run the vCPU again. Binding it makes the vCPU proxy scheduled. */
function bindWakeup(rm: RmContext, vm: Vm, vcpu: CapId): number {
  const owner = rm.vms.get(vm.owner) as Vm;
  const virq = owner.virqs.allocate();
  vm.undoVm.push(() => owner.virqs.free(virq));
  must(
    "vcpu_bind_virq",
    rm.hvc.call(Hypercall.vcpu_bind_virq, {
      vcpu,
      vic: (owner.objects as VmObjects).vic,
      virq_info: Objects.virq(virq),
      virq_type: VcpuVirqType.VCPU_RUN_WAKEUP,
    }).error,
  );
  return virq;
}

/** Let unclaimed addresses below 1 GiB end vcpu_run. */
export function addVmmioRange(rm: RmContext, objects: VmObjects): void {
  const { base: vbase, size } = VMMIO_RANGE;
  const inputs = { addrspace: objects.addrspace, vbase, size, op: VmmioOp.ADD };
  must("addrspace_configure_vmmio", rm.hvc.call(Hypercall.addrspace_configure_vmmio, inputs).error);
}

/**
 * The two extents that take the owner's memory on demand. Shared memory stays visible to the owner, at the address that
 * it has there, so the shared extent is mapped into the owner's address space once and for all.
 */
export function addGuestMemory(rm: RmContext, vm: Vm, made: VmObjects): void {
  const { objects, board } = rm;
  const owner = rm.vms.get(vm.owner) as Vm;
  made.guestPrivate = objects.extent();
  vm.undoVm.push(() => objects.destroy(made.guestPrivate as CapId));
  made.guestShared = objects.extent();
  vm.undoVm.push(() => objects.destroy(made.guestShared as CapId));
  const { base, size } = board.dram;
  const ownerSpace = (owner.objects as VmObjects).addrspace;
  must("map shared", objects.map(ownerSpace, made.guestShared, base, base, size, Access.RWX));
  // The owner may announce memory in many pieces; an address space has few ranges.
  for (const range of merge(vm.demandPaged)) {
    const inputs = { addrspace: made.addrspace, vbase: range.base, size: range.size, op: VmmioOp.ADD_DEMAND_PAGED };
    must("demand paging", rm.hvc.call(Hypercall.addrspace_configure_vmmio, inputs).error);
  }
}

/** A copy for the owner. Copies of the host's own memory outlive the VM's objects, so each is deleted by name. */
function give(rm: RmContext, vm: Vm, owner: Vm, cap: CapId, rights: number): CapId {
  const { cspace } = owner.objects as VmObjects;
  const copy = rm.objects.copy(cap, cspace, rights);
  vm.undoVm.push(() => rm.objects.remove(cspace, copy));
  return copy;
}

/** Offer the vCPUs to the owner. */
export function offerVcpus(rm: RmContext, vm: Vm, made: VmObjects, affinityMap: readonly number[]): void {
  const owner = rm.vms.get(vm.owner) as Vm;
  for (const vcpu of made.vcpus)
    offer(rm, vm, owner, {
      type: HypResourceType.VIRTUAL_CPU,
      partnerVmid: 0,
      label: vcpu.wakeupVirq === undefined ? (affinityMap[vcpu.index] ?? 0) : vcpu.index,
      capId: give(rm, vm, owner, vcpu.cap, ThreadRight.AFFINITY | ThreadRight.YIELD_TO),
      virqHandle: rm.nextHandle(),
      virq: vcpu.wakeupVirq ?? 0xffff_ffff,
    });
}

/** Offer the extents between which memory moves, and the address space to map it in. */
export function offerMemory(rm: RmContext, vm: Vm, made: VmObjects): void {
  const owner = rm.vms.get(vm.owner) as Vm;
  const { memextent } = owner.objects as VmObjects;
  const extent = (label: number, cap: CapId | undefined, rights: number): void => {
    if (cap !== undefined)
      offer(rm, vm, owner, { type: HypResourceType.MEM_EXTENT, label, capId: give(rm, vm, owner, cap, rights) });
  };
  const { DONATE, MAP } = MemextentRight;
  extent(VmExtentLabel.GUEST_PRIVATE, made.guestPrivate, DONATE | MAP);
  extent(VmExtentLabel.HOST_SHARED, memextent, DONATE);
  extent(VmExtentLabel.HOST_PRIVATE, memextent, DONATE);
  extent(VmExtentLabel.GUEST_SHARED, made.guestShared, DONATE | MAP);
  offer(rm, vm, owner, {
    type: HypResourceType.ADDR_SPACE,
    label: 0,
    capId: give(rm, vm, owner, made.addrspace, AddrspaceRight.MAP),
  });
}

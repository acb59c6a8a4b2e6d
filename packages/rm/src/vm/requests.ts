import { BootContextSet, RmCalls, RmError, RmVmid, VmAuth, VmExitType, VmState, VmStopFlag } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { check, errorOf, RmFailure } from "../errors.ts";
import { parcelSize } from "../parcel/parcel.ts";
import { exitVm } from "./exit.ts";
import { startReset } from "./reset.ts";
import { initVm, startVm } from "./start.ts";
import { notifyStatus, setState } from "./state.ts";
import type { Request, Vm } from "./vm.ts";

/**
 * VM life cycle requests, each with its preconditions in the order of the source.
 * Source: gunyah-resource-manager src/vm_mgnt/vm_mgnt.c, src/vm_creation/vm_creation.c
 */
export function allocate(rm: RmContext, caller: Vm, { vmid }: Request<"VM_ALLOCATE">): Uint8Array {
  check(caller.vmid === RmVmid.HLOS, RmError.DENIED, "only the host allocates");
  const vm = rm.vms.allocate(vmid, caller.vmid);
  rm.traceState(vm);
  return RmCalls.VM_ALLOCATE.reply.encode(vmid === 0 ? { allocated: { vmid: vm.vmid } } : {});
}

/**
 * Differs: a VM of which nothing was made yet may go in any state. The source asks for LOAD or RESET, so that a VM whose
 * configuration was refused can be neither reset nor given up by a driver that, like Linux's, resets only what it brought
 * to READY; its VMID would be lost.
 */
export function deallocate(rm: RmContext, caller: Vm, { vmid }: Request<"VM_DEALLOCATE">): void {
  const vm = rm.vms.get(vmid);
  // The source asserts here; a client must not be able to stop the RM.
  check(vm !== undefined, RmError.VMID_INVALID, `no VM ${vmid}`);
  check(vm.owner === caller.vmid && vm !== caller, RmError.DENIED, "not the owner");
  const isUnmade = vm.config === undefined && vm.state !== VmState.RESETTING;
  check(isUnmade || vm.state === VmState.RESET, RmError.VM_STATE, "not in LOAD or RESET");
  vm.state = VmState.NONE;
  rm.traceState(vm);
  rm.vms.delete(vm);
}

/** The VM, when the host names it and owns it. */
function hostOwned(rm: RmContext, caller: Vm, vmid: number): Vm {
  check(caller.vmid === RmVmid.HLOS, RmError.DENIED, "only the host");
  const vm = rm.vms.get(vmid);
  check(vm !== undefined, RmError.VMID_INVALID, `no VM ${vmid}`);
  check(vm.owner === caller.vmid && vm !== caller, RmError.DENIED, "not the owner");
  return vm;
}

export function configImage(rm: RmContext, caller: Vm, request: Request<"VM_CONFIG_IMAGE">): void {
  const vm = hostOwned(rm, caller, request.vmid);
  check(vm.state === VmState.LOAD || vm.state === VmState.RESET, RmError.VM_STATE, "not in LOAD or RESET");
  try {
    const parcel = rm.parcels.get(request.memHandle);
    check(parcel?.acl.some((entry) => entry.vmid === vm.vmid) === true, RmError.MEM_INVALID, "parcel");
    const size = BigInt(parcelSize(parcel));
    const inside = (offset: bigint, bytes: bigint): boolean => offset <= size && bytes <= size - offset;
    check(
      inside(request.imageOffset, request.imageSize) && inside(request.dtbOffset, request.dtbSize),
      RmError.ARGUMENT_INVALID,
      "image or device tree outside the parcel",
    );
    check(request.authType <= VmAuth.ANDROID, RmError.ARGUMENT_INVALID, `authentication type ${request.authType}`);
    vm.image = {
      parcel,
      imageOffset: Number(request.imageOffset),
      imageSize: Number(request.imageSize),
      dtbOffset: Number(request.dtbOffset),
      dtbSize: Number(request.dtbSize),
    };
    vm.auth = request.authType;
  } catch (thrown) {
    errorOf(thrown);
    setState(rm, vm, VmState.INIT_FAILED);
    throw thrown;
  }
  setState(rm, vm, vm.auth === VmAuth.PLATFORM ? VmState.AUTH : VmState.INIT);
}

export function authImage(rm: RmContext, caller: Vm, request: Request<"VM_AUTH_IMAGE">): void {
  const vm = hostOwned(rm, caller, request.vmid);
  check(vm.state === VmState.AUTH, RmError.VM_STATE, "not in AUTH");
  // No platform here can authenticate an image, so every image fails.
  setState(rm, vm, VmState.INIT_FAILED);
  throw new RmFailure(RmError.DENIED, "the platform has no image authentication");
}

export function setFirmwareMem(rm: RmContext, caller: Vm, request: Request<"VM_SET_FIRMWARE_MEM">): void {
  const vm = hostOwned(rm, caller, request.vmid);
  check(vm.state === VmState.INIT && vm.auth === VmAuth.ANDROID, RmError.VM_STATE, "not an Android VM in INIT");
  const parcel = rm.parcels.get(request.memHandle);
  check(parcel?.acl.some((entry) => entry.vmid === vm.vmid) === true, RmError.MEM_INVALID, "parcel");
  const size = BigInt(parcelSize(parcel));
  check(request.offset <= size && request.size <= size - request.offset, RmError.ARGUMENT_INVALID, "range");
  vm.firmware = { parcel, offset: Number(request.offset), size: Number(request.size) };
}

const MAX_IPA = 2n ** 48n;

export function setDemandPaging(rm: RmContext, caller: Vm, request: Request<"VM_SET_DEMAND_PAGING">): void {
  const vm = hostOwned(rm, caller, request.vmid);
  check(vm.state === VmState.INIT, RmError.VM_STATE, "not in INIT");
  check(request.ranges.length <= 512, RmError.NORESOURCE, "too many ranges");
  const ranges = request.ranges.map(({ base, size }) => {
    check(base % 4096n === 0n && size % 4096n === 0n && size > 0n, RmError.ARGUMENT_INVALID, "alignment");
    check(base + size <= MAX_IPA, RmError.ARGUMENT_INVALID, "beyond the address space");
    return { base: Number(base), size: Number(size) };
  });
  const sorted = [...ranges].sort((a, b) => a.base - b.base);
  sorted.forEach((range, i) => {
    const before = sorted[i - 1];
    check(before === undefined || before.base + before.size <= range.base, RmError.ARGUMENT_INVALID, "overlap");
  });
  vm.demandPaged = ranges;
}

export function setAddressLayout(rm: RmContext, caller: Vm, request: Request<"VM_SET_ADDRESS_LAYOUT">): void {
  const vm = hostOwned(rm, caller, request.vmid);
  check(vm.state === VmState.INIT, RmError.VM_STATE, "not in INIT");
  check(request.rangeId <= 1, RmError.ARGUMENT_INVALID, `range ${request.rangeId}`);
  const { base, size } = request;
  check(base % 4096n === 0n && size % 4096n === 0n && base + size <= MAX_IPA, RmError.ARGUMENT_INVALID, "range");
  vm.layout.set(request.rangeId, { base: Number(base), size: Number(size) });
}

export function setBootContext(rm: RmContext, caller: Vm, request: Request<"VM_SET_BOOT_CONTEXT">): void {
  const vm = hostOwned(rm, caller, request.vmid);
  check(vm.state === VmState.INIT || vm.state === VmState.READY, RmError.VM_STATE, "not in INIT or READY");
  const { registerSet: set, registerIndex: index, value } = request;
  const limit = set === BootContextSet.X ? 31 : set === BootContextSet.PC ? 1 : set === BootContextSet.SP ? 2 : 0;
  check(index < limit, RmError.ARGUMENT_INVALID, `register ${set}.${index}`);
  const alignment = set === BootContextSet.PC ? 4n : set === BootContextSet.SP ? 16n : 1n;
  check(value % alignment === 0n, RmError.ARGUMENT_INVALID, "alignment");
  check(set !== BootContextSet.PC || value < MAX_IPA, RmError.ARGUMENT_INVALID, "PC beyond the address space");
  vm.bootContext.set((set << 8) | index, { set, index, value });
}

export function init(rm: RmContext, caller: Vm, request: Request<"VM_INIT">): void {
  check(caller.vmid === RmVmid.HLOS, RmError.DENIED, "only the host");
  check(request.reserved === 0, RmError.MSG_INVALID, "reserved");
  const vm = hostOwned(rm, caller, request.vmid);
  check(vm.state === VmState.INIT, RmError.VM_STATE, "not in INIT");
  initVm(rm, vm);
}

export function start(rm: RmContext, caller: Vm, request: Request<"VM_START">): void {
  const vm = rm.vms.get(request.vmid);
  check(vm !== undefined, RmError.VMID_INVALID, `no VM ${request.vmid}`);
  check(vm.owner === caller.vmid && vm !== caller, RmError.DENIED, "not the owner");
  check(vm.state === VmState.READY, RmError.VM_STATE, "not READY");
  startVm(rm, vm);
}

export function stop(rm: RmContext, caller: Vm, request: Request<"VM_STOP">): void {
  const vm = rm.vms.get(request.vmid);
  check(vm !== undefined && vm.owner === caller.vmid && vm !== caller, RmError.VMID_INVALID, "not the owner");
  const isAlive = vm.state === VmState.RUNNING || vm.state === VmState.PAUSED;
  check(isAlive && !vm.isNoShutdown, RmError.VM_STATE, "not running, or not to be stopped");
  if ((request.flags & VmStopFlag.FORCE) !== 0) exitVm(rm, vm, VmExitType.VM_STOP_FORCED);
  else rm.notify(vm, "VM_SHUTDOWN", { reason: request.reason });
}

/** Answered when the reset begins. */
export function reset(rm: RmContext, caller: Vm, request: Request<"VM_RESET">): void {
  const vm = rm.vms.get(request.vmid);
  check(vm !== undefined && vm.owner === caller.vmid && vm !== caller, RmError.VMID_INVALID, "not the owner");
  check(!vm.isNoReset, RmError.DENIED, "not to be reset");
  const may = vm.state === VmState.EXITED || vm.state === VmState.READY || vm.state === VmState.INIT_FAILED;
  check(may, RmError.VM_STATE, "not EXITED, READY or INIT_FAILED");
  startReset(rm, vm);
}

export function setTimeBase(rm: RmContext, caller: Vm, request: Request<"VM_SET_TIME_BASE">): void {
  const vm = rm.vms.get(request.vmid);
  check(vm !== undefined, RmError.VMID_INVALID, `no VM ${request.vmid}`);
  check(vm.owner === caller.vmid && vm !== caller, RmError.DENIED, "not the owner");
  check(vm.state === VmState.INIT || vm.state === VmState.READY, RmError.VM_STATE, "not in INIT or READY");
  // A time base is a virtual RTC's, and this platform makes none.
  throw new RmFailure(RmError.NORESOURCE, "the VM has no RTC");
}

/** A VM about itself. */
export function setStatus(rm: RmContext, caller: Vm, request: Request<"VM_SET_STATUS">): void {
  check(caller.vmid !== RmVmid.HLOS, RmError.DENIED, "not for the host");
  check(request.vmState === caller.state, RmError.ARGUMENT_INVALID, "VM state");
  check(request.osState <= 7, RmError.ARGUMENT_INVALID, "OS state");
  caller.osState = request.osState;
  caller.appState = request.appState;
  notifyStatus(rm, caller);
}

export function exit(rm: RmContext, caller: Vm, request: Request<"VM_EXIT">): void {
  check(caller.vmid !== RmVmid.HLOS, RmError.DENIED, "not for the host");
  check(request.code <= 4, RmError.ARGUMENT_INVALID, `code ${request.code}`);
  // The reply cannot be delivered to a VM that is gone, so it goes first.
  rm.defer(() => exitVm(rm, caller, VmExitType.VM_EXIT, request.flags, request.code));
}

import { RmError, RmVmid } from "@gunyah-ts/abi";
import { check } from "../errors.ts";
import { Vm } from "./vm.ts";

/** Statically numbered VMs that the platform allows: all of 4 to 31. Source: gunyah-resource-manager platform/qemu */
const PLATFORM_VMID_MASK = 0xffff_fff0;
const STATIC_VMIDS = 64;

/** Every VM by VMID. Source: gunyah-resource-manager src/vm_mgnt/vm_mgnt.c */
export class VmRegistry {
  readonly #vms = new Map<number, Vm>();

  get(vmid: number): Vm | undefined {
    return this.#vms.get(vmid);
  }
  [Symbol.iterator](): Iterator<Vm> {
    return this.#vms.values();
  }
  add(vm: Vm): void {
    this.#vms.set(vm.vmid, vm);
  }
  delete(vm: Vm): void {
    this.#vms.delete(vm.vmid);
  }

  /**
   * @param wanted VMID, or 0 for any dynamic one
   * Errors: NORESOURCE when it is not allowed, in use, or none is left
   */
  allocate(wanted: number, owner: number): Vm {
    let vmid = wanted;
    if (wanted === 0) {
      vmid = RmVmid.DYNAMIC_FIRST;
      while (vmid <= RmVmid.DYNAMIC_LAST && this.#vms.has(vmid)) vmid++;
      check(vmid <= RmVmid.DYNAMIC_LAST, RmError.NORESOURCE, "no dynamic VMID left");
    } else {
      const allowed = wanted < STATIC_VMIDS && wanted < 32 && ((PLATFORM_VMID_MASK >>> wanted) & 1) === 1;
      check(allowed && !this.#vms.has(wanted), RmError.NORESOURCE, `VMID ${wanted} is not available`);
    }
    const vm = new Vm(vmid, owner);
    this.add(vm);
    return vm;
  }
}

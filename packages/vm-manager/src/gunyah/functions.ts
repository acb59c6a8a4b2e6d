import { LinuxErrno } from "@gunyah-ts/abi";
import type { Errno, HostVm, VmFunction, VmFunctionInstance } from "@gunyah-ts/kernel";

/** Where drivers of VM function types come from. */
export interface FunctionDrivers {
  /** The driver of a type that is loaded, or undefined. */
  get(type: number): VmFunction | undefined;
  /** Load the driver of a type (module alias `ghfunc:<type>`). @returns whether there is one now */
  load(type: number): Promise<boolean>;
}

interface Instance extends VmFunctionInstance {
  readonly driver: VmFunction;
}

/**
 * Functions added to one VM, newest first.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c, gunyah_vm_add_function_instance, gunyah_vm_rm_function_instance
 */
export class FunctionList {
  readonly #drivers: FunctionDrivers;
  readonly #list: Instance[] = [];

  constructor(drivers: FunctionDrivers) {
    this.#drivers = drivers;
  }

  get count(): number {
    return this.#list.length;
  }

  /**
   * @param before called right before bind, when loading the driver may have let other tasks run
   * @returns what bind returned: 0 or a descriptor; -ENOENT for an unknown type
   */
  add(vm: HostVm, type: number, arg: Uint8Array, before: () => void): Errno | Promise<Errno> {
    const driver = this.#drivers.get(type);
    if (driver !== undefined) return this.#bind(vm, type, arg, driver);
    return this.#drivers.load(type).then((found) => {
      const loaded = found ? this.#drivers.get(type) : undefined;
      if (loaded === undefined) return -LinuxErrno.ENOENT;
      before();
      return this.#bind(vm, type, arg, loaded);
    });
  }

  #bind(vm: HostVm, type: number, arg: Uint8Array, driver: VmFunction): Errno {
    const instance: Instance = { type, vm, arg, driver };
    const result = driver.bind(instance);
    if (result >= 0) this.#list.unshift(instance);
    return result;
  }

  /** Unbind every instance of `type` whose compare accepts `arg`. @returns how many */
  remove(type: number, arg: Uint8Array): number {
    const matching = this.#list.filter((i) => i.type === type && i.driver.compare(i, arg));
    for (const instance of matching) this.#unbind(instance);
    return matching.length;
  }

  /** Unbind everything, newest first. */
  clear(): void {
    for (const instance of [...this.#list]) this.#unbind(instance);
  }

  #unbind(instance: Instance): void {
    const index = this.#list.indexOf(instance);
    if (index < 0) return;
    this.#list.splice(index, 1);
    instance.driver.unbind(instance);
  }
}

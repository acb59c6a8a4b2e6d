import { RmError } from "@gunyah-ts/abi";
import type { RmContext } from "../context.ts";
import { check } from "../errors.ts";
import type { Request, Vm } from "../vm/vm.ts";

/** Both ends of one VM's console: the VM itself and its owner. */
interface Console {
  readonly open: Set<number>;
}

/**
 * Consoles that run over RM messages: what one end writes, the other hears as CONSOLE_CHARS.
 * Source: gunyah-resource-manager src/vm_console/vm_console.c
 */
export class ConsoleTable {
  readonly #consoles = new Map<number, Console>();

  /** A VM whose rm-rpc device says console-dev. */
  add(vmid: number): void {
    this.#consoles.set(vmid, { open: new Set() });
  }
  remove(vmid: number): void {
    this.#consoles.delete(vmid);
  }

  /** Errors: ARGUMENT_INVALID when there is no such console, DENIED when it is not the caller's */
  #find(rm: RmContext, caller: Vm, target: number): { readonly console: Console; readonly vm: Vm } {
    const vm = target === 0 ? caller : rm.vms.get(target);
    const console = vm === undefined ? undefined : this.#consoles.get(vm.vmid);
    check(vm !== undefined && console !== undefined, RmError.ARGUMENT_INVALID, "no console");
    check(vm === caller || vm.owner === caller.vmid, RmError.DENIED, "not the caller's console");
    return { console, vm };
  }

  open(rm: RmContext, caller: Vm, { vmid }: Request<"VM_CONSOLE_OPEN">): void {
    this.#find(rm, caller, vmid).console.open.add(caller.vmid);
  }
  close(rm: RmContext, caller: Vm, { vmid }: Request<"VM_CONSOLE_CLOSE">): void {
    const { console } = this.#find(rm, caller, vmid);
    check(console.open.delete(caller.vmid), RmError.DENIED, "not open");
  }
  /** Nothing is buffered here, so there is nothing to wait for. */
  flush(rm: RmContext, caller: Vm, { vmid }: Request<"VM_CONSOLE_FLUSH">): void {
    const { console } = this.#find(rm, caller, vmid);
    check(console.open.has(caller.vmid), RmError.DENIED, "not open");
  }
  write(rm: RmContext, caller: Vm, { vmid, chars }: Request<"VM_CONSOLE_WRITE">): void {
    const { console, vm } = this.#find(rm, caller, vmid);
    check(console.open.has(caller.vmid), RmError.DENIED, "not open");
    const peer = caller === vm ? vm.owner : vm.vmid;
    if (console.open.has(peer)) rm.notify(rm.vms.get(peer), "CONSOLE_CHARS", { vmid: caller.vmid, chars });
  }
}

import { Hypercall, IrqNotifyFlag, RmCalls, RmError, VIRQ_ANY } from "@gunyah-ts/abi";
import type { CapId, Intid } from "@gunyah-ts/kernel";
import type { RmContext } from "../context.ts";
import { check, must } from "../errors.ts";
import { Objects } from "../hypercall/index.ts";
import type { Request, Vm, VmObjects } from "../vm/vm.ts";

/** An interrupt of the hardware on loan. OFFERED until the borrower accepts. */
interface IrqLend {
  readonly handle: number;
  readonly owner: number;
  readonly borrower: number;
  readonly label: number;
  /** INTID in hardware, and in the owner's VM (the same number). */
  readonly hwirq: Intid;
  /** INTID in the borrower's VM while accepted. */
  accepted: Intid | undefined;
}

/**
 * Hardware interrupts that one VM lends to another. Lending unbinds the owner's; reclaiming binds it again.
 * Source: gunyah-resource-manager src/irq_manager/irq_manager.c, irq_lending
 */
export class IrqLendTable {
  readonly #lends = new Map<number, IrqLend>();
  /** hwirq → VMID that it is bound for. */
  readonly #bound = new Map<Intid, number>();
  #next = 1;

  /** At boot: bind every hardware interrupt to the host, one to one, below the range that the RM hands out. */
  bindToHost(rm: RmContext, host: Vm): void {
    for (const [intid, cap] of Object.entries(rm.env.hwirqs)) {
      const virq = Number(intid);
      if (virq >= rm.board.freeSpiStart || !host.virqs.take(virq)) continue;
      must(`hwirq_bind_virq ${virq}`, bind(rm, host, BigInt(cap), virq));
      this.#bound.set(virq, host.vmid);
    }
  }

  lend(rm: RmContext, owner: Vm, { borrower, virq, label }: Request<"VM_IRQ_LEND">): Uint8Array {
    const lent = [...this.#lends.values()].some((lend) => lend.hwirq === virq && lend.owner === owner.vmid);
    check(!lent, RmError.IRQ_INUSE, "lent already");
    const cap = rm.env.hwirqs[virq];
    check(cap !== undefined && this.#bound.get(virq) === owner.vmid, RmError.IRQ_INVALID, `virq ${virq} is not bound`);
    check(rm.vms.get(borrower) !== undefined, RmError.VMID_INVALID, `no VM ${borrower}`);
    must("hwirq_unbind_virq", rm.hvc.call(Hypercall.hwirq_unbind_virq, { hwirq: BigInt(cap) }).error);
    this.#bound.delete(virq);
    const handle = this.#next++;
    this.#lends.set(handle, { handle, owner: owner.vmid, borrower, label, hwirq: virq, accepted: undefined });
    return RmCalls.VM_IRQ_LEND.reply.encode({ handle });
  }

  accept(rm: RmContext, vm: Vm, { handle, virq }: Request<"VM_IRQ_ACCEPT">): Uint8Array {
    const lend = this.#lends.get(handle);
    check(lend?.borrower === vm.vmid, RmError.HANDLE_INVALID, "not the borrower");
    check(lend.accepted === undefined, RmError.IN_USE, "accepted already");
    // "Any" means the number that the interrupt has in hardware.
    const number = virq === VIRQ_ANY ? lend.hwirq : virq;
    check(vm.objects !== undefined && vm.virqs.take(number), RmError.DENIED, `virq ${number} is taken`);
    const error = bind(rm, vm, BigInt(rm.env.hwirqs[lend.hwirq] as string), number);
    if (error !== 0) vm.virqs.free(number);
    must("hwirq_bind_virq", error);
    lend.accepted = number;
    return RmCalls.VM_IRQ_ACCEPT.reply.encode({ virq: number });
  }

  release(rm: RmContext, vm: Vm, { handle }: Request<"VM_IRQ_RELEASE">): void {
    const lend = this.#lends.get(handle);
    check(lend?.borrower === vm.vmid, RmError.HANDLE_INVALID, "not the borrower");
    check(lend.accepted !== undefined, RmError.IN_USE, "not accepted");
    this.#release(rm, vm, lend);
  }

  reclaim(rm: RmContext, vm: Vm, { handle }: Request<"VM_IRQ_RECLAIM">): void {
    const lend = this.#lends.get(handle);
    check(lend !== undefined && lend.borrower !== vm.vmid, RmError.HANDLE_INVALID, "not the owner's handle");
    check(lend.owner === vm.vmid, RmError.IRQ_INVALID, "not the owner");
    check(lend.accepted === undefined, RmError.IN_USE, "accepted");
    this.#reclaim(rm, vm, lend);
  }

  notify(rm: RmContext, vm: Vm, { handle, flags, vmids }: Request<"VM_IRQ_NOTIFY">): void {
    const lend = this.#lends.get(handle);
    check(lend !== undefined, RmError.HANDLE_INVALID, `no lend ${handle}`);
    const owner = rm.vms.get(lend.owner);
    switch (flags) {
      case IrqNotifyFlag.LENT:
        check(lend.owner === vm.vmid, RmError.HANDLE_INVALID, "not the owner");
        check(lend.accepted === undefined, RmError.IRQ_INUSE, "accepted");
        check(vmids?.length === 1 && vmids[0]?.vmid === lend.borrower, RmError.ARGUMENT_INVALID, "borrower only");
        rm.notify(rm.vms.get(lend.borrower), "IRQ_LENT", { owner: lend.owner, handle, label: lend.label });
        break;
      case IrqNotifyFlag.RELEASED:
        check(lend.borrower === vm.vmid, RmError.HANDLE_INVALID, "not the borrower");
        check(lend.accepted === undefined, RmError.IRQ_INUSE, "still accepted");
        rm.notify(owner, "IRQ_RELEASED", { handle });
        break;
      case IrqNotifyFlag.ACCEPTED:
        check(lend.borrower === vm.vmid, RmError.HANDLE_INVALID, "not the borrower");
        check(lend.accepted !== undefined, RmError.IRQ_RELEASED, "not accepted");
        rm.notify(owner, "IRQ_ACCEPTED", { handle });
        break;
      default:
        check(false, RmError.ARGUMENT_INVALID, "exactly one flag");
    }
  }

  /** A VM goes: what it borrowed is free again, what it lent comes back to it (and then goes with it). */
  releaseAll(rm: RmContext, vm: Vm): void {
    for (const lend of [...this.#lends.values()]) {
      if (lend.borrower === vm.vmid && lend.accepted !== undefined) {
        this.#release(rm, vm, lend);
        rm.notify(rm.vms.get(lend.owner), "IRQ_RELEASED", { handle: lend.handle });
      } else if (lend.owner === vm.vmid) {
        const borrower = rm.vms.get(lend.borrower);
        if (lend.accepted !== undefined && borrower !== undefined) this.#release(rm, borrower, lend);
        this.#reclaim(rm, vm, lend);
      }
    }
  }

  #release(rm: RmContext, vm: Vm, lend: IrqLend): void {
    const hwirq = BigInt(rm.env.hwirqs[lend.hwirq] as string);
    must("hwirq_unbind_virq", rm.hvc.call(Hypercall.hwirq_unbind_virq, { hwirq }).error);
    vm.virqs.free(lend.accepted as Intid);
    lend.accepted = undefined;
  }
  #reclaim(rm: RmContext, vm: Vm, lend: IrqLend): void {
    must("hwirq_bind_virq", bind(rm, vm, BigInt(rm.env.hwirqs[lend.hwirq] as string), lend.hwirq));
    this.#lends.delete(lend.handle);
    this.#bound.set(lend.hwirq, vm.vmid);
  }
}

function bind(rm: RmContext, vm: Vm, hwirq: CapId, virq: Intid): number {
  const { vic } = vm.objects as VmObjects;
  return rm.hvc.call(Hypercall.hwirq_bind_virq, { hwirq, vic, virq_info: Objects.virq(virq) }).error;
}

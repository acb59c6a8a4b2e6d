import { type AbiProfile, FnIrqfdArg, GunyahError, GunyahResourceType, IrqfdFlag, LinuxErrno } from "@gunyah-ts/abi";
import type {
  Errno,
  EventFd,
  GunyahResource,
  HostKernel,
  Hypercalls,
  ResourceTicket,
  VmFunction,
  VmFunctionInstance,
} from "@gunyah-ts/kernel";

export interface IrqfdOptions {
  /** Log a signal that comes before the doorbell is known, and is lost. Once per irqfd. */
  readonly warnPremature: boolean;
}

type IrqfdKernel = Pick<HostKernel, "eventfd" | "log">;
type IrqfdCalls = Pick<Hypercalls, "bellSend" | "bellSetMask">;

/**
 * VM function IRQFD: every signal of an eventfd rings the guest's doorbell of a label.
 * Source: Linux series v17, drivers/virt/gunyah/gunyah_irqfd.c
 */
export class Irqfd implements VmFunction {
  readonly #kernel: IrqfdKernel;
  readonly #hypercalls: IrqfdCalls;
  readonly #profile: Pick<AbiProfile, "irqfdDetachOnUnbind">;
  readonly #options: IrqfdOptions;
  readonly #bound = new Map<VmFunctionInstance, Bell>();

  constructor(
    kernel: IrqfdKernel,
    hypercalls: IrqfdCalls,
    profile: Pick<AbiProfile, "irqfdDetachOnUnbind">,
    options: IrqfdOptions = { warnPremature: true },
  ) {
    this.#kernel = kernel;
    this.#hypercalls = hypercalls;
    this.#profile = profile;
    this.#options = options;
  }

  /** Instances bound now. */
  get count(): number {
    return this.#bound.size;
  }

  /**
   * -EINVAL: argument size, unknown flags, a descriptor that is no eventfd. -EBADF: no descriptor. -EEXIST: the VM has
   * an irqfd of that label.
   */
  bind(instance: VmFunctionInstance): Errno {
    const decoded = FnIrqfdArg.decode(instance.arg);
    if (!decoded.ok) return -LinuxErrno.EINVAL;
    const { fd, label, flags } = decoded.value;
    if ((flags & ~IrqfdFlag.LEVEL) !== 0) return -LinuxErrno.EINVAL;
    const event = this.#kernel.eventfd(fd | 0);
    if (typeof event === "number") return event;
    const level = (flags & IrqfdFlag.LEVEL) !== 0;
    const bell = new Bell(this.#kernel, this.#hypercalls, this.#options, event, label, level);
    const error = instance.vm.addResourceTicket(bell);
    if (error !== 0) return error;
    this.#bound.set(instance, bell);
    bell.attach();
    // The count that is there already does not ring: only writes do.
    if (event.readable)
      this.#kernel.log("warn", `irqfd ${label}: the eventfd was signalled before the irqfd was added`);
    return 0;
  }

  unbind(instance: VmFunctionInstance): void {
    const bell = this.#bound.get(instance);
    if (bell === undefined) return;
    this.#bound.delete(instance);
    // v15 and v16 detach in unpopulate, so not at all when the VM never started.
    if (this.#profile.irqfdDetachOnUnbind || bell.isPopulated) bell.detach();
    instance.vm.removeResourceTicket(bell);
  }

  /** Only the label counts. */
  compare(instance: VmFunctionInstance, arg: Uint8Array): boolean {
    const decoded = FnIrqfdArg.decode(arg);
    return decoded.ok && this.#bound.get(instance)?.label === decoded.value.label;
  }
}

/** One irqfd: the ticket for the doorbell, and the waiter on the eventfd. */
class Bell implements ResourceTicket {
  readonly type = GunyahResourceType.BELL_TX;
  readonly label: number;
  readonly #kernel: IrqfdKernel;
  readonly #hypercalls: IrqfdCalls;
  readonly #options: IrqfdOptions;
  readonly #event: EventFd;
  readonly #level: boolean;
  #resource: GunyahResource | undefined;
  #detach: (() => void) | undefined;
  #warned = false;

  constructor(
    kernel: IrqfdKernel,
    hypercalls: IrqfdCalls,
    options: IrqfdOptions,
    event: EventFd,
    label: number,
    level: boolean,
  ) {
    this.#kernel = kernel;
    this.#hypercalls = hypercalls;
    this.#options = options;
    this.#event = event;
    this.label = label;
    this.#level = level;
  }

  get isPopulated(): boolean {
    return this.#resource !== undefined;
  }

  attach(): void {
    this.#detach = this.#event.onSignal(this.#ring);
  }

  detach(): void {
    this.#detach?.();
    this.#detach = undefined;
  }

  /** A second doorbell of the label is refused. */
  populate(resource: GunyahResource): boolean {
    if (this.#resource !== undefined) {
      this.#kernel.log("warn", `irqfd ${this.label}: already has a doorbell`);
      return false;
    }
    this.#resource = resource;
    if (this.#level) {
      const { error } = this.#hypercalls.bellSetMask(resource.capId, 1n, 1n);
      // Not fatal: the guest's device tree did not allow the sender to clear the doorbell.
      if (error !== GunyahError.OK)
        this.#kernel.log("warn", `irqfd ${this.label}: failed to set the mask of a level doorbell, error ${error}`);
    }
    return true;
  }

  unpopulate(): void {
    this.#resource = undefined;
  }

  readonly #ring = (): void => {
    const resource = this.#resource;
    if (resource !== undefined) {
      const { error } = this.#hypercalls.bellSend(resource.capId, 1n);
      if (error !== GunyahError.OK) this.#kernel.log("error", `irqfd ${this.label}: failed to ring, error ${error}`);
    } else if (this.#options.warnPremature && !this.#warned) {
      this.#warned = true;
      this.#kernel.log("warn", `irqfd ${this.label}: premature signal, lost`);
    }
  };
}

import {
  type CodecValue,
  gunyahErrorName,
  Hypercall,
  type RmHeader,
  type RmNotificationName,
  RmNotifications,
  rmErrorName,
  vmStateName,
} from "@gunyah-ts/abi";
import type {
  BoardConfig,
  BootEnvironment,
  CapId,
  GicClient,
  Ipa,
  NativeVcpu,
  Trace,
  TraceError,
} from "@gunyah-ts/kernel";
import type { ConsoleTable } from "./console/console.ts";
import { must, type RmFailure } from "./errors.ts";
import { type HypercallClient, Objects } from "./hypercall/index.ts";
import type { IrqLendTable } from "./irq/lend.ts";
import { VirqAllocator } from "./irq/virq-allocator.ts";
import type { OwnPages } from "./own-pages.ts";
import type { ParcelTable } from "./parcel/table.ts";
import type { RpcClient } from "./rpc/client.ts";
import type { VmRegistry } from "./vm/registry.ts";
import type { Vm } from "./vm/vm.ts";

/** Carries out one request and replies to it. */
export type Dispatch = (rm: RmContext, caller: Vm, client: RpcClient, header: RmHeader, payload: Uint8Array) => void;

/** What the parts of the RM share: its capabilities, its tables, its interrupts. One per booted RM. */
export class RmContext {
  readonly env: BootEnvironment;
  readonly hvc: HypercallClient;
  readonly objects: Objects;
  readonly gic: GicClient;
  readonly trace: Trace | undefined;
  /** Interrupts of the RM's own controller. */
  readonly virqs = new VirqAllocator(32);
  /** Page of the RM's memory for messages. */
  readonly buffer: Ipa;
  readonly pages: OwnPages;
  readonly vms: VmRegistry;
  readonly parcels: ParcelTable;
  readonly irqLends: IrqLendTable;
  readonly consoles: ConsoleTable;
  readonly #dispatch: Dispatch;
  readonly #tasks: (() => void)[] = [];
  #handle = 1;

  constructor(
    parts: Pick<
      RmContext,
      "env" | "hvc" | "objects" | "gic" | "trace" | "buffer" | "pages" | "vms" | "parcels" | "irqLends" | "consoles"
    >,
    /** Handed in, because what carries requests out needs the context itself. */
    dispatch: Dispatch,
  ) {
    this.env = parts.env;
    this.hvc = parts.hvc;
    this.objects = parts.objects;
    this.gic = parts.gic;
    this.trace = parts.trace;
    this.buffer = parts.buffer;
    this.pages = parts.pages;
    this.vms = parts.vms;
    this.parcels = parts.parcels;
    this.irqLends = parts.irqLends;
    this.consoles = parts.consoles;
    this.#dispatch = dispatch;
  }
  get board(): BoardConfig {
    return this.env.board;
  }
  get vcpu(): NativeVcpu {
    return this.hvc.vcpu;
  }

  /** A request arrived: carry it out and answer it. */
  dispatch(caller: Vm, client: RpcClient, header: RmHeader, payload: Uint8Array): void {
    this.#dispatch(this, caller, client, header, payload);
  }

  /** Numbers for hypervisor resources and interrupts; never used twice. */
  nextHandle(): number {
    return this.#handle++;
  }

  /** Run `task` when the request in progress has been answered. */
  defer(task: () => void): void {
    this.#tasks.push(task);
  }
  runTasks(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task();
  }

  notify<Name extends RmNotificationName>(
    vm: Vm | undefined,
    name: Name,
    value: CodecValue<(typeof RmNotifications)[Name]["payload"]>,
  ): void {
    const { id, payload } = RmNotifications[name];
    vm?.client?.notify(id, (payload as { encode(v: unknown): Uint8Array }).encode(value));
  }

  /** Random words from the hypervisor. The generator is rate limited: zeroes when it says BUSY. @param bytes 4, 8, 12, 16 */
  entropy(bytes: number) {
    return this.hvc.call(Hypercall.prng_get_entropy, { num_bytes: bytes });
  }

  /** Bind a source to an interrupt of the RM itself. @returns the function that takes it back */
  listen(bind: (vic: CapId, virqInfo: number) => number, handler: () => void): () => void {
    const virq = this.virqs.allocate();
    const error = bind(this.objects.root.vic, Objects.virq(virq));
    if (error !== 0) this.virqs.free(virq);
    must("bind virq", error);
    this.gic.enable(this.vcpu, virq, handler);
    return () => {
      this.gic.disable(this.vcpu, virq);
      this.virqs.free(virq);
    };
  }

  traceState(vm: Vm): void {
    if (this.trace?.enabled)
      this.trace.emit({ kind: "vm-state", at: this.vcpu.counter, vmid: vm.vmid, state: vmStateName(vm.state) });
  }
  /**
   * Why something failed, for whoever asks: a reply carries the error word alone, and what a reset meets nobody is told.
   * @param message the request that failed
   */
  traceFailure(what: string, { error, message: why, refusal }: RmFailure, message?: TraceError["message"]): void {
    if (this.trace === undefined) return;
    const common = { kind: "error", at: this.vcpu.counter, ...(message !== undefined && { message }) } as const;
    const detail = `${what}: ${why}`;
    this.trace.emit({ ...common, layer: "rm", code: rmErrorName(error), value: error, detail });
    if (refusal === undefined) return;
    const code = gunyahErrorName(refusal.error);
    this.trace.emit({ ...common, layer: "hypervisor", code, value: refusal.error, detail: refusal.what });
  }
  traceEntry(vmid: number, direction: "to-rm" | "from-rm", bytes: Uint8Array): void {
    if (this.trace?.enabled)
      this.trace.emit({ kind: "rm-message", at: this.vcpu.counter, vmid, direction, bytes: bytes.slice() });
  }
}

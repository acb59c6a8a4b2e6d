import {
  GicClient,
  ModelError,
  type NativeProgram,
  type NativeVcpu,
  type ResourceManager,
  type Trace,
} from "@gunyah-ts/kernel";
import { readBootEnvironment } from "./boot-environment.ts";
import { ConsoleTable } from "./console/console.ts";
import { RmContext } from "./context.ts";
import { RmFailure } from "./errors.ts";
import { bootHost } from "./host/boot.ts";
import { HypercallClient, Objects } from "./hypercall/index.ts";
import { IrqLendTable } from "./irq/lend.ts";
import { OwnPages } from "./own-pages.ts";
import { ParcelTable } from "./parcel/table.ts";
import { dispatch } from "./rpc/dispatch.ts";
import { VmRegistry } from "./vm/registry.ts";

/** Where in its own memory the RM puts the message that a hypercall sends or fills: the last page. */
const BUFFER_PAGE = 4096;

/**
 * The root VM's program. It starts with the capabilities that the hypervisor hands over, builds the host VM, starts it,
 * and from then on only answers interrupts: messages of its clients, room in their queues, vCPUs that halted.
 *
 * Context: EL1 of the root VM, interrupts masked while it works.
 * Source: gunyah-resource-manager src/main.c
 */
export class GunyahResourceManager implements ResourceManager, NativeProgram {
  readonly name = "gunyah-resource-manager";
  readonly program: NativeProgram = this;
  readonly #trace: Trace | undefined;
  #context: RmContext | undefined;

  /** @param trace where RM messages and VM states are reported */
  constructor(trace?: Trace) {
    this.#trace = trace;
  }

  /** Throws ModelError RM_BOOT_ENVIRONMENT, RM_BOOT_FAILED, RM_HOST_DTB: the machine is put together wrongly. */
  start(vcpu: NativeVcpu, context: bigint): void {
    vcpu.masked = true;
    const env = readBootEnvironment(vcpu, Number(context));
    const { board } = env;
    const root = {
      partition: BigInt(env.partition),
      cspace: BigInt(env.cspace),
      addrspace: BigInt(env.addrspace),
      vic: BigInt(env.vic),
      memory: BigInt(env.memextent),
      ddr: BigInt(env.ddrMemextent),
    };
    const hvc = new HypercallClient(vcpu);
    const gic = new GicClient({ distributor: env.gic.distributor });
    gic.init(vcpu);
    const parts = {
      env,
      hvc,
      objects: new Objects(hvc, root, board.dram.base + board.dram.size),
      gic,
      trace: this.#trace,
      buffer: board.rootVm.base + board.rootVm.size - BUFFER_PAGE,
      pages: new OwnPages(board.rootVm.base as number, board.rootVm.size),
      vms: new VmRegistry(),
      parcels: new ParcelTable(),
      irqLends: new IrqLendTable(),
      consoles: new ConsoleTable(),
    };
    const rm = new RmContext(parts, dispatch);
    this.#context = rm;
    try {
      bootHost(rm);
    } catch (thrown) {
      if (!(thrown instanceof RmFailure)) throw thrown;
      throw new ModelError("RM_BOOT_FAILED", `The host VM cannot be made: ${thrown.message}.`, { cause: thrown });
    }
    vcpu.masked = false;
  }

  interrupt(vcpu: NativeVcpu): void {
    this.#context?.gic.dispatch(vcpu);
  }

  stopped(): void {
    this.#context = undefined;
  }
}

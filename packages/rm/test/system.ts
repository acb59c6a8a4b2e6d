import { GunyahError, Hypercall, type HypercallDefinition, type HypercallInputs } from "@gunyah-ts/abi";
import { DeviceTree, parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import { createHypervisor } from "@gunyah-ts/hyp";
import {
  type BoardConfig,
  createPhysicalMemory,
  createSeededEntropy,
  createTrace,
  GicClient,
  type NativeProgram,
  type NativeVcpu,
} from "@gunyah-ts/kernel";
import { fakeClock, fakeCpuBackend, fakeTrace } from "@gunyah-ts/kernel/testing";
import { HypercallClient } from "../src/hypercall/index.ts";
import { GunyahResourceManager } from "../src/index.ts";
import { type Line, RmClient } from "./host.ts";

/** The real hypervisor, the RM, and a host program that tests drive from outside. */
const MIB = 1024 * 1024;
export const SYSTEM_BOARD: BoardConfig = {
  name: "test",
  dram: { base: 0x8000_0000, size: 64 * MIB },
  carveOut: { base: 0x8380_0000, size: 8 * MIB },
  rootVm: { base: 0x8300_0000, size: MIB },
  rootVmEntry: 0x8300_0000,
  hostEntry: 0x8020_0000,
  hostDtb: { base: 0x8010_0000, size: 0x1_0000 },
  hostVmid: 3,
  physicalCpus: 2,
  hostCpus: 2,
  hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
  timerFrequencyHz: 19_200_000,
  freeSpiStart: 960,
};

const TX_BUFFER = 0x8030_0000;
const RX_BUFFER = 0x8030_1000;

/** The host's line: queues by hypercall, messages in the host's own memory. */
class HypercallLine implements Line {
  readonly #host: HostProgram;
  readonly #tx: bigint;
  readonly #rx: bigint;
  constructor(host: HostProgram, tx: bigint, rx: bigint) {
    this.#host = host;
    this.#tx = tx;
    this.#rx = rx;
  }
  send(bytes: Uint8Array): number {
    this.#host.vcpu.write(TX_BUFFER, bytes);
    return this.#host.call(Hypercall.msgqueue_send, {
      msgqueue: this.#tx,
      size: bytes.length,
      data: TX_BUFFER,
      send_flags: 1,
    }).error;
  }
  receive(): Uint8Array | undefined {
    const result = this.#host.call(Hypercall.msgqueue_receive, {
      msgqueue: this.#rx,
      buffer: RX_BUFFER,
      max_size: 240,
    });
    if (result.error !== GunyahError.OK) return undefined;
    const bytes = new Uint8Array(result.size);
    this.#host.vcpu.read(RX_BUFFER, bytes);
    return bytes;
  }
}

export class HostProgram implements NativeProgram {
  readonly name = "host";
  vcpu!: NativeVcpu;
  context = 0n;
  readonly interrupts: number[] = [];
  #hvc!: HypercallClient;
  #gic!: GicClient;

  start(vcpu: NativeVcpu, context: bigint): void {
    this.vcpu = vcpu;
    this.context = context;
    this.#hvc = new HypercallClient(vcpu);
    this.#gic = new GicClient({ distributor: SYSTEM_BOARD.hostGic.distributor });
    this.#gic.init(vcpu);
    vcpu.masked = false;
  }
  interrupt(vcpu: NativeVcpu): void {
    this.#gic.dispatch(vcpu);
  }
  listen(intid: number): void {
    this.#gic.enable(this.vcpu, intid, () => this.interrupts.push(intid));
  }
  /** Interrupts are taken where a call returns: make one that does nothing else. */
  takeInterrupts(): number[] {
    const x = new BigUint64Array(18);
    x[0] = BigInt(Hypercall.hypervisor_identify.fid);
    this.vcpu.hvc(x);
    return this.interrupts.splice(0);
  }
  /** Interrupts wait until the results are read. */
  call<D extends HypercallDefinition>(definition: D, inputs: HypercallInputs<D>) {
    this.vcpu.masked = true;
    const result = this.#hvc.call(definition, inputs);
    this.vcpu.masked = false;
    return result;
  }
}

/** @param options.quiet nobody listens to the trace, as in a benchmark */
export function bootSystem(options: { readonly quiet?: boolean } = {}) {
  const board = SYSTEM_BOARD;
  const memory = createPhysicalMemory({
    dramBase: board.dram.base,
    dramSize: board.dram.size,
    reservedBytes: 64 * MIB,
  });
  const clock = fakeClock();
  const trace = options.quiet === true ? createTrace() : fakeTrace();
  const backend = fakeCpuBackend({ memory, clock });
  const hypervisor = createHypervisor({
    board,
    backend,
    memory,
    clock,
    entropy: createSeededEntropy(7),
    trace,
    checkOwnership: true,
  });
  const base = new DeviceTree();
  base.root.set("#address-cells", 2).set("#size-cells", 2).set("compatible", "test,board").set("interrupt-parent", 1);
  memory.write(board.hostDtb.base, writeDtb(base));
  const program = new HostProgram();
  hypervisor.programs.install(board.rootVmEntry, new GunyahResourceManager(trace));
  hypervisor.programs.install(board.hostEntry, program);
  hypervisor.boot();
  const blob = new Uint8Array(board.hostDtb.size);
  if (program.vcpu === undefined || !program.vcpu.read(Number(program.context), blob))
    throw new Error("the host did not start");
  const tree = parseDtb(blob);
  const node = [...tree.root.walk()].find((n) => n.isCompatible("gunyah-resource-manager"));
  const [tx, rx] = node?.cells64("reg") ?? [];
  const host = new RmClient(new HypercallLine(program, tx as bigint, rx as bigint));
  const write = (ipa: number, bytes: Uint8Array): boolean => program.vcpu.write(ipa, bytes);
  return { hypervisor, program, host, tree, node, memory, trace, backend, write };
}

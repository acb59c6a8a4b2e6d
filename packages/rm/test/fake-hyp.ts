import {
  GunyahError,
  type HypercallDefinition,
  hypercallByNumber,
  selectHypercall,
  VcpuRunState,
} from "@gunyah-ts/abi";
import type { BoardConfig, BootEnvironment, NativeProgram, NativeVcpu } from "@gunyah-ts/kernel";

/**
 * The hypervisor as far as the RM can see it: objects by capability, queues, interrupts, a page-owner table and sparse
 * extents. No rights, no schedulers. It exists so that the RM's tests say what the RM does, not what the hypervisor does.
 */
const PAGE = 4096;
export const BOARD: BoardConfig = {
  name: "fake",
  dram: { base: 0x8000_0000, size: 0x200_0000 },
  carveOut: { base: 0x81f0_0000, size: 0x10_0000 },
  rootVm: { base: 0x81e0_0000, size: 0x10_0000 },
  rootVmEntry: 0x81e0_0000,
  hostEntry: 0x8020_0000,
  hostDtb: { base: 0x8010_0000, size: 0x4000 },
  hostVmid: 3,
  physicalCpus: 2,
  hostCpus: 2,
  hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
  timerFrequencyHz: 62_500_000,
  freeSpiStart: 960,
};
const RM_GIC = 0x3fff_0000;

interface Intent {
  as: FakeObject;
  vbase: number;
  offset: number;
  size: number;
  access: number;
}
export interface FakeObject {
  readonly type: string;
  /** msgqueue */
  depth: number;
  max: number;
  readonly messages: Uint8Array[];
  /** Bindings by name: send, receive, bell, halt, wakeup. */
  readonly virqs: Map<string, { vic: FakeObject; virq: number }>;
  /** memextent */
  readonly intents: Intent[];
  /** A basic extent's range; size 0 for a sparse one. */
  base: number;
  size: number;
  /** vic */
  readonly pending: Set<number>;
  /** doorbell */
  flags: bigint;
  /** thread */
  power: "off" | "on" | "killed";
  entry: bigint;
  context: bigint;
  readonly registers: Map<string, bigint>;
  /** What vcpu_run_check says; undefined while not halted. */
  halted: readonly [state: number, data0: bigint, data1: bigint] | undefined;
  /** addrspace */
  vmid: number;
  readonly ranges: { op: number; base: number; size: number }[];
  revoked: boolean;
}

type Args = Readonly<Record<string, bigint>>;
const num = (value: bigint | undefined): number => Number(value ?? 0n);

export class FakeHyp {
  readonly caps = new Map<bigint, FakeObject>();
  readonly #pages = new Map<number, Uint8Array>();
  readonly owner = new Map<number, FakeObject>();
  /** Every hypercall with its error, oldest first. */
  readonly log: string[] = [];
  readonly env: BootEnvironment;
  readonly rm: FakeObject;
  readonly rmVic: FakeObject;
  readonly ddr: FakeObject;
  /** The RM's own memory: here it is the DRAM extent's until it is derived from. */
  readonly memory: FakeObject;
  readonly vcpu: NativeVcpu;
  readonly board: BoardConfig;
  #next = 0x100n;
  #program: NativeProgram | undefined;
  #busy = false;
  /** Make the n-th next call of a name fail. */
  readonly failures = new Map<string, { after: number; error: number }>();
  calls = 0;
  /** Called before each hypercall that is not about messages. @returns a GunyahError to answer with, or 0 */
  refuse: ((name: string) => number) | undefined;

  constructor(board: BoardConfig = BOARD) {
    this.board = board;
    this.rm = this.#object("addrspace");
    this.rmVic = this.#object("vic");
    this.ddr = this.#object("memextent");
    this.memory = Object.assign(this.#object("memextent"), { base: board.rootVm.base, size: board.rootVm.size });
    this.env = {
      vmid: 255,
      partition: String(this.cap(this.#object("partition"))),
      cspace: String(this.cap(this.#object("cspace"))),
      addrspace: String(this.cap(this.rm)),
      vic: String(this.cap(this.rmVic)),
      gic: { distributor: RM_GIC, redistributors: RM_GIC + 0x1_0000 },
      vcpu: String(this.cap(this.#object("thread"))),
      memextent: String(this.cap(this.memory)),
      ddrMemextent: String(this.cap(this.ddr)),
      deviceMemextent: String(this.cap(this.#object("memextent"))),
      hwirqs: { 40: String(this.cap(this.#object("hwirq"))), 41: String(this.cap(this.#object("hwirq"))) },
      board,
    };
    for (let pa = board.dram.base; pa < board.carveOut.base; pa += PAGE) this.owner.set(pa, this.ddr);
    this.ddr.intents.push({
      as: this.rm,
      vbase: board.rootVm.base,
      offset: board.rootVm.base,
      size: board.rootVm.size,
      access: 7,
    });
    this.vcpu = this.#vcpu();
  }

  boot(program: NativeProgram): void {
    const env = this.board.rootVm.base + 0x1000;
    this.physicalWrite(env, new TextEncoder().encode(`${JSON.stringify(this.env)}\0`));
    this.#program = program;
    this.#busy = true;
    program.start(this.vcpu, BigInt(env));
    this.#busy = false;
    this.deliver();
  }

  /** Call the RM while it has a pending interrupt. */
  deliver(): void {
    if (this.#busy) return;
    this.#busy = true;
    for (let i = 0; i < 100 && this.rmVic.pending.size > 0; i++) this.#program?.interrupt(this.vcpu);
    this.#busy = false;
  }

  cap(object: FakeObject): bigint {
    const cap = this.#next++;
    this.caps.set(cap, object);
    return cap;
  }
  of(cap: bigint): FakeObject {
    const object = this.caps.get(cap);
    if (object === undefined) throw new Error(`no capability 0x${cap.toString(16)}`);
    return object;
  }
  /** Objects that at least one capability names. */
  live(type: string): FakeObject[] {
    return [...new Set(this.caps.values())].filter((object) => object.type === type && !object.revoked);
  }
  addrspaceOf(vmid: number): FakeObject {
    const found = this.live("addrspace").find((object) => object.vmid === vmid);
    if (found === undefined) throw new Error(`no address space of VM ${vmid}`);
    return found;
  }

  physicalWrite(pa: number, bytes: Uint8Array): void {
    bytes.forEach((byte, i) => {
      this.#page(pa + i)[(pa + i) % PAGE] = byte;
    });
  }
  physicalRead(pa: number, size: number): Uint8Array {
    return Uint8Array.from({ length: size }, (_, i) => this.#page(pa + i)[(pa + i) % PAGE] as number);
  }
  #page(pa: number): Uint8Array {
    const base = Math.floor(pa / PAGE) * PAGE;
    let page = this.#pages.get(base);
    if (page === undefined) this.#pages.set(base, (page = new Uint8Array(PAGE)));
    return page;
  }

  /** Physical address of an IPA in an address space, with the access that it has; undefined without a translation. */
  translate(as: FakeObject, ipa: number): { pa: number; access: number; extent: FakeObject } | undefined {
    for (const extent of this.live("memextent"))
      for (const intent of extent.intents) {
        if (intent.as !== as || ipa < intent.vbase || ipa >= intent.vbase + intent.size) continue;
        const pa = intent.offset + (ipa - intent.vbase);
        if (this.owner.get(Math.floor(pa / PAGE) * PAGE) === extent) return { pa, access: intent.access, extent };
      }
    return undefined;
  }
  readFrom(as: FakeObject, ipa: number, size: number): Uint8Array | undefined {
    const out = new Uint8Array(size);
    for (let i = 0; i < size; ) {
      const found = this.translate(as, ipa + i);
      if (found === undefined) return undefined;
      const length = Math.min(size - i, PAGE - ((ipa + i) % PAGE));
      out.set(this.physicalRead(found.pa, length), i);
      i += length;
    }
    return out;
  }
  writeTo(as: FakeObject, ipa: number, bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; ) {
      const found = this.translate(as, ipa + i);
      if (found === undefined || (found.access & 2) === 0) return false;
      const length = Math.min(bytes.length - i, PAGE - ((ipa + i) % PAGE));
      this.physicalWrite(found.pa, bytes.subarray(i, i + length));
      i += length;
    }
    return true;
  }

  raise(object: FakeObject, name: string): void {
    const bound = object.virqs.get(name);
    bound?.vic.pending.add(bound.virq);
  }
  /** A vCPU stops for good: state and data of vcpu_run_check. */
  halt(thread: FakeObject, state: number, data0 = 0n, data1 = 0n): void {
    thread.halted = [state, data0, data1];
    this.raise(thread, "halt");
    this.deliver();
  }
  send(queue: FakeObject, bytes: Uint8Array, push = true): number {
    if (queue.messages.length >= queue.depth) return GunyahError.MSGQUEUE_FULL;
    queue.messages.push(bytes.slice());
    if (push || queue.messages.length === 1) this.raise(queue, "receive");
    this.deliver();
    return GunyahError.OK;
  }
  receive(queue: FakeObject): Uint8Array | undefined {
    const message = queue.messages.shift();
    if (message !== undefined && queue.messages.length === queue.depth - 1) this.raise(queue, "send");
    this.deliver();
    return message;
  }

  #object(type: string): FakeObject {
    return {
      type,
      depth: 0,
      max: 0,
      messages: [],
      virqs: new Map(),
      intents: [],
      base: 0,
      size: 0,
      pending: new Set(),
      flags: 0n,
      power: "off",
      entry: 0n,
      context: 0n,
      registers: new Map(),
      halted: undefined,
      vmid: 0,
      ranges: [],
      revoked: false,
    };
  }

  #vcpu(): NativeVcpu {
    const hyp = this;
    return {
      mpidr: 0,
      masked: true,
      counter: 0,
      hvc(x) {
        const selected = selectHypercall(Number(x[0]));
        const definition = selected.kind === "hypercall" ? hypercallByNumber[selected.number] : undefined;
        if (definition === undefined) throw new Error(`not a hypercall: 0x${x[0]?.toString(16)}`);
        hyp.calls++;
        const args: Record<string, bigint> = {};
        for (const p of definition.inputs) args[p.name] = x[p.register] as bigint;
        x.fill(0n);
        const result = hyp.#call(definition, args);
        const [error = 0, ...outputs] = typeof result === "number" ? [result] : result;
        hyp.log.push(`${definition.name} ${error}`);
        x[0] = BigInt.asUintN(64, BigInt(error));
        outputs.forEach((value, i) => {
          x[1 + i] = BigInt(value);
        });
      },
      smc: () => undefined,
      wfi: () => false,
      read(ipa, into) {
        const bytes = hyp.readFrom(hyp.rm, ipa, into.length);
        if (bytes !== undefined) into.set(bytes);
        return bytes !== undefined;
      },
      write: (ipa, bytes) => hyp.writeTo(hyp.rm, ipa, bytes),
      fill: (ipa, size, value) => hyp.writeTo(hyp.rm, ipa, new Uint8Array(size).fill(value)),
      view: () => undefined,
      wrote: () => undefined,
      load: (ipa) => (ipa >= RM_GIC && ipa < RM_GIC + 0x1_0000 ? 0n : undefined),
      store: (ipa) => ipa >= RM_GIC && ipa < RM_GIC + 0x1_0000,
      acknowledge() {
        const [first] = [...hyp.rmVic.pending].sort((a, b) => a - b);
        if (first === undefined) return 1023;
        hyp.rmVic.pending.delete(first);
        return first;
      },
      endOfInterrupt: () => undefined,
      setPriorityMask: () => undefined,
      setGroup1Enabled: () => undefined,
    };
  }

  #call(definition: HypercallDefinition, a: Args): number | readonly (number | bigint)[] {
    const { name } = definition;
    const refused = name === "msgqueue_send" || name === "msgqueue_receive" ? 0 : (this.refuse?.(name) ?? 0);
    if (refused !== 0) return refused;
    const failure = this.failures.get(name);
    if (failure !== undefined && failure.after-- === 0) {
      this.failures.delete(name);
      return failure.error;
    }
    for (const p of definition.inputs)
      if (p.kind === "cap" && !this.caps.has(a[p.name] as bigint)) return GunyahError.CSPACE_CAP_NULL;
    const o = (key: string): FakeObject => this.of(a[key] as bigint);
    if (name.startsWith("partition_create_")) return [0, this.cap(this.#object(name.slice(17)))];
    const bindTo = (object: FakeObject, kind: string): number => {
      const virq = num(a["virq_info"]) & 0xff_ffff;
      for (const other of new Set(this.caps.values()))
        for (const bound of other.virqs.values())
          if (!other.revoked && bound.vic === o("vic") && bound.virq === virq) return GunyahError.BUSY;
      object.virqs.set(kind, { vic: o("vic"), virq });
      return 0;
    };
    switch (name) {
      case "cspace_copy_cap_from":
        return [0, this.cap(o("src_cap"))];
      case "cspace_revoke_caps_from": {
        const master = o("master_cap");
        for (const [cap, object] of this.caps) if (object === master && cap !== a["master_cap"]) this.caps.delete(cap);
        return 0;
      }
      case "cspace_delete_cap_from": {
        const gone = o("cap");
        this.caps.delete(a["cap"] as bigint);
        if (![...this.caps.values()].includes(gone)) this.#destroy(gone);
        return 0;
      }
      case "addrspace_configure":
        o("addrspace").vmid = num(a["vmid"]);
        return 0;
      case "addrspace_configure_vmmio":
        o("addrspace").ranges.push({ op: num(a["op"]), base: num(a["vbase"]), size: num(a["size"]) });
        return 0;
      case "msgqueue_configure":
        o("msgqueue").depth = num(a["create_info"]) & 0xffff;
        o("msgqueue").max = num(a["create_info"]) >>> 16;
        return 0;
      case "msgqueue_bind_send_virq":
        return bindTo(o("msgqueue"), "send");
      case "msgqueue_bind_receive_virq":
        return bindTo(o("msgqueue"), "receive");
      case "doorbell_bind_virq":
        return bindTo(o("doorbell"), "bell");
      case "virtio_mmio_backend_bind_virq":
        return bindTo(o("virtio_mmio"), "backend");
      case "virtio_mmio_frontend_bind_virq":
        return bindTo(o("virtio_mmio"), "frontend");
      case "memextent_configure_derive": {
        const parent = o("parent");
        if (parent.size === 0) return 0;
        const extent = Object.assign(o("memextent"), { base: parent.base + num(a["offset"]), size: num(a["size"]) });
        for (let pa = extent.base; pa < extent.base + extent.size; pa += PAGE) this.owner.set(pa, extent);
        return 0;
      }
      case "hwirq_bind_virq":
        return bindTo(o("hwirq"), "hw");
      case "hwirq_unbind_virq":
        o("hwirq").virqs.clear();
        return 0;
      case "vcpu_bind_virq":
        return bindTo(o("vcpu"), a["virq_type"] === 0n ? "halt" : "wakeup");
      case "msgqueue_send": {
        const queue = o("msgqueue");
        if (queue.messages.length >= queue.depth) return [GunyahError.MSGQUEUE_FULL, 0];
        const bytes = this.readFrom(this.rm, num(a["data"]), num(a["size"]));
        if (bytes !== undefined) queue.messages.push(bytes);
        if ((num(a["send_flags"]) & 1) !== 0 || queue.messages.length === 1) this.raise(queue, "receive");
        return [0, queue.messages.length < queue.depth ? 1 : 0];
      }
      case "msgqueue_receive": {
        const queue = o("msgqueue");
        const message = queue.messages.shift();
        if (message === undefined) return [GunyahError.MSGQUEUE_EMPTY, 0, 0];
        this.writeTo(this.rm, num(a["buffer"]), message);
        if (queue.messages.length === queue.depth - 1) this.raise(queue, "send");
        return [0, message.length, queue.messages.length > 0 ? 1 : 0];
      }
      case "memextent_modify":
        return this.#modify(o("memextent"), num(a["flags"]) & 0xff, num(a["offset"]), num(a["size"]));
      case "memextent_donate":
        return this.#donate(o("from"), o("to"), num(a["offset"]), num(a["size"]));
      case "addrspace_map":
        o("memextent").intents.push({
          as: o("addrspace"),
          vbase: num(a["vbase"]),
          offset: num(a["offset"]) + o("memextent").base,
          size: o("memextent").size || num(a["size"]),
          access: num(a["map_attrs"]) & 7,
        });
        return 0;
      case "addrspace_unmap": {
        const { intents } = o("memextent");
        const at = intents.findIndex(
          (i) =>
            i.as === o("addrspace") &&
            i.vbase === num(a["vbase"]) &&
            i.offset === num(a["offset"]) + o("memextent").base &&
            i.size === (o("memextent").size || num(a["size"])),
        );
        if (at < 0) return GunyahError.ADDR_INVALID;
        intents.splice(at, 1);
        return 0;
      }
      case "addrspace_lookup":
        return this.#lookup(o("addrspace"), o("memextent"), num(a["vbase"]), num(a["size"]));
      case "vcpu_poweron": {
        const vcpu = o("vcpu");
        if (vcpu.power !== "off") return GunyahError.BUSY;
        Object.assign(vcpu, { power: "on", entry: a["entry_point"], context: a["context"] });
        return 0;
      }
      case "vcpu_kill":
        o("vcpu").power = "killed";
        return 0;
      case "vcpu_register_write":
        o("vcpu").registers.set(`${a["register_set"]}.${a["register_index"]}`, a["value"] as bigint);
        return 0;
      case "vcpu_run_check": {
        const { halted } = o("vcpu");
        return halted === undefined ? GunyahError.BUSY : [0, ...halted, 0];
      }
      case "prng_get_entropy":
        return [0, 0x1234_5678, 0x9abc_def0, 1, 2];
      default:
        // Configuration that this model keeps no state for.
        return 0;
    }
  }

  #modify(extent: FakeObject, op: number, offset: number, size: number): number {
    if (op === 0) extent.intents.length = 0;
    if (op === 1)
      for (const [pa, owner] of this.owner)
        if (owner === extent && pa >= offset && pa < offset + size) this.#pages.delete(pa);
    return 0;
  }
  #donate(from: FakeObject, to: FakeObject, offset: number, size: number): number {
    for (let pa = offset; pa < offset + size; pa += PAGE)
      if (this.owner.get(pa) !== from) return GunyahError.MEMDB_NOT_OWNER;
    for (let pa = offset; pa < offset + size; pa += PAGE) this.owner.set(pa, to);
    return 0;
  }
  #lookup(as: FakeObject, extent: FakeObject, vbase: number, size: number): number | number[] {
    const first = this.translate(as, vbase);
    if (first === undefined) return GunyahError.ADDR_INVALID;
    let length = PAGE;
    let isOwn = first.extent === extent;
    for (; length < size; length += PAGE) {
      const next = this.translate(as, vbase + length);
      if (next?.pa !== first.pa + length || next.access !== first.access) break;
      isOwn &&= next.extent === extent;
    }
    // All of the run, or nothing.
    if (!isOwn) return GunyahError.MEMDB_NOT_OWNER;
    return [0, first.pa, length, first.access];
  }
  /** Memory falls to the parent. */
  #destroy(object: FakeObject): void {
    object.revoked = true;
    if (object.type !== "memextent") return;
    for (const [pa, owner] of this.owner) if (owner === object) this.owner.set(pa, this.ddr);
  }
}

export const { POWERED_OFF, PSCI_SYSTEM_RESET, FAULT } = VcpuRunState;

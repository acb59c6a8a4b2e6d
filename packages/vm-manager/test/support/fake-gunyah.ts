import {
  type CodecValue,
  fragmentRmMessage,
  GUNYAH_UID,
  GunyahError,
  Hypercall,
  HypResourceType,
  MapFlag,
  MemextentDonateType,
  QEMU_API_FLAGS0,
  QEMU_API_INFO,
  type RmCallName,
  RmCalls,
  RmError,
  RmMessageType,
  RmNotifications,
  RmReceiver,
  rmCallName,
  rmReplyPayload,
  Smccc,
  VmState,
} from "@gunyah-ts/abi";
import { cells64, DeviceTree, writeDtb } from "@gunyah-ts/devicetree";
import type { NativeProgram, NativeVcpu } from "@gunyah-ts/kernel";

const PAGE = 4096;
export const DRAM = 0x8000_0000;
export const DTB_AT = 0x8000_0000;
const TX_INTID = 40;
const RX_INTID = 41;
const TX_CAP = 0x11n;
const RX_CAP = 0x12n;
/** Extents that the host's memory is in. */
const HOST_PRIVATE = 0x21n;
const HOST_SHARED = 0x22n;

/** One instruction of a scripted guest. */
export type GuestOp =
  | { readonly op: "load"; readonly ipa: number; readonly size?: 1 | 2 | 4 | 8 }
  | { readonly op: "store"; readonly ipa: number; readonly value: bigint; readonly size?: 1 | 2 | 4 | 8 }
  /** Wait until an interrupt is pending. */
  | { readonly op: "wfi" }
  /** PSCI SYSTEM_OFF. */
  | { readonly op: "off" }
  /** Use up the time slice. */
  | { readonly op: "spin" };

export class FakeGuestVcpu {
  readonly cap: bigint;
  readonly intid: number;
  script: GuestOp[] = [];
  /** Values that loads gave, in order; undefined for a fault injected into the guest. */
  readonly loaded: (bigint | undefined)[] = [];
  faults = 0;
  exited = false;
  pendingInterrupts = 0;
  /** What the latest run reported. */
  last = 0;
  constructor(cap: bigint, intid: number) {
    this.cap = cap;
    this.intid = intid;
  }
}

export class FakeVm {
  readonly vmid: number;
  state: number = VmState.LOAD;
  readonly vcpus: FakeGuestVcpu[] = [];
  readonly bells = new Map<number, bigint>();
  readonly rings = new Map<bigint, number>();
  readonly masks = new Map<bigint, readonly [bigint, bigint]>();
  /** Guest page to physical page and extent. */
  readonly map = new Map<number, { pa: number; extent: bigint; writable: boolean }>();
  demandRanges: { base: number; size: number }[] = [];
  layout: { base: number; size: number } | undefined;
  image: number | undefined;
  readonly boot: { set: number; index: number; value: bigint }[] = [];
  readonly addrspace: bigint;
  readonly guestPrivate: bigint;
  readonly guestShared: bigint;
  constructor(vmid: number, cap: bigint) {
    this.vmid = vmid;
    this.addrspace = cap;
    this.guestPrivate = cap + 1n;
    this.guestShared = cap + 2n;
  }
}

interface Parcel {
  readonly handle: number;
  readonly entries: { address: number; size: number }[];
  readonly vmids: number[];
  readonly lend: boolean;
}

export interface FakeGunyahOptions {
  /** Bytes of DRAM. */
  readonly dramSize?: number;
  /** vCPUs that each VM's device tree asks for, and labels of doorbells. */
  readonly vcpus?: number;
  readonly bells?: readonly number[];
  /** What each vCPU of a new VM executes. */
  readonly script?: readonly GuestOp[];
  /** X0-X3 of CALL_UID. */
  readonly uid?: readonly number[];
  readonly apiInfo?: bigint;
  /** Change the device tree before the host sees it. */
  readonly tree?: (tree: DeviceTree) => void;
}

/**
 * Hypervisor, RM and guests behind a host's vCPU, small enough to script: registers and queue bytes are real, ownership
 * is a page table of owners, guests are lists of loads and stores.
 */
export class FakeGunyah implements NativeVcpu {
  readonly mpidr = 0x8000_0000;
  masked = true;
  readonly dram: Uint8Array;
  /** Owner of each page by number: "host" when absent. */
  readonly owners = new Map<number, string>();
  readonly vms = new Map<number, FakeVm>();
  readonly parcels = new Map<number, Parcel>();
  /** Names of RM calls and hypercalls, in order. */
  readonly log: string[] = [];
  readonly #options: FakeGunyahOptions;
  readonly #program: NativeProgram;
  readonly #pending: number[] = [];
  readonly #toRm: Uint8Array[] = [];
  readonly #fromRm: Uint8Array[] = [];
  readonly #backlog: Uint8Array[] = [];
  readonly #rmReceiver = new RmReceiver();
  #handle = 0;
  #cap = 0x100n;
  #inInterrupt = false;
  /** Ticks; the clock of the test may follow it. */
  counter = 0;
  /** RM answers nothing any more. */
  rmDead = false;
  /** Answer this call with this error instead of doing it. */
  readonly rmErrors = new Map<RmCallName, number>();
  /** Called before each hypercall. @returns an error to answer with, or 0 */
  onHypercall: ((name: string) => number) | undefined;
  /** Changes replies before they are cut into fragments. */
  mangleReply: ((name: RmCallName, payload: Uint8Array) => Uint8Array[] | undefined) | undefined;

  constructor(program: NativeProgram, options: FakeGunyahOptions = {}) {
    this.#program = program;
    this.#options = options;
    this.dram = new Uint8Array(options.dramSize ?? 32 << 20);
    this.dram.set(this.#deviceTree());
  }

  boot(): void {
    this.#program.start(this, BigInt(DTB_AT));
  }

  #deviceTree(): Uint8Array {
    const tree = new DeviceTree();
    const { root } = tree;
    root.set("#address-cells", 2).set("#size-cells", 2);
    root.addChild("memory@80000000", { device_type: "memory", reg: cells64(DRAM, this.dram.length) });
    root.addChild("reserved-memory", { "#address-cells": 2, "#size-cells": 2 }).addChild("rm@80100000", {
      reg: cells64(0x8010_0000, 0x1_0000),
    });
    root.addChild("intc@3fff0000", {
      compatible: "arm,gic-v3",
      reg: cells64(0x3fff_0000, 0x1_0000, 0x3ffb_0000, 0x2_0000),
    });
    const hypervisor = root.addChild("hypervisor", {
      compatible: ["qcom,gunyah-hypervisor-1.0", "simple-bus"],
      "#address-cells": 2,
      "#size-cells": 0,
    });
    hypervisor.addChild("qcom,resource-manager-rpc@11", {
      compatible: "gunyah-resource-manager",
      reg: cells64(TX_CAP, RX_CAP),
      interrupts: [0, TX_INTID - 32, 1, 0, RX_INTID - 32, 1],
    });
    this.#options.tree?.(tree);
    return writeDtb(tree);
  }

  owner(pa: number): string {
    return this.owners.get(Math.floor(pa / PAGE)) ?? "host";
  }
  raise(intid: number): void {
    if (!this.#pending.includes(intid)) this.#pending.push(intid);
  }
  /** Pages that the host does not have. */
  get foreignPages(): number {
    return [...this.owners.values()].filter((owner) => owner !== "host").length;
  }

  // Memory of the host, with stage 2.
  #accessible(ipa: number, size: number): boolean {
    if (ipa < DRAM || ipa + size > DRAM + this.dram.length) return false;
    for (let page = Math.floor(ipa / PAGE); page * PAGE < ipa + size; page++) {
      const owner = this.owners.get(page) ?? "host";
      if (owner !== "host" && !owner.startsWith("shared")) return false;
    }
    return true;
  }
  view(ipa: number, size: number): Uint8Array | undefined {
    return this.#accessible(ipa, size) ? this.dram.subarray(ipa - DRAM, ipa - DRAM + size) : undefined;
  }
  wrote(): void {}
  read(ipa: number, into: Uint8Array): boolean {
    const view = this.view(ipa, into.length);
    if (view !== undefined) into.set(view);
    return view !== undefined;
  }
  write(ipa: number, bytes: Uint8Array): boolean {
    const view = this.view(ipa, bytes.length);
    view?.set(bytes);
    return view !== undefined;
  }
  fill(ipa: number, size: number, value: number): boolean {
    return this.view(ipa, size)?.fill(value) !== undefined;
  }
  load(): bigint {
    return 0n;
  }
  store(): boolean {
    return true;
  }

  acknowledge(): number {
    return this.#pending.shift() ?? 1023;
  }
  endOfInterrupt(): void {}
  setPriorityMask(): void {}
  setGroup1Enabled(): void {}
  smc(x: BigUint64Array): void {
    x[0] = 0xffff_ffff_ffff_ffffn;
  }

  wfi(): boolean {
    this.#runRm();
    return this.#deliver();
  }

  #deliver(): boolean {
    if (this.#pending.length === 0 || this.masked || this.#inInterrupt) return this.#pending.length > 0;
    this.#inInterrupt = true;
    while (this.#pending.length > 0) this.#program.interrupt(this);
    this.#inInterrupt = false;
    return true;
  }

  hvc(x: BigUint64Array): void {
    const fid = Number(x[0]);
    if (fid === Smccc.VENDOR_HYP_CALL_UID) {
      (this.#options.uid ?? GUNYAH_UID).forEach((word, i) => {
        x[i] = BigInt(word >>> 0);
      });
      return;
    }
    const call = Object.values(Hypercall).find((c) => c.fid === fid);
    if (call === undefined) throw new Error(`unknown hypercall ${fid.toString(16)}`);
    if (call === Hypercall.hypervisor_identify) {
      x[0] = this.#options.apiInfo ?? QEMU_API_INFO;
      x[1] = QEMU_API_FLAGS0;
      return;
    }
    const [, a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n, g = 0n] = x;
    const injected = this.onHypercall?.(call.name) ?? 0;
    x.fill(0n);
    let error = injected;
    if (error === 0) {
      switch (call) {
        case Hypercall.msgqueue_send:
          error = this.#send(Number(b), Number(c), x);
          break;
        case Hypercall.msgqueue_receive:
          error = this.#receive(Number(b), x);
          break;
        case Hypercall.memextent_donate:
          error = this.#donate(Number(a), b, c, Number(d), Number(e));
          break;
        case Hypercall.addrspace_map:
          error = this.#map(a, b, Number(c), Number(d), Number(e), Number(f), Number(g));
          break;
        case Hypercall.addrspace_unmap:
          error = this.#unmap(a, b, Number(c), Number(e), Number(f));
          break;
        case Hypercall.doorbell_send:
          error = this.#bell(a, (vm) => vm.rings.set(a, (vm.rings.get(a) ?? 0) + 1));
          break;
        case Hypercall.doorbell_mask:
          error = this.#bell(a, (vm) => vm.masks.set(a, [b, c]));
          break;
        case Hypercall.vcpu_run:
          error = this.#vcpuRun(a, b, c, x);
          break;
        default:
          throw new Error(`the driver made ${call.name}`);
      }
    }
    if (call !== Hypercall.vcpu_run && call !== Hypercall.msgqueue_receive) this.log.push(call.name);
    x[0] = BigInt.asUintN(64, BigInt(error));
    this.#deliver();
  }

  #ownerOf(extent: bigint): string | undefined {
    if (extent === HOST_PRIVATE || extent === HOST_SHARED) return "host";
    for (const vm of this.vms.values()) {
      if (vm.guestPrivate === extent) return `guest ${vm.vmid}`;
      if (vm.guestShared === extent) return `shared ${vm.vmid}`;
    }
    return undefined;
  }

  #donate(type: number, from: bigint, to: bigint, offset: number, size: number): number {
    const source = this.#ownerOf(from);
    const target = this.#ownerOf(to);
    if (source === undefined || target === undefined) return GunyahError.CSPACE_CAP_NULL;
    const kinds: Record<number, boolean> = {
      [MemextentDonateType.TO_PROTECTED]: from === HOST_PRIVATE && target.startsWith("guest"),
      [MemextentDonateType.FROM_PROTECTED]: to === HOST_PRIVATE && source.startsWith("guest"),
      [MemextentDonateType.TO_SIBLING]: from === HOST_SHARED || to === HOST_SHARED,
    };
    if (kinds[type] !== true) return GunyahError.ARGUMENT_INVALID;
    for (let pa = offset; pa < offset + size; pa += PAGE)
      if (this.owner(pa) !== source) return GunyahError.MEMDB_NOT_OWNER;
    for (let pa = offset; pa < offset + size; pa += PAGE) this.#own(pa, target);
    return 0;
  }
  #own(pa: number, owner: string): void {
    if (owner === "host") this.owners.delete(pa / PAGE);
    else this.owners.set(pa / PAGE, owner);
  }
  #vmOf(addrspace: bigint): FakeVm | undefined {
    return [...this.vms.values()].find((vm) => vm.addrspace === addrspace);
  }
  #map(as: bigint, extent: bigint, ipa: number, attrs: number, flags: number, offset: number, size: number): number {
    const vm = this.#vmOf(as);
    if (vm === undefined) return GunyahError.CSPACE_CAP_NULL;
    const kind = flags & (MapFlag.PRIVATE | MapFlag.VMMIO);
    if ((flags & MapFlag.PARTIAL) === 0 || kind !== (extent === vm.guestPrivate ? MapFlag.PRIVATE : MapFlag.VMMIO))
      return GunyahError.ARGUMENT_INVALID;
    for (let at = 0; at < size; at += PAGE)
      vm.map.set((ipa + at) / PAGE, { pa: offset + at, extent, writable: (attrs & 2) !== 0 });
    return 0;
  }
  #unmap(as: bigint, extent: bigint, ipa: number, offset: number, size: number): number {
    const vm = this.#vmOf(as);
    if (vm === undefined) return GunyahError.CSPACE_CAP_NULL;
    for (let at = 0; at < size; at += PAGE) {
      const entry = vm.map.get((ipa + at) / PAGE);
      if (entry === undefined || entry.extent !== extent || entry.pa !== offset + at) return GunyahError.ADDR_INVALID;
    }
    for (let at = 0; at < size; at += PAGE) vm.map.delete((ipa + at) / PAGE);
    return 0;
  }
  #bell(cap: bigint, ring: (vm: FakeVm) => void): number {
    const vm = [...this.vms.values()].find((v) => [...v.bells.values()].includes(cap));
    if (vm === undefined) return GunyahError.CSPACE_CAP_NULL;
    ring(vm);
    return 0;
  }

  // The guest.
  #vcpuRun(cap: bigint, resume0: bigint, action: bigint, x: BigUint64Array): number {
    for (const vm of this.vms.values()) {
      const vcpu = vm.vcpus.find((v) => v.cap === cap);
      if (vcpu === undefined) continue;
      const state = this.#runGuest(vm, vcpu, resume0, Number(action), x);
      vcpu.last = state;
      x[1] = BigInt(state);
      return 0;
    }
    return GunyahError.CSPACE_CAP_NULL;
  }
  #runGuest(vm: FakeVm, vcpu: FakeGuestVcpu, resume0: bigint, action: number, x: BigUint64Array): number {
    const { script } = vcpu;
    if ((vcpu.last === 4 || vcpu.last === 5) && action !== 1) {
      const done = script.shift();
      if (action === 2) vcpu.faults++;
      if (done?.op === "load") vcpu.loaded.push(action === 2 ? undefined : resume0);
    }
    for (;;) {
      if (vcpu.exited || vm.state !== VmState.RUNNING) {
        x[2] = 1n;
        return 2;
      }
      const op = script[0];
      if (op === undefined || op.op === "wfi") {
        if (vcpu.pendingInterrupts === 0) return 1;
        vcpu.pendingInterrupts--;
        script.shift();
        if (op === undefined) return 1;
        continue;
      }
      if (op.op === "spin") {
        script.shift();
        return 0;
      }
      if (op.op === "off") {
        script.shift();
        vcpu.exited = true;
        this.exitVm(vm, 1);
        x[2] = 1n;
        return 2;
      }
      const isStore = op.op === "store";
      const size = op.size ?? 8;
      const entry = vm.map.get(Math.floor(op.ipa / PAGE));
      const backed =
        entry !== undefined && this.owner(entry.pa) === this.#ownerOf(entry.extent) && (!isStore || entry.writable);
      if (backed) {
        const at = entry.pa - DRAM + (op.ipa % PAGE);
        const view = new DataView(this.dram.buffer);
        if (isStore) view.setBigUint64(at, op.value, true);
        else vcpu.loaded.push(BigInt.asUintN(size * 8, view.getBigUint64(at, true)));
        script.shift();
        continue;
      }
      x[2] = BigInt(op.ipa);
      if (vm.demandRanges.some((r) => op.ipa >= r.base && op.ipa < r.base + r.size)) {
        x[3] = isStore ? 1n : 0n;
        return 7;
      }
      x[3] = BigInt(size);
      x[4] = isStore ? op.value : 0n;
      return isStore ? 5 : 4;
    }
  }
  /** The VM ends: RM kills its vCPUs and tells. */
  exitVm(vm: FakeVm, type: number): void {
    vm.state = VmState.EXITED;
    this.#notifyStatus(vm);
    this.#queue(
      fragmentRmMessage(
        RmMessageType.NOTIFICATION,
        1,
        RmNotifications.VM_EXITED.id,
        RmNotifications.VM_EXITED.payload.encode({ vmid: vm.vmid, exitType: type, reason: new Uint8Array(4) }),
      ),
    );
    for (const vcpu of vm.vcpus) this.raise(vcpu.intid);
  }
  #notifyStatus(vm: FakeVm): void {
    this.#queue(
      fragmentRmMessage(
        RmMessageType.NOTIFICATION,
        2,
        RmNotifications.VM_STATUS.id,
        RmNotifications.VM_STATUS.payload.encode({ vmid: vm.vmid, vmState: vm.state, osState: 0, appState: 0 }),
      ),
    );
  }

  // Message queues: depth 8 each way.
  #send(size: number, buffer: number, x: BigUint64Array): number {
    if (this.#toRm.length >= 8) return GunyahError.MSGQUEUE_FULL;
    this.#toRm.push((this.view(buffer, size) as Uint8Array).slice());
    x[1] = this.#toRm.length < 8 ? 1n : 0n;
    return 0;
  }
  #receive(buffer: number, x: BigUint64Array): number {
    const entry = this.#fromRm.shift();
    if (entry === undefined) return GunyahError.MSGQUEUE_EMPTY;
    this.write(buffer, entry);
    this.#refill();
    x[1] = BigInt(entry.length);
    x[2] = this.#fromRm.length > 0 ? 1n : 0n;
    return 0;
  }
  #queue(entries: readonly Uint8Array[]): void {
    this.#backlog.push(...entries);
    this.#refill();
  }
  #refill(): void {
    while (this.#fromRm.length < 8 && this.#backlog.length > 0) {
      this.#fromRm.push(this.#backlog.shift() as Uint8Array);
      this.raise(RX_INTID);
    }
  }
  #runRm(): void {
    if (this.rmDead) return;
    let drained = false;
    for (let entry = this.#toRm.shift(); entry !== undefined; entry = this.#toRm.shift()) {
      drained = true;
      const received = this.#rmReceiver.push(entry);
      if (received.kind !== "message") continue;
      const { header, payload } = received;
      const name = rmCallName(header.messageId);
      let reply = rmReplyPayload(RmError.UNIMPLEMENTED);
      if (name !== undefined) {
        this.log.push(name);
        const decoded = RmCalls[name].request.decode(payload) as { ok: boolean; value: never };
        const error = this.rmErrors.get(name);
        if (error !== undefined) reply = rmReplyPayload(error);
        else if (!decoded.ok) reply = rmReplyPayload(RmError.MSG_INVALID);
        else reply = this.#serve(name, decoded.value);
      }
      const mangled = name === undefined ? undefined : this.mangleReply?.(name, reply);
      this.#queue(mangled ?? fragmentRmMessage(RmMessageType.REPLY, header.sequence, header.messageId, reply));
    }
    if (drained) this.raise(TX_INTID);
  }

  #serve(name: RmCallName, request: never): Uint8Array {
    const q = request as Record<string, number | bigint> & CodecValue<(typeof RmCalls)["MEM_LEND"]["request"]>;
    const vm = this.vms.get(q["vmid"] as number);
    const refuse = (error: number) => rmReplyPayload(error);
    const ok = <N extends RmCallName>(_: N, value?: CodecValue<(typeof RmCalls)[N]["reply"]>) =>
      rmReplyPayload(0, (RmCalls[name].reply as { encode(v: unknown): Uint8Array }).encode(value ?? {}));
    switch (name) {
      case "VM_GET_VMID":
        return ok(name, { vmid: 3 });
      case "VM_ALLOCATE": {
        const vmid = [...Array(63).keys()].map((i) => 0x80 + i).find((id) => !this.vms.has(id)) ?? 0;
        this.#cap += 0x40n;
        this.vms.set(vmid, new FakeVm(vmid, this.#cap));
        return ok(name, { allocated: { vmid } });
      }
      case "MEM_LEND":
      case "MEM_SHARE": {
        const entries = q.sgl.map((e) => ({ address: Number(e.address), size: Number(e.size) }));
        for (const e of entries)
          for (let pa = e.address; pa < e.address + e.size; pa += PAGE)
            if (this.owner(pa) !== "host") return refuse(RmError.MEM_INVALID);
        const parcel: Parcel = {
          handle: this.#handle++,
          entries,
          vmids: q.acl.map((a) => a.vmid),
          lend: name === "MEM_LEND",
        };
        this.parcels.set(parcel.handle, parcel);
        this.#give(parcel, `${parcel.lend ? "parcel" : "shared parcel"} ${parcel.handle}`);
        return ok(name, { handle: parcel.handle });
      }
      case "MEM_RECLAIM": {
        const parcel = this.parcels.get(q["handle"] as number);
        if (parcel === undefined) return refuse(RmError.HANDLE_INVALID);
        const used = [...this.vms.values()].some(
          (v) => v.image === parcel.handle && (v.state === VmState.RUNNING || v.state === VmState.EXITED),
        );
        if (used) return refuse(RmError.MEM_INUSE);
        this.parcels.delete(parcel.handle);
        this.#give(parcel, "host");
        return ok(name);
      }
      case "VM_DEALLOCATE":
        if (vm === undefined || ![VmState.LOAD, VmState.INIT, VmState.RESET].some((state) => state === vm.state))
          return refuse(RmError.VM_STATE);
        this.vms.delete(vm.vmid);
        return ok(name);
    }
    if (vm === undefined) return refuse(RmError.VMID_INVALID);
    switch (name) {
      case "VM_CONFIG_IMAGE":
        vm.image = q["memHandle"] as number;
        vm.state = VmState.INIT;
        return ok(name);
      case "VM_SET_DEMAND_PAGING":
        vm.demandRanges = (request as { ranges: { base: bigint; size: bigint }[] }).ranges.map((r) => ({
          base: Number(r.base),
          size: Number(r.size),
        }));
        return ok(name);
      case "VM_SET_ADDRESS_LAYOUT":
        vm.layout = { base: Number(q["base"]), size: Number(q["size"]) };
        return ok(name);
      case "VM_INIT":
        if (vm.state !== VmState.INIT) return refuse(RmError.VM_STATE);
        vm.state = VmState.READY;
        this.#makeObjects(vm);
        return ok(name);
      case "VM_SET_BOOT_CONTEXT":
        vm.boot.push({ set: Number(q["registerSet"]), index: Number(q["registerIndex"]), value: q["value"] as bigint });
        return ok(name);
      case "VM_GET_HYP_RESOURCES":
        return ok(name, { resources: this.#resources(vm) });
      case "VM_START": {
        vm.state = VmState.RUNNING;
        const parcel = this.parcels.get(vm.image ?? -1);
        if (parcel !== undefined && vm.layout !== undefined) {
          const extent = parcel.lend ? vm.guestPrivate : vm.guestShared;
          this.#give(parcel, parcel.lend ? `guest ${vm.vmid}` : `shared ${vm.vmid}`);
          let ipa = vm.layout.base;
          for (const e of parcel.entries) {
            for (let at = 0; at < e.size; at += PAGE)
              vm.map.set((ipa + at) / PAGE, { pa: e.address + at, extent, writable: true });
            ipa += e.size;
          }
        }
        this.#notifyStatus(vm);
        return ok(name);
      }
      case "VM_STOP":
        if (vm.state !== VmState.RUNNING) return refuse(RmError.VM_STATE);
        this.exitVm(vm, 7);
        return ok(name);
      case "VM_RESET":
        vm.state = VmState.RESET;
        this.#dropEmptyImage(vm);
        this.#notifyStatus(vm);
        return ok(name);
      default:
        return refuse(RmError.UNIMPLEMENTED);
    }
  }
  /** A parcel whose pages went back one by one is gone with the VM. */
  #dropEmptyImage(vm: FakeVm): void {
    const parcel = this.parcels.get(vm.image ?? -1);
    if (parcel?.entries.every(({ address }) => this.owner(address) === "host") === true)
      this.parcels.delete(parcel.handle);
  }
  #give(parcel: Parcel, owner: string): void {
    for (const e of parcel.entries) for (let pa = e.address; pa < e.address + e.size; pa += PAGE) this.#own(pa, owner);
  }
  #makeObjects(vm: FakeVm): void {
    for (let i = 0; i < (this.#options.vcpus ?? 1); i++) {
      const vcpu = new FakeGuestVcpu(vm.addrspace + 8n + BigInt(i), 960 + (vm.vmid - 0x80) * 8 + i);
      vcpu.script = [...(this.#options.script ?? [])];
      vm.vcpus.push(vcpu);
    }
    for (const [i, label] of (this.#options.bells ?? []).entries())
      vm.bells.set(label, vm.addrspace + 0x20n + BigInt(i));
  }
  #resources(vm: FakeVm) {
    const entry = (type: number, label: number, capId: bigint, virq = 0) => ({
      type,
      partnerVmid: 0,
      handle: 0,
      label,
      capId,
      virqHandle: 0,
      virq,
      base: 0n,
      size: 0n,
    });
    return [
      ...vm.vcpus.map((v, i) => entry(HypResourceType.VIRTUAL_CPU, i, v.cap, v.intid)),
      ...[...vm.bells].map(([label, cap]) => entry(HypResourceType.DOORBELL_SRC, label, cap)),
      entry(HypResourceType.MEM_EXTENT, 0, vm.guestPrivate),
      entry(HypResourceType.MEM_EXTENT, 1, HOST_SHARED),
      entry(HypResourceType.MEM_EXTENT, 2, HOST_PRIVATE),
      entry(HypResourceType.MEM_EXTENT, 3, vm.guestShared),
      entry(HypResourceType.ADDR_SPACE, 0, vm.addrspace),
    ];
  }
}

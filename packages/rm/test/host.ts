import {
  type Codec,
  type CodecValue,
  fragmentRmMessage,
  LinuxRmReceiver,
  RmCalls,
  RmMessageType,
  RmNotifications,
  rmCallName,
  rmNotificationName,
} from "@gunyah-ts/abi";
import { cells, cells64, DeviceTree, EMPTY, parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import { createTrace, type TraceError } from "@gunyah-ts/kernel";
import { GunyahResourceManager } from "../src/index.ts";
import { BOARD, FakeHyp, type FakeObject } from "./fake-hyp.ts";

type CallName = keyof typeof RmCalls;
export interface Reply {
  readonly error: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of many messages
  readonly value: any;
}

/** Two queues, however they are reached. */
export interface Line {
  /** @returns GunyahError */
  send(bytes: Uint8Array): number;
  receive(): Uint8Array | undefined;
}

/** A client of the RM. */
export class RmClient {
  readonly line: Line;
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of many messages
  readonly notifications: { readonly name: string; readonly value: any }[] = [];
  readonly #replies = new Map<number, Reply>();
  readonly #receiver = new LinuxRmReceiver(() => true);
  #sequence = 0;

  constructor(line: Line) {
    this.line = line;
  }

  /** Send one request. @returns its sequence number */
  post(id: number, payload: Uint8Array): number {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    for (const entry of fragmentRmMessage(RmMessageType.REQUEST, this.#sequence, id, payload)) {
      const error = this.line.send(entry);
      if (error !== 0) throw new Error(`send: ${error}`);
    }
    return this.#sequence;
  }
  /** Read everything that waits. */
  drain(): void {
    for (let entry = this.line.receive(); entry !== undefined; entry = this.line.receive()) {
      const received = this.#receiver.push(entry);
      if (received.kind === "notification") {
        const name = rmNotificationName(received.header.messageId);
        if (name === undefined) throw new Error("unknown notification");
        const decoded = (RmNotifications[name].payload as Codec<unknown>).decode(received.payload);
        if (!decoded.ok) throw new Error(decoded.code);
        this.notifications.push({ name, value: decoded.value });
      } else if (received.kind === "reply") {
        const name = rmCallName(received.header.messageId);
        const codec = name === undefined ? undefined : (RmCalls[name].reply as Codec<unknown>);
        const decoded = received.rmError === 0 ? codec?.decode(received.payload) : undefined;
        if (decoded?.ok === false) throw new Error(decoded.code);
        this.#replies.set(received.header.sequence, { error: received.rmError, value: decoded?.value });
      } else if (received.kind !== "incomplete") throw new Error(received.kind);
    }
  }
  take(sequence: number): Reply {
    const reply = this.#replies.get(sequence);
    if (reply === undefined) throw new Error(`no reply ${sequence}`);
    this.#replies.delete(sequence);
    return reply;
  }
  raw(id: number, payload: Uint8Array): Reply {
    const sequence = this.post(id, payload);
    this.drain();
    return this.take(sequence);
  }
  call<N extends CallName>(name: N, request: CodecValue<(typeof RmCalls)[N]["request"]>): Reply {
    const { id, request: codec } = RmCalls[name];
    return this.raw(id, (codec as Codec<unknown>).encode(request));
  }
  /** The call must succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of many messages
  ok<N extends CallName>(name: N, request: CodecValue<(typeof RmCalls)[N]["request"]>): any {
    const reply = this.call(name, request);
    if (reply.error !== 0) throw new Error(`${name}: RM error ${reply.error}`);
    return reply.value;
  }
  takeNotifications() {
    return this.notifications.splice(0);
  }
}

/** A client on the fake hypervisor, by the capabilities that its device tree gives. */
export class Client extends RmClient {
  readonly tx: FakeObject;
  readonly rx: FakeObject;
  constructor(hyp: FakeHyp, txCap: bigint, rxCap: bigint) {
    const tx = hyp.of(txCap);
    const rx = hyp.of(rxCap);
    super({ send: (bytes) => hyp.send(tx, bytes), receive: () => hyp.receive(rx) });
    this.tx = tx;
    this.rx = rx;
  }
}

export function boot(board = BOARD) {
  const hyp = new FakeHyp(board);
  const base = new DeviceTree();
  base.root.set("#address-cells", 2).set("#size-cells", 2).set("compatible", "fake,board").set("interrupt-parent", 1);
  base.ensure("/chosen");
  hyp.physicalWrite(board.hostDtb.base, writeDtb(base));
  const trace = createTrace();
  const errors: TraceError[] = [];
  trace.listenErrors((error) => errors.push(error));
  hyp.boot(new GunyahResourceManager(trace));
  const tree = parseDtb(hyp.physicalRead(board.hostDtb.base, board.hostDtb.size));
  const node = [...tree.root.walk()].find((n) => n.isCompatible("gunyah-resource-manager"));
  const [tx, rx] = node?.cells64("reg") ?? [];
  const host = new Client(hyp, tx as bigint, rx as bigint);
  const write = (ipa: number, bytes: Uint8Array): boolean => hyp.writeTo(hyp.addrspaceOf(board.hostVmid), ipa, bytes);
  return { hyp, host, tree, write, errors };
}

export interface GuestTreeOptions {
  readonly base?: number;
  readonly cpus?: number;
  readonly affinity?: string;
  readonly edit?: (tree: DeviceTree) => void;
}
/** The tree that a VMM writes for a guest. */
export function guestTree({
  base = 0x8000_0000,
  cpus = 1,
  affinity = "proxy",
  edit,
}: GuestTreeOptions = {}): DeviceTree {
  const tree = new DeviceTree();
  tree.root
    .set("#address-cells", 2)
    .set("#size-cells", 2)
    .set("interrupt-parent", 1)
    .set("compatible", "linux,dummy-virt");
  tree.ensure("/chosen").set("bootargs", "console=ttyAMA0");
  tree.ensure("/memory").set("device_type", "memory").set("reg", cells64(base, 0x10_0000));
  tree.ensure("/cpus").set("#address-cells", 1).set("#size-cells", 0);
  for (let i = 0; i < cpus; i++)
    tree
      .ensure(`/cpus/cpu@${i}`)
      .set("device_type", "cpu")
      .set("reg", i)
      .set("enable-method", "psci")
      .set("compatible", "arm,armv8");
  tree.ensure("/psci").set("compatible", "arm,psci-0.2").set("method", "hvc");
  tree
    .ensure("/intc@3fff0000")
    .set("compatible", "arm,gic-v3")
    .set("interrupt-controller", EMPTY)
    .set("#interrupt-cells", 3)
    .set("phandle", 1)
    .set("reg", cells64(0x3fff_0000, 0x1_0000, 0x3fff_0000 - cpus * 0x2_0000, cpus * 0x2_0000));
  tree.ensure("/gunyah-vm-config").set("image-name", "test-vm").set("os-type", "linux");
  tree
    .ensure("/gunyah-vm-config/memory")
    .set("#address-cells", 2)
    .set("#size-cells", 2)
    .set("base-address", cells64(base));
  tree.ensure("/gunyah-vm-config/interrupts").set("config", 1);
  tree.ensure("/gunyah-vm-config/vcpus").set("affinity", affinity);
  tree
    .ensure("/gunyah-vm-config/vdevices/bell-5")
    .set("vdevice-type", "doorbell")
    .set("generate", "/hypervisor/bell-5")
    .set("label", 5)
    .set("peer-default", EMPTY)
    .set("source-can-clear", EMPTY)
    .set("interrupts", cells(0, 5, 1));
  edit?.(tree);
  return tree;
}

export const DTB_AT = 0x8080_0000;
export const DTB_SIZE = 0x4000;
export const RWX = 7;

/** Put a guest's tree into host memory, lend it and bring the VM to the state that is asked for. */
export function make(
  { host, write }: { readonly host: RmClient; write(ipa: number, bytes: Uint8Array): boolean },
  until: "LOAD" | "LENT" | "INIT" | "READY" | "RUNNING",
  options: GuestTreeOptions & {
    readonly at?: number;
    readonly demand?: readonly { base: bigint; size: bigint }[];
  } = {},
): { readonly vmid: number; readonly handle: number } {
  const { at = DTB_AT, base = 0x8000_0000 } = options;
  const vmid: number = host.ok("VM_ALLOCATE", { vmid: 0, reserved: 0 }).allocated.vmid;
  if (until === "LOAD") return { vmid, handle: 0xffff_ffff };
  if (!write(at, writeDtb(guestTree(options), { size: DTB_SIZE }))) throw new Error("host memory");
  const { handle } = host.ok("MEM_LEND", lendRequest(vmid, at, DTB_SIZE));
  if (until === "LENT") return { vmid, handle };
  host.ok("VM_CONFIG_IMAGE", configRequest(vmid, handle));
  host.ok("VM_SET_DEMAND_PAGING", { vmid, ranges: options.demand ?? [{ base: BigInt(base), size: 0x20_0000n }] });
  host.ok("VM_SET_ADDRESS_LAYOUT", { vmid, rangeId: 0, base: BigInt(base) + 0x10_0000n, size: BigInt(DTB_SIZE) });
  if (until === "INIT") return { vmid, handle };
  host.ok("VM_INIT", { vmid, reserved: 0 });
  if (until === "READY") return { vmid, handle };
  host.ok("VM_START", { vmid, reserved: 0 });
  return { vmid, handle };
}
export const lendRequest = (vmid: number, at: number, size: number, rights = RWX) => ({
  memType: 0,
  flags: 0,
  label: 0,
  acl: [{ vmid, rights }],
  sgl: [{ address: BigInt(at), size: BigInt(size) }],
  attrs: [],
});
export const configRequest = (vmid: number, memHandle: number) => ({
  vmid,
  authType: 0,
  memHandle,
  imageOffset: 0n,
  imageSize: 0n,
  dtbOffset: 0n,
  dtbSize: BigInt(DTB_SIZE),
});

/** A running guest that talks to the RM itself. */
export function withGuest() {
  const system = boot();
  const { hyp, host } = system;
  const { vmid } = make(system, "RUNNING", {
    edit: (tree) =>
      tree
        .ensure("/gunyah-vm-config/vdevices/rm-rpc")
        .set("vdevice-type", "rm-rpc")
        .set("generate", "/hypervisor/rm")
        .set("console-dev", true),
  });
  const blob = hyp.readFrom(hyp.addrspaceOf(vmid), 0x8010_0000, 0x4000) as Uint8Array;
  const tree = parseDtb(blob);
  const node = [...tree.root.walk()].find((n) => n.isCompatible("gunyah-resource-manager"));
  const [tx, rx] = node?.cells64("reg") ?? [];
  const guest = new Client(hyp, tx as bigint, rx as bigint);
  host.takeNotifications();
  return { ...system, vmid, guest, node, space: hyp.addrspaceOf(vmid), hostSpace: hyp.addrspaceOf(BOARD.hostVmid) };
}

import { GunyahError } from "@gunyah-ts/abi";
import { parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import { describe, expect, it } from "vitest";
import { GunyahDevice, type HostCallError } from "../src/index.ts";
import { guestTree, system } from "./support/system.ts";

const RAM = 0x8000_0000;
const SIZE = 4 << 20;
const DTB = SIZE - (1 << 20);
const DTB_SIZE = 0x2000;

type Access = "lend" | "share";
type System = ReturnType<typeof system>;

/** Start a VM, then close everything. @returns what start threw, and the VMID that it had */
async function life(s: System, access: Access, tree = guestTree(RAM, 2, [7])) {
  const process = s.driver.createProcess();
  const device = GunyahDevice.open(process);
  const vm = await device.createVm();
  const memory = await device.createGuestMemory(SIZE);
  memory.load(DTB, tree);
  await vm.mapMemory({ guestAddress: RAM, memory, size: SIZE, access });
  await vm.addVcpu(0);
  await vm.setDtbConfig({ guestAddress: RAM + DTB, size: DTB_SIZE });
  await vm.setBootContext("PC", BigInt(RAM));
  const thrown = await vm.start().then(
    () => undefined,
    (error: HostCallError) => error,
  );
  const [{ vmid, status } = { vmid: 0, status: "NO_STATE" }] = s.driver.vms;
  return { thrown, vmid, status, end: () => process.exit() };
}

/** Host pages and VMs, the hypervisor's objects, and the pages that the host can access. */
const count = ({ driver, hypervisor }: System) => ({
  usage: driver.usage,
  objects: hypervisor.inspect.usage().objects,
  accessible: hypervisor.inspect.accessiblePages(3),
});

/** A system whose RM has its hypercalls counted, and one of them refused, while `armed`. */
function counted(refused: number) {
  const names: string[] = [];
  const state = { armed: false };
  const s = system({
    rmHypercall: (name) => {
      if (!state.armed || name.startsWith("msgqueue_") === (name !== "msgqueue_configure")) return 0;
      return names.push(name) - 1 === refused ? GunyahError.NOMEM : 0;
    },
  });
  return { s, names, state };
}

describe.each(["lend", "share"] as const)("a start that fails half way (%s)", async (access) => {
  const whole = counted(-1);
  whole.state.armed = true;
  const { end } = await life(whole.s, access);
  whole.state.armed = false;
  await end();
  const calls = whole.names;

  it("ends as it began when nothing fails", async () => {
    const { s } = counted(-1);
    const before = count(s);
    for (const turn of [1, 2, 3]) {
      const { thrown, vmid, status, end } = await life(s, access);
      expect([turn, thrown, vmid, status]).toEqual([turn, undefined, 0x80, "RUNNING"]);
      await end();
      expect(count(s)).toEqual(before);
    }
    expect(s.messages).toEqual([]);
    expect(calls.length).toBeGreaterThan(50);
  });

  it.each(calls.map((name, i) => [i, name] as const))(
    "hypercall %i of the RM, %s, leaves nothing behind",
    async (i) => {
      const { s, state } = counted(i);
      const before = count(s);
      state.armed = true;
      const { thrown, end } = await life(s, access);
      state.armed = false;
      await end();
      expect(count(s)).toEqual(before);
      expect(s.messages).toEqual([]);
      expect(s.hypervisor.inspect.checkOwnership()).toBeUndefined();
      if (thrown !== undefined) expect(thrown.layers.map((l) => l.layer)).toEqual(["ioctl", "rm", "hypervisor"]);
      const again = await life(s, access);
      expect([again.thrown, again.vmid]).toEqual([undefined, 0x80]);
      await again.end();
      expect(count(s)).toEqual(before);
    },
  );
});

/** A tree without what RM needs from it. */
function broken(path: string): Uint8Array {
  const tree = parseDtb(guestTree(RAM, 1));
  tree.root.removeChild(path.slice(1));
  return writeDtb(tree);
}

describe("why RM refused", () => {
  it("is in the error, of two VMs that fail at once each its own", async () => {
    const s = system();
    const vms = await Promise.all([life(s, "lend", broken("/cpus")), life(s, "lend", broken("/gunyah-vm-config"))]);
    expect(vms.map(({ thrown }) => thrown?.layers)).toEqual([
      [
        { layer: "ioctl", value: -22, code: "-EINVAL", detail: "GUNYAH_VM_START on gunyah-vm" },
        { layer: "rm", value: 6, code: "ARGUMENT_INVALID", detail: "VM_INIT: no CPU nodes at /cpus" },
      ],
      [
        { layer: "ioctl", value: -22, code: "-EINVAL", detail: "GUNYAH_VM_START on gunyah-vm" },
        { layer: "rm", value: 6, code: "ARGUMENT_INVALID", detail: "VM_INIT: no gunyah-vm-config" },
      ],
    ]);
    for (const { end } of vms) await end();
  });

  it("is matched by client, message and sequence number", async () => {
    const s = system();
    const said: number[] = [];
    const reason = (message: { vmid: number; id: number; sequence: number }) =>
      s.trace.emit({ kind: "error", at: 0, layer: "rm", code: "DENIED", value: 3, detail: "another's", message });
    // Other clients, other messages and calls that are over use the same numbers.
    s.trace.listenErrors(({ message, detail }) => {
      if (message === undefined || detail === "another's") return;
      said.push(message.id);
      reason({ ...message, vmid: 0x80 });
      reason({ ...message, id: message.id + 1 });
      reason({ ...message, sequence: message.sequence + 1 });
    });
    const { thrown, end } = await life(s, "lend", broken("/cpus"));
    expect(said).toHaveLength(1);
    expect(thrown?.layers.map(({ detail }) => detail)).toEqual([
      "GUNYAH_VM_START on gunyah-vm",
      "VM_INIT: no CPU nodes at /cpus",
    ]);
    await end();
  });

  it("is not the absence of /chosen: RM makes the node", async () => {
    const s = system();
    const { thrown, end } = await life(s, "lend", broken("/chosen"));
    expect(thrown).toBeUndefined();
    await end();
  });
});

describe("a VM whose configuration RM refuses", () => {
  it("gives its VMID back, however often", async () => {
    const s = system();
    for (let turn = 0; turn < 3; turn++) {
      const process = s.driver.createProcess();
      const device = GunyahDevice.open(process);
      const vm = await device.createVm();
      const memory = await device.createGuestMemory(SIZE);
      await vm.mapMemory({ guestAddress: RAM, memory, size: SIZE });
      // Whole pages are lent, so the last bytes lie outside the parcel.
      await vm.setDtbConfig({ guestAddress: RAM, size: 0x1800 });
      await expect(vm.start()).rejects.toMatchObject({ errno: -22 });
      expect([...s.driver.vms].map(({ vmid }) => vmid)).toEqual([0x80]);
      await process.exit();
    }
    expect(s.messages).toEqual([]);
  });
});

describe("closing a VM whose device tree is shared", () => {
  it("takes as few hypercalls of RM as any other, with other VMs about too", async () => {
    const { s, names, state } = counted(-1);
    const other = await life(s, "lend");
    const took = async (access: Access): Promise<number> => {
      const { thrown, end } = await life(s, access);
      expect(thrown).toBeUndefined();
      names.length = 0;
      state.armed = true;
      await end();
      state.armed = false;
      return names.length;
    };
    const shared = await took("share");
    const lent = await took("lend");
    expect(Math.abs(shared - lent)).toBeLessThan(10);
    expect(shared).toBeLessThan(120);
    await other.end();
    expect(s.messages).toEqual([]);
  });
});

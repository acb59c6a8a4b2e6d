import { FnIoeventfdArg, FnType } from "@gunyah-ts/abi";
import { createPostTurn } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import type { VcpuExit } from "../src/index.ts";
import { RAM, RAM_SIZE, started, vmWith, world } from "./support/world.ts";

type Made = Awaited<ReturnType<typeof vmWith>>;
type Call = (made: Made) => Promise<unknown>;

const DTB_PAGE = RAM_SIZE - 4096;
const LATE_TYPE = 77;
const postTurn = createPostTurn();
const turn = () => new Promise<void>((resolve) => postTurn(resolve));

const ioeventfd = (fd: number) =>
  FnIoeventfdArg.encode({ datamatch: 0n, addr: 0x1000n, len: 4, fd, flags: 0, padding: 0 });
const whole = ({ memory }: Made) => ({ guestAddress: RAM, memory, size: RAM_SIZE, access: "lend" }) as const;
const outcome = ({ reason, status, exitType }: VcpuExit) => `exit ${reason}.${status}.${exitType}`;

/** Every call on a VM and on what it is made of. */
const CALLS: Readonly<Record<string, Call>> = {
  VM_START: ({ vm }) => vm.start(),
  VM_SET_DTB_CONFIG: ({ vm }) => vm.setDtbConfig({ guestAddress: RAM + DTB_PAGE, size: 4096 }),
  VM_SET_BOOT_CONTEXT: ({ vm }) => vm.setBootContext("PC", BigInt(RAM)),
  "VM_ADD_FUNCTION of an ioeventfd": async ({ vm, device }) =>
    vm.addFunction(FnType.IOEVENTFD, ioeventfd(device.createEventFd().fd)),
  "VM_ADD_FUNCTION of a vCPU": ({ vm }) => vm.addVcpu(1),
  "VM_ADD_FUNCTION with a driver to load": ({ vm }) => vm.addFunction(LATE_TYPE, new Uint8Array([1, 0, 0, 0])),
  VM_REMOVE_FUNCTION: ({ vm }) => vm.removeVcpu(0),
  "VM_MAP_MEM, unmapping all": (made) => made.vm.unmapMemory(whole(made)),
  "VM_MAP_MEM, unmapping the tail": (made) =>
    made.vm.unmapMemory({ ...whole(made), guestAddress: RAM + DTB_PAGE, offset: DTB_PAGE, size: 4096 }),
  VCPU_RUN: async ({ vcpu }) => outcome(await vcpu.run()),
  "fallocate, punching a hole": async ({ memory }) => memory.punchHole(DTB_PAGE, 4096),
  "mmap and a store": async ({ memory }) => memory.map(DTB_PAGE, 4096).write(0, new Uint8Array(8)),
  "close of the memory": ({ memory }) => memory.close(),
  "close of the VM": ({ vm }) => vm.close(),
  "exit of the process": ({ process }) => process.exit(),
};
const NAMES = Object.keys(CALLS);

interface Ran {
  /** What each call answered: 0, a negative errno, or a vCPU's exit. */
  readonly results: readonly unknown[];
  /** RM's VMs, host usage and lent pages once every process is gone, where they are not what they were before. */
  readonly left: unknown;
  readonly messages: readonly string[];
  /** Whether the first call had ended when the second began. */
  readonly isSerial: boolean;
}

const answer = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    const value = await call;
    return typeof value === "string" ? value : 0;
  } catch (error) {
    const { errno } = error as { errno?: number };
    if (errno === undefined) throw error;
    return errno;
  }
};

/** Start `first`; after so many turns of the event loop and then so many microtasks, `second`. Then end everything. */
async function race(first: Call, second: Call, turns: number, microtasks: number): Promise<Ran> {
  const w = world({ dramSize: 12 << 20, vcpus: 2, script: [{ op: "off" }] });
  const load = w.drivers.get(FnType.VCPU);
  const { functions } = w;
  functions.load = async (type) => {
    await turn();
    if (load !== undefined) w.drivers.set(type, load);
    return true;
  };
  const before = { usage: w.driver.usage, foreign: w.gunyah.foreignPages, parcels: w.gunyah.parcels.size };
  const made = await vmWith(w);
  let isOver = false;
  const one = answer(first(made)).finally(() => {
    isOver = true;
  });
  for (let i = 0; i < turns && !isOver; i++) await turn();
  for (let i = 0; i < microtasks && !isOver; i++) await null;
  const isSerial = isOver;
  const two = answer(second(made));
  const results = await Promise.all([one, two]);
  for (const process of [...w.driver.kernel.processes]) await process.exit();
  const after = { usage: w.driver.usage, foreign: w.gunyah.foreignPages, parcels: w.gunyah.parcels.size };
  const isClean = JSON.stringify(after) === JSON.stringify(before) && w.gunyah.vms.size === 0;
  const left = isClean ? "nothing" : { ...after, vmids: [...w.gunyah.vms.keys()] };
  return { results, left, messages: w.messages, isSerial };
}

/**
 * Answers that no order gives, on purpose: while VM_START is under way the device tree's pages are neither the host's
 * nor the guest's, so they can be neither touched (SIGBUS, seen as EFAULT) nor freed (EBUSY).
 */
const ALSO: Readonly<Record<string, string>> = {
  "VM_START, mmap and a store": "[0,-14]",
  "VM_START, fallocate, punching a hole": "[0,-16]",
};

/** Microtasks between two sleeps of a call that are worth a try: the longest chain of awaits has fewer. */
const MICROTASKS = 14;

describe("two calls at once answer what they answer one after the other", () => {
  const pairs = NAMES.flatMap((a) => NAMES.map((b) => [a, b] as const));
  it.each(pairs)(
    "%s, and meanwhile %s",
    async (a, b) => {
      const first = CALLS[a] as Call;
      const second = CALLS[b] as Call;
      const serial = new Set([ALSO[`${a}, ${b}`] ?? ""]);
      for (const [one, two, swap] of [
        [first, second, false],
        [second, first, true],
      ] as const) {
        const ran = await race(one, two, Number.POSITIVE_INFINITY, 0);
        expect(ran.left, "one after the other").toBe("nothing");
        serial.add(JSON.stringify(swap ? [...ran.results].reverse() : ran.results));
      }
      for (let turns = 0, isSerial = false; !isSerial; turns++) {
        for (let microtasks = 0; microtasks < MICROTASKS && !isSerial; microtasks++) {
          const ran = await race(first, second, turns, microtasks);
          const where = `after ${turns} turns and ${microtasks} microtasks`;
          expect([...serial], where).toContain(JSON.stringify(ran.results));
          expect(ran.left, where).toBe("nothing");
          isSerial = ran.isSerial;
        }
      }
    },
    60_000,
  );
});

describe("VM_START by two threads", () => {
  it("starts the VM once, with one VMID, and answers 0 to both", async () => {
    const w = world();
    const { vm, process } = await vmWith(w);
    await Promise.all([vm.start(), vm.start()]);
    expect(w.gunyah.log.filter((name) => name === "VM_ALLOCATE" || name === "VM_START")).toEqual([
      "VM_ALLOCATE",
      "VM_START",
    ]);
    expect([...w.gunyah.vms.keys()]).toEqual([0x80]);
    await process.exit();
    expect(w.gunyah.vms.size).toBe(0);
  });

  it("answers ENODEV to the one that waited for a start that failed", async () => {
    const w = world();
    w.gunyah.rmErrors.set("VM_INIT", 2);
    const { vm, process } = await vmWith(w);
    const results = await Promise.all([answer(vm.start()), answer(vm.start()), answer(vm.start())]);
    expect(results).toEqual([-19, -19, -19]);
    expect(w.gunyah.log.filter((name) => name === "VM_ALLOCATE")).toHaveLength(1);
    await process.exit();
  });

  it("keeps the state that RM tells of while a start is under way until the start is over", async () => {
    const w = world();
    const states: string[] = [];
    const { vm, fake } = await started(w);
    w.gunyah.exitVm(fake, 1);
    for (const { status } of w.driver.vms) states.push(status);
    for (let i = 0; i < 4; i++) await turn();
    for (const { status } of w.driver.vms) states.push(status);
    expect(states).toEqual(["RUNNING", "EXITED"]);
    await vm.close();
  });
});

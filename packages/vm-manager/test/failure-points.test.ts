import { describe, expect, it } from "vitest";
import { GunyahDevice } from "../src/index.ts";
import { RAM, started, type World, world } from "./support/world.ts";

/** Create, configure, start, fault in, signal, run to the end, tear down. Throws where a call fails. */
async function life(w: World): Promise<void> {
  const made = await started(w);
  const { device, vm, vcpu, memory, fake } = made;
  const event = device.createEventFd();
  await vm.addIrqfd({ fd: event.fd, label: 5, level: true });
  await vm.addIoeventfd({ fd: event.fd, address: 0x1000, length: 4 });
  const guest = fake.vcpus[0];
  if (guest === undefined) throw new Error("no vCPU");
  guest.script = [
    { op: "store", ipa: RAM + 0x3000, value: 1n },
    { op: "store", ipa: 0x1000, value: 1n, size: 4 },
    { op: "off" },
  ];
  const exit = await vcpu.run();
  if (exit.reason !== 2) throw new Error(`exit ${exit.reason}, attempt ${exit.attempt}`);
  memory.punchHole(0x3000, 0x1000);
  await vm.close();
}

async function lifeAndExit(w: World): Promise<unknown> {
  let thrown: unknown;
  await life(w).catch((error: unknown) => {
    thrown = error;
  });
  for (const process of [...w.driver.kernel.processes]) await process.exit();
  return thrown;
}

const clean = (w: World) => ({ usage: w.driver.usage, vms: w.gunyah.vms.size, foreign: w.gunyah.foreignPages });

/** Points that a life passes, in order. */
async function record(): Promise<string[]> {
  const points: string[] = [];
  let recording = false;
  const w = world({
    bells: [5],
    fault: (point) => {
      if (recording) points.push(point);
      return false;
    },
  });
  recording = true;
  expect(await lifeAndExit(w)).toBeUndefined();
  return points;
}

/** Teardown goes on after these; host pages that they leave behind are lost on purpose, as in the series. */
const LOSES_PAGES = new Set(["host.rm.VM_RESET", "host.rm.MEM_RECLAIM", "host.hypercall.addrspace_unmap"]);
/** After these RM still has the VM: it was never told. */
const LOSES_VMID = new Set(["host.rm.VM_RESET", "host.rm.VM_DEALLOCATE"]);

describe("each point of failure in turn", async () => {
  const points = await record();

  it("covers RM calls, hypercalls and allocations", () => {
    const kinds = new Set(points.map((p) => p.split(".").slice(0, 2).join(".")));
    expect([...kinds].sort()).toEqual(["host.alloc", "host.hypercall", "host.rm"]);
    expect(new Set(points).size).toBeGreaterThan(20);
  });

  // A send that fails is the failure of the RM call that it carries.
  const passes = points.map(
    (point, i) => [i, point, point === "host.hypercall.msgq_send" ? (points[i - 1] as string) : point] as const,
  );
  it.each(passes)("#%i %s (%s)", async (index, point, cause) => {
    let count = -1;
    let armed = false;
    const w = world({ bells: [5], fault: () => armed && ++count === index });
    const before = clean(w);
    armed = true;
    const error = await lifeAndExit(w);
    const after = clean(w);
    // The donation that returns a page, as opposed to the one that gives it.
    const isReturn = point === "host.hypercall.memextent_donate" && after.foreign > 0;
    const losesPages = LOSES_PAGES.has(cause) || isReturn;
    expect({ ...after.usage, ...(losesPages && { usedPages: before.usage.usedPages }) }).toEqual(before.usage);
    if (!losesPages) expect(after.foreign).toBe(0);
    expect(after.vms).toBe(LOSES_VMID.has(cause) ? 1 : 0);
    // Where the failure reached userspace it has an errno.
    if (error !== undefined) expect(String(error)).toMatch(/-E[A-Z]+|exit 3/);

    armed = false;
    expect(await lifeAndExit(w)).toBeUndefined();
  });
});

describe("a VM that runs when its descriptors go", () => {
  it("is stopped by force, reset and freed", async () => {
    const w = world();
    const before = clean(w);
    const { vm, vcpu, memory, device } = await started(w);
    await vm.close();
    expect(w.gunyah.vms.size).toBe(1);
    expect(w.gunyah.log.at(-1)).toBe("VM_START");
    const from = w.gunyah.log.length;
    await vcpu.close();
    expect(w.gunyah.log.slice(from).filter((name) => name.startsWith("VM_"))).toEqual([
      "VM_STOP",
      "VM_RESET",
      "VM_DEALLOCATE",
    ]);
    await memory.close();
    await device.close();
    for (const process of [...w.driver.kernel.processes]) await process.exit();
    expect(clean(w)).toEqual(before);
  });

  it("ends a run that sleeps when its process dies", async () => {
    const w = world();
    const { process, vcpu } = await started(w);
    const pending = vcpu.run();
    await process.exit();
    expect((await pending).reason).toBe(-1);
    expect(w.gunyah.vms.size).toBe(0);
  });

  it("never asks RM for a VM that was not started", async () => {
    const w = world();
    const process = w.driver.createProcess();
    const vm = await GunyahDevice.open(process).createVm();
    await vm.close();
    expect(w.gunyah.log).toEqual([]);
    expect(w.driver.usage.vms).toBe(0);
  });
});

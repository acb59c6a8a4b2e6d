import { readFileSync } from "node:fs";
import { Hypervisor } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { code, machineOf } from "./support.ts";

const program = new Uint8Array(readFileSync(new URL("./programs/host/host.bin", import.meta.url)));

describe("a host that cannot go on", () => {
  it.each([
    ["its vectors lie where nothing is", [0xd2a8_0000 /* mov x0, #0x40000000 */, 0xd518_c000 /* msr VBAR_EL1, x0 */]],
    ["its vectors are the root VM's memory", [0xd2b1_3800 /* mov x0, #0x89c00000 */, 0xd518_c000]],
  ])("is a crash of the machine, told with the place: %s", async (_what, setVectors) => {
    const kernel = code(...setVectors, 0xd503_3fdf /* isb */, 0xd400_0001 /* svc #0 */);
    const { machine, end } = await machineOf({ kernel, flat: true });
    await machine.start();
    expect(await end).toMatchObject({
      reason: "crash",
      detail: expect.stringMatching(/^HYP_HOST_CRASHED: CPU 0 of the host, PC 0x(40000200|89c00200): aborts at 0x\1/),
    });
    await machine.dispose();
  });

  it("does not crash the machine while it goes on: a device that is polled for ever", async () => {
    // mov x1, #0x9000000; 1: ldr w0, [x1, #0x18]; tbz w0, #8, 1b: UARTFR.RI is never set
    const kernel = code(0xd2a1_2001, 0xb940_1820, 0x3647_ffe0);
    const { machine } = await machineOf({ kernel, flat: true });
    await machine.start();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    const [host] = machine
      .get(Hypervisor)
      .inspect.vms()
      .filter(({ vmid }) => vmid === 3);
    expect(host?.vcpus[0]?.retired).toBeGreaterThan(20_000);
    await machine.dispose();
  });
});

it("a machine is disposed of in the middle of a guest's run, and none of its CPUs runs afterwards", async () => {
  const { machine } = await machineOf({ kernel: program }, { cpus: 2 });
  const { inspect } = machine.get(Hypervisor);
  const running = new Promise<void>((resolve) => {
    machine.trace.listen((event) => {
      if (event.kind === "stage2-fault" && event.vmid === 0x80) resolve();
    });
  });
  await machine.start();
  await running;
  const retired = () => inspect.vms().flatMap(({ vcpus }) => vcpus.map((vcpu) => vcpu.retired));
  await machine.stop();
  const stopped = retired();
  expect(stopped.length).toBeGreaterThan(2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(retired()).toEqual(stopped);
  await machine.dispose();
});

/**
 * A host that is nobody's driver: `programs/host` makes a VM with hypercalls and RM messages alone, and looks at every
 * register of every call.
 */
import { readFileSync } from "node:fs";
import { Hypervisor } from "@gunyah-ts/kernel";
import { expect, it } from "vitest";
import { machineOf } from "./support.ts";

const kernel = new Uint8Array(readFileSync(new URL("./programs/host/host.bin", import.meta.url)));

async function run(clock: "virtual" | "host") {
  const { machine, console, end: ended } = await machineOf({ kernel }, { cpus: 2, clock });
  const { inspect } = machine.get(Hypervisor);
  await machine.start();
  const before = inspect.usage();
  const end = await ended;
  const after = inspect.usage();
  const [host] = inspect.vms().filter(({ vmid }) => vmid === 3);
  const ownership = inspect.checkOwnership();
  await machine.dispose();
  return { text: console.text, end, before, after, retired: host?.vcpus[0]?.retired, ownership };
}

it.each(["virtual", "host"] as const)("makes, runs and takes apart two VMs, %s clock", async (clock) => {
  const { text, end, before, after, ownership } = await run(clock);
  expect(text).not.toContain("FAILED");
  expect(text).toMatch(
    /^guest ended, VMID 0x80\nguest ended, VMID 0x[0-9a-f]+\nchecks 0x[0-9a-f]{3,}\nfailures 0x0\n$/,
  );
  expect(end).toEqual({ reason: "off", detail: "SYSTEM_OFF" });
  expect(ownership).toBeUndefined();
  // Nothing of the VMs is left.
  expect(after.objects).toEqual(before.objects);
  expect(after.carveOutBytes).toBe(before.carveOutBytes);
});

it("does the same twice, instruction for instruction, under the virtual clock", async () => {
  const [first, second] = [await run("virtual"), await run("virtual")];
  expect(second.text).toBe(first.text);
  expect(second.retired).toBe(first.retired);
});

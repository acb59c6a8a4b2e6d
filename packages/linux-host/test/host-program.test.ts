/**
 * A host that is nobody's driver: `programs/host` makes a VM with hypercalls and RM messages alone, and looks at every
 * register of every call.
 */
import { readFileSync } from "node:fs";
import { archArm64 } from "@gunyah-ts/arch-arm64";
import { firmware } from "@gunyah-ts/firmware";
import { hyp } from "@gunyah-ts/hyp";
import { BoardPower, createMachine, Hypervisor, use } from "@gunyah-ts/kernel";
import { rm } from "@gunyah-ts/rm";
import { ProgramConsole, vmmDevices } from "@gunyah-ts/vmm";
import { expect, it } from "vitest";
import { hostEnd, LinuxHostService, linuxHost } from "../src/index.ts";
import { board } from "./board.ts";

const kernel = new Uint8Array(readFileSync(new URL("./programs/host/host.bin", import.meta.url)));

async function run(clock: "virtual" | "host") {
  const machine = await createMachine({
    soc: board(2),
    plugins: [archArm64, use(hyp, { checkOwnership: true }), rm, firmware, linuxHost, ...vmmDevices],
    clock,
    host: { kernel },
  });
  const console = new ProgramConsole();
  machine.get(LinuxHostService).connect(console);
  const { inspect } = machine.get(Hypervisor);
  await machine.start();
  const before = inspect.usage();
  const end = await hostEnd(machine.get(BoardPower));
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

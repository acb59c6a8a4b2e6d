import { archArm64 } from "@gunyah-ts/arch-arm64";
import { firmware } from "@gunyah-ts/firmware";
import { guestLinux } from "@gunyah-ts/guest-linux";
import { hyp } from "@gunyah-ts/hyp";
import { BoardPower, createMachine, Hypervisor, use } from "@gunyah-ts/kernel";
import { rm } from "@gunyah-ts/rm";
import { ProgramConsole, vmmDevices } from "@gunyah-ts/vmm";
import { describe, expect, it } from "vitest";
import { hostEnd, LinuxHostService, linuxHost } from "../src/index.ts";
import { board } from "./board.ts";

async function boot(cpus: number) {
  const { kernel, initrd } = await guestLinux();
  const machine = await createMachine({
    soc: board(cpus),
    plugins: [archArm64, use(hyp, { checkOwnership: true }), rm, firmware, linuxHost, ...vmmDevices],
    clock: "virtual",
    host: { kernel, initrd, cmdline: "console=ttyAMA0", devices: [{ type: "pl011" }, { type: "virtio-rng" }] },
  });
  const console = new ProgramConsole();
  machine.get(LinuxHostService).connect(console);
  return { machine, console };
}

describe("the embedded guest's kernel as the host", () => {
  it.each([1, 4])("boots to a shell on %d CPUs, takes a command, powers off", async (cpus) => {
    const { machine, console } = await boot(cpus);
    const end = hostEnd(machine.get(BoardPower));
    await machine.start();
    await console.waitFor("/ # ");
    console.type("nproc; ls /proc/device-tree/hypervisor; head -c 4 /dev/hwrng | wc -c; echo do''ne\n");
    const said = await console.waitFor("done");
    expect(said).toMatch(new RegExp(`\\n${cpus}\\r\\n`));
    expect(said).toContain("qcom,resource-manager-rpc@");
    expect(said).toMatch(/\n4\r\n/);
    console.type("poweroff -f\n");
    expect(await end).toEqual({ reason: "off", detail: "SYSTEM_OFF" });
    expect(machine.get(Hypervisor).inspect.checkOwnership()).toBeUndefined();
    await machine.dispose();
  });
});

import { guestLinux } from "@gunyah-ts/guest-linux";
import { Hypervisor } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { machineOf } from "./support.ts";

describe("the embedded guest's kernel as the host", async () => {
  const { kernel, initrd } = await guestLinux();

  it.each([1, 4])("boots to a shell on %d CPUs, takes a command, powers off", async (cpus) => {
    const devices = [{ type: "pl011" }, { type: "virtio-rng" }];
    const { machine, console, end } = await machineOf(
      { kernel, initrd, cmdline: "console=ttyAMA0", devices },
      { cpus },
    );
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

  it("says that it was reset when the kernel reboots", async () => {
    const { machine, console, end } = await machineOf({ kernel, initrd, cmdline: "console=ttyAMA0" });
    await machine.start();
    await console.waitFor("/ # ");
    console.type("reboot -f\n");
    expect(await end).toMatchObject({ reason: "reset" });
    await machine.dispose();
  });
});

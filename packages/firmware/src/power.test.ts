import { Psci } from "@gunyah-ts/abi";
import type { BoardEnd } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { PowerController } from "./power.ts";

function call(power: PowerController, vmid: number, ...x: bigint[]): boolean {
  const registers = new BigUint64Array(18);
  registers.set(x);
  return power.smc(vmid, registers);
}

describe("the power controller", () => {
  it.each([
    ["SYSTEM_OFF", [BigInt(Psci.SYSTEM_OFF)], { reason: "off", detail: "SYSTEM_OFF" }],
    ["SYSTEM_RESET", [BigInt(Psci.SYSTEM_RESET)], { reason: "reset", detail: "SYSTEM_RESET" }],
    [
      "SYSTEM_RESET2, SMC64, with garbage above the function id",
      [0xffff_ffff_c400_0012n, 0xdead_0000_8000_0001n, 0x1234n],
      { reason: "reset", detail: "SYSTEM_RESET2 type 0x80000001 cookie 0x1234" },
    ],
  ])("switches the board off at %s of the hypervisor", (_call, x, end) => {
    const power = new PowerController();
    const heard: BoardEnd[] = [];
    power.onEnd((e) => heard.push(e));
    expect(call(power, 0, ...(x as bigint[]))).toBe(true);
    expect(power.end).toEqual(end);
    expect(heard).toEqual([end]);
  });

  it("leaves other calls, and every call of a VM, to others", () => {
    const power = new PowerController();
    expect(call(power, 0, BigInt(Psci.PSCI_VERSION))).toBe(false);
    expect(call(power, 3, BigInt(Psci.SYSTEM_OFF))).toBe(false);
    expect(power.end).toBeUndefined();
  });

  it("keeps the first end, tells each listener once, and a late one at once", () => {
    const power = new PowerController();
    const heard: string[] = [];
    power.onEnd(({ reason }) => heard.push(`first ${reason}`));
    power.onEnd(({ reason }) => heard.push(`removed ${reason}`))();
    power.switchOff({ reason: "crash", detail: "test" });
    power.switchOff({ reason: "off", detail: "test" });
    power.onEnd(({ reason }) => heard.push(`late ${reason}`));
    expect(heard).toEqual(["first crash", "late crash"]);
  });
});

import { describe, expect, it } from "vitest";
import { bootSystem, SYSTEM_BOARD } from "./system.ts";

describe("RM on the hypervisor", () => {
  it("boots the host, which finds the RM and talks to it", () => {
    const { host, tree, hypervisor } = bootSystem();
    expect(tree.root.string("compatible")).toBe("test,board");
    expect(host.ok("VM_GET_VMID", {})).toEqual({ vmid: SYSTEM_BOARD.hostVmid });
    expect(hypervisor.inspect.checkOwnership()).toBeUndefined();
  });
});

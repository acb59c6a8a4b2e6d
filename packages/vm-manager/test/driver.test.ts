import { describe, expect, it } from "vitest";
import { ExitReason } from "../src/index.ts";
import { RAM, RAM_SIZE, started, world } from "./support/world.ts";

describe("a VM's life", () => {
  it("starts in the reference's order, runs, exits and leaves nothing", async () => {
    const w = world({ vcpus: 1, bells: [5] });
    const before = w.driver.usage;
    const { process, vm, vcpu, fake } = await started(w);
    expect(w.gunyah.log.filter((name) => name.startsWith("VM_") || name.startsWith("MEM_"))).toEqual([
      "VM_ALLOCATE",
      "MEM_LEND",
      "VM_CONFIG_IMAGE",
      "VM_SET_DEMAND_PAGING",
      "VM_SET_ADDRESS_LAYOUT",
      "VM_INIT",
      "VM_GET_HYP_RESOURCES",
      "VM_START",
    ]);
    (fake.vcpus[0] as (typeof fake.vcpus)[0]).script = [
      { op: "store", ipa: RAM + 0x1000, value: 0x1234n },
      { op: "load", ipa: RAM + 0x1000 },
      { op: "load", ipa: RAM + RAM_SIZE - 8192 },
      { op: "off" },
    ];
    const exit = await vcpu.run();
    expect(exit.reason).toBe(ExitReason.STATUS);
    expect(exit.exitType).toBe(1);
    expect(fake.vcpus[0]?.loaded).toEqual([0x1234n, 0xdbdb_dbdb_dbdb_dbdbn]);
    await vm.close();
    await process.exit();
    expect(w.gunyah.vms.size).toBe(0);
    expect(w.gunyah.foreignPages).toBe(0);
    expect(w.driver.usage).toEqual(before);
    expect(w.messages).toEqual([]);
  });
});

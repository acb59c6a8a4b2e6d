import { createMachine, definePlugin, type NativeProgram, ResourceManager } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { rm } from "../src/index.ts";
import { bootSystem } from "./system.ts";

describe("the plugin", () => {
  it("provides the root VM's program", async () => {
    const machine = await createMachine({ plugins: [rm] });
    expect(machine.get(ResourceManager).program.name).toBe("gunyah-resource-manager");
    await machine.dispose();
  });

  it("can be replaced by another that provides the contract", async () => {
    const program: NativeProgram = { name: "stub", start: () => undefined, interrupt: () => undefined };
    const stub = definePlugin({
      name: "gunyah-plugin-stub-rm",
      version: "1.0.0",
      provides: [ResourceManager],
      setup: (ctx) => ctx.provide(ResourceManager, { program }),
    });
    const machine = await createMachine({ plugins: [stub] });
    expect(machine.get(ResourceManager).program).toBe(program);
    await machine.dispose();
    await expect(createMachine({ plugins: [rm, stub] })).rejects.toMatchObject({ code: "KERNEL_DUPLICATE_PROVIDER" });
  });

  it("makes programs that share nothing: two systems in one process", () => {
    const a = bootSystem();
    const b = bootSystem();
    expect(a.host.ok("VM_ALLOCATE", { vmid: 0, reserved: 0 })).toEqual({ allocated: { vmid: 0x80 } });
    expect(b.host.ok("VM_ALLOCATE", { vmid: 0, reserved: 0 })).toEqual({ allocated: { vmid: 0x80 } });
    expect(a.host.ok("VM_ALLOCATE", { vmid: 0, reserved: 0 })).toEqual({ allocated: { vmid: 0x81 } });
  });
});

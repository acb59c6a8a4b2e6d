import { LinuxErrno } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { vmWith, world } from "./support/world.ts";

describe("a message to RM whose buffer cannot be written", () => {
  it("fails alone: the next one is sent", async () => {
    const w = world();
    const { vm, process } = await vmWith(w);
    const write = w.gunyah.write.bind(w.gunyah);
    w.gunyah.write = () => false;
    await expect(vm.start()).rejects.toMatchObject({ errno: -LinuxErrno.EFAULT });
    w.gunyah.write = write;
    await vm.start();
    expect(w.gunyah.log).toContain("VM_START");
    await process.exit();
  });
});

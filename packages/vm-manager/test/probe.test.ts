import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { VM_MANAGER_ERRORS } from "../src/index.ts";
import { world } from "./support/world.ts";

describe("probe", () => {
  it.each([
    ["another hypervisor", { uid: [1, 2, 3, 4] }, /UID should be .* it is 00000001/],
    ["no hypervisor", { uid: [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff] }, /not supported/],
    ["another API version", { apiInfo: 0x5100_0000_0000_8002n }, /API version is 2/],
  ])("refuses %s and says what is there", async (_what, options, message) => {
    const { driver } = world(options);
    await expect(driver.ready).rejects.toMatchObject({
      code: "VMM_PROBE_FAILED",
      message: expect.stringMatching(message),
    });
    expect(() => driver.createProcess()).toThrow(expect.objectContaining({ code: "VMM_NOT_STARTED" }));
  });

  it("refuses a tree without RM and names what /hypervisor is", async () => {
    const { driver } = world({
      tree: (tree) => tree.root.child("hypervisor")?.removeChild("qcom,resource-manager-rpc@11"),
    });
    await expect(driver.ready).rejects.toMatchObject({ message: expect.stringContaining("simple-bus") });
  });

  it("lists its error codes in the README", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    for (const [code, text] of Object.entries(VM_MANAGER_ERRORS)) expect(readme).toContain(`| \`${code}\` | ${text} |`);
  });
});

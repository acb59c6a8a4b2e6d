/** The helper thread compiles beside the CPU, and nobody notices; nor when there is none. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const script = fileURLToPath(new URL("./helper-boot.ts", import.meta.url));

describe("a helper thread", { timeout: 600_000 }, () => {
  it("compiles, the boot stays the same, and so it does when the thread cannot start", () => {
    const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "--conditions=gunyah-source", script], {
      encoding: "utf8",
      maxBuffer: 16 << 20,
    });
    expect(stderr).toBe("");
    const { interpreter, helper, broken } = JSON.parse(stdout);
    expect(interpreter.outcome.console).toContain("Booting Linux");
    for (const { outcome, statistics } of [helper, broken]) {
      expect(outcome).toEqual(interpreter.outcome);
      expect(statistics.failed).toBe(0);
      expect(statistics.retired).toBeGreaterThan(0);
    }
  });
});

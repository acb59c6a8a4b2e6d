import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { virtBoard } from "../src/board.ts";
import { ExitCode } from "../src/exit-code.ts";
import { reportOf } from "../src/report.ts";
import { gunyah } from "./support.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "gunyah-diagnosis-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** Our board with a carve-out of `size` bytes: too small for what is asked of it. */
function run(size: number, cpus = 8) {
  const board = virtBoard(64 * 2 ** 20, cpus);
  const soc = { ...board, carveOut: { base: board.carveOut.base, size } };
  const config = join(directory, "gunyah.config.json");
  writeFileSync(config, JSON.stringify({ plugins: [], soc }));
  return gunyah("run", config, "--quiet", "--mem", "64M", "--cpus", "8");
}

describe("a VM that does not start", () => {
  it("is told through all layers: ioctl, RM, hypervisor", async () => {
    const { code, stderr } = await run(832 * 1024);
    const lines = stderr.split("\n").filter((line) => line.startsWith("  "));
    expect(lines.slice(0, 3)).toEqual([
      "  ioctl: -ENOMEM (-12) GUNYAH_VM_START on gunyah-vm",
      expect.stringMatching(/^ {2}rm: NOMEM \(1\) VM_INIT: partition_create_\w+: NOMEM$/),
      expect.stringMatching(/^ {2}hypervisor: NOMEM \(10\) partition_create_\w+$/),
    ]);
    expect(code).toBe(ExitCode.ERROR);
  }, 60_000);

  it("with more vCPUs than the board has cores is RM's to refuse, and says so", async () => {
    const { code, stderr } = await run(32 * 2 ** 20, 2);
    expect(stderr).toContain("  ioctl: -EPERM (-1) GUNYAH_VM_START on gunyah-vm");
    expect(stderr).toContain("  rm: DENIED (3) VM_INIT: 8 vCPUs on a platform with 3 cores");
    expect(code).toBe(ExitCode.ERROR);
  }, 60_000);

  it("on a board whose hypervisor has no room says what to change", async () => {
    const { code, stderr } = await run(512 * 1024);
    expect(stderr).toMatch(/HYP_BOARD_INVALID: board virt: carveOut has no room for .* more than 524288 bytes/);
    expect(code).toBe(ExitCode.ERROR);
  }, 60_000);
});

describe("the report of an error", () => {
  it("is its message and what each layer said", () => {
    const layers = [
      { layer: "rm", value: 1, code: "NOMEM", detail: "VM_INIT: no memory" },
      { layer: "hypervisor", value: 10, code: "NOMEM", detail: "partition_create_thread" },
    ];
    expect(reportOf(Object.assign(new Error("not started"), { layers }))).toBe(
      [
        "gunyah: not started",
        "  rm: NOMEM (1) VM_INIT: no memory",
        "  hypervisor: NOMEM (10) partition_create_thread",
      ].join("\n"),
    );
    expect(reportOf("text")).toBe("gunyah: text");
  });
});

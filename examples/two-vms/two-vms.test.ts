import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { converse } from "./two-vms.ts";

it("two guests talk, each with only the pages that it touched", async () => {
  const order: string[] = [];
  const { heard, ends, pages } = await converse((vm, text) => order.push(`${vm} ${text}`));
  expect(heard).toEqual(["pong 0\npong 1\npong 2\n", "ping 0\nping 1\nping 2\n"]);
  expect(order).toEqual(["1 ping 0", "0 pong 0", "1 ping 1", "0 pong 1", "1 ping 2", "0 pong 2"]);
  expect(ends).toEqual(["off", "off"]);
  // The device tree's 16 pages are lent before the start; then one page of code and the page of messages.
  expect(pages).toEqual([18, 18]);
}, 30_000);

const hasAssembler = spawnSync("aarch64-linux-gnu-as", ["--version"]).status === 0;
it.skipIf(!hasAssembler)("guest.bin is what guest.s assembles to (needs binutils-aarch64-linux-gnu)", () => {
  const directory = mkdtempSync(join(tmpdir(), "two-vms-"));
  try {
    const guest = fileURLToPath(new URL("guest", import.meta.url));
    cpSync(guest, directory, { recursive: true });
    rmSync(join(directory, "guest.bin"));
    expect(spawnSync("sh", [join(directory, "build.sh")]).status).toBe(0);
    expect(readFileSync(join(directory, "guest.bin"))).toEqual(readFileSync(join(guest, "guest.bin")));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

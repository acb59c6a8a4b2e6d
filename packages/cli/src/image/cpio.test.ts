import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { CpioMode, writeCpio } from "./cpio.ts";

const entries = [
  { path: "bin", mode: CpioMode.DIRECTORY },
  { path: "bin/busybox", mode: CpioMode.PROGRAM, data: new TextEncoder().encode("#!odd") },
  { path: "bin/sh", mode: CpioMode.SYMLINK, data: new TextEncoder().encode("busybox") },
  { path: "etc", mode: CpioMode.FILE },
];

describe("writeCpio", () => {
  it("writes newc members on four-byte boundaries and a trailer", () => {
    const archive = writeCpio(entries);
    const text = new TextDecoder("latin1").decode(archive);
    expect(archive.length % 4).toBe(0);
    expect(text.startsWith("07070100000001000041ed")).toBe(true);
    expect(text.match(/070701/g)).toHaveLength(entries.length + 1);
    expect(text).toContain("TRAILER!!!");
  });

  it.skipIf(spawnSync("cpio", ["--version"]).status !== 0)("is what cpio reads (skipped where cpio is absent)", () => {
    const { stdout, status } = spawnSync("cpio", ["-tv", "--quiet"], { input: writeCpio(entries), encoding: "utf8" });
    expect(status).toBe(0);
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => line.slice(0, 10))).toEqual(["drwxr-xr-x", "-rwxr-xr-x", "lrwxrwxrwx", "-rw-r--r--"]);
    expect(lines[2]).toMatch(/bin\/sh -> busybox$/);
  });
});

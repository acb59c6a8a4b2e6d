import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { cells64, parseDtb, writeDtb } from "@gunyah-ts/devicetree";
import { guestLinux } from "@gunyah-ts/guest-linux";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildGuestTree } from "../../vmm/src/machine/guest-tree.ts";
import { ExitCode } from "../src/exit-code.ts";
import { finished, guestRuns, gunyah, printed, startGunyah } from "./support.ts";

let directory: string;
const file = (name: string, bytes: Uint8Array | string): string => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
};
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "gunyah-faults-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** The error lines: ours start with "gunyah:". */
const said = (stderr: string): string[] => stderr.split("\n").filter((line) => line.startsWith("gunyah:"));

describe("a mistake ends in one clear message and a code", () => {
  it.each<[string, () => Promise<string[]>, RegExp]>([
    ["--mem 3", async () => ["--mem", "3"], /VMM_MEMORY_SIZE: 3145728 bytes of guest memory; give a multiple of 2 MiB/],
    [
      "a truncated kernel",
      async () => ["--kernel", file("cut", gunzipSync((await guestLinux()).kernel).subarray(0, 100_000))],
      /IMAGE_TRUNCATED/,
    ],
    [
      "a truncated gzip kernel",
      async () => ["--kernel", file("cut.gz", (await guestLinux()).kernel.subarray(0, 100_000))],
      /IMAGE_TRUNCATED/,
    ],
    ["an empty kernel", async () => ["--kernel", file("empty", "")], /IMAGE_EMPTY: the kernel file is empty/],
    [
      "an initrd without end",
      async () => ["--mem", "64M", "--initrd", "/dev/zero"],
      /CLI_FILE: .*\/dev\/zero does not end within 64.0 MiB/,
    ],
    ["a 0-byte initrd", async () => ["--initrd", file("none", "")], /IMAGE_EMPTY: the initrd is empty/],
    ["a kernel that is a text", async () => ["--kernel", file("text", "hello")], /IMAGE_UNKNOWN/],
    ["a device tree that is a text", async () => ["--dtb", file("text.dtb", "hello")], /VMM_DTB_INVALID/],
    [
      "a device tree that lies about memory",
      async () => ["--mem", "64M", "--dtb", file("lie.dtb", lyingTree())],
      /VMM_DTB_INVALID: \/memory says 0x40000000 bytes/,
    ],
    [
      "a kernel that is not there",
      async () => ["--kernel", "/nowhere/Image"],
      /CLI_FILE: cannot read the kernel \/nowhere\/Image: there is no such file/,
    ],
    [
      "a disk that is not there",
      async () => ["--disk", "/nowhere/disk"],
      /VMM_DISK: cannot open the disk image \/nowhere\/disk/,
    ],
    ["a plugin that is not there", async () => ["--plugin", "gunyah-plugin-nobody"], /KERNEL_PLUGIN_NOT_FOUND/],
    [
      "a trace that cannot be written",
      async () => ["--trace", "/nowhere/trace.json"],
      /CLI_FILE: cannot write the trace/,
    ],
    ["an image that nobody made", async () => ["--image", "nobody"], /CLI_IMAGE_UNKNOWN/],
  ])(
    "%s",
    async (_, args, message) => {
      const { code, stderr } = await gunyah("run", "--quiet", ...(await args()));
      expect(said(stderr), stderr).toHaveLength(1);
      expect(said(stderr)[0]).toMatch(message);
      expect(code).toBe(ExitCode.ERROR);
    },
    60_000,
  );

  it.each([
    [["run", "--nonsense"], /CLI_USAGE/],
    [["run", "--clock", "sundial"], /--clock sundial: give host or virtual/],
    [["run", "--cpus", "9"], /CLI_USAGE: --cpus 9: give 1 to 8/],
    [["run", "--cpus", "0"], /CLI_USAGE: --cpus 0: give 1 to 8/],
    [["run", "--mem", "lots"], /--mem lots: give a size like 512M/],
    [["explain", "NOTHING"], /no layer has an error NOTHING/],
    [["dance"], /there is no command "dance"/],
  ])(
    "%j is a wrong command line",
    async (args, message) => {
      const { code, stderr } = await gunyah(...args);
      expect(said(stderr)[0]).toMatch(message);
      expect(code).toBe(ExitCode.USAGE);
    },
    30_000,
  );
});

function lyingTree(): Uint8Array {
  const tree = buildGuestTree({
    ram: { address: 0x8000_0000, size: 64 * 2 ** 20 },
    cpus: 1,
    devices: [],
    cmdline: "",
    gic: { distributor: 0x3fff_0000, redistributors: 0x3ffd_0000 },
  });
  tree.node("/memory").set("reg", cells64(0x8000_0000, 2 ** 30));
  expect(parseDtb(writeDtb(tree)).node("/memory").reg[0]?.size).toBe(2n ** 30n);
  return writeDtb(tree);
}

describe("a guest that ends otherwise than by powering off", () => {
  it("asks for a reset", async () => {
    const { code } = await gunyah("run", "--quiet", "--clock", "virtual", "--cmdline", guestRuns("reboot -f"));
    expect(code).toBe(ExitCode.RESET);
  }, 60_000);

  it("is killed in the middle of its boot: one line, and the code of the signal", async () => {
    const child = startGunyah(["run", "--cmdline", "earlycon=pl011,0x9000000"]);
    child.stdin?.end();
    const end = finished(child);
    await printed(child, "Linux version");
    child.kill("SIGTERM");
    const { code, stderr } = await end;
    expect(code).toBe(ExitCode.TERMINATED);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/^stopped after/m);
  }, 60_000);

  it("runs longer than it may", async () => {
    const { code, stderr } = await gunyah("run", "--quiet", "--timeout", "5", "--cmdline", guestRuns("sleep 1000"));
    expect(said(stderr)).toEqual(["gunyah: CLI_TIMEOUT: the guest did not end within 5 s"]);
    expect(code).toBe(ExitCode.TIMEOUT);
  }, 60_000);
});

describe("a guest that waits for ever", () => {
  it.each(["host", "virtual"])(
    "is waited for, and ends with --timeout and the summary (%s clock)",
    async (clock) => {
      const kernel = file("wfi.bin", new Uint8Array(Uint32Array.of(0xd503_207f, 0x17ff_ffff).buffer));
      const { code, stderr } = await gunyah(
        ...["run", "--clock", clock, "--kernel", kernel, "--kernel-address", "0x80000000", "--timeout", "3"],
      );
      expect(said(stderr)).toEqual(["gunyah: CLI_TIMEOUT: the guest did not end within 3 s"]);
      expect(stderr).toMatch(/^stopped after/m);
      expect(code).toBe(ExitCode.TIMEOUT);
    },
    60_000,
  );
});

describe("input from a pipe", () => {
  it("reaches the shell, and its end does not end the guest", async () => {
    const child = startGunyah(["run", "--quiet", "--cmdline", "quiet"]);
    const end = finished(child);
    // Long before the kernel has a driver for the console.
    child.stdin?.end("echo $((6 * 7)) from the shell\nsleep 1\npoweroff -f\n");
    const { code, stdout } = await end;
    expect(stdout).toContain("42 from the shell");
    expect(code).toBe(ExitCode.OFF);
  }, 60_000);
});

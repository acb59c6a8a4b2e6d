/** `gunyah run --host-kernel`: the embedded guest's kernel, which has no Gunyah driver, as the host. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { finished, guestRuns, gunyah, printed, startGunyah } from "./support.ts";

const asset = (name: string) => fileURLToPath(new URL(`../../guest-linux/assets/${name}`, import.meta.url));
const kernel = asset("Image.gz");
const initrd = asset("initramfs.cpio.gz");
const scratch = mkdtempSync(join(tmpdir(), "gunyah-host-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe("gunyah run --host-kernel", () => {
  it("boots the kernel on the CPUs that it is given, with a disk, and tells how it ended", async () => {
    const disk = join(scratch, "disk");
    writeFileSync(disk, Buffer.alloc(4096, "A"));
    const { code, stdout, stderr } = await gunyah(
      ...["run", "--host-kernel", kernel, "--host-initrd", initrd, "--host-cpus", "2", "--host-mem", "256M"],
      ...["--host-disk", `${disk},ro`, "--host-cmdline", guestRuns("nproc && head -c 3 /dev/vda")],
    );
    expect(stdout).toMatch(/2\r?\nAAA/);
    expect(stderr).toMatch(/powered off after [\d.]+ s \| memory [\d.]+ MiB of 256.0 MiB \| \d+ M instructions/);
    expect(code).toBe(0);
  });

  it("reads the host section of a configuration, and the command line goes over it", async () => {
    const config = join(scratch, "gunyah.config.json");
    writeFileSync(
      config,
      JSON.stringify({
        clock: "virtual",
        plugins: [],
        host: { kernel, initrd, cmdline: guestRuns("echo from the file"), memory: 256 * 2 ** 20 },
      }),
    );
    const plain = await gunyah("run", config);
    expect(plain.stdout).toContain("from the file");
    const over = await gunyah("run", config, "--host-cmdline", guestRuns("echo from the line"));
    expect(over.stdout).toContain("from the line");
    expect(over.stdout).not.toContain("from the file");
  });

  it("ends at SIGTERM and at the time limit, each with its code", async () => {
    const args = ["run", "--host-kernel", kernel, "--host-initrd", initrd, "--host-mem", "256M"];
    const child = startGunyah(args);
    const end = finished(child);
    await printed(child, "/ # ");
    child.kill("SIGTERM");
    expect((await end).code).toBe(143);
    const timed = await gunyah(...args, "--timeout", "1");
    expect(timed.stderr).toContain("CLI_TIMEOUT: the host did not end within 1 s");
    expect(timed.code).toBe(124);
  });

  it.each([
    ["a kernel that is not there", ["--host-kernel", "/nowhere/Image"], 1, /CLI_FILE: cannot read the host's kernel/],
    ["a file that is no kernel", ["--host-kernel", asset("VERSIONS")], 1, /IMAGE_UNKNOWN/],
    ["too little memory", ["--host-kernel", kernel, "--host-initrd", initrd, "--host-mem", "8M"], 1, /FIRMWARE_PLACE/],
    ["no CPU", ["--host-kernel", kernel, "--host-cpus", "0"], 2, /--host-cpus 0: give 1 to 8/],
    ["options of a host without one", ["--host-mem", "1G"], 2, /--host-mem: give --host-kernel too/],
    ["a guest's kernel too", ["--host-kernel", kernel, "--kernel", kernel], 2, /--kernel: the host makes its guests/],
  ])("refuses %s", async (_what, args, wanted, message) => {
    const { code, stderr } = await gunyah("run", ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(wanted);
  });
});

describe("gunyah doctor --host-kernel", () => {
  it("says what the embedded guest's kernel has, and that the driver is missing", async () => {
    const { code, stdout } = await gunyah("doctor", "--host-kernel", kernel);
    expect(stdout).toMatch(/ok {4}format: arm64 Image, needs [\d.]+ MiB of memory/);
    expect(stdout).toMatch(/ok {4}pages: 4 KiB/);
    expect(stdout).toMatch(/ok {4}PL011 console: compiled in/);
    expect(stdout).toMatch(
      /FAIL {2}hypervisor driver: gunyah-hypervisor not found in the image\n {6}build it with CONFIG_GUNYAH=y/,
    );
    expect(code).toBe(1);
  });

  it("finds a kernel that has all of it fit", async () => {
    const image = Buffer.alloc(4096);
    image.writeBigUInt64LE(4096n, 16);
    image.writeUInt32LE(0b1010, 24);
    image.writeUInt32LE(0x644d_5241, 56);
    image.write("gunyah-hypervisor\0gunyah-resource-manager\0ttyAMA\0irqfd\0ioeventfd\0virtio_blk\0", 64);
    const path = join(scratch, "Image");
    writeFileSync(path, image);
    const { code, stdout } = await gunyah("doctor", "--host-kernel", path);
    expect(stdout).not.toMatch(/FAIL|note/);
    expect(code).toBe(0);
  });
});

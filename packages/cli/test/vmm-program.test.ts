/** packages/linux-host/programs/vmm: the binary as it is shipped, on our driver; under qemu-aarch64, which runs arm64 programs. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { guestLinux } from "@gunyah-ts/guest-linux";
import { createMachine, Hypervisor, VmManager } from "@gunyah-ts/kernel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { virtBoard } from "../src/board.ts";
import { CpioMode, writeCpio } from "../src/image/cpio.ts";
import { type AbiName, defaultPlugins } from "../src/stack.ts";
import { guestRuns, gunyah } from "./support.ts";
import { VmmProcess } from "./user-mode/vmm-process.ts";

const program = fileURLToPath(new URL("../../linux-host/programs/vmm/gunyah-vmm", import.meta.url));
const hasQemu = spawnSync("qemu-aarch64", ["--version"]).status === 0;
const MiB = 2 ** 20;
const quiet = (command: string) => `console=ttyAMA0 ${guestRuns(command)}`;

describe.skipIf(!hasQemu)("gunyah-vmm (skipped where qemu-aarch64 is not installed)", () => {
  const scratch = mkdtempSync(join(tmpdir(), "gunyah-vmm-"));
  const image = join(scratch, "Image");
  const initrd = join(scratch, "initrd");
  const large = join(scratch, "large");
  beforeAll(async () => {
    const guest = await guestLinux();
    writeFileSync(image, gunzipSync(guest.kernel));
    writeFileSync(initrd, guest.initrd);
    writeFileSync(large, Buffer.alloc(16 * MiB));
  });
  afterAll(() => rmSync(scratch, { recursive: true }));
  const alone = (...args: string[]) => spawnSync("qemu-aarch64", [program, ...args], { encoding: "utf8" });

  async function onDriver<T>(abi: AbiName, args: readonly string[], use: (vmm: VmmProcess) => Promise<T>): Promise<T> {
    const machine = await createMachine({
      soc: virtBoard(64 * MiB),
      plugins: defaultPlugins(abi),
      clock: "virtual",
      entropy: { seed: "test" },
    });
    try {
      await machine.start();
      const result = await VmmProcess.with(machine.get(VmManager).createProcess(), program, args, use);
      expect(machine.get(Hypervisor).inspect.checkOwnership()).toBeUndefined();
      return result;
    } finally {
      await machine.dispose();
    }
  }

  it("boots Linux with memory on demand, on the driver of v17, to power-off; guest stores reach an ioeventfd", async () => {
    // The kernel's driver stores the divisor of 38400 baud at 24 MHz: IBRD, 39.
    const args = ["-m", "64", "-i", initrd, "-a", quiet("grep MemTotal /proc/meminfo"), "-e", "0x9000024,2,39", image];
    await onDriver("v17", args, async (vmm) => {
      expect(await vmm.run()).toBe(0);
      expect(vmm.stdout).toMatch(/MemTotal: +[45]\d{4} kB/);
      expect(vmm.stderr).toMatch(/^gunyah-vmm: ioeventfd at 0x9000024: [1-9]\d* stores\n$/);
      expect(vmm.calls).toEqual([
        "CREATE_VM",
        "CREATE_GUEST_MEM",
        "VM_MAP_MEM",
        "VM_SET_DTB_CONFIG",
        "VM_SET_BOOT_CONTEXT",
        "VM_SET_BOOT_CONTEXT",
        "VM_ADD_FUNCTION vcpu",
        "VCPU_MMAP_SIZE",
        "VM_ADD_FUNCTION irqfd",
        "VM_ADD_FUNCTION ioeventfd",
        "VM_START",
      ]);
    });
  });

  it("boots on the driver of v14, with its own memory; takes a command while the vCPU sleeps; tells a reset", async () => {
    await onDriver("v14", ["-m", "64", "-i", initrd, image], async (vmm) => {
      const ended = vmm.run();
      await vmm.until("/ # ");
      // Longer than the receive FIFO.
      vmm.type(`echo sum $((40 + 2)) ${"x".repeat(40)}\n`);
      await vmm.until(`sum 42 ${"x".repeat(40)}`);
      vmm.type("reboot -f\n");
      expect(await ended).toBe(10);
      expect(vmm.calls).toContain("VM_SET_USER_MEM_REGION");
      expect(vmm.calls).not.toContain("VM_MAP_MEM");
    });
  });

  it("ends with 130 when it is told to, in the middle of the guest's run; the driver takes everything back", async () => {
    await onDriver("v17", ["-m", "64", image], async (vmm) => {
      const ended = vmm.run();
      await vmm.until("Booting Linux");
      vmm.kill("SIGTERM");
      expect(await ended).toBe(130);
      expect(vmm.stdout).not.toContain("Kernel panic");
    });
  });

  it.each([
    [[initrd], 1, `${initrd}: not an arm64 Image; a compressed one must be unpacked first`],
    [["-i", join(scratch, "none"), image], 1, `${join(scratch, "none")}: ENOENT (2)`],
    [["-m", "16", "-i", large, image], 1, `${large}: does not fit into guest memory; see -m`],
    [["-e", "0x1000,3", image], 1, "GUNYAH_VM_ADD_FUNCTION ioeventfd: EINVAL (22)"],
  ])("%j ends with %d: %s", async (args, code, message) => {
    await onDriver("v17", args, async (vmm) => {
      expect(await vmm.run()).toBe(code);
      expect(vmm.stderr).toBe(`gunyah-vmm: ${message}\n`);
    });
  });

  it("says which call failed on a kernel without the driver, and ends with 1", () => {
    expect(alone(image)).toMatchObject({ status: 1, stderr: "gunyah-vmm: open /dev/gunyah: ENOENT (2)\n" });
  });

  it.each([[[]], [["-m", "8", image]], [["-m", "64x", image]], [["-q", "1", image]], [["-i"]], [[image, image]]])(
    "refuses the command line %j",
    (args) => {
      expect(alone(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining("usage: gunyah-vmm") });
    },
  );
});

describe("the committed binary", () => {
  it("runs on a real Linux kernel, the embedded guest's as the host, which has no driver: it says so", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "gunyah-vmm-"));
    const initrd = join(scratch, "initrd");
    const { initrd: base } = await guestLinux();
    // The kernel unpacks archives that follow each other one over the other; a plain one begins on a multiple of 4.
    const padding = Buffer.alloc(-base.length & 3);
    const added = writeCpio([{ path: "gunyah-vmm", mode: CpioMode.PROGRAM, data: readFileSync(program) }]);
    writeFileSync(initrd, Buffer.concat([base, padding, added]));
    const kernel = fileURLToPath(new URL("../../guest-linux/assets/Image.gz", import.meta.url));
    const { stdout, code } = await gunyah(
      ...["run", "--host-kernel", kernel, "--host-initrd", initrd],
      ...["--host-cmdline", guestRuns("/gunyah-vmm /init")],
    );
    rmSync(scratch, { recursive: true });
    expect(stdout).toMatch(/gunyah-vmm: open \/dev\/gunyah: ENOENT \(2\)\r?\n/);
    expect(stdout).toContain("gunyah.run exited with 1");
    expect(code).toBe(0);
  });

  it("is the one whose checksum was recorded, and small", () => {
    const bytes = readFileSync(program);
    const recorded = readFileSync(join(program, "../SHA256SUMS"), "utf8").split(" ")[0];
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(recorded);
    expect(bytes.length).toBeLessThan(64 * 1024);
  });
});

import { describe, expect, it } from "vitest";
import { bootDefaultGuest } from "./boot.ts";

const MiB = 2 ** 20;

describe("the default guest on the whole stack", () => {
  it("boots, runs a command, powers off, and gives everything back", async () => {
    const { console, end } = await bootDefaultGuest({ command: "uname -m; cat /proc/1/comm" });
    expect(end).toEqual({ reason: "off", exitType: 1 });
    expect(console).toContain("aarch64\r\n");
    expect(console).toContain("gunyah.run exited with 0");
  }, 60_000);

  it("does the same twice under the virtual clock: every console byte, every instruction", async () => {
    const once = await bootDefaultGuest({
      command: "dmesg | tail -3; date +%s%N; head -c 8 /dev/urandom | md5sum",
      cpus: 2,
    });
    const again = await bootDefaultGuest({
      command: "dmesg | tail -3; date +%s%N; head -c 8 /dev/urandom | md5sum",
      cpus: 2,
    });
    expect(again.console).toBe(once.console);
    expect(again.retired).toBe(once.retired);
    expect(once.retired).toBeGreaterThan(10_000_000);
  }, 120_000);

  it("brings up four vCPUs", async () => {
    const { console } = await bootDefaultGuest({ command: "nproc; grep -c processor /proc/cpuinfo", cpus: 4 });
    expect(console).toContain("4\r\n4\r\n");
  }, 60_000);

  it("reads and writes a disk through shared memory alone", async () => {
    const disk = new Uint8Array(4 * MiB);
    const { console, end } = await bootDefaultGuest({
      command:
        "mke2fs -q /dev/vda && mount /dev/vda /mnt && echo kept > /mnt/f && umount /mnt && mount /dev/vda /mnt && cat /mnt/f && umount /mnt",
      devices: [{ type: "pl011" }, { type: "virtio-blk", bytes: disk }, { type: "virtio-rng" }],
    });
    expect(console).toContain("kept\r\n");
    expect(end.reason).toBe("off");
    // The magic number of ext2, in the superblock at byte 1024.
    expect(new DataView(disk.buffer).getUint16(1024 + 56, true)).toBe(0xef53);
  }, 60_000);
});

describe("memory", () => {
  it("is given on demand: what is provided is what was touched, v14 gives all of it at start", async () => {
    const touched = new Set<number>();
    const demand = await bootDefaultGuest({
      command: "true",
      memory: 1024 * MiB,
      trace: (event) => {
        if (event.kind === "stage2-fault" && event.ipa >= 0x8000_0000) touched.add(Math.floor(event.ipa / 4096));
        return false;
      },
    });
    expect(touched.size).toBeGreaterThan(1000);
    expect(demand.memoryProvided / 4096).toBeLessThanOrEqual(touched.size * 1.2);
    expect(demand.memoryProvided).toBeLessThan(64 * MiB);

    const all = await bootDefaultGuest({ command: "true", memory: 1024 * MiB, abi: "v14" });
    expect(all.end.reason).toBe("off");
    expect(all.memoryProvided).toBe(1024 * MiB);
  }, 120_000);
});

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Apt } from "../src/image/apt.ts";
import { finished, guestRuns, startGunyah } from "./support.ts";

const tools = Apt.available && spawnSync("mkfs.ext4", ["-V"]).status === 0;

describe.skipIf(!tools)("Debian's own kernel (skipped where apt or mkfs.ext4 is absent)", () => {
  const cache = mkdtempSync(join(tmpdir(), "gunyah-debian-"));
  const env = { XDG_CACHE_HOME: cache };
  const disk = join(cache, "disk.img");
  const run = async (...args: string[]) => {
    const child = startGunyah(args, env);
    child.stdin?.end();
    return finished(child);
  };

  beforeAll(async () => {
    const { code, stderr } = await run("image", "debian");
    expect(code, stderr).toBe(0);
    writeFileSync(disk, "");
    truncateSync(disk, 16 * 2 ** 20);
    expect(spawnSync("mkfs.ext4", ["-q", "-F", disk]).status).toBe(0);
  }, 300_000);
  afterAll(() => {
    rmSync(cache, { recursive: true });
  });

  it.each([1, 4])(
    "boots to busybox with %i vCPUs, writes and re-reads ext4 over virtio-blk, powers off",
    async (cpus) => {
      const file = `/mnt/from-${cpus}`;
      const command =
        `nproc; mount /dev/vda /mnt && echo kept-by-${cpus} > ${file} && umount /mnt && ` +
        `mount /dev/vda /mnt && cat ${file} && umount /mnt && lsmod`;
      const { code, stdout, stderr } = await run(
        "run",
        "--image",
        "debian",
        "--mem",
        "512M",
        "--clock",
        "virtual",
        "--cpus",
        `${cpus}`,
        "--disk",
        disk,
        "--cmdline",
        guestRuns(command),
      );
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(`${cpus}\r\n`);
      expect(stdout).toContain(`kept-by-${cpus}\r\n`);
      for (const module of ["virtio_mmio", "virtio_blk", "virtio_rng"]) expect(stdout).toContain(module);
      // A file system that was unmounted and flushed is clean to the host's own checker.
      expect(spawnSync("e2fsck", ["-fn", disk], { encoding: "utf8" }).status).toBe(0);
    },
    300_000,
  );
});

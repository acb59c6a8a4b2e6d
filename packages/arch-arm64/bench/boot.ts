/**
 * Speed of the interpreter on a boot of Linux, the instruction mix that matters:
 *
 *     npx tsx --conditions=gunyah-source packages/arch-arm64/bench/boot.ts [IMAGE]
 *
 * The kernel is IMAGE (an arm64 Image), else Debian's if `test/linux/build.sh` fetched it, else the default guest's. It boots over
 * the minimal EL2 of the tests until it finds no root file system. Printed for each of three boots in this process: guest
 * MIPS by the time of the wall and by processor time, which other load on the machine disturbs less. The first boot
 * includes what V8 needs to optimize; the kernels of `npm run bench:cpu` are timed after that.
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { DRAM_BASE, MinimalEl2 } from "../test/support/minimal-el2.ts";

const DTB = DRAM_BASE + 0x700_0000;
const debian = new URL("../test/linux/.cache/Image", import.meta.url);
const small = new URL("../../guest-linux/assets/Image.gz", import.meta.url);
const file = process.argv[2] ?? (existsSync(debian) ? debian : small);
const bytes = readFileSync(file);
const kernel = bytes.readUInt16BE(0) === 0x1f8b ? gunzipSync(bytes) : bytes;
const dtb = readFileSync(new URL("../test/linux/virt.dtb", import.meta.url));

console.log(`node ${process.version}, ${String(file).split("/").slice(-3).join("/")}`);
for (let run = 1; run <= 3; run++) {
  const el2 = new MinimalEl2({ guestBytes: 256 << 20 });
  const entry = DRAM_BASE + Number(kernel.readBigUInt64LE(8));
  el2.physical.write(entry, kernel);
  el2.physical.write(DTB, dtb);
  el2.start(entry, DTB);
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  el2.run(2_000_000_000, () => el2.console.includes("Unable to mount root fs"));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpuStart);
  const millions = el2.pe.retired / 1e6;
  console.log(
    `boot ${run}: ${millions.toFixed(0)} M instructions, ${(millions / seconds).toFixed(0)} MIPS, ${((millions * 1e6) / (user + system)).toFixed(0)} by processor time, ${el2.exits.sync} exceptions to EL2`,
  );
  el2.backend.dispose();
}

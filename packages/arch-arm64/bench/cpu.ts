/**
 * Speed of the interpreter on eight kernels, beside QEMU's TCG where it is installed.
 *
 *     npm run bench:cpu [-- kernel …]
 *
 * The guest is `kernels/kernels.bin`: EL1, MMU and caches on, no exceptions while a kernel runs. Each figure is the median
 * of three runs, guest MIPS; instructions are counted by our PE, QEMU is timed over the same rounds. Times are processor
 * time, user and system, of the whole process on both sides: other load on the machine disturbs it less than the wall's.
 * Without a kernel named, the costs of `system.bench.ts` and the boots of `boot.ts` follow.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createPhysicalMemory, PeExit } from "@gunyah-ts/kernel";
import { fakeClock } from "@gunyah-ts/kernel/testing";
import { createArm64Backend } from "../src/backend.ts";

const DRAM_BASE = 0x4000_0000;
const PARAMETERS = 0x4018_0000;
const ENTRY = 0x4020_0000;
/** Rounds of about 60 M instructions. */
const KERNELS = [
  { name: "crc32", rounds: 100 },
  { name: "sha256", rounds: 300 },
  { name: "sieve", rounds: 30 },
  { name: "memcpy", rounds: 2000 },
  { name: "bignum", rounds: 3000 },
  { name: "qsort", rounds: 30 },
  { name: "fib", rounds: 120 },
  { name: "inflate", rounds: 20 },
] as const;
const RUNS = 3;

const directory = new URL("./kernels/", import.meta.url);
const image = readFileSync(new URL("kernels.bin", directory));
const recorded = readFileSync(new URL("SHA256SUMS", directory), "utf8").split(" ")[0];
if (createHash("sha256").update(image).digest("hex") !== recorded)
  throw new Error("kernels.bin is not what SHA256SUMS records; run kernels/build.sh");

interface Measured {
  readonly instructions: number;
  readonly seconds: number;
  readonly checksum: string;
}

function runHere(kernel: number, rounds: number): Measured {
  const physicalMemory = createPhysicalMemory({ dramBase: DRAM_BASE, dramSize: 64 << 20, reservedBytes: 64 << 20 });
  const backend = createArm64Backend({ physicalMemory, clock: fakeClock() });
  const pe = backend.createPe({ mpidr: 0x8000_0000n });
  physicalMemory.write(ENTRY, image);
  const parameters = new BigUint64Array([BigInt(kernel), BigInt(rounds), 0n]);
  physicalMemory.write(PARAMETERS, new Uint8Array(parameters.buffer));
  pe.reset();
  pe.write("HCR_EL2", 1n << 31n);
  pe.write("ELR_EL2", BigInt(ENTRY));
  const start = process.cpuUsage();
  let exit: PeExit;
  do exit = pe.run(0x7fff_ffff);
  while (exit === PeExit.BUDGET);
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  if (exit !== PeExit.SYNC || pe.x[0] !== 0x8400_0008n)
    throw new Error(`kernel ${kernel} ended with exit ${exit}, ESR_EL2 ${pe.esr.toString(16)}`);
  const measured = { instructions: pe.retired, seconds, checksum: (pe.x[1] as bigint).toString(16).padStart(16, "0") };
  backend.dispose();
  return measured;
}

const QEMU = "qemu-system-aarch64";
const hasQemu = spawnSync(QEMU, ["--version"]).status === 0;

/** Processor time of the processes that a shell waited for: the second line of `times`, "0m1.234s 0m0.056s". */
function childSeconds(times: string): number {
  const line = times.trim().split("\n")[1] ?? "";
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0);
}

function runQemu(kernel: number, rounds: number): { readonly seconds: number; readonly checksum: string } {
  const word = (offset: number, value: number) => [
    "-device",
    `loader,addr=${PARAMETERS + offset},data=${value},data-len=8`,
  ];
  const { stdout, stderr } = spawnSync("sh", [
    "-c",
    '"$0" "$@"; times >&2',
    QEMU,
    "-M",
    "virt",
    "-cpu",
    "cortex-a57",
    "-accel",
    "tcg",
    "-m",
    "128",
    "-display",
    "none",
    "-nic",
    "none",
    "-monitor",
    "none",
    "-serial",
    "stdio",
    "-device",
    `loader,file=${new URL("kernels.bin", directory).pathname},addr=${ENTRY},force-raw=on`,
    "-device",
    `loader,addr=${ENTRY},cpu-num=0`,
    ...word(0, kernel),
    ...word(8, rounds),
    ...word(16, 1),
  ]);
  return { seconds: childSeconds(stderr.toString()), checksum: stdout.toString().trim() };
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;
const geomean = (values: readonly number[]) =>
  Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);

const wanted = process.argv.slice(2);
runHere(7, 40); // the optimizing compiler finishes during this
const ours: number[] = [];
const ratios: number[] = [];
console.log(`node ${process.version}${hasQemu ? "" : ", no QEMU"}`);
KERNELS.forEach(({ name, rounds }, kernel) => {
  if (wanted.length > 0 && !wanted.includes(name)) return;
  const runs = Array.from({ length: RUNS }, () => runHere(kernel, rounds));
  const mips = (runs[0] as Measured).instructions / median(runs.map((r) => r.seconds)) / 1e6;
  ours.push(mips);
  let line = `${name.padEnd(8)} ${mips.toFixed(0).padStart(6)} MIPS`;
  if (hasQemu) {
    // the difference between many rounds and few leaves out QEMU's start; ten times ours, because it is that much faster
    const many = Array.from({ length: RUNS }, () => runQemu(kernel, 10 * rounds));
    const few = median(Array.from({ length: RUNS }, () => runQemu(kernel, 0).seconds));
    const qemuMips = ((runs[0] as Measured).instructions * 10) / (median(many.map((r) => r.seconds)) - few) / 1e6;
    const same = runQemu(kernel, rounds).checksum === (runs[0] as Measured).checksum;
    ratios.push(mips / qemuMips);
    line += `  QEMU ${qemuMips.toFixed(0).padStart(6)} MIPS  ratio ${(mips / qemuMips).toFixed(3)}${same ? "" : "  CHECKSUM DIFFERS"}`;
    if (!same) process.exitCode = 1;
  }
  console.log(line);
});
console.log(
  `geomean  ${geomean(ours).toFixed(0).padStart(6)} MIPS${hasQemu ? `  ratio ${geomean(ratios).toFixed(3)}` : ""}`,
);
if (wanted.length === 0) {
  await import("./system.bench.ts");
  await import("./boot.ts");
}

/**
 * Speed on eight kernels, beside QEMU's TCG where it is installed.
 *
 *     npm run bench:cpu [-- --tier=TIER kernel …]
 *
 * TIER is interpreter, jit or auto (the default). The guest is `kernels/kernels.bin`: EL1, MMU and caches on, no exceptions
 * while a kernel runs. Each figure is the median of three runs, guest MIPS; instructions are counted by our PE, QEMU is timed
 * over the same rounds. Times are processor time: of the thread of the CPU on our side, where the host tells it (Linux), else
 * of the process; of the process on QEMU's. Other load on the machine disturbs it less than the wall's. Each run follows one
 * that is not timed, on the same machine, so that what is hot is compiled and V8 has optimized it; what the compiler took
 * then, by the wall, is printed beside. Without a kernel named, the costs of `system.bench.ts` and the boots of `boot.ts`
 * follow.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createPhysicalMemory, PeExit } from "@gunyah-ts/kernel";
import { fakeClock } from "@gunyah-ts/kernel/testing";
import { createArm64Backend, TIERS, type Tier } from "../src/backend.ts";
import type { CompilerNeeds } from "../src/jit/compiler.ts";
import { ThreadedCompiler } from "../src/jit/threaded-compiler.ts";

const DRAM_BASE = 0x4000_0000;
const PARAMETERS = 0x4018_0000;
const ENTRY = 0x4020_0000;
/** Rounds of about 60 M instructions; ten times as many are timed, and as many before. */
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
  /** Of the compiler, by the wall. */
  readonly compileMs: number;
}

/** Processor time of this thread, or of the process where only that is known. Seconds. */
function processorSeconds(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1e9;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}

const HELPER = new URL("./helper-source.mjs", import.meta.url);

async function runHere(tier: Tier, kernel: number, rounds: number): Promise<Measured> {
  const physicalMemory = createPhysicalMemory({ dramBase: DRAM_BASE, dramSize: 64 << 20, reservedBytes: 64 << 20 });
  const jit = tier === "auto" ? { compiler: (needs: CompilerNeeds) => new ThreadedCompiler(needs, HELPER) } : {};
  const backend = createArm64Backend({ physicalMemory, clock: fakeClock(), tier, jit });
  const pe = backend.createPe({ mpidr: 0x8000_0000n });
  physicalMemory.write(ENTRY, image);
  const run = (turns: number) => {
    const parameters = new BigUint64Array([BigInt(kernel), BigInt(turns), 0n]);
    physicalMemory.write(PARAMETERS, new Uint8Array(parameters.buffer));
    pe.reset();
    pe.write("HCR_EL2", 1n << 31n);
    pe.write("ELR_EL2", BigInt(ENTRY));
    let exit: PeExit;
    do exit = pe.run(0x7fff_ffff);
    while (exit === PeExit.BUDGET);
    if (exit !== PeExit.SYNC || pe.x[0] !== 0x8400_0008n)
      throw new Error(`kernel ${kernel} ended with exit ${exit}, ESR_EL2 ${pe.esr.toString(16)}`);
  };
  for (let warm = 0; warm < 4; warm++) {
    run(rounds);
    // a helper thread answers meanwhile
    if (tier !== "interpreter") await setTimeout(400);
  }
  const before = pe.retired;
  const start = processorSeconds();
  run((tier === "interpreter" ? 1 : 10) * rounds);
  const seconds = processorSeconds() - start;
  const measured = {
    instructions: pe.retired - before,
    seconds,
    checksum: (pe.x[1] as bigint).toString(16).padStart(16, "0"),
    compileMs: backend.jitStatistics?.compileMs ?? 0,
  };
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

const tierOf = (text: string | undefined): Tier => {
  const tier = TIERS.find((name) => name === (text ?? "auto"));
  if (tier === undefined) throw new Error(`--tier=${text}: ${TIERS.join(", ")}`);
  return tier;
};
const { values, positionals: wanted } = parseArgs({ options: { tier: { type: "string" } }, allowPositionals: true });
const tier = tierOf(values.tier);
// our rounds are timed as they are by the interpreter, ten times by the JIT; QEMU's always ten times
const ratio = tier === "interpreter" ? 10 : 1;
const ours: number[] = [];
const ratios: number[] = [];
console.log(`node ${process.version}, ${tier}${hasQemu ? "" : ", no QEMU"}`);
for (const [kernel, { name, rounds }] of KERNELS.entries()) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const runs: Measured[] = [];
  for (let n = 0; n < RUNS; n++) runs.push(await runHere(tier, kernel, rounds));
  const first = runs[0] as Measured;
  const mips = first.instructions / median(runs.map((r) => r.seconds)) / 1e6;
  ours.push(mips);
  let line = `${name.padEnd(8)} ${mips.toFixed(0).padStart(6)} MIPS`;
  if (hasQemu) {
    // the difference between many rounds and few leaves out QEMU's start
    const many = Array.from({ length: RUNS }, () => runQemu(kernel, 10 * rounds));
    const few = median(Array.from({ length: RUNS }, () => runQemu(kernel, 0).seconds));
    const qemuMips = (first.instructions * ratio) / (median(many.map((r) => r.seconds)) - few) / 1e6;
    const same = runQemu(kernel, (10 / ratio) * rounds).checksum === first.checksum;
    ratios.push(mips / qemuMips);
    line += `  QEMU ${qemuMips.toFixed(0).padStart(6)} MIPS  ratio ${(mips / qemuMips).toFixed(3)}${same ? "" : "  CHECKSUM DIFFERS"}`;
    if (!same) process.exitCode = 1;
  }
  if (tier !== "interpreter") line += `  compiled in ${median(runs.map((r) => r.compileMs)).toFixed(0)} ms`;
  console.log(line);
}
console.log(
  `geomean  ${geomean(ours).toFixed(0).padStart(6)} MIPS${hasQemu ? `  ratio ${geomean(ratios).toFixed(3)}` : ""}`,
);
if (wanted.length === 0) {
  await import("./system.bench.ts");
  await import("./boot.ts");
}

/**
 * Seconds to the shell, beside QEMU's TCG on the same images where it is installed.
 *
 *     npm run bench [-- IMAGE …] [--runs N]
 *
 * Images: `embedded`, the default guest, and those that `gunyah image list` shows. Runs of both alternate, each in a
 * process of its own, one CPU; figures are medians. Here the clock starts when modules are loaded and files read, in QEMU
 * with its process; both stop at the shell's prompt. On a busy machine, look at the processor time.
 */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Boot } from "./boot-once.ts";
import { type BootImage, bootImage, imageNames, SHELL_PROMPT } from "./images.ts";

const QEMU = "qemu-system-aarch64";

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

function bootHere(image: BootImage, ...options: string[]): Boot {
  const once = fileURLToPath(new URL("boot-once.ts", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, ["--import", "tsx", once, image.name, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`a boot of ${image.name} ended with ${status}`);
  return JSON.parse(stdout) as Boot;
}

/** @returns seconds to the prompt */
function bootQemu(image: BootImage): Promise<number> {
  const { kernel, initrd, cmdline, memory } = image;
  const started = performance.now();
  const qemu = spawn(
    QEMU,
    [
      ["-M", "virt,gic-version=3", "-accel", "tcg", "-cpu", "max,pauth-impdef=on", "-smp", "1"],
      ["-m", `${memory / 2 ** 20}M`, "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"],
      ["-nic", "none", "-kernel", kernel, "-initrd", initrd, "-append", cmdline],
    ].flat(),
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  return new Promise((resolve, reject) => {
    let tail = "";
    qemu.stdout.setEncoding("latin1").on("data", (text: string) => {
      tail = (tail + text).slice(-256);
      if (!tail.includes(SHELL_PROMPT)) return;
      resolve((performance.now() - started) / 1000);
      qemu.kill("SIGKILL");
    });
    qemu.on("error", reject);
    qemu.on("exit", () => reject(new Error(`QEMU ended before the prompt of ${image.name}: ${tail}`)));
  });
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: "string", default: "3" } },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs} is not a positive integer`);
const images = (positionals.length > 0 ? positionals : imageNames()).map((name) => {
  const image = bootImage(name);
  if (image === undefined) throw new Error(`there is no image ${name}; there is ${imageNames().join(", ")}`);
  return image;
});

const workspace = new URL("../scripts/workspace.mjs", import.meta.url).href;
const { ensureBuilt } = (await import(workspace)) as { ensureBuilt(what: "js" | "all"): void };
ensureBuilt("js");
const version = spawnSync(QEMU, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0];
console.log(
  `Node ${process.versions.node} beside ${version ?? "no QEMU (qemu-system-arm is not installed)"}; ${runs} runs`,
);

const row = (label: string, value: string) => console.log(`  ${label.padEnd(26)}${value}`);
const MiB = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
for (const image of images) {
  const boots: Boot[] = [];
  const others: number[] = [];
  for (let i = 0; i < runs; i++) {
    boots.push(bootHere(image));
    if (version !== undefined) others.push(await bootQemu(image));
  }
  const { traced } = bootHere(image, "trace");
  if (traced === undefined) throw new Error("a traced boot did not say what it counted");
  const of = (pick: (boot: Boot) => number) => median(boots.map(pick));
  const seconds = of((boot) => boot.seconds);
  const { instructions, provided } = boots[0] as Boot;
  const million = instructions / 1e6;
  console.log(`\n${image.name}: ${million.toFixed(1)} M instructions to the shell, ${MiB(image.memory)} configured`);
  row("seconds to the shell", seconds.toFixed(2));
  if (others.length > 0) {
    const qemu = median(others);
    row("  QEMU TCG", `${qemu.toFixed(2)}, ${(seconds / qemu).toFixed(2)} times as long here`);
  }
  row("  processor time", `${of((boot) => boot.cpuSeconds).toFixed(2)} s, of all threads`);
  row("  making the machine", `${of((boot) => boot.createSeconds).toFixed(2)} s`);
  row("instructions a second", `${(million / seconds).toFixed(0)} M`);
  row("process memory", `${MiB(of((boot) => boot.rss))} (guest: ${MiB(provided)})`);
  row("page faults served", `${traced.faults}, ${traced.faultMicroseconds.toFixed(1)} us each (median, traced)`);
  const rate = traced.mmioExits / seconds;
  row("MMIO exits", `${traced.mmioExits}, ${rate.toFixed(0)} a second, ${traced.mmioMicroseconds.toFixed(1)} us each`);
}

/** Builds and runs the recorder under qemu-aarch64. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FIELD } from "../test/vectors/state.ts";

/** A CPU with every feature that is described here; what it has beyond is not generated. */
export const QEMU_CPU = "max,sve=off,sme=off,pauth=off";
/** ARMv8.0 with AES, SHA and PMULL: what it executes, the descriptions must know. */
export const QEMU_BASE_CPU = "cortex-a57";

let program: string | undefined;
function recorder(): string {
  if (program !== undefined) return program;
  program = join(mkdtempSync(join(tmpdir(), "recorder-")), "recorder");
  execFileSync("aarch64-linux-gnu-gcc", ["-O1", "-static", "-o", program, join(import.meta.dirname, "recorder.c")], {
    stdio: "inherit",
  });
  return program;
}

export function hasQemu(): boolean {
  return spawnSync("qemu-aarch64", ["--version"]).status === 0;
}

/** Run states, each of `FIELD.BYTES`; gives the states after. */
export function runUnderQemu(states: Uint8Array, cpu = QEMU_CPU): Uint8Array {
  const result = spawnSync("qemu-aarch64", ["-cpu", cpu, recorder()], {
    input: states,
    maxBuffer: states.length + 4096,
    timeout: 30_000,
  });
  if (result.status !== 0) throw new Error(`recorder failed: ${result.stderr}`);
  if (result.stdout.length !== states.length)
    throw new Error(`recorder gave ${result.stdout.length / FIELD.BYTES} of ${states.length / FIELD.BYTES} states`);
  return result.stdout;
}

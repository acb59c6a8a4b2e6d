import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as later } from "node:timers/promises";
import type { HostProcess } from "@gunyah-ts/kernel";
import { Carrier } from "./carrier.ts";
import { Gdb } from "./gdb.ts";

/** `mov x8, x0; mov x0, x1`: where the program enters the kernel. */
const LINUX_CALL = Buffer.from("e80300aae00301aa", "hex");
const X8 = 8;
const X30 = 30;
const PC = 32;

/** A static arm64 program under qemu-aarch64, whose calls to /dev/gunyah go to the TypeScript driver. */
export class VmmProcess {
  readonly #child: ChildProcess;
  readonly #carrier: Carrier;
  readonly #gdb: Gdb;
  readonly #entry: number;
  #printed: (() => void) | undefined;
  stdout = "";
  stderr = "";

  private constructor(child: ChildProcess, gdb: Gdb, carrier: Carrier, entry: number) {
    this.#child = child;
    this.#gdb = gdb;
    this.#carrier = carrier;
    this.#entry = entry;
    child.stdout?.on("data", (bytes) => {
      this.stdout += bytes;
      this.#printed?.();
    });
    child.stderr?.on("data", (bytes) => {
      this.stderr += bytes;
    });
  }

  /** Run `use` on the program, stopped at its entry; nothing is left behind. */
  static async with<T>(
    process: HostProcess,
    program: string,
    args: readonly string[],
    use: (vmm: VmmProcess) => Promise<T>,
  ): Promise<T> {
    const directory = mkdtempSync(join(tmpdir(), "gunyah-vmm-"));
    const files = ["memory", "run"].map((name) => openSync(join(directory, name), "w+"));
    const [memory = -1, run = -1] = files;
    ftruncateSync(memory, 1 << 30);
    ftruncateSync(run, 4096);
    const path = join(directory, "gdb");
    const child = spawn("qemu-aarch64", ["-g", path, program, ...args], {
      stdio: ["pipe", "pipe", "pipe", memory, run],
    });
    let gdb: Gdb | undefined;
    try {
      while (!existsSync(path)) await later(10);
      const socket = connect(path);
      await once(socket, "connect");
      gdb = new Gdb(socket);
      const carrier = new Carrier(process, gdb, { memory: { fd: 3, file: memory }, run: { fd: 4, file: run } });
      // The first segment begins with the file's first byte, at 0x400000.
      const vmm = new VmmProcess(child, gdb, carrier, 0x40_0000 + readFileSync(program).indexOf(LINUX_CALL));
      return await use(vmm);
    } finally {
      gdb?.close();
      child.kill("SIGKILL");
      for (const file of files) closeSync(file);
      rmSync(directory, { recursive: true });
      await process.exit();
    }
  }

  /** What the driver was asked for. */
  get calls(): readonly string[] {
    return this.#carrier.calls;
  }

  /** Standard input. Its SIGIO also ends the driver's call that sleeps. */
  type(text: string): void {
    this.#child.stdin?.write(text, () => this.#carrier.signal());
  }

  /** A signal from outside, which also ends the driver's call that sleeps. */
  kill(signal: "SIGTERM"): void {
    this.#child.kill(signal);
    this.#carrier.signal();
  }

  /** Wait until the guest has printed `text`. */
  async until(text: string): Promise<void> {
    while (!this.stdout.includes(text))
      await new Promise<void>((resolve) => {
        this.#printed = resolve;
      });
  }

  /** Carry calls until the program ends. @returns its exit code */
  async run(): Promise<number | null> {
    const closed = once(this.#child, "close");
    await this.#gdb.begin();
    await this.#gdb.breakAt(this.#entry);
    let go = "c";
    for (;;) {
      this.#gdb.send(go);
      const stop = await this.#gdb.reply();
      if (stop === undefined || !stop.startsWith("T")) break;
      const signal = stop.slice(1, 3);
      if (signal !== "05") {
        go = `C${signal}`;
        continue;
      }
      go = "c";
      await this.#enter();
    }
    this.#gdb.close();
    return (await closed)[0];
  }

  /** The program is at its system call instruction's function. */
  async #enter(): Promise<void> {
    const x = await this.#gdb.registers();
    const verdict = await this.#carrier.call(Number(x[0]), [...x.slice(1, 7)]);
    if ("result" in verdict) {
      await this.#gdb.setRegister(0, verdict.result);
      await this.#gdb.setRegister(PC, x[X30] as bigint);
      return;
    }
    // The real kernel's: the function without its first instruction, which the breakpoint is on.
    await this.#gdb.setRegister(X8, x[0] as bigint);
    for (const [index, value] of verdict.args.entries()) await this.#gdb.setRegister(index + 1, value);
    await this.#gdb.setRegister(PC, BigInt(this.#entry + 4));
    if (this.#carrier.awaitsMapping) await this.#awaitMapping(Number(x[X30]));
  }

  async #awaitMapping(address: number): Promise<void> {
    await this.#gdb.breakAt(address);
    this.#gdb.send("c");
    await this.#gdb.reply();
    this.#carrier.mapped((await this.#gdb.registers())[0] as bigint);
    await this.#gdb.unbreak(address);
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Start the command from its sources. */
export function startGunyah(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, ["--conditions=gunyah-source", "--import", "tsx", BIN, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
}

/** Wait for its end. */
export function finished(child: ChildProcess): Promise<Finished> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Wait until `text` appears on the guest's console. */
export function printed(child: ChildProcess, text: string): Promise<void> {
  let seen = "";
  return new Promise((resolve, reject) => {
    child.on("close", () => reject(new Error(`ended without printing ${text}: ${seen}`)));
    child.stdout?.on("data", (chunk) => {
      seen += chunk;
      if (seen.includes(text)) resolve();
    });
  });
}

/** Run the command to its end, with nothing to read. */
export function gunyah(...args: string[]): Promise<Finished> {
  const child = startGunyah(args);
  child.stdin?.end();
  return finished(child);
}

/** A command for the guest, as the kernel parameter that the default init reads. */
export function guestRuns(command: string): string {
  return `quiet gunyah.run=${command.replaceAll(" ", "+")}`;
}

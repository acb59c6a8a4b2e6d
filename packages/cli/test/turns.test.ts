/** No guest keeps the process from its event loop: in a process of its own, so that one that does cannot stop the tests. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { LOOPS, type LoopName } from "./loops/guest.ts";
import type { Turns } from "./loops/turns.ts";

const SCRIPT = fileURLToPath(new URL("loops/turns.ts", import.meta.url));
/** Processor time between two turns of the event loop, milliseconds, median. What is seen is 4 to 6. */
const MOST = 20;
/** Only ends what hangs. */
const PATIENCE = 240_000;

function measure(clock: "host" | "virtual", loops: readonly LoopName[]): Promise<Map<LoopName, Turns>> {
  const child = spawn(process.execPath, ["--conditions=gunyah-source", "--import", "tsx", SCRIPT, clock, ...loops], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  return new Promise((resolve) => {
    child.on("close", () => {
      const lines = text.split("\n").filter((line) => line.endsWith("}"));
      resolve(new Map(lines.map((line) => JSON.parse(line) as Turns).map((turns) => [turns.loop, turns])));
    });
  });
}

describe.each(["host", "virtual"] as const)(
  "under the %s clock the event loop has its turns beside a guest of",
  (clock) => {
    const names = LOOPS.map(([name]) => name);
    let measured: Promise<Map<LoopName, Turns>> | undefined;
    it.each(LOOPS)(
      "%s: %s",
      async (name) => {
        measured ??= measure(clock, names);
        expect((await measured).get(name)?.turn, "of this loop nothing was heard").toBeLessThan(MOST);
      },
      PATIENCE,
    );
  },
);

import { readFileSync } from "node:fs";
import { createMachine } from "@gunyah-ts/kernel";
import { type VmEnd, VmmService } from "@gunyah-ts/vmm";
import { virtBoard } from "../src/board.ts";
import { defaultPlugins } from "../src/stack.ts";

/** The SMP test program of `@gunyah-ts/arch-arm64`: its binary and what it printed under QEMU. */
export const PROGRAM = new URL("../../arch-arm64/test/programs/smp/", import.meta.url);

/**
 * What QEMU printed, but for what `expected/gunyah.txt` says: lines with another value, and beginnings of lines that
 * are not printed. Each of these must change something, or it has had its day.
 */
export function expectedLines(cpus: number): string[] {
  const text = (name: string) => readFileSync(new URL(`expected/${name}.txt`, PROGRAM), "utf8");
  const differences = lines(text("gunyah")).filter((line) => !line.startsWith("#"));
  const absent = differences.filter((line) => line.startsWith("- ")).map((line) => line.slice(2));
  const others = new Map(differences.map((line) => [nameOf(line), line]));
  const qemu = lines(text(`cpus-${cpus}`));
  for (const line of qemu)
    if (others.get(nameOf(line)) === line) throw new Error(`expected/gunyah.txt lists what QEMU prints too: ${line}`);
  return qemu
    .filter((line) => !absent.some((beginning) => line.startsWith(beginning)))
    .map((line) => others.get(nameOf(line)) ?? line);
}

function nameOf(line: string): string {
  return line.slice(0, line.lastIndexOf(" = "));
}

/** Run the program as a guest of the whole stack. */
export async function runSmp(options: {
  readonly cpus: number;
  readonly clock: "virtual" | "host";
}): Promise<{ readonly lines: string[]; readonly end: VmEnd }> {
  const memory = 32 << 20;
  const machine = await createMachine({
    soc: virtBoard(memory, options.cpus),
    plugins: defaultPlugins("v17"),
    clock: options.clock,
    entropy: { seed: "smp" },
  });
  try {
    await machine.start();
    let text = "";
    const vm = await machine.get(VmmService).createVm({
      kernel: readFileSync(new URL("smp.bin", PROGRAM)),
      memory,
      cpus: options.cpus,
      devices: [{ type: "pl011" }],
      console: {
        size: undefined,
        output: (bytes) => {
          text += new TextDecoder().decode(bytes);
        },
        onInput: () => () => {},
        onResize: () => () => {},
      },
    });
    try {
      const end = await vm.run();
      return { lines: lines(text), end };
    } finally {
      await vm.close();
    }
  } finally {
    await machine.dispose();
  }
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}

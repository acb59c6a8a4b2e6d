import { defaultPlugins, virtBoard } from "@gunyah-ts/cli";
import { guestLinux } from "@gunyah-ts/guest-linux";
import { createMachine } from "@gunyah-ts/kernel";
import { ProgramConsole, VmmService } from "@gunyah-ts/vmm";
import { test as base } from "vitest";

const MEMORY = 64 * 2 ** 20;
const PROMPT = "# ";

/** A Linux guest with a shell. */
export interface Guest {
  /** Run a shell command. @returns what it printed and its exit status */
  sh(command: string): Promise<{ readonly output: string; readonly status: number }>;
}

/** Tests that share one guest, booted when the first of them asks for it. */
export const test = base.extend<{ guest: Guest }>({
  guest: [
    // biome-ignore lint/correctness/noEmptyPattern: Vitest demands the pattern, also of a fixture that uses no other
    async ({}, use) => {
      const machine = await createMachine({ soc: virtBoard(MEMORY), plugins: defaultPlugins() });
      await machine.start();
      const console = new ProgramConsole();
      const vm = await machine.get(VmmService).createVm({
        ...(await guestLinux()),
        memory: MEMORY,
        cmdline: "console=ttyAMA0 quiet",
        console,
      });
      const ended = vm.run().finally(() => console.close());
      await console.waitFor(PROMPT);
      let calls = 0;
      await use({
        async sh(command) {
          // The shell joins the halves, so that the echo of the command itself is no match.
          const end = `end-${++calls}`;
          console.type(`${command}; echo "${end.slice(0, 2)}""${end.slice(2)}:$?"\n`);
          await console.waitFor("\r\n");
          const text = await console.waitFor(new RegExp(`${end}:\\d+\\r\\n`));
          await console.waitFor(PROMPT);
          const at = text.lastIndexOf(`${end}:`);
          return {
            output: text.slice(0, at).replaceAll("\r\n", "\n"),
            status: Number(text.slice(at + end.length + 1)),
          };
        },
      });
      vm.stop();
      await ended;
      await vm.close();
      await machine.dispose();
    },
    { scope: "file" },
  ],
});

import { readFileSync } from "node:fs";
import { defaultPlugins, virtBoard } from "@gunyah-ts/cli";
import { createMachine, Hypervisor } from "@gunyah-ts/kernel";
import { ProgramConsole, VmmService } from "@gunyah-ts/vmm";
import { Link, mailbox } from "./mailbox.ts";

const MEMORY = 16 * 2 ** 20;
const RAM_BASE = 0x8000_0000;

export interface Conversation {
  /** What each guest printed: the messages that it received. */
  readonly heard: readonly [string, string];
  /** How each VM ended. */
  readonly ends: readonly [string, string];
  /** Pages that each VM had when the last message arrived. */
  readonly pages: readonly number[];
}

/** Two VMs on one machine, side by side, that talk until the first has had enough. */
export async function converse(onMessage: (vm: number, text: string) => void = () => {}): Promise<Conversation> {
  const kernel = new Uint8Array(readFileSync(new URL("./guest/guest.bin", import.meta.url)));
  const machine = await createMachine({ soc: virtBoard(2 * MEMORY), plugins: [...defaultPlugins(), mailbox] });
  await machine.start();
  const { inspect } = machine.get(Hypervisor);
  const others = new Set(inspect.vms().map(({ vmid }) => vmid));
  const link = new Link();
  let pages: number[] = [];
  try {
    const runVm = async (end: 0 | 1): Promise<[heard: string, end: string]> => {
      const console = new ProgramConsole((text) => {
        if (text !== "\n") return;
        onMessage(end, console.text.trimEnd().split("\n").at(-1) ?? "");
        const guests = inspect.vms().filter(({ vmid }) => !others.has(vmid));
        pages = guests.map(({ vmid }) => inspect.accessiblePages(vmid));
      });
      const devices = [{ type: "pl011" }, { type: "mailbox", link, end }];
      const vm = await machine
        .get(VmmService)
        .createVm({ kernel, kernelAddress: RAM_BASE, memory: MEMORY, devices, console });
      const { reason } = await vm.run().finally(() => vm.close());
      return [console.text, reason];
    };
    const [first, second] = await Promise.all([runVm(0), runVm(1)]);
    return { heard: [first[0], second[0]], ends: [first[1], second[1]], pages };
  } finally {
    await machine.dispose();
  }
}

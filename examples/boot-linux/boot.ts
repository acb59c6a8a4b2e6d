import { defaultPlugins, virtBoard } from "@gunyah-ts/cli";
import { guestLinux } from "@gunyah-ts/guest-linux";
import { createMachine } from "@gunyah-ts/kernel";
import { ProgramConsole, type VmEnd, VmmService } from "@gunyah-ts/vmm";

const MEMORY = 128 * 2 ** 20;

/** Boot Linux, let it run one command, and wait until it has powered itself off. */
export async function bootLinux(command: string, onOutput: (text: string) => void): Promise<VmEnd> {
  const machine = await createMachine({ soc: virtBoard(MEMORY), plugins: defaultPlugins() });
  await machine.start();
  try {
    const vm = await machine.get(VmmService).createVm({
      ...(await guestLinux()),
      memory: MEMORY,
      cmdline: `console=ttyAMA0 gunyah.run=${command.replaceAll(" ", "+")}`,
      console: new ProgramConsole(onOutput),
    });
    return await vm.run().finally(() => vm.close());
  } finally {
    await machine.dispose();
  }
}

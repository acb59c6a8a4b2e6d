/**
 * One boot in a process of its own, for `boot.ts`: prints what it measured as a line of JSON.
 *
 *     boot-once.ts IMAGE [trace]
 *
 * With `trace` it also counts faults and exits; listening costs time, so a traced boot's seconds mean nothing.
 */
import { readFileSync } from "node:fs";
import { defaultPlugins, virtBoard } from "@gunyah-ts/cli";
import { createMachine, Hypervisor, type TraceEvent } from "@gunyah-ts/kernel";
import { type VirtualMachine, VmmService } from "@gunyah-ts/vmm";
import { type BootImage, bootImage, SHELL_PROMPT } from "./images.ts";

export interface Boot {
  /** From nothing to the shell's prompt, modules loaded and files read. */
  readonly seconds: number;
  /** Processor time of the process, all threads, over the same stretch. */
  readonly cpuSeconds: number;
  /** Of `seconds`, until the machine is there: the CPU backend's WebAssembly is made and compiled in it. */
  readonly createSeconds: number;
  readonly instructions: number;
  /** Most that the process occupied. Bytes. */
  readonly rss: number;
  /** What the guest can access at the prompt. Bytes. */
  readonly provided: number;
  readonly traced?: Traced;
}

interface Traced {
  /** Faults that the host driver served. */
  readonly faults: number;
  /** From the vCPU's exit to its next entry; median. */
  readonly faultMicroseconds: number;
  readonly mmioExits: number;
  readonly mmioMicroseconds: number;
}

/** Times the stretch from each exit of the guest to its next entry, by what it exited for. */
class ExitTimes {
  readonly #faults: number[] = [];
  readonly #mmio: number[] = [];
  #into: number[] | undefined;
  #at = 0;

  readonly listen = (event: TraceEvent): void => {
    if (event.kind === "vcpu-enter") {
      if (this.#into !== undefined) this.#into.push((performance.now() - this.#at) * 1000);
      this.#into = undefined;
    } else if (event.kind === "vcpu-exit") {
      this.#into = event.reason.includes("PAGE_FAULT")
        ? this.#faults
        : event.reason.includes("VMMIO")
          ? this.#mmio
          : undefined;
      this.#at = performance.now();
    }
  };

  get result(): Traced {
    return {
      faults: this.#faults.length,
      faultMicroseconds: middle(this.#faults),
      mmioExits: this.#mmio.length,
      mmioMicroseconds: middle(this.#mmio),
    };
  }
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function boot(image: BootImage, isTraced: boolean): Promise<Boot> {
  const times = new ExitTimes();
  const kernel = readFileSync(image.kernel);
  const initrd = readFileSync(image.initrd);
  const started = performance.now();
  const cpuStarted = process.cpuUsage();
  const machine = await createMachine({
    soc: virtBoard(image.memory),
    plugins: defaultPlugins(),
    clock: "virtual",
    entropy: { seed: 0 },
  });
  const createSeconds = (performance.now() - started) / 1000;
  if (isTraced) machine.trace.listen(times.listen);
  await machine.start();
  const { inspect } = machine.get(Hypervisor);
  const others = new Set(inspect.vms().map(({ vmid }) => vmid));
  let measured: Boot | undefined;
  let vm: VirtualMachine | undefined;
  let tail = "";
  const atPrompt = (): Boot => {
    const cpu = process.cpuUsage(cpuStarted);
    const guest = inspect.vms().find(({ vmid }) => !others.has(vmid));
    if (guest === undefined) throw new Error("there is a prompt, but no guest");
    return {
      seconds: (performance.now() - started) / 1000,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      createSeconds,
      instructions: guest.vcpus.reduce((sum, { retired }) => sum + retired, 0),
      rss: process.resourceUsage().maxRSS * 1024,
      provided: inspect.accessiblePages(guest.vmid) * 4096,
      ...(isTraced ? { traced: times.result } : {}),
    };
  };
  vm = await machine.get(VmmService).createVm({
    kernel,
    initrd,
    memory: image.memory,
    cpus: 1,
    cmdline: image.cmdline,
    devices: [{ type: "pl011" }, { type: "virtio-rng" }],
    console: {
      size: undefined,
      output: (bytes) => {
        if (measured !== undefined) return;
        tail = (tail + new TextDecoder().decode(bytes)).slice(-256);
        if (!tail.includes(SHELL_PROMPT)) return;
        measured = atPrompt();
        vm?.stop();
      },
      onInput: () => () => {},
      onResize: () => () => {},
    },
  });
  const end = await vm.run();
  await vm.close();
  await machine.dispose();
  if (measured === undefined) throw new Error(`${image.name} ended (${end.reason}) before its prompt: ${tail}`);
  return measured;
}

const [name = "embedded", trace] = process.argv.slice(2);
const image = bootImage(name);
if (image === undefined) throw new Error(`there is no image ${name}`);
console.log(JSON.stringify(await boot(image, trace === "trace")));

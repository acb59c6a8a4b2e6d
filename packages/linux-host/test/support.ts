import { archArm64 } from "@gunyah-ts/arch-arm64";
import { firmware } from "@gunyah-ts/firmware";
import { hyp } from "@gunyah-ts/hyp";
import { BoardPower, type Clock, createMachine, use } from "@gunyah-ts/kernel";
import { rm } from "@gunyah-ts/rm";
import { ProgramConsole, vmmDevices } from "@gunyah-ts/vmm";
import { hostEnd, LinuxHostService, linuxHost } from "../src/index.ts";
import { board } from "./board.ts";

/** A machine with a kernel image as host, not started, its console a program's. */
export async function machineOf(host: object, { cpus = 1, clock = "virtual" as Clock["kind"] } = {}) {
  const machine = await createMachine({
    soc: board(cpus),
    plugins: [archArm64, use(hyp, { checkOwnership: true }), rm, firmware, linuxHost, ...vmmDevices],
    clock,
    host,
  });
  const console = new ProgramConsole();
  machine.get(LinuxHostService).connect(console);
  return { machine, console, end: hostEnd(machine.get(BoardPower)) };
}

/** A64 instructions as an image. */
export function code(...words: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

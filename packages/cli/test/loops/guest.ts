import { readFileSync } from "node:fs";

/** In the order of the table in `loops.S`. */
export const LOOPS = [
  ["spin", "a branch to itself"],
  ["mmio_read", "loads from a device"],
  ["mmio_write", "stores to a device"],
  ["mmio_notify", "stores that an ioeventfd takes"],
  ["mmio_nobody", "loads from where no device is"],
  ["data_abort", "loads from nobody's address"],
  ["bad_vector", "exceptions whose vector cannot be fetched"],
  ["gicd_read", "loads from the GIC's distributor"],
  ["gicd_write", "stores to the GIC's distributor"],
  ["gicr_read", "loads from a GIC redistributor"],
  ["fetch_device", "instruction fetches from a device"],
  ["demand_fault", "first touches of pages"],
  ["hvc_psci", "PSCI calls"],
  ["hvc_gunyah", "hypercalls"],
  ["hvc_unknown", "calls that nobody knows"],
  ["smc", "secure monitor calls"],
  ["undefined", "undefined instructions"],
  ["system_register", "system registers that the hypervisor traps"],
  ["wfi_pending", "WFI with an interrupt pending"],
  ["wfi_timer", "WFI with a timer that expires at once"],
  ["wfe_event", "WFE with its event set"],
  ["sgi_self", "interrupts to itself"],
  ["suspend", "CPU_SUSPEND with an interrupt pending"],
  ["smp_poll", "two vCPUs that load from a device"],
  ["smp_power", "a vCPU that is switched on and off"],
  ["smp_ping", "an interrupt to and fro between two vCPUs"],
] as const;

export type LoopName = (typeof LOOPS)[number][0];

/** The flat binary of one loop, for an address that is a multiple of 2 KiB. */
export function loopGuest(name: LoopName): Uint8Array {
  const image = new Uint8Array(readFileSync(new URL("loops.bin", import.meta.url)));
  const words = new DataView(image.buffer);
  if (words.getUint32(8, true) !== LOOPS.length) throw new Error("loops.bin and this list are of different age");
  words.setUint32(
    4,
    LOOPS.findIndex(([loop]) => loop === name),
    true,
  );
  return image;
}

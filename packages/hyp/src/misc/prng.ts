/**
 * prng_get_entropy: up to 128 random bits, four times in 33 ms for each vCPU.
 * Differs: the bits are the machine's `Entropy`, not a hardware generator's; the window counts the machine's clock.
 * Source: gunyah-hypervisor hyp/misc/prng_hw/src/prng_api.c
 */

import { GunyahError, Hypercall } from "@gunyah-ts/abi";
import type { HypCore } from "../core.ts";
import type { Caller } from "../hypercall/caller.ts";

/** Window in which reads are counted, seconds. */
const WINDOW_SECONDS = 0.033;
/** Reads of one window. */
const READS = 4;
const MAX_BYTES = 16;

interface Window {
  /** Counter at the first read, ticks. */
  start: number;
  reads: number;
}

export function addPrngCall(core: HypCore): void {
  const windows = new WeakMap<Caller, Window>();
  const bytes = new Uint8Array(MAX_BYTES);
  const words = new DataView(bytes.buffer);
  const ticks = Math.ceil(WINDOW_SECONDS * core.clock.frequencyHz);
  core.hypercalls.add(Hypercall.prng_get_entropy, (caller, args, results) => {
    const size = args.num_bytes;
    if (size === 0 || size > MAX_BYTES) return GunyahError.ARGUMENT_SIZE;
    if (size % 4 !== 0) return GunyahError.ARGUMENT_ALIGNMENT;
    const now = core.clock.now();
    const window = windows.get(caller);
    if (window === undefined || now - window.start >= ticks) windows.set(caller, { start: now, reads: 1 });
    else if (window.reads === READS) return GunyahError.BUSY;
    else window.reads++;
    bytes.fill(0);
    core.entropy.fill(bytes.subarray(0, size));
    results.data0 = words.getUint32(0, true);
    results.data1 = words.getUint32(4, true);
    results.data2 = words.getUint32(8, true);
    results.data3 = words.getUint32(12, true);
    return GunyahError.OK;
  });
}

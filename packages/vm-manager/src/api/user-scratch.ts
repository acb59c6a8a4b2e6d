import type { HostProcess } from "@gunyah-ts/kernel";

const SLOT_SIZE = 512;

/**
 * A page of the process where ioctl arguments are put together. A call copies its argument before it sleeps, so one
 * slot is enough; a second one holds what an argument points to.
 */
export class UserScratch {
  static readonly #byProcess = new WeakMap<HostProcess, UserScratch>();
  readonly #process: HostProcess;
  readonly #base: bigint;

  private constructor(process: HostProcess) {
    this.#process = process;
    this.#base = process.alloc(4096);
  }

  static of(process: HostProcess): UserScratch {
    let scratch = UserScratch.#byProcess.get(process);
    if (scratch === undefined) {
      scratch = new UserScratch(process);
      UserScratch.#byProcess.set(process, scratch);
    }
    return scratch;
  }

  /** Copy `bytes` (at most 512) into a slot. @returns their user address */
  put(bytes: Uint8Array, slot: 0 | 1 = 0): bigint {
    const address = this.#base + BigInt(slot * SLOT_SIZE);
    this.#process.write(address, bytes.subarray(0, SLOT_SIZE));
    return address;
  }
}

import { errnoName } from "@gunyah-ts/abi";
import type { LayerError } from "@gunyah-ts/kernel";

/**
 * A system call failed. `layers` tells what each layer below said, outermost first: the ioctl's errno, the RM's
 * error, the hypervisor's error, as far as the failure came from there.
 *
 * `code` is stable and greppable; test by it and by `errno`, not by `instanceof`.
 */
export class HostCallError extends Error {
  override readonly name = "HostCallError";
  readonly code = "VMM_HOST_CALL_FAILED";
  /** The call, for example `GUNYAH_VM_START`. */
  readonly call: string;
  /** Negative Linux errno. */
  readonly errno: number;
  /** For example `-ENODEV`. */
  readonly errnoName: string;
  readonly layers: readonly LayerError[];

  constructor(call: string, errno: number, layers: readonly LayerError[] = []) {
    const name = errnoName(errno);
    const chain = layers.map((l) => `${l.layer} ${l.code} (${l.value}): ${l.detail}`).join("; ");
    super(`${call}: ${name}${chain === "" ? "" : `; ${chain}`}`);
    this.call = call;
    this.errno = errno;
    this.errnoName = name;
    this.layers = layers;
  }
}

/** `result` when it is not negative, else a HostCallError with what the process can tell about `fd`. */
export function checked(
  result: number,
  call: string,
  process: { diagnose(fd: number): readonly LayerError[] },
  fd: number,
): number {
  if (result < 0) throw new HostCallError(call, result, fd >= 0 ? process.diagnose(fd) : []);
  return result;
}

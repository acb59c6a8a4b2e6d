import { gunyahErrorName, type RmError, rmErrorFromGunyah, rmErrorName } from "@gunyah-ts/abi";

/** Codes of this package: what can be wrong with the machine that the RM boots on. */
export const RM_ERRORS = {
  RM_BOOT_ENVIRONMENT:
    "The boot environment that the hypervisor hands over is missing or is not what the contract says.",
  RM_BOOT_FAILED: "A hypercall that the RM needs to build the host VM failed.",
  RM_HOST_DTB: "The host's device tree blob cannot be read, or the overlay does not fit its place.",
} as const;
export type RmErrorCode = keyof typeof RM_ERRORS;

/**
 * A request cannot be carried out. Thrown inside the RM only, from the middle of many-step work (building a VM, taking
 * a parcel's regions one by one), and turned into the reply's error word at the one place that dispatches requests.
 */
export class RmFailure extends Error {
  readonly error: RmError;
  /** The hypercall that failed, where one did. */
  readonly refusal: Refusal | undefined;
  /** @param cause what failed inside; its refusal is the new failure's too */
  constructor(error: RmError, message: string = rmErrorName(error), cause?: unknown, refusal?: Refusal) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "RmFailure";
    this.error = error;
    this.refusal = refusal ?? (cause instanceof RmFailure ? cause.refusal : undefined);
  }
}

/** A hypercall's error. */
export interface Refusal {
  /** What the RM wanted. */
  readonly what: string;
  /** GunyahError. */
  readonly error: number;
}

/** Stop unless a hypercall succeeded. @param as the error to reply, by default what the RM makes of the hypervisor's */
export function must(what: string, error: number, as?: RmError): void {
  if (error === 0) return;
  const rmError = as ?? rmErrorFromGunyah(error);
  throw new RmFailure(rmError, `${what}: ${gunyahErrorName(error)}`, undefined, { what, error });
}

/** Stop with `error` unless `condition` holds. */
export function check(condition: boolean, error: RmError, why = ""): asserts condition {
  if (!condition) throw new RmFailure(error, why);
}

/** The error word of whatever was thrown: ours, or DENIED for an error nobody foresaw is not an option, so rethrown. */
export function errorOf(thrown: unknown): RmError {
  if (thrown instanceof RmFailure) return thrown.error;
  throw thrown;
}

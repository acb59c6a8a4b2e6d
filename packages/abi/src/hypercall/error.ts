import { LinuxErrno } from "../linux-errno.ts";

/**
 * Error codes that a hypercall returns in out0. Signed; in a register -1 is 2^64 - 1.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Error Result Codes; hyp/interfaces/util/error.tc.
 */
export const GunyahError = {
  OK: 0,
  UNIMPLEMENTED: -1,
  RETRY: -2,
  ARGUMENT_INVALID: 1,
  ARGUMENT_SIZE: 2,
  ARGUMENT_ALIGNMENT: 3,
  NOMEM: 10,
  NORESOURCES: 11,
  ADDR_OVERFLOW: 20,
  ADDR_UNDERFLOW: 21,
  ADDR_INVALID: 22,
  DENIED: 30,
  BUSY: 31,
  IDLE: 32,
  OBJECT_STATE: 33,
  OBJECT_CONFIG: 34,
  OBJECT_CONFIGURED: 35,
  FAILURE: 36,
  VIRQ_BOUND: 40,
  VIRQ_NOT_BOUND: 41,
  CSPACE_CAP_NULL: 50,
  CSPACE_CAP_REVOKED: 51,
  CSPACE_WRONG_OBJECT_TYPE: 52,
  CSPACE_INSUFFICIENT_RIGHTS: 53,
  CSPACE_FULL: 54,
  MSGQUEUE_EMPTY: 60,
  MSGQUEUE_FULL: 61,
  STRING_TRUNCATED: 90,
  STRING_REACHED_END: 91,
  STRING_INVALID_FORMAT: 92,
  STRING_MISSING_PLACEHOLDER: 93,
  STRING_MISSING_ARGUMENT: 94,
  ALLOCATOR_RANGE_OVERLAPPING: 100,
  ALLOCATOR_MEM_INUSE: 101,
  MEMDB_EMPTY: 110,
  MEMDB_NOT_OWNER: 111,
  MEMEXTENT_MAPPINGS_FULL: 120,
  MEMEXTENT_TYPE: 121,
  EXISTING_MAPPING: 200,
} as const;
export type GunyahError = (typeof GunyahError)[keyof typeof GunyahError];

const names = new Map<number, string>(Object.entries(GunyahError).map(([name, value]) => [value, name]));

/** The name of an error value; a number that has none is printed as it is. */
export function gunyahErrorName(error: number): string {
  return names.get(error) ?? String(error);
}

/**
 * What the Linux driver makes of a hypercall error.
 * @returns 0 or a negative errno
 * Source: Linux series v17, include/linux/gunyah.h, gunyah_error_remap
 */
export function gunyahErrorToErrno(error: number): number {
  switch (error) {
    case GunyahError.OK:
      return 0;
    case GunyahError.NOMEM:
      return -LinuxErrno.ENOMEM;
    case GunyahError.DENIED:
    case GunyahError.CSPACE_CAP_NULL:
    case GunyahError.CSPACE_CAP_REVOKED:
    case GunyahError.CSPACE_WRONG_OBJECT_TYPE:
    case GunyahError.CSPACE_INSUFFICIENT_RIGHTS:
      return -LinuxErrno.EACCES;
    case GunyahError.CSPACE_FULL:
    case GunyahError.BUSY:
    case GunyahError.IDLE:
      return -LinuxErrno.EBUSY;
    case GunyahError.VIRQ_BOUND:
    case GunyahError.VIRQ_NOT_BOUND:
    case GunyahError.MSGQUEUE_EMPTY:
    case GunyahError.MSGQUEUE_FULL:
      return -LinuxErrno.EIO;
    case GunyahError.UNIMPLEMENTED:
      return -LinuxErrno.EOPNOTSUPP;
    case GunyahError.RETRY:
      return -LinuxErrno.EAGAIN;
    default:
      return -LinuxErrno.EINVAL;
  }
}

/** An error value as it stands in a 64-bit register. */
export function gunyahErrorToRegister(error: number): bigint {
  return BigInt.asUintN(64, BigInt(error));
}

/** A 64-bit register as an error value (a signed integer; beyond 2^53 only -1 and -2 occur). */
export function gunyahErrorFromRegister(register: bigint): number {
  return Number(BigInt.asIntN(64, register));
}

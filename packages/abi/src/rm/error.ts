import { GunyahError } from "../hypercall/error.ts";
import { LinuxErrno } from "../linux-errno.ts";

/**
 * First word of every Resource Manager reply.
 * Source: gunyah-resource-manager include/rm-rpc.h; Linux series v17, drivers/virt/gunyah/rsc_mgr.h
 */
export const RmError = {
  OK: 0,
  UNIMPLEMENTED: 0xffff_ffff,
  NOMEM: 0x01,
  NORESOURCE: 0x02,
  DENIED: 0x03,
  /** Linux calls it INVALID. */
  MSG_INVALID: 0x04,
  BUSY: 0x05,
  ARGUMENT_INVALID: 0x06,
  HANDLE_INVALID: 0x07,
  VALIDATE_FAILED: 0x08,
  MAP_FAILED: 0x09,
  MEM_INVALID: 0x0a,
  MEM_INUSE: 0x0b,
  MEM_RELEASED: 0x0c,
  VMID_INVALID: 0x0d,
  LOOKUP_FAILED: 0x0e,
  IRQ_INVALID: 0x0f,
  IRQ_INUSE: 0x10,
  IRQ_RELEASED: 0x11,
  /** The last three are unknown to Linux. */
  IN_USE: 0x12,
  IRQ_NOT_MAPPED: 0x13,
  VM_STATE: 0x14,
} as const;
export type RmError = (typeof RmError)[keyof typeof RmError];

const names = new Map<number, string>(Object.entries(RmError).map(([name, value]) => [value, name]));
export function rmErrorName(error: number): string {
  return names.get(error) ?? `0x${error.toString(16)}`;
}

/**
 * @returns 0 or a negative errno
 * Source: Linux series v17, drivers/virt/gunyah/rsc_mgr.c, gunyah_rm_error_remap
 */
export function rmErrorToErrno(error: number): number {
  switch (error) {
    case RmError.OK:
      return 0;
    case RmError.UNIMPLEMENTED:
      return -LinuxErrno.EOPNOTSUPP;
    case RmError.NOMEM:
      return -LinuxErrno.ENOMEM;
    case RmError.NORESOURCE:
      return -LinuxErrno.ENODEV;
    case RmError.DENIED:
      return -LinuxErrno.EPERM;
    case RmError.BUSY:
      return -LinuxErrno.EBUSY;
    case RmError.MSG_INVALID:
    case RmError.ARGUMENT_INVALID:
    case RmError.HANDLE_INVALID:
    case RmError.VALIDATE_FAILED:
    case RmError.MAP_FAILED:
    case RmError.MEM_INVALID:
    case RmError.MEM_INUSE:
    case RmError.MEM_RELEASED:
    case RmError.VMID_INVALID:
    case RmError.LOOKUP_FAILED:
    case RmError.IRQ_INVALID:
    case RmError.IRQ_INUSE:
    case RmError.IRQ_RELEASED:
      return -LinuxErrno.EINVAL;
    default:
      return -LinuxErrno.EBADMSG;
  }
}

/**
 * What the RM replies when a hypercall that it made for a client fails.
 * Source: gunyah-resource-manager src/rpc, rm_error_from_hyp
 */
export function rmErrorFromGunyah(error: number): RmError {
  switch (error) {
    case GunyahError.OK:
      return RmError.OK;
    case GunyahError.UNIMPLEMENTED:
      return RmError.UNIMPLEMENTED;
    case GunyahError.NOMEM:
      return RmError.NOMEM;
    case GunyahError.NORESOURCES:
      return RmError.NORESOURCE;
    case GunyahError.BUSY:
      return RmError.BUSY;
    case GunyahError.ADDR_OVERFLOW:
    case GunyahError.ADDR_UNDERFLOW:
    case GunyahError.ADDR_INVALID:
      return RmError.MEM_INVALID;
    case GunyahError.ARGUMENT_INVALID:
    case GunyahError.ARGUMENT_SIZE:
    case GunyahError.ARGUMENT_ALIGNMENT:
      return RmError.ARGUMENT_INVALID;
    default:
      return RmError.DENIED;
  }
}

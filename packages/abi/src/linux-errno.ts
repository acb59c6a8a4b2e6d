/**
 * Linux error numbers (positive; kernel interfaces return them negated).
 * Source: Linux include/uapi/asm-generic/errno-base.h, errno.h; include/linux/errno.h for ERESTARTSYS.
 */
export const LinuxErrno = {
  OK: 0,
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  ERANGE: 34,
  EBADMSG: 74,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  /** Kernel internal: restart the system call, seen by userspace as EINTR. */
  ERESTARTSYS: 512,
} as const;
export type LinuxErrno = (typeof LinuxErrno)[keyof typeof LinuxErrno];

const names = new Map<number, string>(Object.entries(LinuxErrno).map(([name, value]) => [value, name]));

/** `-EINVAL` for -22, `0` for 0; a number that has no name is printed as it is. */
export function errnoName(result: number): string {
  const name = result < 0 ? names.get(-result) : undefined;
  return name === undefined ? String(result) : `-${name}`;
}

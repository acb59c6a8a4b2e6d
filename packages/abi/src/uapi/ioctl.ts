import type { AbiProfile } from "../profile.ts";

/**
 * ioctl numbers of /dev/gunyah.
 * Source: Linux series v14-v17, include/uapi/linux/gunyah.h; Android common kernel for the `ANDROID_` ones;
 * include/uapi/asm-generic/ioctl.h for the encoding
 */
export const IOC_NONE = 0;
export const IOC_WRITE = 1;

/** _IOC(dir, type, nr, size): direction 31:30, size 29:16, type 15:8, number 7:0. */
export function ioc(direction: number, type: number, nr: number, size: number): number {
  return ((direction << 30) | (size << 16) | (type << 8) | nr) >>> 0;
}
const G = 0x47;
const A = 0x41;
const io = (type: number, nr: number) => ioc(IOC_NONE, type, nr, 0);
const iow = (type: number, nr: number, size: number) => ioc(IOC_WRITE, type, nr, size);

export const GunyahIoctl = {
  CREATE_VM: io(G, 0x0),
  VM_SET_USER_MEM_REGION: iow(G, 0x1, 32),
  VM_SET_DTB_CONFIG: iow(G, 0x2, 16),
  VM_START: io(G, 0x3),
  VM_ADD_FUNCTION: iow(G, 0x4, 16),
  VCPU_RUN: io(G, 0x5),
  VCPU_MMAP_SIZE: io(G, 0x6),
  VM_REMOVE_FUNCTION: iow(G, 0x7, 16),
  CREATE_GUEST_MEM: iow(G, 0x8, 64),
  VM_MAP_MEM: iow(G, 0x9, 32),
  VM_SET_BOOT_CONTEXT: iow(G, 0xa, 16),
} as const;
export type GunyahIoctlName = keyof typeof GunyahIoctl;

export const AndroidIoctl = {
  VM_LEND_USER_MEM: iow(A, 0x11, 32),
  VM_SET_FW_CONFIG: iow(A, 0x12, 16),
  VM_RECLAIM_REGION: iow(A, 0x13, 16),
  VM_MAP_CMA_MEM: iow(A, 0x15, 40),
  VM_SET_AUTH_TYPE: iow(A, 0x16, 16),
  VM_CHECK_EXTENSION: io(A, 0x17),
} as const;

/** Which file an ioctl belongs to. */
export type GunyahFile = "gunyah" | "vm" | "vcpu";
const files: Readonly<Record<GunyahIoctlName, GunyahFile>> = {
  CREATE_VM: "gunyah",
  CREATE_GUEST_MEM: "gunyah",
  VM_SET_USER_MEM_REGION: "vm",
  VM_SET_DTB_CONFIG: "vm",
  VM_START: "vm",
  VM_ADD_FUNCTION: "vm",
  VM_REMOVE_FUNCTION: "vm",
  VM_MAP_MEM: "vm",
  VM_SET_BOOT_CONTEXT: "vm",
  VCPU_RUN: "vcpu",
  VCPU_MMAP_SIZE: "vcpu",
};
const onlyV15: ReadonlySet<GunyahIoctlName> = new Set(["CREATE_GUEST_MEM", "VM_MAP_MEM", "VM_SET_BOOT_CONTEXT"]);
const onlyV14: ReadonlySet<GunyahIoctlName> = new Set(["VM_SET_USER_MEM_REGION"]);

/** The ioctls that one revision of the series knows; any other is -ENOTTY. */
export function ioctlsOf(profile: AbiProfile): readonly { name: GunyahIoctlName; request: number; file: GunyahFile }[] {
  const absent = profile.guestMemoryFds ? onlyV14 : onlyV15;
  return (Object.keys(GunyahIoctl) as GunyahIoctlName[])
    .filter((name) => !absent.has(name))
    .map((name) => ({ name, request: GunyahIoctl[name], file: files[name] }));
}

const names = new Map<number, string>([
  ...Object.entries(GunyahIoctl).map(([name, value]) => [value, `GUNYAH_${name}`] as const),
  ...Object.entries(AndroidIoctl).map(([name, value]) => [value, `GUNYAH_ANDROID_${name}`] as const),
]);
/** `GUNYAH_VM_START`, or the number in hexadecimal. */
export function ioctlName(request: number): string {
  return names.get(request) ?? `0x${request.toString(16)}`;
}

import { FallocFlag, LinuxErrno } from "@gunyah-ts/abi";
import type { HostProcess } from "@gunyah-ts/kernel";
import { checked, HostCallError } from "./host-error.ts";

/**
 * A guest_memfd: memory that guests get page by page.
 * Source: Linux series v17, drivers/virt/gunyah/guest_memfd.c
 */
export class GuestMemory {
  readonly process: HostProcess;
  readonly fd: number;
  /** Bytes, fixed. */
  readonly size: number;

  constructor(process: HostProcess, fd: number, size: number) {
    this.process = process;
    this.fd = fd;
    this.size = size;
  }

  /**
   * mmap(MAP_SHARED). Takes back provided folios of lend bindings in the range first. While a mapping covers a page,
   * that page cannot be lent: unmap before the guest touches it (GUNYAH_VM_START counts for the device tree's pages).
   *
   * @param offset bytes into the file, multiple of 4096
   * @param length bytes
   */
  map(offset = 0, length = this.size - offset): MappedMemory {
    const address = this.process.mmap(this.fd, offset, length, { shared: true });
    if (address < 0n) throw new HostCallError("mmap", Number(address), this.process.diagnose(this.fd));
    return new MappedMemory(this.process, address, length);
  }

  /** Copy `bytes` in at `offset` through a mapping that lives only for this call: what a loader of lent memory does. */
  load(offset: number, bytes: Uint8Array): void {
    const start = offset - (offset % 4096);
    const length = Math.ceil((offset + bytes.length - start) / 4096) * 4096;
    if (length === 0) return;
    const window = this.map(start, length);
    try {
      window.write(offset - start, bytes);
    } finally {
      window.unmap();
    }
  }

  /** fallocate(KEEP_SIZE): allocate every page of the range now. Throws EINVAL beyond the file, ENOMEM. */
  allocate(offset: number, length: number): void {
    this.#fallocate(FallocFlag.KEEP_SIZE, offset, length);
  }

  /**
   * fallocate(KEEP_SIZE | PUNCH_HOLE): take the range's pages back from guests and free them. The next access of
   * anyone finds zeroes. Throws EBUSY when a page cannot be taken back.
   */
  punchHole(offset: number, length: number): void {
    this.#fallocate(FallocFlag.KEEP_SIZE | FallocFlag.PUNCH_HOLE, offset, length);
  }

  #fallocate(mode: number, offset: number, length: number): void {
    checked(this.process.fallocate(this.fd, mode, offset, length), "fallocate", this.process, this.fd);
  }

  /** close. Bindings keep the memory alive. */
  async close(): Promise<void> {
    checked(await this.process.close(this.fd), "close", this.process, -1);
  }
}

/** One mmap of a file in the process's address space. */
export class MappedMemory {
  readonly process: HostProcess;
  /** User virtual address. */
  readonly address: bigint;
  /** Bytes. */
  readonly length: number;

  constructor(process: HostProcess, address: bigint, length: number) {
    this.process = process;
    this.address = address;
    this.length = length;
  }

  /**
   * A live window, faulted in, valid until the next system call or guest run. Report nothing after storing: the pages
   * count as written when the window is handed out with "rw".
   * @returns undefined for SIGBUS/SIGSEGV, or where the folios are not adjacent (then `read` and `write` work)
   */
  bytes(offset: number, length: number, access: "r" | "rw" = "rw"): Uint8Array | undefined {
    return this.process.bytes(this.address + BigInt(offset), length, access);
  }

  /** Load `into.length` bytes. Throws EFAULT where a load would get SIGBUS or SIGSEGV. */
  read(offset: number, into: Uint8Array): void {
    if (!this.process.read(this.address + BigInt(offset), into)) throw new HostCallError("load", -LinuxErrno.EFAULT);
  }

  /** Store. Throws EFAULT where a store would get SIGBUS or SIGSEGV. */
  write(offset: number, bytes: Uint8Array): void {
    if (!this.process.write(this.address + BigInt(offset), bytes)) throw new HostCallError("store", -LinuxErrno.EFAULT);
  }

  /** munmap */
  unmap(): void {
    checked(this.process.munmap(this.address, this.length), "munmap", this.process, -1);
  }
}

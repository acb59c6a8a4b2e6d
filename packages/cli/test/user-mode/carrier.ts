import { readSync, writeSync } from "node:fs";
import { GunyahIoctl, LinuxErrno } from "@gunyah-ts/abi";
import type { HostProcess } from "@gunyah-ts/kernel";
import type { Gdb } from "./gdb.ts";

/** System call numbers of arm64. Source: Linux include/uapi/asm-generic/unistd.h */
const Nr = { EVENTFD2: 19, IOCTL: 29, OPENAT: 56, CLOSE: 57, READ: 63, WRITE: 64, MUNMAP: 215, MMAP: 222 } as const;
/** Descriptors of the driver's, as the program sees them: above all of the real ones. */
const DRIVER_FDS = 1000;
const RUN_PAGE = 40;
const VCPU = 1;
const IRQFD = 2;
const IOEVENTFD = 3;
const FUNCTIONS = ["", "vcpu", "irqfd", "ioeventfd"] as const;
const CHUNK = 1 << 20;

/** Files behind the program's mappings, open in the program under `fd` and here under `file`. */
export interface Backing {
  readonly fd: number;
  readonly file: number;
}

/** Registers to continue with: the call's result, or arguments for the real kernel. */
export type Verdict = { readonly result: bigint } | { readonly args: readonly bigint[] };

interface Mapping {
  readonly user: bigint;
  readonly length: number;
}

/**
 * Carries the system calls of a real VMM to the TypeScript driver: those that concern /dev/gunyah and eventfds. All
 * others are the real kernel's. What the driver would map is a file that both sides have; it is copied when the program
 * could see a difference: guest memory before it is given away, the run page around VCPU_RUN.
 */
export class Carrier {
  /** The ioctls that the driver got, by name, in order; of VCPU_RUN there are thousands, and they are not here. */
  readonly calls: string[] = [];
  #vcpu = -1;
  #run = 0n;
  /** Guest memory that is mapped into the program. */
  #memory: { readonly fd: number; readonly address: bigint; readonly mapping: Mapping } | undefined;
  #nextMap: ((address: bigint) => void) | undefined;

  readonly #process: HostProcess;
  readonly #gdb: Gdb;
  readonly #memoryFile: Backing;
  readonly #runFile: Backing;

  constructor(process: HostProcess, gdb: Gdb, files: { readonly memory: Backing; readonly run: Backing }) {
    this.#process = process;
    this.#gdb = gdb;
    this.#memoryFile = files.memory;
    this.#runFile = files.run;
  }

  /** The signal that the program gets by its real kernel, for the call that sleeps in the driver. */
  signal(): void {
    if (this.#vcpu >= 0) this.#process.signal(this.#vcpu);
  }

  async call(number: number, args: readonly bigint[]): Promise<Verdict> {
    const fd = Number(BigInt.asIntN(32, args[0] ?? 0n));
    const pass = { args };
    switch (number) {
      case Nr.OPENAT: {
        const path = await this.#string(args[1] as bigint);
        return path.startsWith("/dev/gunyah") ? this.#opened(this.#process.open(path)) : pass;
      }
      case Nr.EVENTFD2:
        return this.#opened(this.#process.eventfd(Number(args[0]), Number(args[1])));
      case Nr.MMAP:
        return this.#mmap(args);
      case Nr.MUNMAP:
        this.#unmap(args[0] as bigint);
        return pass;
      case Nr.CLOSE:
        return fd < DRIVER_FDS ? pass : { result: BigInt(await this.#process.close(fd - DRIVER_FDS)) };
      case Nr.IOCTL:
        return fd < DRIVER_FDS ? pass : this.#ioctl(fd - DRIVER_FDS, Number(args[1]), args[2] as bigint);
      case Nr.WRITE: {
        if (fd < DRIVER_FDS) return pass;
        const value = Buffer.from(await this.#gdb.read(args[1] as bigint, 8)).readBigUInt64LE();
        const result = this.#process.eventfdOf(fd - DRIVER_FDS)?.write(value) ?? -LinuxErrno.EBADF;
        return { result: BigInt(result === 0 ? 8 : result) };
      }
      case Nr.READ: {
        if (fd < DRIVER_FDS) return pass;
        const value = this.#process.eventfdOf(fd - DRIVER_FDS)?.read();
        if (value === undefined) return { result: BigInt(-LinuxErrno.EAGAIN) };
        await this.#gdb.write(args[1] as bigint, Buffer.from(BigUint64Array.of(value).buffer));
        return { result: 8n };
      }
      default:
        return pass;
    }
  }

  /** The real kernel mapped what the last call asked for. */
  mapped(address: bigint): void {
    this.#nextMap?.(address);
    this.#nextMap = undefined;
  }

  get awaitsMapping(): boolean {
    return this.#nextMap !== undefined;
  }

  #opened(fd: number): Verdict {
    return { result: BigInt(fd < 0 ? fd : fd + DRIVER_FDS) };
  }

  #mmap(args: readonly bigint[]): Verdict {
    const [hint = 0n, length = 0n, protection = 0n, , number = 0n] = args;
    const real = Number(BigInt.asIntN(32, number));
    const MAP_SHARED = 1n;
    if (real >= 0 && real < DRIVER_FDS) return { args };
    if (real >= 0) {
      const fd = real - DRIVER_FDS;
      const user = this.#process.mmap(fd, 0, Number(length));
      if (user < 0n) return { result: user };
      if (fd === this.#vcpu) {
        this.#run = user;
        return { args: [hint, length, protection, MAP_SHARED, BigInt(this.#runFile.fd), 0n] };
      }
      this.#nextMap = (address) => {
        this.#memory = { fd, address, mapping: { user, length: Number(length) } };
      };
    } else {
      // Anonymous memory is the guest's for v14; the program maps no other.
      const user = this.#process.alloc(Number(length));
      this.#nextMap = (address) => {
        this.#memory = { fd: -1, address, mapping: { user, length: Number(length) } };
      };
    }
    return { args: [hint, length, protection, MAP_SHARED, BigInt(this.#memoryFile.fd), 0n] };
  }

  #unmap(address: bigint): void {
    if (this.#memory?.address !== address) return;
    this.#storeMemory();
    this.#process.munmap(this.#memory.mapping.user, this.#memory.mapping.length);
    this.#memory = undefined;
  }

  #storeMemory(): void {
    if (this.#memory === undefined) return;
    const { user, length } = this.#memory.mapping;
    const chunk = Buffer.alloc(CHUNK);
    for (let at = 0; at < length; at += CHUNK) {
      const bytes = chunk.subarray(0, readSync(this.#memoryFile.file, chunk, 0, CHUNK, at));
      // Zero pages stay untouched, as in the program.
      if (bytes.some((byte) => byte !== 0) && !this.#process.write(user + BigInt(at), bytes))
        throw new Error("SIGBUS in guest memory");
    }
  }

  async #ioctl(fd: number, request: number, arg: bigint): Promise<Verdict> {
    if (request === GunyahIoctl.VCPU_RUN) return this.#vcpuRun(fd);
    const size = (request >>> 16) & 0x3fff;
    let user = arg;
    let kind = 0;
    if (size > 0) {
      const bytes = Buffer.from(await this.#gdb.read(arg, size));
      if (request === GunyahIoctl.VM_ADD_FUNCTION) kind = await this.#function(bytes);
      if (request === GunyahIoctl.VM_MAP_MEM) bytes.writeUInt32LE(bytes.readUInt32LE(12) - DRIVER_FDS, 12);
      if (request === GunyahIoctl.VM_SET_USER_MEM_REGION) {
        this.#storeMemory();
        bytes.writeBigUInt64LE(this.#memory?.mapping.user ?? 0n, 24);
      }
      user = this.#copyIn(bytes);
    }
    const result = await this.#process.ioctl(fd, request, user);
    const name = Object.entries(GunyahIoctl).find(([, value]) => value === request)?.[0] ?? `${request}`;
    this.calls.push(kind === 0 ? name : `${name} ${FUNCTIONS[kind]}`);
    if (kind === VCPU && result >= 0) this.#vcpu = result;
    const givesDescriptor =
      request === GunyahIoctl.CREATE_VM || request === GunyahIoctl.CREATE_GUEST_MEM || kind === VCPU;
    return givesDescriptor ? this.#opened(result) : { result: BigInt(result) };
  }

  /** Carry the argument of ADD_FUNCTION, with descriptors by the driver's numbers. @returns the function's type */
  async #function(bytes: Buffer): Promise<number> {
    const type = bytes.readUInt32LE(0);
    const inner = Buffer.from(await this.#gdb.read(bytes.readBigUInt64LE(8), bytes.readUInt32LE(4)));
    const at = type === IRQFD ? 0 : type === IOEVENTFD ? 20 : -1;
    if (at >= 0) inner.writeInt32LE(inner.readInt32LE(at) - DRIVER_FDS, at);
    bytes.writeBigUInt64LE(this.#copyIn(inner), 8);
    return type;
  }

  #copyIn(bytes: Uint8Array): bigint {
    const user = this.#process.alloc(bytes.length);
    this.#process.write(user, bytes);
    return user;
  }

  async #vcpuRun(fd: number): Promise<Verdict> {
    const page = Buffer.alloc(RUN_PAGE);
    readSync(this.#runFile.file, page, 0, RUN_PAGE, 0);
    this.#process.write(this.#run, page);
    const result = await this.#process.ioctl(fd, GunyahIoctl.VCPU_RUN);
    this.#process.read(this.#run, page);
    writeSync(this.#runFile.file, page, 0, RUN_PAGE, 0);
    return { result: BigInt(result) };
  }

  async #string(address: bigint): Promise<string> {
    const bytes = await this.#gdb.read(address, 12);
    const end = bytes.indexOf(0);
    return Buffer.from(bytes.subarray(0, end < 0 ? 12 : end)).toString("latin1");
  }
}

/**
 * The least of an operating system that a static Linux program needs: one process at EL0 with the MMU on, its system calls
 * answered here. EL1 holds nothing but vectors that go on to EL2.
 */
import { createPhysicalMemory, createVirtualClock, type Pe, PeExit, type PhysicalMemory } from "@gunyah-ts/kernel";
import { createArm64Backend } from "../../src/backend.ts";

const DRAM_BASE = 0x4000_0000;
const DRAM_SIZE = 32 << 20;
const VECTORS = DRAM_BASE;
const LEVEL1 = DRAM_BASE + 0x1000;
const LEVEL2 = DRAM_BASE + 0x2000;
const STACK_TOP = DRAM_BASE + DRAM_SIZE - 0x1000;
const HEAP = DRAM_BASE + (16 << 20);
const MMAP = DRAM_BASE + (24 << 20);
const PAGE = 4096;

/** HVC #0; ERET */
const VECTOR = [0xd4000002, 0xd69f03e0];
/** Normal write-back; block, AF, inner shareable. */
const BLOCK = 0x701n;
const EL0_WRITABLE = 1n << 6n;
const EC = { HVC64: 0x16, SVC64: 0x15 } as const;
/** Linux's system call numbers for arm64. Source: Linux include/uapi/asm-generic/unistd.h */
const NR = {
  WRITE: 64,
  WRITEV: 66,
  READLINKAT: 78,
  FSTATAT: 79,
  FSTAT: 80,
  EXIT: 93,
  EXIT_GROUP: 94,
  SET_TID_ADDRESS: 96,
  BRK: 214,
  MUNMAP: 215,
  MMAP: 222,
  MPROTECT: 226,
} as const;
const ENOSYS = -38n;
const AUXV = { PHDR: 3n, PHENT: 4n, PHNUM: 5n, PAGESZ: 6n, ENTRY: 9n, HWCAP: 16n, RANDOM: 25n } as const;
/** FP, ASIMD, AES, PMULL, SHA1, SHA2, CRC32, ATOMICS. */
const HWCAP = 0x1fbn;

export interface Outcome {
  readonly status: number;
  readonly output: string;
  readonly retired: number;
  /** Set when the program died of something but its exit. */
  readonly fault?: string;
}

export class LinuxProcess {
  readonly #physical: PhysicalMemory;
  readonly #pe: Pe;
  #brk = HEAP;
  #mmap = MMAP;
  #output = "";

  constructor(elf: Uint8Array, args: readonly string[]) {
    this.#physical = createPhysicalMemory({ dramBase: DRAM_BASE, dramSize: DRAM_SIZE, reservedBytes: 32 << 20 });
    const backend = createArm64Backend({ physicalMemory: this.#physical, clock: createVirtualClock() });
    this.#pe = backend.createPe({ mpidr: 0x8000_0000n });
    this.#supervise();
    this.#load(elf, args);
  }

  /** Vectors, an identity map whose first 2 MiB belong to EL1, and the system registers. */
  #supervise(): void {
    const pe = this.#pe;
    for (let vector = 0; vector < 16; vector++)
      for (const [i, word] of VECTOR.entries())
        this.#physical.data.setUint32(this.#physical.offsetOf((VECTORS + vector * 128 + i * 4) as never), word, true);
    this.#store64(LEVEL1 + 8, BigInt(LEVEL2) | 3n);
    for (let block = 0; block < DRAM_SIZE >> 21; block++)
      this.#store64(
        LEVEL2 + 8 * block,
        BigInt(DRAM_BASE + block * (2 << 20)) | BLOCK | (block > 0 ? EL0_WRITABLE : 0n),
      );
    pe.write("HCR_EL2", 1n << 31n);
    pe.write("CPTR_EL2", 0x33ffn & ~0x400n);
    pe.write("VBAR_EL1", BigInt(VECTORS));
    pe.write("MAIR_EL1", 0xffn);
    // 39 bits from level 1, 4 KiB, inner shareable write-back walks, no TTBR1
    pe.write("TCR_EL1", 25n | (1n << 8n) | (1n << 10n) | (3n << 12n) | (1n << 23n) | (2n << 32n));
    pe.write("TTBR0_EL1", BigInt(LEVEL1));
    pe.write("CPACR_EL1", 3n << 20n);
    // M, C, SA, SA0, I, DZE, UCT, nTWI, nTWE, UCI, and the bits that are RES1
    pe.write("SCTLR_EL1", 0x30d0_0800n | 0x0405_d01dn);
  }

  #load(elf: Uint8Array, args: readonly string[]): void {
    const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
    const entry = view.getBigUint64(24, true);
    const headers = Number(view.getBigUint64(32, true));
    const count = view.getUint16(56, true);
    let first = 0n;
    for (let i = 0; i < count; i++) {
      const at = headers + 56 * i;
      if (view.getUint32(at, true) !== 1) continue;
      const [offset, address, fileSize] = [8, 16, 32].map((o) => Number(view.getBigUint64(at + o, true))) as [
        number,
        number,
        number,
      ];
      if (first === 0n) first = BigInt(address - offset);
      this.#physical.write(address as never, elf.subarray(offset, offset + fileSize));
    }
    let sp = STACK_TOP;
    const push = (bytes: Uint8Array) => {
      sp -= bytes.length;
      this.#physical.write(sp as never, bytes);
      return BigInt(sp);
    };
    const random = push(Uint8Array.from({ length: 16 }, (_, i) => i * 7 + 1));
    const strings = args.map((arg) => push(new TextEncoder().encode(`${arg}\0`)));
    sp &= ~15;
    const auxv = [
      [AUXV.PHDR, first + BigInt(headers)],
      [AUXV.PHENT, 56n],
      [AUXV.PHNUM, BigInt(count)],
      [AUXV.PAGESZ, BigInt(PAGE)],
      [AUXV.ENTRY, entry],
      [AUXV.HWCAP, HWCAP],
      [AUXV.RANDOM, random],
      [0n, 0n],
    ].flat() as bigint[];
    const words = [BigInt(args.length), ...strings, 0n, 0n, ...auxv];
    sp = (sp - 8 * words.length) & ~15;
    for (const [i, word] of words.entries()) this.#store64(sp + 8 * i, word);
    this.#pe.write("SP_EL0", BigInt(sp));
    this.#pe.write("ELR_EL2", entry);
    // EL0t
    this.#pe.write("SPSR_EL2", 0x3c0n);
  }

  #store64(address: number, value: bigint): void {
    this.#physical.data.setBigUint64(this.#physical.offsetOf(address as never), value, true);
  }
  #text(address: number, length: number): string {
    return new TextDecoder().decode(this.#physical.view(address as never, length).slice());
  }

  /** Run to the end of the program. */
  run(maxInstructions = 200_000_000): Outcome {
    const pe = this.#pe;
    for (;;) {
      const exit = pe.run(10_000_000);
      const done = (status: number, fault?: string): Outcome => ({
        status,
        output: this.#output,
        retired: pe.retired,
        ...(fault === undefined ? {} : { fault }),
      });
      if (exit === PeExit.BUDGET && pe.retired < maxInstructions) continue;
      if (exit !== PeExit.SYNC || pe.esr >>> 26 !== EC.HVC64)
        return done(-1, `exit ${exit}, ESR_EL2 ${(pe.esr >>> 0).toString(16)}, PC ${pe.read("ELR_EL2").toString(16)}`);
      const esr = Number(pe.read("ESR_EL1"));
      if (esr >>> 26 !== EC.SVC64)
        return done(
          -1,
          `ESR_EL1 ${esr.toString(16)}, ELR_EL1 ${pe.read("ELR_EL1").toString(16)}, FAR_EL1 ${pe.read("FAR_EL1").toString(16)}`,
        );
      const [a, b, c] = [0, 1, 2].map((n) => Number(pe.x[n])) as [number, number, number];
      const number = Number(pe.x[8]);
      if (number === NR.EXIT || number === NR.EXIT_GROUP) return done(a);
      pe.x[0] = BigInt.asUintN(64, this.#call(number, a, b, c));
    }
  }

  #call(number: number, a: number, b: number, c: number): bigint {
    switch (number) {
      case NR.WRITE:
        this.#output += this.#text(b, c);
        return BigInt(c);
      case NR.WRITEV: {
        let total = 0;
        for (let i = 0; i < c; i++) {
          const at = this.#physical.offsetOf((b + 16 * i) as never);
          const length = Number(this.#physical.data.getBigUint64(at + 8, true));
          this.#output += this.#text(Number(this.#physical.data.getBigUint64(at, true)), length);
          total += length;
        }
        return BigInt(total);
      }
      case NR.BRK:
        if (a >= HEAP && a < MMAP) this.#brk = a;
        return BigInt(this.#brk);
      case NR.MMAP: {
        // anonymous memory, never given back
        const at = this.#mmap;
        this.#mmap += (b + PAGE - 1) & -PAGE;
        return BigInt(at);
      }
      case NR.MUNMAP:
      case NR.MPROTECT:
        return 0n;
      case NR.SET_TID_ADDRESS:
        return 1n;
      case NR.FSTATAT:
      case NR.FSTAT: {
        // a character device: standard output is line buffered
        const at = number === NR.FSTAT ? b : c;
        this.#physical.fill(at as never, 128, 0);
        this.#physical.data.setUint32(this.#physical.offsetOf((at + 16) as never), 0o20620, true);
        return 0n;
      }
      default:
        return ENOSYS;
    }
  }
}

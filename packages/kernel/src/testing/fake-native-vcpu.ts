/** A vCPU for native programs: memory of its own, a GIC that holds what a test raised, calls answered by the test. */
import type { Intid, Ipa } from "../contracts/address.ts";
import type { NativeProgram, NativeVcpu } from "../contracts/native-vcpu.ts";

const SPURIOUS = 1023;
const NOT_SUPPORTED = 0xffff_ffff_ffff_ffffn;

export interface FakeNativeVcpuOptions {
  /** The only memory that the program can access, bytes. Default: 1 MiB at 0x8000_0000. */
  readonly memory?: { readonly base: Ipa; readonly size: number };
  readonly mpidr?: number;
  /** Answers HVC #0: X0-X17 in and out. Default: NOT_SUPPORTED in X0. */
  readonly hvc?: (x: BigUint64Array) => void;
  /** Answers SMC #0, likewise. */
  readonly smc?: (x: BigUint64Array) => void;
  /** Device registers: `load` answers undefined, `store` false, where there is none. */
  readonly device?: {
    load(ipa: Ipa, size: number): bigint | undefined;
    store(ipa: Ipa, size: number, value: bigint): boolean;
  };
}

export interface FakeNativeVcpu extends NativeVcpu {
  counter: number;
  /** All memory, live. */
  readonly memory: Uint8Array;
  /** Calls so far, X0-X17 as they went in. */
  readonly calls: { readonly kind: "hvc" | "smc"; readonly x: readonly bigint[] }[];
  /** Acknowledged and not ended. */
  readonly active: ReadonlySet<Intid>;
  /** Power on: the program starts here, and its interrupts arrive here. */
  powerOn(program: NativeProgram, context?: bigint): void;
  /** Signal an interrupt. It is taken at once where interrupts are unmasked, else when a call returns. */
  raise(intid: Intid): void;
}

export function fakeNativeVcpu(options: FakeNativeVcpuOptions = {}): FakeNativeVcpu {
  return new ScriptedVcpu(options);
}

class ScriptedVcpu implements FakeNativeVcpu {
  readonly mpidr: number;
  readonly memory: Uint8Array;
  readonly calls: { kind: "hvc" | "smc"; x: bigint[] }[] = [];
  readonly active = new Set<Intid>();
  counter = 0;
  readonly #base: Ipa;
  readonly #options: FakeNativeVcpuOptions;
  readonly #pending: Intid[] = [];
  #program: NativeProgram | undefined;
  #masked = true;
  #inHandler = false;
  #priorityMask = 0;
  #group1 = false;

  constructor(options: FakeNativeVcpuOptions) {
    const { base, size } = options.memory ?? { base: 0x8000_0000, size: 1 << 20 };
    this.#base = base;
    this.#options = options;
    this.memory = new Uint8Array(size);
    this.mpidr = options.mpidr ?? 0;
  }

  powerOn(program: NativeProgram, context = 0n): void {
    this.#program = program;
    this.#masked = true;
    program.start(this, context);
    this.#deliver();
  }

  raise(intid: Intid): void {
    if (!this.#pending.includes(intid)) this.#pending.push(intid);
    this.#deliver();
  }

  hvc(x: BigUint64Array): void {
    this.#call("hvc", x, this.#options.hvc);
  }

  smc(x: BigUint64Array): void {
    this.#call("smc", x, this.#options.smc);
  }

  wfi(): boolean {
    if (!this.#signalled) return false;
    this.#deliver();
    return true;
  }

  get masked(): boolean {
    return this.#masked;
  }

  set masked(masked: boolean) {
    this.#masked = masked;
  }

  read(ipa: Ipa, into: Uint8Array): boolean {
    const window = this.view(ipa, into.length);
    if (window !== undefined) into.set(window);
    return window !== undefined;
  }

  write(ipa: Ipa, bytes: Uint8Array): boolean {
    const window = this.view(ipa, bytes.length);
    window?.set(bytes);
    return window !== undefined;
  }

  fill(ipa: Ipa, size: number, value: number): boolean {
    return this.view(ipa, size)?.fill(value) !== undefined;
  }

  view(ipa: Ipa, size: number): Uint8Array | undefined {
    const at = ipa - this.#base;
    return at >= 0 && at + size <= this.memory.length ? this.memory.subarray(at, at + size) : undefined;
  }

  wrote(): void {}

  load(ipa: Ipa, size: 1 | 2 | 4 | 8): bigint | undefined {
    const window = this.view(ipa, size);
    if (window === undefined) return this.#options.device?.load(ipa, size);
    return window.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  store(ipa: Ipa, size: 1 | 2 | 4 | 8, value: bigint): boolean {
    const window = this.view(ipa, size);
    if (window === undefined) return this.#options.device?.store(ipa, size, value) ?? false;
    for (let i = 0; i < size; i++) window[i] = Number((value >> BigInt(8 * i)) & 0xffn);
    return true;
  }

  acknowledge(): Intid {
    const intid = this.#signalled ? this.#pending.shift() : undefined;
    if (intid === undefined) return SPURIOUS;
    this.active.add(intid);
    return intid;
  }

  endOfInterrupt(intid: Intid): void {
    this.active.delete(intid);
  }

  setPriorityMask(mask: number): void {
    this.#priorityMask = mask;
  }

  setGroup1Enabled(enabled: boolean): void {
    this.#group1 = enabled;
  }

  get #signalled(): boolean {
    return this.#group1 && this.#priorityMask > 0 && this.#pending.length > 0;
  }

  #call(kind: "hvc" | "smc", x: BigUint64Array, answer: ((x: BigUint64Array) => void) | undefined): void {
    this.calls.push({ kind, x: [...x] });
    if (answer === undefined) x[0] = NOT_SUPPORTED;
    else answer(x);
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#masked && !this.#inHandler && this.#signalled && this.#program !== undefined) {
      const before = this.#pending.length;
      this.#inHandler = true;
      try {
        this.#program.interrupt(this);
      } finally {
        this.#inHandler = false;
      }
      // A program that acknowledges nothing would be interrupted forever.
      if (this.#pending.length >= before) return;
    }
  }
}

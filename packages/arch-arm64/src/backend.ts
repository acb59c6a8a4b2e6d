/**
 * The CPU backend: PEs over one linear memory, executed by generated WebAssembly.
 */
import type { Clock, CpuBackend, Entropy, Ipa, Pe, PeConfig, PhysicalMemory } from "@gunyah-ts/kernel";
import { environment } from "#host";
import { prebuiltModule } from "#prebuilt";
import { Cpu } from "./cpu/cpu.ts";
import { type CpuModelName, DEFAULT_CPU_MODEL } from "./cpu/models.ts";
import { arm64Error } from "./errors.ts";
import { initCodeCache } from "./interp/code-cache.ts";
import { entryOf, gatedEntries, removeAbsent } from "./interp/handlers.ts";
import { defineInterpreter, defineInterpreterServices } from "./interp/interpreter.ts";
import { INTERP, SHARED } from "./interp/layout.ts";
import { DESCRIPTIONS } from "./isa/index.ts";
import { type Compiler, type CompilerNeeds, InlineCompiler } from "./jit/compiler.ts";
import { Jit, type JitStatistics } from "./jit/jit.ts";
import { ThreadedCompiler } from "./jit/threaded-compiler.ts";
import { Arm64Pe } from "./pe.ts";
import type { PeCore } from "./state/core.ts";
import { STATE_BYTES } from "./state/layout.ts";
import type { Machine } from "./state/machine.ts";
import { maxPesOf, REGION, stateBase } from "./state/region.ts";
import { declareSystemImports, defineSystem, type SystemImports } from "./state/system.ts";
import { writeDispatchTable } from "./sysreg/dispatch.ts";
import { ModuleBuilder } from "./wasm/index.ts";

export interface Arm64BackendOptions {
  readonly physicalMemory: PhysicalMemory;
  readonly clock: Clock;
  /** CPU model of every PE. Default `max`. */
  readonly cpu?: CpuModelName;
  /** What RNDR and RNDRRS give; without it no CPU model has FEAT_RNG. */
  readonly entropy?: Entropy;
  /** Most PEs that may exist at one time; a bound from the reserved region applies as well. Default 32. */
  readonly maxPes?: number;
  /** What executes hot code, see `Tier`. Default: GUNYAH_TIER of the environment where there is one, else "interpreter". */
  readonly tier?: Tier;
  /** Bounds of the JIT; for tests, who compiles. */
  readonly jit?: {
    /** Most bytes of machine code. Default 64 MiB. */
    readonly codeBytes?: number;
    /** Branches to a word that make it hot. Default 2000, with a helper thread 1000. */
    readonly threshold?: number;
    readonly compiler?: (needs: CompilerNeeds) => Compiler;
  };
}

/**
 * - `interpreter`: every instruction is interpreted;
 * - `jit`: hot code is compiled at once, on the thread of the CPU;
 * - `auto`: hot code is compiled, beside the CPU where the host has threads.
 * What the guest sees is the same.
 */
export const TIERS = ["interpreter", "jit", "auto"] as const;
export type Tier = (typeof TIERS)[number];

/** Least room for decoded code, bytes, besides the table of DRAM pages. */
const MIN_CODE_BYTES = 1 << 20;
const DEFAULT_MAX_PES = 32;

const DEFAULT_CODE_BYTES = 64 << 20;
/** Branches to a word that make it hot: compiling on the CPU's own thread must pay for itself. */
const THRESHOLD_INLINE = 2000;
const THRESHOLD_THREADED = 1000;

/** GUNYAH_TIER, where the host has an environment and it names a tier. */
function tierOfEnvironment(): Tier | undefined {
  const name = environment("GUNYAH_TIER");
  return TIERS.find((tier) => tier === name);
}

let compiled: WebAssembly.Module | undefined;

/** The binary of interpreter and system side: the same for every machine. */
export function encodeModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  // Any shared memory fits these limits.
  module.importMemory("env", "memory", { min: 1, max: 65536, shared: true });
  const imports = declareSystemImports(module);
  const services = defineInterpreterServices(module);
  const system = defineSystem(module, imports, services);
  defineInterpreter(module, services, system, DESCRIPTIONS);
  return module.encode();
}

/** Compiled once a process: machines share code, never state. Errors: ARM64_WASM_UNAVAILABLE */
function compile(): WebAssembly.Module {
  if (compiled !== undefined) return compiled;
  const bytes = prebuiltModule() ?? encodeModule();
  try {
    compiled = new WebAssembly.Module(bytes);
  } catch (cause) {
    throw arm64Error("ARM64_WASM_UNAVAILABLE", `this host refuses the CPU backend's module: ${String(cause)}`);
  }
  return compiled;
}

/** Errors: ARM64_RESERVED_TOO_SMALL, ARM64_WASM_UNAVAILABLE */
export function createArm64Backend(options: Arm64BackendOptions): Arm64Backend {
  return new Arm64Backend(options);
}

export class Arm64Backend implements CpuBackend, Machine {
  readonly name = "arm64-wasm";
  readonly maxPes: number;
  readonly physical: PhysicalMemory;
  readonly clock: Clock;
  readonly cpu: Cpu;
  readonly entropy: Entropy | undefined;
  readonly wasm: Machine["wasm"];
  readonly #slots: (Arm64Pe | undefined)[];
  #pes: readonly Arm64Pe[] = [];
  readonly #words: Int32Array;
  /** Instructions that the clock has not made a whole tick of; valid while the clock says `#expected`. */
  #rest = 0;
  #expected = -1;
  readonly #stopListening: (() => void)[] = [];

  readonly #jit: Jit | undefined;

  constructor({
    physicalMemory,
    clock,
    cpu = DEFAULT_CPU_MODEL,
    entropy,
    maxPes = DEFAULT_MAX_PES,
    tier,
    jit = {},
  }: Arm64BackendOptions) {
    this.cpu = new Cpu(cpu, entropy !== undefined);
    this.entropy = entropy;
    this.physical = physicalMemory;
    this.clock = clock;
    const { memory, reservedBytes, dramOffset, dramBase, dramSize } = physicalMemory;
    this.maxPes = Math.min(maxPes, maxPesOf(reservedBytes));
    const codeStart = stateBase(this.maxPes);
    if (this.maxPes < 1 || codeStart + dramSize / 1024 + MIN_CODE_BYTES > reservedBytes)
      throw arm64Error(
        "ARM64_RESERVED_TOO_SMALL",
        `${reservedBytes} reserved bytes do not hold ${this.maxPes} PEs and decoded code; reserve 64 MiB or more`,
      );

    const words = new Int32Array(memory.buffer);
    this.#words = words;
    const data = new DataView(memory.buffer);
    data.setUint32(REGION.DRAM_OFFSET, dramOffset, true);
    data.setBigUint64(REGION.DRAM_BASE, BigInt(dramBase), true);
    data.setBigUint64(REGION.DRAM_SIZE, BigInt(dramSize), true);
    data.setUint32(REGION.PE_COUNT, 0, true);
    data.setUint32(REGION.CODE_START, codeStart, true);
    data.setUint32(REGION.CODE_END, reservedBytes, true);
    data.setUint32(REGION.CPU_FLAGS, this.cpu.flags, true);
    data.setUint32(REGION.PSTATE_BITS, this.cpu.pstate, true);
    data.setUint32(REGION.FPCR_BITS, Number(this.cpu.fpcr), true);
    writeDispatchTable(words, this.cpu.present);
    initCodeCache(data, codeStart, reservedBytes, dramSize);
    this.#slots = Array.from({ length: this.maxPes }, () => undefined);

    const peAt = (s: number) => this.#slots[(s - REGION.STATES) / STATE_BYTES] as Arm64Pe;
    const system: SystemImports = {
      sysRead: (s, word) => peAt(s).sysregs.read(word),
      sysWrite: (s, word) => peAt(s).sysregs.write(word),
      waitHint: (s, kind) => peAt(s).sysregs.hint(kind),
      watchpoint: (s, va, accdesc) => (peAt(s).debug.watchpoint(va, accdesc) ? 1 : 0),
      pmuSync: (s) => peAt(s).pmu.sync(),
      returnSs: (s, spsr) => peAt(s).debug.returnSs(spsr, false),
    };
    const instance = new WebAssembly.Instance(compile(), {
      env: { memory },
      system: system as unknown as WebAssembly.ModuleImports,
    });
    this.wasm = instance.exports as unknown as Machine["wasm"];
    // the instance has just written its whole table
    removeAbsent(
      new Uint16Array(memory.buffer),
      SHARED.HANDLERS >> 1,
      entryOf(DESCRIPTIONS, "HINT"),
      gatedEntries(DESCRIPTIONS).filter(({ feature }) => !this.cpu.features.has(feature)),
    );

    const chosen = tier ?? tierOfEnvironment() ?? "interpreter";
    if (chosen !== "interpreter") {
      const needs = { memory, features: this.cpu.features };
      const threshold = chosen === "jit" ? THRESHOLD_INLINE : THRESHOLD_THREADED;
      const compiler =
        jit.compiler?.(needs) ?? (chosen === "jit" ? new InlineCompiler(needs) : new ThreadedCompiler(needs));
      this.#jit = new Jit({
        memory,
        exports: instance.exports,
        compiler,
        threshold: jit.threshold ?? threshold,
        codeBytes: jit.codeBytes ?? DEFAULT_CODE_BYTES,
      });
    }

    this.#stopListening.push(physicalMemory.onWrite((pa, size) => this.#wrote(pa, size)));
    this.beforeRun();
  }

  /** Access control may be installed at any time: before each run, see whether it is new. */
  #watched: unknown;
  beforeRun(): void {
    const control = this.physical.accessControl;
    if (control === this.#watched) return;
    this.#watched = control;
    this.#words[REGION.DOMAIN_MASKS >> 2] = control === undefined ? 0 : control.tableOffset;
    for (const pe of this.#pes) pe.tlb.dropAll();
    // Cached translations hold what the masks allowed; which PE cached which page is not kept by PA.
    if (control !== undefined)
      this.#stopListening.push(
        control.onChange(() => {
          for (const pe of this.#pes) pe.tlb.dropAll();
        }),
      );
  }

  /** Someone else stored to DRAM: decoded code of these pages is stale. */
  #wrote(pa: number, size: number): void {
    if (size <= 0) return;
    const first = this.physical.offsetOf(pa) & ~4095;
    const last = (this.physical.offsetOf(pa) + size - 1) & ~4095;
    for (let page = first >>> 0; page <= last >>> 0; page += 4096) this.wasm.dropCode(page);
    for (const pe of this.#pes) pe.events.stored();
  }

  createPe(config: PeConfig): Pe {
    this.beforeRun();
    const index = this.#slots.indexOf(undefined);
    if (index < 0)
      throw arm64Error(
        "ARM64_TOO_MANY_PES",
        `all ${this.maxPes} PEs exist; dispose of one or reserve more memory for the CPU backend`,
      );
    const count = REGION.PE_COUNT >> 2;
    this.#words[count] = Math.max(this.#words[count] as number, index + 1);
    const pe = new Arm64Pe(this, index, config);
    this.#slots[index] = pe;
    this.#pes = [...this.#pes, pe];
    return pe;
  }

  tlbiIpa(vmid: number, ipa: Ipa, size: number): void {
    for (const pe of this.#pes) if (pe.vmid === vmid) pe.tlb.dropIpa(ipa, size);
  }
  tlbiVmid(vmid: number): void {
    for (const pe of this.#pes) if (pe.vmid === vmid) pe.tlb.dropAll();
  }

  /** What the JIT did so far, and how many instructions of the PEs that exist its regions retired; undefined where there is none. */
  get jitStatistics(): (JitStatistics & { readonly retired: number }) | undefined {
    if (this.#jit === undefined) return undefined;
    let retired = 0;
    for (const { state } of this.#pes) retired += Number(state.get64(INTERP.REGION_RETIRED));
    return { ...this.#jit.statistics, retired };
  }

  /** End the backend: no PE is usable any longer. */
  dispose(): void {
    this.#jit?.dispose();
    for (const pe of [...this.#pes]) pe.dispose();
    for (const stop of this.#stopListening.splice(0)) stop();
  }

  // ------------------------------------------------------------------------------------------- for PEs: `Machine`

  get pes(): readonly PeCore[] {
    return this.#pes;
  }
  pesOf(vmid: number): readonly PeCore[] {
    return this.#pes.filter((pe) => pe.vmid === vmid);
  }

  afterExecute(): void {
    this.#jit?.poll();
  }

  retire(instructions: number): void {
    const { clock } = this;
    if (clock.kind !== "virtual") {
      clock.retire(instructions);
      return;
    }
    this.#synchronise();
    clock.retire(instructions);
    this.#rest = (this.#rest + instructions) % clock.instructionsPerTick;
    this.#expected = clock.now();
  }

  /** The clock jumped (idle) since we last moved it: a jump ends on a whole tick. */
  #synchronise(): void {
    const now = this.clock.now();
    if (now === this.#expected) return;
    this.#expected = now;
    this.#rest = 0;
  }

  instructionsUntil(deadline: number, slice: number): number {
    const { clock } = this;
    const most = 0x7fff_ffff;
    if (clock.kind !== "virtual") return deadline === Number.POSITIVE_INFINITY ? most : slice;
    this.#synchronise();
    const ticks = Math.ceil(deadline) - clock.now();
    // A deadline in the past has raised its interrupt already; it only waits to be taken.
    if (ticks <= 0) return most;
    return Math.max(1, Math.min(most, ticks * clock.instructionsPerTick - this.#rest));
  }

  release(pe: Arm64Pe): void {
    this.#slots[pe.state.index] = undefined;
    this.#pes = this.#pes.filter((other) => other !== pe);
  }
}

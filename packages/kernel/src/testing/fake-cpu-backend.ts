/**
 * A CPU backend whose programs are generators. It keeps the contract of `CpuBackend` exactly (real stage-2 walks, real
 * syndromes, a TLB that goes stale without TLBI), so that a hypervisor can be tested before and without A64 execution.
 */
import type { Ipa } from "../contracts/address.ts";
import type { Clock } from "../contracts/clock.ts";
import type { CpuBackend, PeConfig } from "../contracts/cpu-backend.ts";
import type { PhysicalMemory } from "../contracts/physical-memory.ts";
import { bug } from "../errors.ts";
import { FakePe } from "./fake-pe.ts";
import { fakeClock, fakePhysicalMemory } from "./fake-soc.ts";
import type { PeScript } from "./pe-script.ts";
import { isFault, type Stage2Fault, type Stage2Result, walkStage2 } from "./stage2-walk.ts";

export interface FakeCpuBackendOptions {
  readonly memory?: PhysicalMemory;
  readonly clock?: Clock;
  readonly maxPes?: number;
  /** Keep translations until TLBI, as hardware may. Default true: a forgotten TLBI is then seen. */
  readonly tlb?: boolean;
  /** Translate the address of each scripted instruction too, so that fetches can abort. Default false. */
  readonly fetch?: boolean;
  /** What runs at an address that has no script, for guests that may jump anywhere. Default: that is a bug of the test. */
  readonly otherwise?: PeScript;
}

export interface FakeCpuBackend extends CpuBackend {
  readonly memory: PhysicalMemory;
  readonly clock: Clock;
  readonly pes: readonly FakePe[];
  /** TLBI operations so far, newest last. */
  readonly tlbi: { readonly vmid: number; readonly ipa: Ipa; readonly size: number }[];
  /**
   * Put a script at an address. It starts when a PE's ELR_EL2 or an exception vector gets there.
   *
   * @param vmid VTTBR_EL2.VMID it is for; any when left out
   */
  program(entry: Ipa, script: PeScript, vmid?: number): void;
}

export function fakeCpuBackend(options: FakeCpuBackendOptions = {}): FakeCpuBackend {
  return new ScriptedBackend(options);
}

/** What a PE needs of its backend. */
export interface PeHost {
  readonly memory: PhysicalMemory;
  readonly clock: Clock;
  readonly fetches: boolean;
  script(pc: number, vmid: number): PeScript | undefined;
  translate(vttbr: bigint, vtcr: bigint, ipa: Ipa): Stage2Result | Stage2Fault;
  /** SEV */
  sendEvent(): void;
  dispose(pe: FakePe): void;
}

class ScriptedBackend implements FakeCpuBackend, PeHost {
  readonly name = "scripted";
  readonly maxPes: number;
  readonly memory: PhysicalMemory;
  readonly clock: Clock;
  readonly fetches: boolean;
  readonly pes: FakePe[] = [];
  readonly tlbi: { readonly vmid: number; readonly ipa: Ipa; readonly size: number }[] = [];
  readonly #tlb: Map<number, Map<number, Stage2Result>> | undefined;
  readonly #scripts = new Map<string, PeScript>();
  readonly #otherwise: PeScript | undefined;

  constructor(options: FakeCpuBackendOptions) {
    this.memory = options.memory ?? fakePhysicalMemory();
    this.clock = options.clock ?? fakeClock();
    this.maxPes = options.maxPes ?? 64;
    this.fetches = options.fetch ?? false;
    this.#otherwise = options.otherwise;
    this.#tlb = options.tlb === false ? undefined : new Map();
  }

  program(entry: Ipa, script: PeScript, vmid?: number): void {
    this.#scripts.set(`${vmid ?? "*"}:${entry}`, script);
  }

  script(pc: number, vmid: number): PeScript | undefined {
    return this.#scripts.get(`${vmid}:${pc}`) ?? this.#scripts.get(`*:${pc}`) ?? this.#otherwise;
  }

  createPe(config: PeConfig): FakePe {
    if (this.pes.length >= this.maxPes) bug("BUG_FAKE_PE_LIMIT", "more PEs than maxPes", { maxPes: this.maxPes });
    const pe = new FakePe(config, this);
    this.pes.push(pe);
    return pe;
  }

  sendEvent(): void {
    for (const pe of this.pes) pe.events.send();
  }

  dispose(pe: FakePe): void {
    this.pes.splice(this.pes.indexOf(pe), 1);
  }

  tlbiIpa(vmid: number, ipa: Ipa, size: number): void {
    this.tlbi.push({ vmid, ipa, size });
    const entries = this.#tlb?.get(vmid);
    if (entries === undefined) return;
    for (const page of [...entries.keys()]) if (page + 4096 > ipa && page < ipa + size) entries.delete(page);
  }

  tlbiVmid(vmid: number): void {
    this.tlbi.push({ vmid, ipa: 0, size: 2 ** 48 });
    this.#tlb?.delete(vmid);
  }

  translate(vttbr: bigint, vtcr: bigint, ipa: Ipa): Stage2Result | Stage2Fault {
    if (this.#tlb === undefined) return walkStage2(this.memory, vttbr, vtcr, ipa);
    const vmid = Number(vttbr >> 48n);
    let entries = this.#tlb.get(vmid);
    if (entries === undefined) {
      entries = new Map();
      this.#tlb.set(vmid, entries);
    }
    const page = ipa - (ipa % 4096);
    const cached = entries.get(page);
    if (cached !== undefined) return { ...cached, pa: cached.pa + (ipa - page) };
    const result = walkStage2(this.memory, vttbr, vtcr, page);
    // Faults are not cached: a TLB never holds an invalid entry (DDI 0487 D8.13.1).
    if (isFault(result)) return result;
    entries.set(page, result);
    return { ...result, pa: result.pa + (ipa - page) };
  }
}

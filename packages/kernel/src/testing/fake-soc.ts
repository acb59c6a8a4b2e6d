/** A small SoC for unit tests: real memory and a real clock, with sizes that make no test slow. */
import type { Clock } from "../contracts/clock.ts";
import type { Entropy } from "../contracts/entropy.ts";
import type { AccessControl, PhysicalMemory } from "../contracts/physical-memory.ts";
import type { TraceEvent } from "../contracts/trace.ts";
import { createVirtualClock, type VirtualClockOptions } from "../soc/clock.ts";
import { createSeededEntropy } from "../soc/entropy.ts";
import { createPhysicalMemory, type PhysicalMemoryOptions } from "../soc/physical-memory.ts";
import { createTrace, type TraceHub } from "../soc/trace.ts";

/** 16 MiB of DRAM at 0x8000_0000 with 64 KiB for a backend, unless said otherwise. */
export function fakePhysicalMemory(options: Partial<PhysicalMemoryOptions> = {}): PhysicalMemory {
  return createPhysicalMemory({ dramBase: 0x8000_0000, dramSize: 16 << 20, reservedBytes: 65536, ...options });
}

/** A virtual clock that a test can also push forward. */
export interface FakeClock extends Clock {
  /** Move the counter on by `ticks` and run what became due. Returns how many timers ran. */
  advance(ticks: number): number;
}

/** One instruction is one tick unless said otherwise. */
export function fakeClock(options: VirtualClockOptions = {}): FakeClock {
  const clock = createVirtualClock({ instructionsPerTick: 1, ...options });
  return Object.assign(clock, {
    advance(ticks: number): number {
      clock.retire(ticks * clock.instructionsPerTick);
      return clock.fire();
    },
  });
}

/** Seeded with 1. */
export function fakeEntropy(): Entropy {
  return createSeededEntropy(1);
}

/** A trace that remembers. */
export interface FakeTrace extends TraceHub {
  readonly events: TraceEvent[];
  /** Events of one kind, oldest first. */
  of<Kind extends TraceEvent["kind"]>(kind: Kind): Extract<TraceEvent, { kind: Kind }>[];
}

export function fakeTrace(): FakeTrace {
  const events: TraceEvent[] = [];
  const hub = createTrace((error) => {
    throw error;
  });
  hub.listen((event) => events.push(event));
  return Object.assign(hub, {
    events,
    of: <Kind extends TraceEvent["kind"]>(kind: Kind) =>
      events.filter((event): event is Extract<TraceEvent, { kind: Kind }> => event.kind === kind),
  });
}

/** An access control unit whose table lies at `tablePa` in DRAM; every page starts open to every domain. */
export interface FakeAccessControl extends AccessControl {
  /** Set the domains (bit d: domain d, 64 bits) that may access [pa, pa + size). */
  set(pa: number, size: number, domains: bigint): void;
}

export function fakeAccessControl(memory: PhysicalMemory, tablePa: number): FakeAccessControl {
  const pages = memory.dramSize / 4096;
  const tableOffset = memory.offsetOf(tablePa);
  const masks = new Uint32Array(memory.memory.buffer, tableOffset, pages * 2).fill(0xffff_ffff);
  const listeners = new Set<(pa: number, size: number) => void>();
  const unit: FakeAccessControl = {
    masks,
    tableOffset,
    allows(domain, pa) {
      if (!memory.contains(pa)) return true;
      const index = Math.floor((pa - memory.dramBase) / 4096) * 2 + (domain >> 5);
      return (((masks[index] as number) >>> (domain & 31)) & 1) === 1;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(pa, size, domains) {
      const first = Math.floor((pa - memory.dramBase) / 4096);
      const last = Math.ceil((pa + size - memory.dramBase) / 4096);
      for (let page = first; page < last; page++) {
        masks[page * 2] = Number(domains & 0xffff_ffffn);
        masks[page * 2 + 1] = Number((domains >> 32n) & 0xffff_ffffn);
      }
      for (const listener of listeners) listener(pa, size);
    },
  };
  memory.accessControl = unit;
  return unit;
}

/** Fault points of one machine. */
import type { FaultPoints } from "../contracts/fault-points.ts";
import { ModelError } from "../errors.ts";

interface Armed {
  readonly point: string;
  /** Passes left before the first failure. */
  wait: number;
  times: number;
}

export function createFaultPoints(): FaultPoints {
  return new FaultPointRegistry();
}

class FaultPointRegistry implements FaultPoints {
  armed = false;
  readonly #armed = new Set<Armed>();
  readonly #recordings = new Set<Map<string, number>>();

  hit(point: string): boolean {
    for (const passes of this.#recordings) passes.set(point, (passes.get(point) ?? 0) + 1);
    let fails = false;
    for (const entry of this.#armed) {
      if (entry.point !== point) continue;
      if (entry.wait > 0) {
        entry.wait--;
        continue;
      }
      fails = true;
      if (--entry.times === 0) this.#armed.delete(entry);
    }
    if (fails) this.#update();
    return fails;
  }

  arm(point: string, pass = 1, times = 1): () => void {
    if (!(Number.isSafeInteger(pass) && pass >= 1 && times >= 1)) {
      throw new ModelError("KERNEL_FAULT_POINT", `fault point ${point}: pass ${pass}, times ${times}; count from 1`);
    }
    const entry: Armed = { point, wait: pass - 1, times };
    this.#armed.add(entry);
    this.#update();
    return () => {
      this.#armed.delete(entry);
      this.#update();
    };
  }

  record(): { readonly passes: ReadonlyMap<string, number>; stop(): void } {
    const passes = new Map<string, number>();
    this.#recordings.add(passes);
    this.#update();
    return {
      passes,
      stop: () => {
        this.#recordings.delete(passes);
        this.#update();
      },
    };
  }

  #update(): void {
    this.armed = this.#armed.size > 0 || this.#recordings.size > 0;
  }
}

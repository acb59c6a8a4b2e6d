/**
 * Hypercall dispatch: call number to handler, argument registers in, results out.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Hypercall ABI; hyp/core/base/templates (hypcall_table)
 */

import { GunyahError, hypercallByNumber } from "@gunyah-ts/abi";
import { bug } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import type { Caller } from "./caller.ts";
import { Registers } from "./registers.ts";

/**
 * One hypercall. Inputs are X1 and up; on OK the handler writes its results to X1 and up.
 * A handler may name the class of caller that it needs (parameters are bivariant).
 * @returns GunyahError, which the dispatcher writes to X0
 */
export type HypercallHandler = { call(caller: Caller, r: Registers): number }["call"];

const LAST = 17;

export class HypercallTable {
  readonly #core: HypCore;
  readonly #handlers: (HypercallHandler | undefined)[] = [];
  readonly #inputs: number[] = [];
  readonly #outputs: number[] = [];

  constructor(core: HypCore) {
    this.#core = core;
    hypercallByNumber.forEach((definition, number) => {
      this.#inputs[number] = definition?.inputs.length ?? 0;
      this.#outputs[number] = definition?.outputs.length ?? 0;
    });
  }

  /** Install the handler of `Hypercall.<name>`. */
  add(definition: { readonly number: number; readonly name: string }, handler: HypercallHandler): void {
    if (this.#handlers[definition.number] !== undefined)
      bug("BUG_HYP_HYPERCALL", `${definition.name} has two handlers`);
    this.#handlers[definition.number] = handler;
  }

  has(number: number): boolean {
    return this.#handlers[number] !== undefined;
  }

  /**
   * SMCCC form: X0 held the function id, whose call number is `number`.
   * An unknown number leaves X0 = -1.
   */
  dispatch(caller: Caller, number: number, r: Registers): void {
    const handler = this.#handlers[number];
    if (handler === undefined) {
      r.setError(0, GunyahError.UNIMPLEMENTED);
      if (this.#core.trace.enabled) this.#traceUnknown(caller, number);
      return;
    }
    const { trace } = this.#core;
    const args = trace.enabled ? [...r.x.subarray(1, 1 + (this.#inputs[number] ?? 0))] : undefined;
    const error = handler(caller, r);
    const outputs = this.#outputs[number] ?? 0;
    // hypervisor_identify has no error slot; its four results are X0-X3.
    if (number === 0) {
      r.clear(4, LAST);
    } else {
      r.setError(0, error);
      // Clobbered registers read as zero, so that nothing of the hypervisor or of the arguments shows.
      r.clear(error === GunyahError.OK ? 1 + outputs : 1, LAST);
    }
    if (args !== undefined) this.#traceCall(caller, number, args, number === 0 ? 0 : error, r);
  }

  /** Native form: HVC #(0x6000 + number), inputs from X0. */
  dispatchNative(caller: Caller, number: number, r: Registers): void {
    // Its registers shifted to the places of the SMCCC form; not kept, because vcpu_run nests.
    const s = new Registers();
    s.x.set(r.x.subarray(0, LAST), 1);
    this.dispatch(caller, number, s);
    r.x.set(s.x.subarray(0, LAST + 1));
  }

  #traceCall(caller: Caller, number: number, args: readonly bigint[], error: number, r: Registers): void {
    const first = number === 0 ? 0 : 1;
    const outputs = error === GunyahError.OK ? (this.#outputs[number] ?? 0) : 0;
    this.#core.trace.emit({
      kind: "hypercall",
      at: this.#core.clock.now(),
      vmid: caller.addrspace.vmid,
      vcpu: caller.index,
      call: number,
      name: hypercallByNumber[number]?.name ?? "unknown",
      args,
      error,
      results: [...r.x.subarray(first, first + outputs)],
    });
  }

  #traceUnknown(caller: Caller, number: number): void {
    this.#core.trace.emit({
      kind: "hypercall",
      at: this.#core.clock.now(),
      vmid: caller.addrspace.vmid,
      vcpu: caller.index,
      call: number,
      name: hypercallByNumber[number]?.name ?? "unknown",
      args: [],
      error: GunyahError.UNIMPLEMENTED,
      results: [],
    });
  }
}

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

/** X0-X7 carry arguments and results of the native form; its caller-saved registers go on to X17. */
const LAST_RESULT = 7;
const LAST_CLOBBERED = 17;

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
   * SMCCC form: X0 held the function id, whose call number is `number`. Declared results are written, zero when the call
   * fails; every other register stays as it was. An unknown number leaves X0 = -1 and nothing else.
   * Source: gunyah-hypervisor hyp/vm/smccc/aarch64/templates/hyp_wrapper.c.tmpl; Arm DEN 0028 (SMCCC 1.3) §2.6
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
    // hypervisor_identify has no error slot; its four results are X0-X3.
    if (number !== 0) {
      r.setError(0, error);
      if (error !== GunyahError.OK) r.clear(1, this.#outputs[number] ?? 0);
    }
    if (args !== undefined) this.#traceCall(caller, number, args, number === 0 ? 0 : error, r);
  }

  /**
   * Native form: HVC #(0x6000 + number), inputs and results from X0. X8 and X18 and up are kept, X9 becomes the address
   * after the HVC, what remains of X0-X17 becomes zero, so that nothing of the hypervisor shows. A number beyond the
   * table is no hypercall: X0 = -1 and nothing else.
   * Source: gunyah-hypervisor hyp/vm/vcpu/armv8-64/src/{vectors,return}.S, hyp/core/api/aarch64/templates
   */
  dispatchNative(caller: Caller, number: number, r: Registers, returnAddress: bigint): void {
    // Its registers shifted to the places of the SMCCC form; not kept, because vcpu_run nests.
    const s = new Registers();
    s.x.set(r.x.subarray(0, LAST_RESULT + 1), 1);
    this.dispatch(caller, number, s);
    if (number >= hypercallByNumber.length) {
      r.x[0] = s.x[0]!;
      return;
    }
    const results = this.#results(number);
    r.x.set(s.x.subarray(0, results));
    r.clear(results, LAST_RESULT);
    r.x[LAST_RESULT + 2] = returnAddress;
    r.clear(LAST_RESULT + 3, LAST_CLOBBERED);
  }

  /** How many registers from X0 the call writes. */
  #results(number: number): number {
    const outputs = this.#outputs[number] ?? 0;
    return number === 0 ? outputs : 1 + outputs;
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

/**
 * Hypercall dispatch: call number to handler, argument registers in, results out.
 * Source: gunyah-hypervisor docs/api/gunyah_api.md, Hypercall ABI; hyp/core/base/templates (hypcall_table)
 */

import { GunyahError, type HypercallDefinition, hypercallByNumber } from "@gunyah-ts/abi";
import { bug } from "@gunyah-ts/kernel";
import type { HypCore } from "../core.ts";
import { type Arguments, CallViews, type Results } from "./arguments.ts";
import type { Caller } from "./caller.ts";
import { Registers, type RegisterViews } from "./registers.ts";

/**
 * One hypercall: arguments and results by the names of the table. Results are written where it answers OK.
 * A handler may name the class of caller that it needs (parameters are bivariant).
 * @returns GunyahError, which the dispatcher writes to X0
 */
export type HypercallHandler<D extends HypercallDefinition = HypercallDefinition> = {
  call(caller: Caller, args: Arguments<D>, results: Results<D>): number;
}["call"];

/** Called after each hypercall, once its results are in the registers. `number`: which call it was. */
export type AfterCall = (number: number) => void;

interface Entry {
  readonly call: (caller: Caller, args: object, results: object) => number;
  readonly views: CallViews;
  readonly inputs: number;
  readonly outputs: number;
}

/** X0-X7 carry arguments and results of the native form; its caller-saved registers go on to X17. */
const LAST_RESULT = 7;
const LAST_CLOBBERED = 17;

export class HypercallTable {
  readonly #core: HypCore;
  readonly #entries: (Entry | undefined)[] = [];
  readonly #afterCall: AfterCall | undefined;
  /** Registers of native calls under way, one set for each that nests. */
  readonly #native: Registers[] = [];
  #nativeDepth = 0;

  constructor(core: HypCore, afterCall?: AfterCall) {
    this.#core = core;
    this.#afterCall = afterCall;
  }

  /** Install the handler of `Hypercall.<name>`. */
  add<D extends HypercallDefinition>(definition: D, handler: HypercallHandler<D>): void {
    const { number, name, inputs, outputs } = definition;
    if (this.#entries[number] !== undefined) bug("BUG_HYP_HYPERCALL", `${name} has two handlers`);
    this.#entries[number] = {
      call: handler as Entry["call"],
      views: new CallViews(definition),
      inputs: inputs.length,
      outputs: outputs.length,
    };
  }

  has(number: number): boolean {
    return this.#entries[number] !== undefined;
  }

  /**
   * SMCCC form: X0 held the function id, whose call number is `number`. Declared results are written, zero when the call
   * fails; every other register stays as it was. An unknown number leaves X0 = -1 and nothing else.
   * Source: gunyah-hypervisor hyp/vm/smccc/aarch64/templates/hyp_wrapper.c.tmpl; Arm DEN 0028 (SMCCC 1.3) §2.6
   */
  dispatch(caller: Caller, number: number, r: Registers): void {
    const entry = this.#entries[number];
    if (entry === undefined) {
      r.setError(0, GunyahError.UNIMPLEMENTED);
      if (this.#core.trace.enabled) this.#traceUnknown(caller, number);
      return;
    }
    const { trace } = this.#core;
    const args = trace.enabled ? [...r.x.subarray(1, 1 + entry.inputs)] : undefined;
    const views = r.views[number] ?? makeViews(entry.views, number, r);
    const error = entry.call(caller, views.args, views.results);
    // hypervisor_identify has no error slot; its four results are X0-X3.
    if (number !== 0) {
      r.setError(0, error);
      if (error !== GunyahError.OK) r.clear(1, entry.outputs);
    }
    if (args !== undefined) this.#traceCall(caller, number, args, number === 0 ? 0 : error, r);
    this.#afterCall?.(number);
  }

  /**
   * Native form: HVC #(0x6000 + number), inputs and results from X0. X8 and X18 and up are kept, X9 becomes the address
   * after the HVC, what remains of X0-X17 becomes zero, so that nothing of the hypervisor shows. A number beyond the
   * table is no hypercall: X0 = -1 and nothing else.
   * Source: gunyah-hypervisor hyp/vm/vcpu/armv8-64/src/{vectors,return}.S, hyp/core/api/aarch64/templates
   */
  dispatchNative(caller: Caller, number: number, r: Registers, returnAddress: bigint): void {
    // Its registers shifted to the places of the SMCCC form; a set of its own, because vcpu_run nests.
    const depth = this.#nativeDepth++;
    this.#native[depth] ??= new Registers();
    const s = this.#native[depth];
    s.x.set(r.x.subarray(0, LAST_RESULT + 1), 1);
    this.dispatch(caller, number, s);
    this.#nativeDepth = depth;
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
    const outputs = this.#entries[number]?.outputs ?? 0;
    return number === 0 ? outputs : 1 + outputs;
  }

  #traceCall(caller: Caller, number: number, args: readonly bigint[], error: number, r: Registers): void {
    const first = number === 0 ? 0 : 1;
    const outputs = error === GunyahError.OK ? (this.#entries[number]?.outputs ?? 0) : 0;
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

function makeViews(classes: CallViews, number: number, r: Registers): RegisterViews {
  const views = { args: new classes.Arguments(r), results: new classes.Results(r) };
  r.views[number] = views;
  return views;
}

import {
  GunyahError,
  gunyahErrorFromRegister,
  type HypercallDefinition,
  type HypercallInputs,
  type HypercallOutputs,
} from "@gunyah-ts/abi";
import type { NativeVcpu } from "@gunyah-ts/kernel";

/** `error`, and the named results; those are 0 when the error is not OK. */
export type HypercallResult<D> = { readonly error: number } & Readonly<HypercallOutputs<D>>;

const MINUS_ONE = 0xffff_ffff_ffff_ffffn;

/**
 * Hypercalls by name, with the arguments and results of the table in @gunyah-ts/abi, in the SMCCC form.
 * Not for use while interrupts are unmasked: an interrupt handler's call would overwrite the registers.
 */
export class HypercallClient {
  readonly vcpu: NativeVcpu;
  readonly #x = new BigUint64Array(18);

  constructor(vcpu: NativeVcpu) {
    this.vcpu = vcpu;
  }

  call<D extends HypercallDefinition>(definition: D, inputs: HypercallInputs<D>): HypercallResult<D> {
    const x = this.#x;
    x.fill(0n);
    x[0] = BigInt(definition.fid);
    const values = inputs as Readonly<Record<string, number | bigint>>;
    for (const { name, kind, register } of definition.inputs) {
      if (kind === "res0") continue;
      x[register] = kind === "res1" ? MINUS_ONE : BigInt.asUintN(64, BigInt(values[name] as number | bigint));
    }
    this.vcpu.hvc(x);
    const error = definition.returnsError ? gunyahErrorFromRegister(x[0] as bigint) : GunyahError.OK;
    const result: Record<string, number | bigint> = { error };
    for (const { name, kind, register } of definition.outputs) {
      const value = error === GunyahError.OK ? (x[register] as bigint) : 0n;
      result[name] = kind === "cap" || kind === "u64" ? value : Number(value);
    }
    return result as HypercallResult<D>;
  }
}

/**
 * Arguments and results of a hypercall by the names of the table in @gunyah-ts/abi, read from and written to the
 * caller's registers. A view is made once for each call and set of registers, and reading it allocates nothing.
 */

import type {
  HypercallCap,
  HypercallDefinition,
  HypercallInputKinds,
  HypercallOutputKinds,
  HypercallParameter,
  ObjectType,
  ParameterKind,
} from "@gunyah-ts/abi";
import type { Ipa, Pa } from "@gunyah-ts/kernel";
import type { Registers, RegisterWord } from "./registers.ts";

/** A register that holds a capability id, for an object of type `O` to be looked up. */
export type CapArgument<O extends ObjectType = ObjectType> = RegisterWord & {
  readonly __cap?: HypercallCap<O>["__object"];
};
/** Virtual address of the caller, signed: see `Registers.va`. */
export type GuestVa = number & { readonly __space?: "va" };
/** Bytes from the base of a memory extent. */
export type ExtentOffset = number & { readonly __space?: "offset" };
/** A size in bytes. */
export type ByteSize = number & { readonly __space?: "size" };

/** 64-bit words and capability ids stay in their registers; everything else is a number. See `Registers.num`. */
interface NumberOfKind {
  readonly ipa: Ipa;
  readonly va: GuestVa;
  readonly pa: Pa;
  readonly offset: ExtentOffset;
  readonly size: ByteSize;
  readonly u32: number;
}
type ArgumentOfKind<K> = K extends `cap ${infer O extends ObjectType}`
  ? CapArgument<O>
  : K extends "cap"
    ? CapArgument<never>
    : K extends keyof NumberOfKind
      ? NumberOfKind[K]
      : RegisterWord;

/** What a handler reads. */
export type Arguments<D> = {
  readonly [N in keyof HypercallInputKinds<D>]: ArgumentOfKind<HypercallInputKinds<D>[N]>;
} & {
  /** The register of an argument, for checks that need all of its 64 bits. */
  word(name: keyof HypercallInputKinds<D>): RegisterWord;
};
/** What a handler writes, where it answers OK. */
export type Results<D> = {
  -readonly [N in keyof HypercallOutputKinds<D>]: HypercallOutputKinds<D>[N] extends keyof NumberOfKind
    ? number
    : RegisterWord;
};

type View = new (r: Registers) => object;
/** Classes whose instances read the arguments and write the results of one call. */
export class CallViews {
  readonly Arguments: View;
  readonly Results: View;

  constructor(definition: Pick<HypercallDefinition, "inputs" | "outputs">) {
    this.Arguments = view(definition.inputs, false);
    this.Results = view(definition.outputs, true);
  }
}

function isWord(kind: ParameterKind): boolean {
  return kind === "cap" || kind === "u64" || kind === "res0" || kind === "res1";
}

/** One class for each call, so that what a handler reads is as quick as reading the register by number. */
function view(parameters: readonly HypercallParameter[], isWritable: boolean): View {
  class ParameterView {
    readonly r: Registers;
    constructor(r: Registers) {
      this.r = r;
      const words = this as unknown as Record<string, RegisterWord>;
      for (const { name, kind, register } of parameters) if (isWord(kind)) words[name] = r.words[register]!;
    }
    word(name: string): RegisterWord {
      return this.r.words[parameters.find((p) => p.name === name)!.register]!;
    }
  }
  for (const { name, kind, register } of parameters) {
    if (isWord(kind)) continue;
    const property = numberProperty(kind, register);
    if (isWritable)
      property.set = function (this: ParameterView, value: number) {
        this.r.set(register, value);
      };
    Object.defineProperty(ParameterView.prototype, name, property);
  }
  return ParameterView;
}

function numberProperty(kind: ParameterKind, i: number): PropertyDescriptor & ThisType<{ readonly r: Registers }> {
  if (kind === "u32")
    return {
      get() {
        return this.r.low(i);
      },
    };
  if (kind === "va")
    return {
      get() {
        return this.r.va(i);
      },
    };
  return {
    get() {
      return this.r.num(i);
    },
  };
}

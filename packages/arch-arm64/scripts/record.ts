/** Records what QEMU makes of drafts: used by `record-vectors.ts` and `fuzz-cpu.ts`. */
import type { Description } from "../src/isa/description.ts";
import { fieldValue } from "../src/isa/pattern.ts";
import { accessesMemory, type Draft, isAligned } from "../test/vectors/cases.ts";
import { encodeChanges, prepare, type VectorCase } from "../test/vectors/format.ts";
import { CODE_ENTRY, FIELD, type Prng, SIGNAL, WINDOW } from "../test/vectors/state.ts";
import { runUnderQemu } from "./qemu.ts";

export interface Draftable {
  readonly description: Description | undefined;
  readonly name: string;
  readonly draft: Draft;
}

/**
 * Run drafts; memory accesses that miss the window are moved into it and run again.
 * @returns the recorded cases in order, undefined for those that cannot be compared
 */
export function record(drafts: readonly Draftable[], r: Prng, cpu?: string): (VectorCase | undefined)[] {
  const results: (VectorCase | undefined)[] = new Array(drafts.length);
  let pending = drafts.map((d, i) => ({ ...d, i }));
  for (let round = 0; round < 3 && pending.length > 0; round++) {
    const input = new Uint8Array(pending.length * FIELD.BYTES);
    for (const [k, p] of pending.entries()) prepare(view(input, k), p.name, p.draft);
    const output = runUnderQemu(input, cpu);
    const again: typeof pending = [];
    pending.forEach((p, k) => {
      const before = view(input, k);
      const after = view(output, k);
      const signal = after.getUint32(FIELD.SIGNAL, true);
      const atEntry = after.getBigUint64(FIELD.PC, true) === BigInt(CODE_ENTRY);
      if (signal === SIGNAL.SEGV && atEntry && p.description !== undefined && accessesMemory(p.description)) {
        if (moveIntoWindow(p, before, after.getBigUint64(FIELD.FAULT_ADDRESS, true), r)) again.push(p);
        return;
      }
      if (signal === SIGNAL.BUS) return;
      if (signal === SIGNAL.SEGV && atEntry) return;
      results[p.i] = {
        index: p.draft.index,
        profile: p.draft.profile,
        words: p.draft.words,
        overrides: p.draft.overrides,
        undefined: signal === SIGNAL.ILL,
        ...(signal === SIGNAL.ILL ? { changes: new Uint8Array(0), changeCount: 0 } : encodeChanges(before, after)),
      };
    });
    pending = again;
  }
  return results;
}

function view(bytes: Uint8Array, index: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + index * FIELD.BYTES, FIELD.BYTES);
}

/** Change the base register by what the fault address misses the window by. */
function moveIntoWindow(p: Draftable, before: DataView, fault: bigint, r: Prng): boolean {
  const description = p.description as Description;
  const field = description.pattern.fields.get("Rn");
  if (field === undefined) return false;
  const n = fieldValue(field, p.draft.words[0] as number);
  const target = WINDOW + (isAligned(description) ? 16 * (2 + r.below(8)) : 32 + r.below(128));
  const old = before.getBigUint64(n === 31 ? FIELD.SP : FIELD.X + 8 * n, true);
  let value = BigInt.asUintN(64, old + BigInt(target) - fault);
  if (n === 31) value &= ~15n;
  p.draft.overrides = [...p.draft.overrides.filter(([register]) => register !== n), [n, value]];
  return true;
}

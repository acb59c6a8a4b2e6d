/** Runs recorded cases and says what differs. */
import { DESCRIPTIONS } from "../../src/isa/index.ts";
import { fieldValue } from "../../src/isa/pattern.ts";
import { describe } from "./cases.ts";
import { applyChanges, describeDifferences, prepare, type VectorCase } from "./format.ts";
import { Replay } from "./replay.ts";
import { CODE_ENTRY, FIELD } from "./state.ts";

/** Assembly text of a word. */
export function disassemble(word: number, pc: number): string {
  const description = describe(DESCRIPTIONS, word);
  if (description === undefined) return "?";
  return description.syntax(
    Object.fromEntries([...description.pattern.fields].map(([name, field]) => [name, fieldValue(field, word)])),
    pc,
  );
}

export class Compare {
  readonly #replay: Replay;
  readonly #state = new DataView(new ArrayBuffer(FIELD.BYTES));
  readonly #expected = new DataView(new ArrayBuffer(FIELD.BYTES));

  constructor(replay = new Replay()) {
    this.#replay = replay;
  }

  /** A message with word, text and the fields that differ; undefined when the case is as recorded. */
  run(group: string, c: VectorCase): string | undefined {
    const state = this.#state;
    const expected = this.#expected;
    prepare(state, group, c);
    prepare(expected, group, c);
    applyChanges(expected, c);
    const isUndefined = this.#replay.run(
      state,
      c.words.length === 1 ? describe(DESCRIPTIONS, c.words[0] as number) : undefined,
    );
    if (isUndefined && c.undefined) return undefined;
    const differences = describeDifferences(state, expected);
    if (isUndefined === c.undefined && differences.length === 0) return undefined;
    const text = c.words
      .map((word, i) => `${word.toString(16).padStart(8, "0")} ${disassemble(word, CODE_ENTRY + 4 * i)}`)
      .join(" | ");
    const undefinedText = isUndefined === c.undefined ? "" : isUndefined ? " UNDEFINED" : " not UNDEFINED";
    return `${text} (case ${c.index}, FPCR ${expected.getUint32(FIELD.FPCR, true).toString(16)})${undefinedText}: ${differences.slice(0, 4).join("; ")}`;
  }
}

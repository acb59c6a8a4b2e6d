/**
 * Numbering of handlers: one for each allocated combination of a description's statics, and for branches one more for
 * targets in the same page.
 */
import type { Feature } from "../cpu/features.ts";
import { type Description, Flow, type StaticValues, staticCombinations } from "../isa/description.ts";
import { HANDLER } from "./layout.ts";

export interface Handler {
  readonly number: number;
  readonly description: Description;
  readonly statics: StaticValues;
  /** The branch target lies in the same page: the immediate is the distance between records. */
  readonly samePage: boolean;
}

export interface HandlerTable {
  /** By number; those of `HANDLER` are missing. */
  readonly handlers: readonly (Handler | undefined)[];
  /** How many handlers the dispatch loop holds; the rest are functions. */
  readonly inlineCount: number;
  /** For each description, the index of its first entry in `byRank`. */
  readonly base: ReadonlyMap<Description, number>;
  /** Handler number by base + rank. */
  readonly byRank: Uint16Array;
}

/** An entry of `byRank` whose encoding exists only with a feature. */
export interface GatedEntry {
  readonly entry: number;
  readonly feature: Feature;
  readonly absent: Description["absent"];
}

/** Every entry that a CPU may lack, in the numbering of `numberHandlers`. */
export function gatedEntries(descriptions: readonly Description[]): GatedEntry[] {
  const gated: GatedEntry[] = [];
  let ranks = 0;
  for (const d of descriptions) {
    const forms = hasSamePageForm(d) ? 2 : 1;
    if (d.feature !== undefined)
      for (const { rank, values } of staticCombinations(d)) {
        const feature = d.feature(values);
        if (feature === undefined) continue;
        for (let form = 0; form < forms; form++)
          gated.push({ entry: ranks + rank * forms + form, feature, absent: d.absent });
      }
    ranks += rankCount(d) * forms;
  }
  return gated;
}

/**
 * Take the encodings of absent features out of an instance's table, whose first entry is the halfword at `first`.
 * @param nop entry of an instruction that does nothing
 */
export function removeAbsent(table: Uint16Array, first: number, nop: number, absent: readonly GatedEntry[]): void {
  for (const { entry, absent: how } of absent)
    table[first + entry] = how === "nop" ? (table[first + nop] as number) : HANDLER.UNDEFINED;
}

/** Index of the first entry of a description in `byRank`. */
export function entryOf(descriptions: readonly Description[], name: string): number {
  let ranks = 0;
  for (const d of descriptions) {
    if (d.name === name) break;
    ranks += rankCount(d) * (hasSamePageForm(d) ? 2 : 1);
  }
  return ranks;
}

const rankCount = (d: Description) => d.statics.reduce((product, s) => product * s.count, 1);

export const hasSamePageForm = (d: Description) => d.flow === Flow.DIRECT || d.flow === Flow.CONDITIONAL;

export function numberHandlers(
  descriptions: readonly Description[],
  isInline: (d: Description, statics: StaticValues) => boolean,
): HandlerTable {
  const base = new Map<Description, number>();
  let ranks = 0;
  const inline: (Omit<Handler, "number"> & { entry: number })[] = [];
  const outline: typeof inline = [];
  for (const description of descriptions) {
    base.set(description, ranks);
    const forms = hasSamePageForm(description) ? 2 : 1;
    for (const { rank, values } of staticCombinations(description)) {
      for (let form = 0; form < forms; form++) {
        const handler = { description, statics: values, samePage: form === 1, entry: ranks + rank * forms + form };
        (isInline(description, values) ? inline : outline).push(handler);
      }
    }
    ranks += rankCount(description) * forms;
  }
  const byRank = new Uint16Array(ranks).fill(HANDLER.UNDEFINED);
  const handlers: (Handler | undefined)[] = new Array(HANDLER.FIRST).fill(undefined);
  for (const { entry, ...handler } of [...inline, ...outline]) {
    byRank[entry] = handlers.length;
    handlers.push({ ...handler, number: handlers.length });
  }
  return { handlers, inlineCount: HANDLER.FIRST + inline.length, base, byRank };
}

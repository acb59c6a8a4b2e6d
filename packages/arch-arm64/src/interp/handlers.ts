/**
 * Numbering of handlers: one for each allocated combination of a description's statics, and for branches one more for
 * targets in the same page.
 */
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
    ranks += description.statics.reduce((product, s) => product * s.count, 1) * forms;
  }
  const byRank = new Uint16Array(ranks).fill(HANDLER.UNDEFINED);
  const handlers: (Handler | undefined)[] = new Array(HANDLER.FIRST).fill(undefined);
  for (const { entry, ...handler } of [...inline, ...outline]) {
    byRank[entry] = handlers.length;
    handlers.push({ ...handler, number: handlers.length });
  }
  return { handlers, inlineCount: HANDLER.FIRST + inline.length, base, byRank };
}

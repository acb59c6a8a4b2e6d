/**
 * Which page of the carve-out is which table, as the descriptors said when they were looked at last.
 */

import { type OwnershipFault, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import { IPA_LIMIT, type Stage2 } from "../addrspace/stage2.ts";
import type { HypCore } from "../core.ts";
import type { PageRanges } from "./journal.ts";
import { fault, OwnershipRule } from "./rules.ts";

/** Pages of IPA that one level 3 table, and one level 2 table, translates. */
const LEVEL3_PAGES = 512;
const LEVEL2_PAGES = 512 * 512;

const EVERYTHING: PageRanges = [0, IPA_LIMIT / PAGE_SIZE];

/** Tables of one address space. */
interface Tables {
  readonly root: Pa;
  /** By index of the GiB. */
  readonly level2: Map<number, Pa>;
  /** By index of the 2 MiB block. */
  readonly level3: Map<number, Pa>;
}

export class TableShadow {
  readonly #core: HypCore;
  readonly #spaces = new Map<Stage2, Tables>();
  readonly #seen = new Set<Pa>();

  constructor(core: HypCore) {
    this.#core = core;
  }

  /**
   * Look at the tables that translate some ranges, and at which address spaces there are.
   * @param translations pages of IPA that changed, by address space; one not seen before is looked at whole
   * @returns a table that lies outside the carve-out or has two users, or pages taken for no table
   */
  check(translations: ReadonlyMap<Stage2, PageRanges>): OwnershipFault | undefined {
    const { carveOut, vmids } = this.#core;
    const live = new Set<Stage2>();
    for (const { stage2 } of vmids.values()) if (stage2 !== undefined) live.add(stage2);
    for (const stage2 of this.#spaces.keys()) if (!live.has(stage2)) this.#forget(stage2);
    // What went is forgotten before what came is noted: a page may have become another table.
    const came: Pa[] = [];
    for (const stage2 of live) {
      const ranges = this.#spaces.has(stage2) ? translations.get(stage2) : EVERYTHING;
      if (ranges !== undefined) this.#compare(stage2, ranges, came);
    }
    for (const table of came) {
      if (!carveOut.contains(table)) return fault(table, OwnershipRule.TABLE, "outside the carve-out");
      if (this.#seen.has(table)) return fault(table, OwnershipRule.TABLE, "two tables in one page");
      this.#seen.add(table);
    }
    if (this.#seen.size === carveOut.pages) return undefined;
    const detail = `${carveOut.pages} pages taken, ${this.#seen.size} in tables`;
    return fault(carveOut.base, OwnershipRule.TABLE, detail);
  }

  #forget(stage2: Stage2): void {
    const { root, level2, level3 } = this.#spaces.get(stage2)!;
    for (const table of [root, ...level2.values(), ...level3.values()]) this.#seen.delete(table);
    this.#spaces.delete(stage2);
  }

  /** Note the tables of some ranges. @param came gets those that were not there before */
  #compare(stage2: Stage2, ranges: PageRanges, came: Pa[]): void {
    let tables = this.#spaces.get(stage2);
    if (tables === undefined) {
      tables = { root: stage2.root, level2: new Map(), level3: new Map() };
      this.#spaces.set(stage2, tables);
      came.push(stage2.root);
    }
    for (let i = 0; i < ranges.length; i += 2) {
      const end = ranges[i + 1]!;
      for (let page = ranges[i]!; page < end; page += LEVEL2_PAGES - (page % LEVEL2_PAGES)) {
        const index = Math.floor(page / LEVEL2_PAGES);
        const top = index * LEVEL2_PAGES;
        const before = tables.level2.get(index);
        const table = stage2.tableAt(page * PAGE_SIZE, 2);
        this.#note(tables.level2, index, table, came);
        if (table === -1 && before === undefined) continue;
        // Another level 2 table has other tables below it.
        const isSame = table === before;
        const first = isSame ? page : top;
        this.#compareLevel3(
          stage2,
          tables,
          first,
          isSame ? Math.min(end, top + LEVEL2_PAGES) : top + LEVEL2_PAGES,
          came,
        );
      }
    }
  }

  #compareLevel3(stage2: Stage2, { level3 }: Tables, first: number, end: number, came: Pa[]): void {
    for (let page = first; page < end; page += LEVEL3_PAGES - (page % LEVEL3_PAGES))
      this.#note(level3, Math.floor(page / LEVEL3_PAGES), stage2.tableAt(page * PAGE_SIZE, 3), came);
  }

  #note(tables: Map<number, Pa>, index: number, table: Pa | -1, came: Pa[]): void {
    const before = tables.get(index);
    if ((before ?? -1) === table) return;
    if (before !== undefined) this.#seen.delete(before);
    if (table === -1) tables.delete(index);
    else {
      tables.set(index, table);
      came.push(table);
    }
  }
}

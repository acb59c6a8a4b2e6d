/**
 * The ownership invariant, checked as memory changes: only what the journal names is looked at, so that the watch can
 * stay on for a host of any size. It keeps what it saw last of owners and tables, counted by itself.
 */

import { type OwnershipFault, PAGE_SIZE, type Pa } from "@gunyah-ts/kernel";
import type { Addrspace } from "../addrspace/addrspace.ts";
import type { Stage2 } from "../addrspace/stage2.ts";
import type { HypCore } from "../core.ts";
import { intentDelta } from "../memory/intent.ts";
import { Memextent } from "../memory/memextent.ts";
import { checkOwnership } from "./check.ts";
import type { Changes, OwnershipJournal, PageRanges } from "./journal.ts";
import { checkCount, checkIntent, checkOwner, checkTranslation, fault, leadsTo, OwnershipRule } from "./rules.ts";
import { TableShadow } from "./table-shadow.ts";

export class OwnershipWatch {
  readonly #core: HypCore;
  readonly #journal: OwnershipJournal;
  /** Owner of each page of DRAM when it was looked at last. */
  readonly #owners: Int32Array;
  readonly #counts = new Map<number, number>();
  readonly #tables: TableShadow;
  readonly #firstPage: number;
  #pagesLookedAt = 0;

  /**
   * Looks at everything once.
   * @param journal of `core`
   */
  constructor(core: HypCore, journal: OwnershipJournal) {
    this.#core = core;
    this.#journal = journal;
    this.#firstPage = core.memory.dramBase / PAGE_SIZE;
    this.#owners = new Int32Array(core.memory.dramSize / PAGE_SIZE);
    this.#counts.set(0, this.#owners.length);
    this.#tables = new TableShadow(core);
    journal.take();
    const end = this.#firstPage + this.#owners.length;
    for (let page = this.#firstPage; page < end; page = core.memdb.runEnd(page, end))
      this.#see(page, core.memdb.runEnd(page, end));
    this.#tables.check(new Map());
  }

  /** Pages that `check` looked at since the watch was made, for benchmarks and tests of its cost. */
  get pagesLookedAt(): number {
    return this.#pagesLookedAt;
  }

  /**
   * Check what changed since the last check.
   * @returns the first page that breaks a rule, or undefined
   */
  check(): OwnershipFault | undefined {
    if (this.#journal.isEmpty) return undefined;
    const changes = this.#journal.take();
    return (
      this.#checkOwners(changes) ??
      this.#tables.check(changes.translations) ??
      this.#checkTranslations(changes.translations) ??
      this.#checkIntents(changes)
    );
  }

  /** Everything, whatever changed. @returns the first page that breaks a rule, or undefined */
  checkAll(): OwnershipFault | undefined {
    return this.check() ?? checkOwnership(this.#core);
  }

  /** Note the owner of a run of pages. @returns it */
  #see(first: number, end: number): number {
    const owner = this.#core.memdb.ownerOfPage(first);
    const counts = this.#counts;
    this.#pagesLookedAt += end - first;
    for (let i = first - this.#firstPage; i < end - this.#firstPage; i++) {
      const before = this.#owners[i]!;
      if (owner === before) continue;
      this.#owners[i] = owner;
      counts.set(before, counts.get(before)! - 1);
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    return owner;
  }

  #checkOwners({ physical, extents }: Changes): OwnershipFault | undefined {
    const core = this.#core;
    const concerned = new Set(extents);
    for (let i = 0; i < physical.length; i += 2) {
      const end = Math.min(physical[i + 1]!, this.#firstPage + this.#owners.length);
      for (let page = Math.max(physical[i]!, this.#firstPage); page < end; ) {
        const stop = core.memdb.runEnd(page, end);
        const owner = this.#see(page, stop);
        concerned.add(owner);
        const found = checkOwner(core, page, stop, owner);
        if (found !== undefined) return found;
        page = stop;
      }
    }
    for (const owner of concerned) {
      const count = this.#counts.get(owner) ?? 0;
      if (count > 0) {
        const isGone = owner !== 0 && core.object(owner)?.isActive !== true;
        if (isGone) return fault(this.#pageOf(owner), OwnershipRule.OWNER, `${core.ownerName(owner)} went`);
      } else this.#counts.delete(owner);
      if (count === 0 && core.object(owner) === undefined) continue;
      const found = checkCount(core, owner, count);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #pageOf(owner: number): Pa {
    return (this.#owners.indexOf(owner) + this.#firstPage) * PAGE_SIZE;
  }

  #checkTranslations(translations: ReadonlyMap<Stage2, PageRanges>): OwnershipFault | undefined {
    for (const addrspace of this.#core.vmids.values()) {
      const { stage2 } = addrspace;
      const ranges = stage2 === undefined ? undefined : translations.get(stage2);
      if (stage2 === undefined || ranges === undefined) continue;
      for (let i = 0; i < ranges.length; i += 2) {
        const found = this.#checkLeaves(addrspace, stage2, ranges[i]! * PAGE_SIZE, ranges[i + 1]! * PAGE_SIZE);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #checkLeaves(addrspace: Addrspace, stage2: Stage2, from: number, to: number): OwnershipFault | undefined {
    let found: OwnershipFault | undefined;
    stage2.forEachLeaf(
      (ipa, pa, size, attrs) => {
        const start = Math.max(from - ipa, 0);
        const bytes = Math.min(to - ipa, size) - start;
        this.#pagesLookedAt += bytes / PAGE_SIZE;
        found ??= checkTranslation(this.#core, addrspace, ipa + start, pa + start, bytes, attrs);
      },
      from,
      to,
    );
    return found;
  }

  /** The owner's intents are there; nothing is left of those of extents that lost pages. */
  #checkIntents({ physical, extents }: Changes): OwnershipFault | undefined {
    const losers: Memextent[] = [];
    for (const id of extents) {
      const extent = this.#core.object(id);
      if (extent instanceof Memextent) losers.push(extent);
    }
    const { memdb } = this.#core;
    for (let i = 0; i < physical.length; i += 2) {
      const end = physical[i + 1]!;
      for (let page = physical[i]!; page < end; ) {
        const stop = memdb.runEnd(page, end);
        const found = this.#checkRun(this.#core.object(memdb.ownerOfPage(page)), losers, page, stop);
        if (found !== undefined) return found;
        page = stop;
      }
    }
    return undefined;
  }

  /** Pages of one owner. */
  #checkRun(owner: unknown, losers: readonly Memextent[], first: number, end: number): OwnershipFault | undefined {
    if (owner instanceof Memextent) {
      const found = this.#checkWanted(owner, first, end);
      if (found !== undefined) return found;
    }
    for (const loser of losers) {
      const found = loser === owner ? undefined : this.#checkLeft(loser, first, end);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #checkWanted(owner: Memextent, first: number, end: number): OwnershipFault | undefined {
    for (const { addrspace, intents } of owner.slots) {
      const stage2 = addrspace?.stage2;
      if (stage2 === undefined) continue;
      for (let page = first; page < end; ) {
        const stop = intents.runEnd(page, end);
        const intent = intents.get(page);
        const found = intent === 0 ? undefined : checkIntent(stage2, page, stop, intent);
        if (found !== undefined) return found;
        page = stop;
      }
    }
    return undefined;
  }

  /** Pages that are another's: a translation of `loser` that is still there must be one that the owner wants. */
  #checkLeft(loser: Memextent, first: number, end: number): OwnershipFault | undefined {
    for (const { addrspace, intents } of loser.slots) {
      const stage2 = addrspace?.stage2;
      if (addrspace === undefined || stage2 === undefined) continue;
      for (let page = first; page < end; page++) {
        const intent = intents.get(page);
        if (intent === 0 || !leadsTo(stage2, page, intent)) continue;
        const ipa = (page + intentDelta(intent)) * PAGE_SIZE;
        const { attrs } = stage2.found;
        const found = checkTranslation(this.#core, addrspace, ipa, page * PAGE_SIZE, PAGE_SIZE, attrs);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

import { describe, expect, it } from "vitest";
import type { Stage2 } from "../addrspace/stage2.ts";
import { OwnershipJournal } from "./journal.ts";

const space = {} as Stage2;

describe("OwnershipJournal", () => {
  it("is empty until something changes, and after it was taken", () => {
    const journal = new OwnershipJournal();
    expect(journal.isEmpty).toBe(true);
    const changes: (() => void)[] = [
      () => journal.physical(1, 2),
      () => journal.owner(1, 2, 7),
      () => journal.translation(space, 1, 2),
      () => journal.extent(7),
      () => journal.spacesChanged(),
    ];
    for (const change of changes) {
      change();
      expect(journal.isEmpty).toBe(false);
      journal.take();
      expect(journal.isEmpty).toBe(true);
    }
  });

  it("merges ranges that touch, in whatever order they came", () => {
    const journal = new OwnershipJournal();
    journal.physical(10, 20);
    journal.physical(20, 30);
    journal.physical(50, 60);
    journal.physical(0, 5);
    journal.physical(29, 41);
    expect(journal.take().physical).toEqual([0, 5, 10, 41, 50, 60]);
  });

  it("keeps the ranges of address spaces apart, and the owners that lost pages", () => {
    const journal = new OwnershipJournal();
    const other = {} as Stage2;
    journal.translation(space, 1, 2);
    journal.translation(other, 4, 6);
    journal.translation(space, 2, 3);
    journal.owner(7, 8, 0);
    journal.owner(8, 9, 3);
    const { translations, extents, physical } = journal.take();
    expect(translations.get(space)).toEqual([1, 3]);
    expect(translations.get(other)).toEqual([4, 6]);
    expect([...extents]).toEqual([3]);
    expect(physical).toEqual([7, 9]);
  });
});

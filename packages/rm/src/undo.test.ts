import { describe, expect, it } from "vitest";
import { attempt, Undo } from "./undo.ts";

describe("attempt", () => {
  it("takes back what was done, newest first, when the work fails", () => {
    const done: string[] = [];
    const work = (undo: Undo): void => {
      undo.push(() => done.push("undo a"));
      undo.push(() => done.push("undo b"));
      throw new Error("c");
    };
    expect(() => attempt(work)).toThrow("c");
    expect(done).toEqual(["undo b", "undo a"]);
  });

  it("hands over what was done when the work succeeds, behind what is there already", () => {
    const done: string[] = [];
    const keep = new Undo();
    keep.push(() => done.push("first"));
    const work = (undo: Undo): number => {
      undo.push(() => done.push("second"));
      return 7;
    };
    expect(attempt(work, keep)).toBe(7);
    keep.run();
    keep.run();
    expect(done).toEqual(["second", "first"]);
  });

  it("forgets what was done when nobody keeps it", () => {
    const done: string[] = [];
    attempt((undo) => undo.push(() => done.push("never")));
    expect(done).toEqual([]);
  });
});

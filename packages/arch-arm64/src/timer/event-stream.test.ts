import { describe, expect, it } from "vitest";
import { ticksToEvent } from "./event-stream.ts";

/** CNTKCTL_EL1 with the stream on. */
const control = (bit: number, falls: boolean) => 4 | (falls ? 8 : 0) | (bit << 4);

describe("ticksToEvent", () => {
  it("is the distance to the next transition of the bit, for every bit, direction and place", () => {
    for (let bit = 0; bit < 16; bit++)
      for (const falls of [false, true])
        for (const count of [
          0,
          1,
          2 ** bit - 1,
          2 ** bit,
          2 ** bit + 1,
          2 ** (bit + 1) - 1,
          2 ** (bit + 1),
          0xffff_ffff,
        ]) {
          const ticks = ticksToEvent(control(bit, falls), count);
          const bitOf = (at: number) => Math.floor(at / 2 ** bit) % 2;
          const isEvent = (at: number) => bitOf(at) === (falls ? 0 : 1) && bitOf(at - 1) === (falls ? 1 : 0);
          expect(isEvent(count + ticks)).toBe(true);
          for (let before = 1; before < Math.min(ticks, 100); before++) expect(isEvent(count + before)).toBe(false);
          expect(ticks).toBeLessThanOrEqual(2 ** (bit + 1));
        }
  });
});

import type { IoHandler } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { IoHandlerTable } from "../src/gunyah/io-handlers.ts";

const AT = 0x1000;
const HIGH = 1n << 32n;

function handler(
  length: number,
  datamatch?: bigint,
  answers = true,
  address = AT,
): IoHandler & { readonly seen: number[] } {
  const seen: number[] = [];
  return {
    address,
    length,
    datamatch,
    seen,
    write: (_address, _length, low) => {
      seen.push(low);
      return answers;
    },
  };
}

describe("IoHandlerTable", () => {
  it.each<[number, bigint | undefined, number, bigint | undefined, boolean]>([
    [0, undefined, 0, undefined, true],
    [0, undefined, 4, 7n, true],
    [4, 7n, 0, undefined, true],
    [4, undefined, 2, undefined, false],
    [4, 7n, 2, 7n, false],
    [4, 7n, 4, undefined, true],
    [4, undefined, 4, 7n, true],
    [4, 7n, 4, 7n, true],
    [4, 7n, 4, 8n, false],
    [8, 7n, 8, HIGH | 7n, false],
    [8, HIGH | 7n, 8, HIGH | 7n, true],
    [4, 0n, 4, undefined, true],
  ])("length %i data %s and length %i data %s: conflict %s", (length, data, otherLength, otherData, conflict) => {
    const table = new IoHandlerTable();
    expect(table.add(handler(length, data))).toBe(0);
    expect(table.add(handler(otherLength, otherData, true, AT + 1))).toBe(0);
    expect(table.add(handler(otherLength, otherData))).toBe(conflict ? -17 : 0);
    expect(table.count).toBe(conflict ? 2 : 3);
  });

  it.each([
    [0, -22],
    [1, 0],
    [8, 0],
    [9, -22],
  ])("takes data of 1 to 8 bytes: %i is %i", (length, result) => {
    const table = new IoHandlerTable();
    expect([table.add(handler(length, 1n)), table.count]).toEqual([result, result === 0 ? 1 : 0]);
  });

  it("gives a store to the one whose length and data it has", () => {
    const table = new IoHandlerTable();
    const [seven, eight, wide] = [handler(4, 7n), handler(4, 8n), handler(8, HIGH | 7n)];
    for (const one of [seven, eight, wide]) table.add(one);
    expect(table.write(AT, 4, 8, 0)).toBe(0);
    expect(table.write(AT, 8, 7, 1)).toBe(0);
    expect(table.write(AT, 8, 7, 0)).toBe(-2);
    expect(table.write(AT, 4, 9, 0)).toBe(-2);
    expect(table.write(AT, 2, 7, 0)).toBe(-2);
    expect(table.write(AT + 4, 4, 7, 0)).toBe(-2);
    expect([seven, eight, wide].map(({ seen }) => seen.length)).toEqual([0, 1, 1]);
  });

  it("says that nobody took what its handler refused", () => {
    const table = new IoHandlerTable();
    table.add(handler(4, undefined, false));
    expect(table.write(AT, 4, 1, 0)).toBe(-2);
  });

  it("removes one, once, and lets its place be taken", () => {
    const table = new IoHandlerTable();
    const [seven, eight] = [handler(4, 7n), handler(4, 8n)];
    table.add(seven);
    table.add(eight);
    table.remove(seven);
    table.remove(seven);
    table.remove(handler(4, 8n));
    table.remove(handler(4, 8n, true, AT + 8));
    expect([table.count, table.write(AT, 4, 7, 0), table.write(AT, 4, 8, 0)]).toEqual([1, -2, 0]);
    expect(table.add(handler(4, 7n))).toBe(0);
    expect(table.add(handler(4, 8n))).toBe(-17);
  });
});

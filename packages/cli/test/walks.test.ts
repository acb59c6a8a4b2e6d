/** `docs/walks.md` names files and what they declare: all of it must be there, and what it counts must be so. */

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const PAGE = new URL("../../../docs/walks.md", import.meta.url);

interface Hop {
  readonly number: number;
  readonly symbol: string;
  readonly file: string;
}

function hopsOf(section: string): Hop[] {
  return [...section.matchAll(/^(\d+)\. \[`(#?\w+)`\]\((\S+)\)/gm)].map(([, number, symbol, file]) => ({
    number: Number(number),
    symbol: symbol!,
    file: file!,
  }));
}

/** Whether a source declares the name: a function, a class, a constant or a member. */
function declares(source: string, symbol: string): boolean {
  const name = symbol.replace("#", "\\#");
  return (
    new RegExp(`^(export )?(async )?(function|class|const) ${name}\\b`, "m").test(source) ||
    new RegExp(`^  (async |readonly |get )*${name}( = |: |<|\\()`, "m").test(source)
  );
}

describe.each(
  readFileSync(PAGE, "utf8")
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section] as const),
)("docs/walks.md: %s", (_, section) => {
  const hops = hopsOf(section);

  it("counts its hops and files", () => {
    expect(hops.map(({ number }) => number)).toEqual(hops.map((_, i) => i + 1));
    const files = new Set(hops.map(({ file }) => file)).size;
    expect(section).toContain(`**${hops.length} hops in ${files} files.**`);
  });

  it.each(hops)("hop $number: $symbol in $file", ({ symbol, file }) => {
    const url = new URL(file, PAGE);
    expect(existsSync(url), "the file exists").toBe(true);
    expect(declares(readFileSync(url, "utf8"), symbol), `it declares ${symbol}`).toBe(true);
  });
});

/** What the README lists is what the code and the tests have. */

import { readFileSync, writeFileSync } from "node:fs";
import { gunyahErrorName, Hypercall } from "@gunyah-ts/abi";
import { describe, expect, it } from "vitest";
import { HYP_ERRORS } from "../src/errors.ts";
import { rowsOf } from "./hypercall-spec.ts";
import { memorySpecs } from "./hypercalls-memory.ts";
import { objectSpecs } from "./hypercalls-objects.ts";
import { vcpuSpecs } from "./hypercalls-vcpu.ts";

const README = new URL("../README.md", import.meta.url);
const UPDATE = process.env["UPDATE_README"] === "1";

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((c, i) => (i === head.length - 1 ? c : c.padEnd(widths[i] as number))).join(" | ")} |`;
  return [
    line(head),
    `| ${widths.map((w, i) => "-".repeat(i === head.length - 1 ? 3 : w)).join(" | ")} |`,
    ...rows.map(line),
  ].join("\n");
}

function coverage(): string {
  const calls = new Map<string, { rows: number; errors: Set<number> }>();
  for (const spec of [...objectSpecs, ...memorySpecs, ...vcpuSpecs]) {
    const entry = calls.get(spec.call) ?? { rows: 0, errors: new Set<number>() };
    for (const row of rowsOf(spec)) {
      entry.rows++;
      if (row.error !== 0) entry.errors.add(row.error);
    }
    calls.set(spec.call, entry);
  }
  const rows = Object.values(Hypercall)
    .filter((definition) => calls.has(definition.name))
    .map((definition) => {
      const { rows: count, errors } = calls.get(definition.name) as { rows: number; errors: Set<number> };
      const names = definition.number === 0 ? [] : [...errors].sort((a, b) => a - b).map(gunyahErrorName);
      return [
        `0x${definition.number.toString(16).padStart(2, "0")}`,
        `\`${definition.name}\``,
        String(count),
        names.join(", "),
      ];
    });
  return table(["n", "Call", "Rows", "Errors"], rows);
}

function errors(): string {
  return table(
    ["Code", "Meaning"],
    Object.entries(HYP_ERRORS).map(([code, meaning]) => [`\`${code}\``, meaning]),
  );
}

function section(name: string, text: string): string {
  const match = new RegExp(`<!-- ${name} -->\n([\\s\\S]*?)<!-- /${name} -->`).exec(text);
  return (match?.[1] ?? "").trim();
}

describe("README", () => {
  for (const [name, generate] of [
    ["coverage", coverage],
    ["errors", errors],
  ] as const) {
    it(`has the ${name} of the code`, () => {
      const text = readFileSync(README, "utf8");
      const generated = generate();
      if (UPDATE)
        writeFileSync(
          README,
          text.replace(
            new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`),
            (_all, open: string, close: string) => `${open}\n${generated}\n\n${close}`,
          ),
        );
      expect(section(name, readFileSync(README, "utf8"))).toBe(generated);
    });
  }
});

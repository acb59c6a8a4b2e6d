import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { LinuxProcess } from "./process.ts";

const elf = new Uint8Array(inflateRawSync(readFileSync(join(import.meta.dirname, "programs.elf.deflate"))));

describe("static Linux programs print what they print under QEMU", () => {
  for (const file of readdirSync(join(import.meta.dirname, "expected"))) {
    const name = file.replace(/\.txt$/, "");
    it(name, () => {
      const outcome = new LinuxProcess(elf, ["programs", name]).run();
      expect(outcome.fault).toBeUndefined();
      expect(outcome.output).toBe(readFileSync(join(import.meta.dirname, "expected", file), "utf8"));
      expect(outcome.status).toBe(0);
    });
  }
});

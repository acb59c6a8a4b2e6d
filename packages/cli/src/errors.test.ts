import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CLI_ERRORS } from "./errors.ts";
import { ExitCode } from "./exit-code.ts";
import { checkGuestConfig } from "./guest-config.ts";
import { RUN_HELP } from "./run-options.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const words = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, word]) => word ?? "");

describe("the README", () => {
  it("lists the same codes with the same sentences as the table", () => {
    const listed = [...readme.matchAll(/^\| `(CLI_[A-Z_]+)` \| (.*) \|$/gm)].map(([, code, text]) => [code, text]);
    expect(listed).toEqual(Object.entries(CLI_ERRORS));
  });

  it("lists the options of run that its help lists", () => {
    expect(words(readme, /^\| `(--[a-z-]+)/gm)).toEqual(words(RUN_HELP, /^ {2}(--[a-z-]+)/gm));
  });

  it("lists every exit code", () => {
    const section = readme.slice(readme.indexOf("## Exit codes"), readme.indexOf("## As a library"));
    expect(words(section, /^\| (\d+) \|/gm).map(Number)).toEqual(Object.values(ExitCode));
  });

  it("lists the keys of a configuration's guest section", () => {
    const [sentence = ""] = /The section `guest`[^;]*;/.exec(readme) ?? [];
    for (const key of words(sentence, /`([a-zA-Z]+)`/g).filter((word) => word !== "guest"))
      expect(() => checkGuestConfig({ [key]: undefined })).toThrow(
        expect.objectContaining({ code: "KERNEL_CONFIG_INVALID" }),
      );
  });
});

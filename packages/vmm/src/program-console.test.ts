import { describe, expect, it } from "vitest";
import { ProgramConsole } from "./program-console.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("ProgramConsole", () => {
  it("gives what was printed since the previous match, to the end of the match", async () => {
    const console = new ProgramConsole();
    console.output(bytes("boot\n# ls\nfile\n# "));
    expect(await console.waitFor("# ")).toBe("boot\n# ");
    expect(await console.waitFor(/\n# $/g)).toBe("ls\nfile\n# ");
  });

  it("waits for output that comes later, in pieces, and serves waiters in order", async () => {
    const console = new ProgramConsole();
    const both = Promise.all([console.waitFor("one"), console.waitFor("two")]);
    for (const piece of ["o", "ne t", "wo"]) console.output(bytes(piece));
    expect(await both).toEqual(["one", " two"]);
  });

  it("keeps a character that is cut between two outputs whole", () => {
    const heard: string[] = [];
    const console = new ProgramConsole((text) => heard.push(text));
    for (const byte of bytes("é!")) console.output(Uint8Array.of(byte));
    expect(console.text).toBe("é!");
    expect(heard.join("")).toBe("é!");
  });

  it("keeps what is typed before a device listens", () => {
    const console = new ProgramConsole();
    const typed: number[] = [];
    console.type("a");
    const stop = console.onInput((chunk) => typed.push(...chunk));
    console.type("b");
    stop();
    console.type("c");
    console.onInput((chunk) => typed.push(...chunk));
    expect(String.fromCharCode(...typed)).toBe("abc");
  });

  it("tells who waits that the guest is gone, with its last words", async () => {
    const console = new ProgramConsole();
    const waiting = console.waitFor("login:");
    console.output(bytes("Kernel panic"));
    console.close();
    await expect(waiting).rejects.toThrow(/login:.*Kernel panic/);
    await expect(console.waitFor("x")).rejects.toThrow(/ended/);
  });
});

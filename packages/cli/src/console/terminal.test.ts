import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { Terminal } from "./terminal.ts";

class FakeStream extends EventEmitter {
  isTTY = true;
  columns = 80;
  rows = 24;
  modes: boolean[] = [];
  written = "";
  setRawMode(mode: boolean): this {
    this.modes.push(mode);
    return this;
  }
  resume(): this {
    return this;
  }
  pause(): this {
    return this;
  }
  write(data: Uint8Array | string): boolean {
    this.written += typeof data === "string" ? data : new TextDecoder().decode(data);
    return true;
  }
}

function setUp(isTTY = true) {
  const input = Object.assign(new FakeStream(), { isTTY });
  const output = Object.assign(new FakeStream(), { isTTY });
  const did: string[] = [];
  const terminal = new Terminal(input as never, output as never, {
    quit: () => did.push("quit"),
    hangup: () => did.push("hangup"),
    status: () => "status",
  });
  let guest = "";
  terminal.onInput((bytes) => {
    guest += new TextDecoder().decode(bytes);
  });
  return { input, output, terminal, did, guest: () => guest };
}

describe("Terminal", () => {
  it("is raw while it is open, and sane after, once", () => {
    const { input, output, terminal } = setUp();
    terminal.close();
    terminal.close();
    expect(input.modes).toEqual([true, false]);
    expect(output.written).toContain("\x1b[?25h");
  });

  it("gives the guest everything but Ctrl-A and what follows it", () => {
    const { input, did, guest, terminal } = setUp();
    input.emit("data", Buffer.from("a\x03b"));
    input.emit("data", Buffer.from("\x01"));
    input.emit("data", Buffer.from("ac\x01\x01d\x01x"));
    expect(guest()).toBe("a\x03b\x01c\x01d");
    expect(did).toEqual(["quit"]);
    terminal.close();
  });

  it("takes a pipe as it is, and its end for no reason to stop", () => {
    const { input, did, guest, terminal } = setUp(false);
    input.emit("data", Buffer.from("x\x01x"));
    input.emit("end");
    expect(guest()).toBe("x\x01x");
    expect(did).toEqual([]);
    expect(terminal.size).toBeUndefined();
    terminal.close();
  });

  it("takes the end of a terminal, or of who reads the output, for a hangup", () => {
    const { input, output, did, terminal } = setUp();
    input.emit("end");
    output.emit("error", new Error("EPIPE"));
    expect(did).toEqual(["hangup", "hangup"]);
    terminal.close();
  });

  it("tells the size and its changes", () => {
    const { output, terminal } = setUp();
    let changes = 0;
    terminal.onResize(() => changes++);
    output.columns = 120;
    output.emit("resize");
    expect([terminal.size?.columns, changes]).toEqual([120, 1]);
    terminal.close();
  });

  it("keeps what was typed before a device listens", () => {
    const input = new FakeStream();
    const terminal = new Terminal(input as never, new FakeStream() as never, {
      quit: () => {},
      hangup: () => {},
      status: () => "",
    });
    input.emit("data", Buffer.from("early"));
    let guest = "";
    terminal.onInput((bytes) => {
      guest += new TextDecoder().decode(bytes);
    });
    expect(guest).toBe("early");
    terminal.close();
  });
});

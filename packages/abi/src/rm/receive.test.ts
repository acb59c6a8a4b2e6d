import { describe, expect, it } from "vitest";
import { fragmentRmMessage, RM_HEADER_SIZE, type RmHeader, RmMessageType, writeRmHeader } from "./header.ts";
import { LinuxRmReceiver, RmReceiver } from "./receive.ts";

const entry = (header: Partial<RmHeader>, payload: readonly number[] = []): Uint8Array => {
  const bytes = new Uint8Array(RM_HEADER_SIZE + payload.length);
  writeRmHeader(bytes, { type: RmMessageType.REQUEST, fragments: 0, sequence: 1, messageId: 0x5600_0024, ...header });
  bytes.set(payload, RM_HEADER_SIZE);
  return bytes;
};

describe("RmReceiver", () => {
  it("drops what is shorter than a header or has another version", () => {
    const rm = new RmReceiver();
    expect(rm.push(new Uint8Array(7))).toEqual({ kind: "dropped", reason: "header" });
    const old = entry({});
    old[0] = 0x11;
    expect(rm.push(old)).toEqual({ kind: "dropped", reason: "header" });
  });
  it("drops an older incomplete message when a new one begins", () => {
    const rm = new RmReceiver();
    expect(rm.push(entry({ fragments: 1 }, [1])).kind).toBe("incomplete");
    expect(rm.push(entry({ sequence: 2 })).kind).toBe("message");
    expect(rm.push(entry({ type: 0, fragments: 1 }, [2]))).toEqual({ kind: "dropped", reason: "no-message" });
  });
  it("drops a continuation that does not match, and still takes the right one", () => {
    const rm = new RmReceiver();
    rm.push(entry({ fragments: 1 }, [1]));
    for (const wrong of [{ sequence: 2 }, { messageId: 1 }, { fragments: 2 }])
      expect(rm.push(entry({ type: 0, fragments: 1, ...wrong }))).toEqual({ kind: "dropped", reason: "mismatch" });
    expect(rm.push(entry({ type: 0, fragments: 1 }, [2]))).toMatchObject({ payload: Uint8Array.of(1, 2) });
  });
  it("drops an announcement of more than 62 continuations", () => {
    expect(new RmReceiver().push(entry({ fragments: 63 }))).toEqual({ kind: "dropped", reason: "fragments" });
  });
});

describe("LinuxRmReceiver", () => {
  const linux = () => new LinuxRmReceiver((sequence) => sequence === 1);
  const reply = (payload: number[], header: Partial<RmHeader> = {}) =>
    entry({ type: RmMessageType.REPLY, ...header }, payload);

  it("gives a reply's error and payload apart", () => {
    expect(linux().push(reply([0x14, 0, 0, 0, 9]))).toMatchObject({
      kind: "reply",
      rmError: 0x14,
      payload: Uint8Array.of(9),
    });
  });
  it("ignores a reply that nobody waits for", () => {
    expect(linux().push(reply([0, 0, 0, 0], { sequence: 2 }))).toEqual({ kind: "ignored", reason: "unknown-sequence" });
  });
  it("fails the caller when a reply is shorter than 12 bytes or announces too much", () => {
    expect(linux().push(reply([0, 0, 0])).kind).toBe("bad-reply");
    expect(linux().push(reply([0, 0, 0, 0], { fragments: 63 })).kind).toBe("bad-reply");
  });
  it("aborts the message in progress when another begins", () => {
    const rx = linux();
    rx.push(reply([0, 0, 0, 0], { fragments: 1 }));
    expect(rx.push(entry({ type: RmMessageType.NOTIFICATION, sequence: 7 }))).toMatchObject({
      kind: "notification",
      aborted: { sequence: 1 },
    });
  });
  it("aborts on a continuation of another message, and does not compare sequences", () => {
    const rx = linux();
    rx.push(reply([0, 0, 0, 0], { fragments: 1 }));
    expect(rx.push(entry({ type: 0, fragments: 1, sequence: 99 }, [5]))).toMatchObject({
      kind: "reply",
      payload: Uint8Array.of(5),
    });
    rx.push(reply([0, 0, 0, 0], { fragments: 1 }));
    expect(rx.push(entry({ type: 0, fragments: 2 }))).toMatchObject({ kind: "ignored", aborted: { sequence: 1 } });
    expect(rx.push(entry({ type: 0, fragments: 1 }))).toEqual({ kind: "ignored", reason: "continuation" });
  });
  it("skips short entries, stops at a wrong API byte or a request", () => {
    const rx = linux();
    expect(rx.push(new Uint8Array(5))).toEqual({ kind: "ignored", reason: "short" });
    expect(rx.push(new Uint8Array(8)).kind).toBe("stop");
    expect(rx.push(entry({})).kind).toBe("stop");
  });
  it("drops a notification that announces too much", () => {
    expect(linux().push(entry({ type: RmMessageType.NOTIFICATION, fragments: 63 }))).toEqual({
      kind: "ignored",
      reason: "notification",
    });
  });
  it("takes a reply of several entries", () => {
    const rx = linux();
    const payload = Uint8Array.from({ length: 500 }, (_, i) => i & 0xff);
    payload.fill(0, 0, 4);
    const entries = fragmentRmMessage(RmMessageType.REPLY, 1, 0x5600_0020, payload);
    expect(entries.map((e) => rx.push(e).kind)).toEqual(["incomplete", "incomplete", "reply"]);
  });
});

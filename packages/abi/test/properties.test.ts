import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AbiErrorCode,
  decodeRmMessage,
  formatRmMessage,
  fragmentRmMessage,
  LinuxRmReceiver,
  RM_MAX_PAYLOAD,
  RmCalls,
  RmMessageType,
  RmNotifications,
  RmReceiver,
  readRmHeader,
} from "../src/index.ts";
import { anyValue } from "./arbitrary.ts";
import { allCodecs } from "./codecs.ts";

/** Buffers per codec. The nightly size is 100,000: GUNYAH_ABI_FUZZ=100000. */
const FUZZ = Number(process.env["GUNYAH_ABI_FUZZ"] ?? 2000);
const codes: readonly string[] = Object.values(AbiErrorCode);

describe.each(allCodecs())("%s", (_name, codec) => {
  it("decodes what it encoded", () => {
    fc.assert(
      fc.property(anyValue(codec.fields), (value) => {
        const bytes = codec.encode(value);
        expect(bytes.length).toBe(codec.size(value));
        expect(bytes.length).toBeGreaterThanOrEqual(codec.minSize);
        expect(codec.decode(bytes)).toEqual({ ok: true, value });
        expect(codec.format(value)).toContain("{");
      }),
      { numRuns: 50 },
    );
  });

  it("refuses every proper prefix of a value of fixed size, and every longer buffer", () => {
    if (codec.fixedSize === undefined) return expect(codec.minSize).toBeGreaterThanOrEqual(0);
    for (let size = 0; size < codec.fixedSize; size++)
      expect(codec.decode(new Uint8Array(size))).toMatchObject({ ok: false, code: AbiErrorCode.TRUNCATED });
    expect(codec.decode(new Uint8Array(codec.fixedSize + 1))).toEqual({
      ok: false,
      code: AbiErrorCode.TRAILING,
      at: codec.fixedSize,
    });
  });

  it("survives random and truncated buffers", () => {
    let seed = 0x9e37_79b9;
    const random = () => {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      return seed >>> 0;
    };
    const [sample] = fc.sample(anyValue(codec.fields), { numRuns: 1, seed: 42 });
    const good = codec.encode(sample as Record<string, unknown>);
    const room = new Uint8Array(300).fill(0xa5);
    for (let run = 0; run < FUZZ; run++) {
      // Alternate pure noise, small counts, and a valid encoding that is cut and bent.
      const length = run % 3 === 2 ? random() % (good.length + 1) : random() % 200;
      const buffer = room.subarray(50, 50 + length);
      if (run % 3 === 2) buffer.set(good.subarray(0, length));
      else for (let i = 0; i < length; i++) buffer[i] = run % 3 === 0 ? random() : random() & (random() % 8 ? 0 : 7);
      if (run % 3 === 2 && length > 0) buffer[random() % length] = random();
      const result = codec.decode(buffer);
      if (result.ok) {
        // What was accepted must survive a round trip: nothing was read that is not there.
        expect(codec.decode(codec.encode(result.value))).toEqual(result);
      } else if (!codes.includes(result.code) || result.at < 0 || result.at > length) {
        expect.fail(`${result.code} at ${result.at} of ${length}`);
      }
    }
  });
});

describe("RM messages", () => {
  const ids = [...Object.values(RmCalls), ...Object.values(RmNotifications)].map((message) => message.id);

  it("come out of fragments as they went in, on both sides", () => {
    const payloads = fc
      .oneof(fc.integer({ min: 0, max: 700 }), fc.constantFrom(231, 232, 233, 464, RM_MAX_PAYLOAD - 1, RM_MAX_PAYLOAD))
      .map((length) => Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff));
    fc.assert(
      fc.property(payloads, fc.nat(0xffff), fc.constantFrom(...ids), (payload, sequence, messageId) => {
        const rm = new RmReceiver();
        const entries = fragmentRmMessage(RmMessageType.REQUEST, sequence, messageId, payload);
        const results = entries.map((entry) => rm.push(entry));
        const last = results.pop();
        expect(results.every((result) => result.kind === "incomplete")).toBe(true);
        expect(last).toMatchObject({ kind: "message", header: { sequence, messageId } });
        expect((last as { payload: Uint8Array }).payload).toEqual(payload);

        const linux = new LinuxRmReceiver(() => false);
        const notes = fragmentRmMessage(RmMessageType.NOTIFICATION, sequence, messageId, payload);
        const seen = notes.map((entry) => linux.push(entry)).pop();
        expect(seen).toMatchObject({ kind: "notification", header: { sequence, messageId } });
        expect((seen as { payload: Uint8Array }).payload).toEqual(payload);
      }),
      { numRuns: 100 },
    );
  });

  it("never crash a receiver or the decoder, whatever arrives", () => {
    const entry = fc.oneof(
      fc.uint8Array({ maxLength: 240 }),
      fc
        .tuple(fc.nat(3), fc.nat(63), fc.nat(3), fc.constantFrom(...ids), fc.uint8Array({ maxLength: 232 }))
        .map(([type, fragments, sequence, messageId, payload]) => {
          const bytes = new Uint8Array(8 + payload.length);
          new DataView(bytes.buffer).setUint32(4, messageId, true);
          bytes.set([0x21, type | (fragments << 2), sequence, 0]);
          bytes.set(payload, 8);
          return bytes;
        }),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (entries) => {
        const rm = new RmReceiver();
        const linux = new LinuxRmReceiver((sequence) => sequence < 2);
        for (const bytes of entries) {
          rm.push(bytes);
          linux.push(bytes);
          const header = readRmHeader(bytes);
          if (header === undefined) continue;
          decodeRmMessage(header, bytes.subarray(8));
          expect(formatRmMessage(header, bytes.subarray(8)).length).toBeGreaterThan(0);
        }
        // Whatever came before, a whole message still arrives.
        const whole = fragmentRmMessage(RmMessageType.REQUEST, 9, RmCalls.VM_GET_VMID.id, new Uint8Array(0));
        expect(rm.push(whole[0] as Uint8Array).kind).toBe("message");
      }),
      { numRuns: Math.max(200, Math.floor(FUZZ / 10)) },
    );
  });
});

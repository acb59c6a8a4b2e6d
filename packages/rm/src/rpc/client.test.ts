import { GunyahError, Hypercall, RmError, RmMessageType, readRmHeader, selectHypercall } from "@gunyah-ts/abi";
import type { NativeVcpu } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { HypercallClient } from "../hypercall/index.ts";
import { MAX_PENDING_NOTIFICATIONS, RpcClient } from "./client.ts";

const NOTIFICATION = 0x5610_0008;
const FROM = 1n;
const TO = 2n;

/** Two queues of eight entries, and nothing else. */
function line(onRequest: (client: RpcClient, sequence: number) => void) {
  const requests: Uint8Array[] = [];
  const sent: { readonly bytes: Uint8Array; readonly push: boolean }[] = [];
  const state = { room: 8 };
  let memory: Uint8Array = new Uint8Array(240);
  const vcpu = {
    read: (_ipa: number, into: Uint8Array) => {
      into.set(memory.subarray(0, into.length));
      return true;
    },
    write: (_ipa: number, bytes: Uint8Array) => {
      memory = bytes.slice();
      return true;
    },
    hvc(x: BigUint64Array) {
      const selected = selectHypercall(Number(x[0]));
      const number = selected.kind === "hypercall" ? selected.number : -1;
      if (number === Hypercall.msgqueue_receive.number) {
        expect(x[1]).toBe(FROM);
        const bytes = requests.shift();
        if (bytes === undefined) x[0] = BigInt(GunyahError.MSGQUEUE_EMPTY);
        else {
          memory = bytes;
          x.set([0n, BigInt(bytes.length), requests.length > 0 ? 1n : 0n]);
        }
        return;
      }
      expect([number, x[1]]).toEqual([Hypercall.msgqueue_send.number, TO]);
      if (state.room === 0) {
        x[0] = BigInt(GunyahError.MSGQUEUE_FULL);
        return;
      }
      state.room--;
      sent.push({ bytes: memory.slice(0, Number(x[2])), push: x[4] === 1n });
      x[0] = 0n;
    },
  } as unknown as NativeVcpu;
  const client: RpcClient = new RpcClient(new HypercallClient(vcpu), {
    vmid: 3,
    fromClient: FROM,
    toClient: TO,
    buffer: 0x1000,
    onRequest: (header) => onRequest(client, header.sequence),
  });
  const request = (sequence: number): void => {
    requests.push(Uint8Array.of(0x21, RmMessageType.REQUEST, sequence, 0, 0x24, 0, 0, 0x56));
  };
  return { client, requests, sent, state, request };
}
const header = (sequence: number) => ({ type: RmMessageType.REQUEST, fragments: 0, sequence, messageId: 0x5600_0024 });
const sequences = (sent: readonly { bytes: Uint8Array }[]) => sent.map(({ bytes }) => readRmHeader(bytes)?.sequence);

describe("RpcClient", () => {
  it("takes no further request while a reply waits for room, and goes on when there is some", () => {
    const seen: number[] = [];
    const { client, requests, sent, state, request } = line((to, sequence) => {
      seen.push(sequence);
      to.reply(header(sequence), RmError.OK);
    });
    state.room = 1;
    for (let i = 1; i <= 4; i++) request(i);
    client.onReceive();
    expect(seen).toEqual([1, 2]);
    expect(requests).toHaveLength(2);
    expect(client.pending).toBe(1);
    state.room = 8;
    client.onSendReady();
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(sequences(sent)).toEqual([1, 2, 3, 4]);
  });

  it("keeps the order of notifications and the reply that follows them", () => {
    const { client, sent, state } = line(() => undefined);
    state.room = 0;
    client.notify(NOTIFICATION, new Uint8Array(8));
    client.reply(header(7), RmError.OK);
    client.notify(NOTIFICATION, new Uint8Array(8));
    expect(sent).toEqual([]);
    state.room = 8;
    client.onSendReady();
    expect(sent.map(({ bytes }) => readRmHeader(bytes)?.type)).toEqual([
      RmMessageType.NOTIFICATION,
      RmMessageType.REPLY,
      RmMessageType.NOTIFICATION,
    ]);
  });

  it("drops the oldest notification beyond 256, never one that has begun and never a reply", () => {
    const { client, sent, state } = line(() => undefined);
    state.room = 1;
    // Two fragments: the first goes out, the second waits.
    client.notify(NOTIFICATION, new Uint8Array(300));
    client.reply(header(99), RmError.OK);
    for (let i = 1; i < MAX_PENDING_NOTIFICATIONS + 10; i++) client.notify(NOTIFICATION, new Uint8Array(8));
    expect(client.droppedNotifications).toBe(10);
    expect(client.pending).toBe(1 + MAX_PENDING_NOTIFICATIONS);
    state.room = 1000;
    client.onSendReady();
    // Sequence 0 twice (its two fragments), the reply, then what was not dropped: 11 and up.
    expect(sequences(sent).slice(0, 4)).toEqual([0, 0, 99, 11]);
    expect(sent).toHaveLength(3 + MAX_PENDING_NOTIFICATIONS - 1);
  });

  it("pushes only with the last fragment", () => {
    const { client, sent } = line(() => undefined);
    client.reply(header(1), RmError.OK, new Uint8Array(600));
    expect(sent.map(({ push }) => push)).toEqual([false, false, true]);
  });

  it("answers NOMEM when a reply is larger than 63 entries carry", () => {
    const { client, sent } = line(() => undefined);
    client.reply(header(1), RmError.OK, new Uint8Array(20_000));
    expect(sent.map(({ bytes }) => [...bytes.subarray(8)])).toEqual([[RmError.NOMEM, 0, 0, 0]]);
  });

  it("is silent once it is closed", () => {
    const { client, sent, request } = line(() => expect.fail("a request after close"));
    client.close();
    request(1);
    client.onReceive();
    client.notify(NOTIFICATION, new Uint8Array(8));
    expect(sent).toEqual([]);
  });
});

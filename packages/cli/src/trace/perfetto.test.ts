import { describe, expect, it } from "vitest";
import { PerfettoWriter } from "./perfetto.ts";

function write(use: (writer: PerfettoWriter) => void) {
  let text = "";
  const writer = new PerfettoWriter((piece) => {
    text += piece;
  }, 1_000_000);
  use(writer);
  writer.end();
  const { traceEvents } = JSON.parse(text) as { traceEvents: Record<string, unknown>[] };
  return traceEvents.filter(({ ph }) => ph !== "M");
}

describe("PerfettoWriter", () => {
  it("is valid when nothing happened", () => {
    expect(write(() => {})).toEqual([]);
  });

  it("shows a vCPU's time in the guest as a slice, ended with the trace at the latest", () => {
    const events = write((writer) => {
      writer.event({ kind: "vcpu-enter", at: 10, vmid: 128, vcpu: 0 });
      writer.event({ kind: "vcpu-exit", at: 20, vmid: 128, vcpu: 0, reason: "SYNC", retired: 5 });
      writer.event({ kind: "vcpu-exit", at: 21, vmid: 128, vcpu: 0, reason: "SYNC", retired: 5 });
      writer.event({ kind: "vcpu-enter", at: 30, vmid: 128, vcpu: 0 });
    });
    expect(events.map(({ ph, ts }) => [ph, ts])).toEqual([
      ["B", 10],
      ["E", 20],
      ["B", 30],
      ["E", 30],
    ]);
  });

  it("leads a flow from a fault through its hypercalls to the next entry", () => {
    const events = write((writer) => {
      writer.event({
        kind: "stage2-fault",
        at: 1,
        vmid: 128,
        vcpu: 0,
        ipa: 0x8000_0000,
        write: true,
        esr: 0x9200_0047,
      });
      writer.event({
        kind: "hypercall",
        at: 2,
        vmid: 3,
        vcpu: 0,
        call: 0x61,
        name: "memextent_donate",
        args: [3n],
        error: 0,
        results: [],
      });
      writer.event({ kind: "vcpu-enter", at: 3, vmid: 128, vcpu: 0 });
    });
    const flow = events.filter(({ cat }) => cat === "fault");
    expect(flow.map(({ ph, id }) => [ph, id])).toEqual([
      ["s", 1],
      ["t", 1],
      ["f", 1],
    ]);
  });

  it("counts the bytes of each owner, and joins request and reply of the RM", () => {
    const message = (type: number) => Uint8Array.of(0x21, type, 5, 0, 1, 0, 0, 0x56);
    const events = write((writer) => {
      writer.event({ kind: "page-owner", at: 1, pa: 0, size: 4096, from: "a", to: "b" });
      writer.event({ kind: "rm-message", at: 2, vmid: 3, direction: "to-rm", bytes: message(1) });
      writer.event({ kind: "rm-message", at: 3, vmid: 3, direction: "from-rm", bytes: message(2) });
    });
    expect(events.filter(({ ph }) => ph === "C").map(({ name, args }) => [name, args])).toEqual([
      ["a", { bytes: -4096 }],
      ["b", { bytes: 4096 }],
    ]);
    expect(events.filter(({ cat }) => cat === "rm").map(({ ph }) => ph)).toEqual(["s", "f"]);
  });

  it("never goes back in time", () => {
    const events = write((writer) => {
      writer.event({ kind: "vm-state", at: 9, vmid: 128, state: "RUNNING" });
      writer.event({ kind: "vm-state", at: 4, vmid: 128, state: "EXITED" });
    });
    expect(events.map(({ ts }) => ts)).toEqual([9, 9]);
  });
});

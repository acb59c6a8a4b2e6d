import { closeSync, openSync, writeSync } from "node:fs";
import { ModelError, type TraceEvent } from "@gunyah-ts/kernel";
import { reason } from "../files.ts";

/** One process a layer in the viewer, in the order of the stack. */
const Process = { GUEST: 1, HOST: 2, RM: 3, HYPERVISOR: 4, MEMORY: 5 } as const;
const PROCESS_NAMES: Readonly<Record<number, string>> = {
  [Process.GUEST]: "vCPUs",
  [Process.HOST]: "host driver and VMM",
  [Process.RM]: "Resource Manager",
  [Process.HYPERVISOR]: "hypervisor",
  [Process.MEMORY]: "page ownership",
};

type Fields = Readonly<Record<string, unknown>>;

/**
 * Turns trace events into the Trace Event Format, which chrome://tracing and Perfetto open.
 *
 * Tracks: a thread for each vCPU, one for the host, one for each VM's conversation with the RM, one for each VM's
 * hypercalls. A flow runs from a vCPU's stage-2 fault through the hypercalls that serve it to the vCPU's next entry,
 * and from an RM request to its reply. Counters show who owns how many bytes.
 *
 * Source: Trace Event Format (Google, 2016), sections Duration, Flow, Counter and Metadata Events.
 */
export class PerfettoWriter {
  readonly #write: (text: string) => void;
  readonly #microsecondsPerTick: number;
  readonly #threads = new Set<string>();
  readonly #running = new Set<string>();
  readonly #owned = new Map<string, number>();
  readonly #requests = new Map<string, number>();
  #flow: { readonly id: number; readonly thread: number } | undefined;
  #nextFlow = 1;
  #first = true;
  #latest = 0;

  /** @param write receives pieces of the JSON text in order */
  constructor(write: (text: string) => void, frequencyHz: number) {
    this.#write = write;
    this.#microsecondsPerTick = 1e6 / frequencyHz;
    write('{"displayTimeUnit":"ns","traceEvents":[');
    for (const [pid, name] of Object.entries(PROCESS_NAMES))
      this.#emit({ ph: "M", name: "process_name", pid: Number(pid), tid: 0, args: { name } });
  }

  event(event: TraceEvent): void {
    const ts = this.#time(event.at);
    switch (event.kind) {
      case "vcpu-enter":
        this.#enter(event.vmid, event.vcpu, ts);
        return;
      case "vcpu-exit":
        this.#exit(event.vmid, event.vcpu, ts, { reason: event.reason, retired: event.retired });
        return;
      case "stage2-fault": {
        const tid = this.#vcpuThread(event.vmid, event.vcpu);
        const args = { ipa: hex(event.ipa), write: event.write, esr: hex(event.esr) };
        this.#slice(Process.GUEST, tid, "stage-2 fault", ts, args);
        this.#flow = { id: this.#nextFlow++, thread: tid };
        this.#flowStep("s", Process.GUEST, tid, ts);
        return;
      }
      case "hypercall": {
        const tid = this.#thread(Process.HYPERVISOR, event.vmid, `VM ${event.vmid} hypercalls`);
        const args = { args: event.args.map(hex), error: event.error, results: event.results.map(hex) };
        this.#slice(Process.HYPERVISOR, tid, event.name, ts, args);
        if (this.#flow !== undefined) this.#flowStep("t", Process.HYPERVISOR, tid, ts);
        return;
      }
      case "rm-message":
        this.#message(event.vmid, event.direction, event.bytes, ts);
        return;
      case "ioctl":
        this.#slice(Process.HOST, this.#hostThread(), event.name, ts, { fd: event.fd, result: event.result });
        return;
      case "host-fault":
        this.#slice(Process.HOST, this.#hostThread(), "demand page", ts, { gpa: hex(event.gpa), result: event.result });
        if (this.#flow !== undefined) this.#flowStep("t", Process.HOST, this.#hostThread(), ts);
        return;
      case "virq": {
        const args = { intid: event.intid, level: event.level };
        this.#instant(Process.GUEST, this.#vcpuThread(event.vmid, event.vcpu), `virq ${event.intid}`, ts, args);
        return;
      }
      case "page-owner":
        this.#own(event.from, event.to, event.size, ts);
        return;
      case "vm-state":
        this.#instant(Process.RM, this.#rmThread(event.vmid), `VM ${event.vmid}: ${event.state}`, ts, {});
        return;
      case "vm-function": {
        const args = { vmid: event.vmid, label: event.label };
        this.#instant(Process.HOST, this.#hostThread(), `function ${event.type} ${event.action}`, ts, args);
        return;
      }
      case "device":
        this.#instant(Process.HOST, this.#hostThread(), `${event.name} ${event.action}`, ts, event.detail);
        return;
      case "error": {
        const args = { layer: event.layer, value: event.value, detail: event.detail };
        this.#instant(Process.HOST, this.#hostThread(), `error ${event.code}`, ts, args);
        return;
      }
    }
  }

  /** End every open slice, and the document. */
  end(): void {
    for (const key of this.#running) {
      const [vmid, vcpu] = key.split(":").map(Number) as [number, number];
      const fields = { pid: Process.GUEST, tid: this.#vcpuThread(vmid, vcpu), ts: this.#latest };
      this.#emit({ ph: "E", ...fields });
    }
    this.#running.clear();
    this.#write("\n]}\n");
  }

  /** Time never goes back in the file, whatever order the layers report in. */
  #time(at: number): number {
    this.#latest = Math.max(this.#latest, at * this.#microsecondsPerTick);
    return this.#latest;
  }

  #enter(vmid: number, vcpu: number, ts: number): void {
    const tid = this.#vcpuThread(vmid, vcpu);
    const key = `${vmid}:${vcpu}`;
    if (this.#running.has(key)) return;
    this.#running.add(key);
    this.#emit({ ph: "B", name: "run", pid: Process.GUEST, tid, ts });
    if (this.#flow?.thread === tid) {
      this.#flowStep("f", Process.GUEST, tid, ts);
      this.#flow = undefined;
    }
  }

  #exit(vmid: number, vcpu: number, ts: number, args: Fields): void {
    if (!this.#running.delete(`${vmid}:${vcpu}`)) return;
    this.#emit({ ph: "E", pid: Process.GUEST, tid: this.#vcpuThread(vmid, vcpu), ts, args });
  }

  /** Requests and replies share a sequence number, at byte 2 of the header. */
  #message(vmid: number, direction: "to-rm" | "from-rm", bytes: Uint8Array, ts: number): void {
    const tid = this.#rmThread(vmid);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 8) {
      this.#instant(Process.RM, tid, "short message", ts, { size: bytes.length });
      return;
    }
    const type = (bytes[1] as number) & 3;
    const sequence = view.getUint16(2, true);
    const id = hex(view.getUint32(4, true));
    this.#slice(Process.RM, tid, `${direction === "to-rm" ? "→" : "←"} ${id}`, ts, { sequence, size: bytes.length });
    const key = `${vmid}:${sequence}`;
    if (type === 1) {
      this.#requests.set(key, this.#nextFlow++);
      this.#emit({ ph: "s", name: "RPC", cat: "rm", id: this.#requests.get(key), pid: Process.RM, tid, ts });
    } else if (type === 2) {
      const flow = this.#requests.get(key);
      this.#requests.delete(key);
      if (flow !== undefined)
        this.#emit({ ph: "f", bp: "e", name: "RPC", cat: "rm", id: flow, pid: Process.RM, tid, ts });
    }
  }

  #own(from: string, to: string, size: number, ts: number): void {
    for (const [owner, change] of [
      [from, -size],
      [to, size],
    ] as const) {
      const bytes = (this.#owned.get(owner) ?? 0) + change;
      this.#owned.set(owner, bytes);
      this.#emit({ ph: "C", name: owner, pid: Process.MEMORY, tid: 0, ts, args: { bytes } });
    }
  }

  #flowStep(ph: "s" | "t" | "f", pid: number, tid: number, ts: number): void {
    const bindToEnclosing = ph === "f" ? { bp: "e" } : {};
    this.#emit({ ph, ...bindToEnclosing, name: "fault", cat: "fault", id: this.#flow?.id, pid, tid, ts });
  }

  #slice(pid: number, tid: number, name: string, ts: number, args: Fields): void {
    this.#emit({ ph: "X", name, pid, tid, ts, dur: 0, args });
  }

  #instant(pid: number, tid: number, name: string, ts: number, args: Fields): void {
    this.#emit({ ph: "i", s: "t", name, pid, tid, ts, args });
  }

  #vcpuThread(vmid: number, vcpu: number): number {
    return this.#thread(Process.GUEST, vmid * 256 + vcpu, `VM ${vmid} vCPU ${vcpu}`);
  }

  #rmThread(vmid: number): number {
    return this.#thread(Process.RM, vmid, `VM ${vmid}`);
  }

  #hostThread(): number {
    return this.#thread(Process.HOST, 1, "driver");
  }

  #thread(pid: number, tid: number, name: string): number {
    const key = `${pid}:${tid}`;
    if (!this.#threads.has(key)) {
      this.#threads.add(key);
      this.#emit({ ph: "M", name: "thread_name", pid, tid, args: { name } });
    }
    return tid;
  }

  #emit(fields: Fields): void {
    this.#write(`${this.#first ? "" : ","}\n${JSON.stringify(fields)}`);
    this.#first = false;
  }
}

const CHUNK = 1 << 16;

/** A trace file. Text is collected, so that an event costs no system call. */
export class TraceFile {
  readonly #path: string;
  readonly #fd: number;
  readonly #writer: PerfettoWriter;
  #pending = "";
  #failed = false;

  /** Errors: CLI_FILE */
  constructor(path: string, frequencyHz: number) {
    this.#path = path;
    try {
      this.#fd = openSync(path, "w");
    } catch (cause) {
      throw new ModelError("CLI_FILE", `cannot write the trace ${path}: ${reason(cause)}`, { cause });
    }
    this.#writer = new PerfettoWriter((text) => {
      this.#pending += text;
      if (this.#pending.length >= CHUNK) this.#flush();
    }, frequencyHz);
  }

  readonly event = (event: TraceEvent): void => {
    if (!this.#failed) this.#writer.event(event);
  };

  close(): void {
    this.#writer.end();
    this.#flush();
    closeSync(this.#fd);
  }

  #flush(): void {
    if (this.#failed) return;
    try {
      writeSync(this.#fd, this.#pending);
    } catch (error) {
      this.#failed = true;
      process.stderr.write(`the trace ${this.#path} is incomplete: ${reason(error)}\n`);
    }
    this.#pending = "";
  }
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

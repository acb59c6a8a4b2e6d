import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { guestRuns, gunyah } from "./support.ts";

interface Event {
  readonly ph: string;
  readonly name?: string;
  readonly cat?: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly id?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

it("writes the trace of a boot: slices nest, flows begin before they end, owners add up", async () => {
  const directory = mkdtempSync(join(tmpdir(), "gunyah-trace-"));
  try {
    const path = join(directory, "trace.json");
    const { code } = await gunyah(
      "run",
      "--quiet",
      "--clock",
      "virtual",
      "--trace",
      path,
      "--cmdline",
      guestRuns("true"),
    );
    expect(code).toBe(0);
    const { traceEvents } = JSON.parse(readFileSync(path, "utf8")) as { traceEvents: Event[] };

    const open = new Map<string, number>();
    const flows = new Map<string, "open" | "closed">();
    let latest = 0;
    let finishedFaults = 0;
    let replies = 0;
    for (const event of traceEvents) {
      const track = `${event.pid}:${event.tid}`;
      if (event.ts !== undefined) {
        expect(event.ts).toBeGreaterThanOrEqual(latest);
        latest = event.ts;
      }
      if (event.ph === "B") {
        expect(open.get(track) ?? 0, `a vCPU runs inside itself on ${track}`).toBe(0);
        open.set(track, 1);
      } else if (event.ph === "E") {
        expect(open.get(track), `an end without a begin on ${track}`).toBe(1);
        open.set(track, 0);
      } else if (event.ph === "s") flows.set(`${event.cat}:${event.id}`, "open");
      else if (event.ph === "t") expect(flows.get(`${event.cat}:${event.id}`)).toBe("open");
      else if (event.ph === "f") {
        expect(flows.get(`${event.cat}:${event.id}`)).toBe("open");
        flows.set(`${event.cat}:${event.id}`, "closed");
        if (event.cat === "fault") finishedFaults++;
        else replies++;
      }
    }
    expect([...open.values()].every((depth) => depth === 0)).toBe(true);
    // A boot touches thousands of pages; each fault's flow ends where the vCPU goes on.
    expect(finishedFaults).toBeGreaterThan(1000);
    // ALLOCATE, LEND, CONFIG_IMAGE, DEMAND_PAGING, ADDRESS_LAYOUT, INIT, 2 x BOOT_CONTEXT, RESOURCES, START.
    expect(replies).toBeGreaterThanOrEqual(10);
    const tracks = new Set(traceEvents.filter(({ name }) => name === "process_name").map(({ args }) => args?.["name"]));
    expect(tracks).toEqual(
      new Set(["vCPUs", "host driver and VMM", "Resource Manager", "hypervisor", "page ownership"]),
    );
    // What one owner gained another lost: over all owners nothing is made or destroyed.
    const bytes = new Map<string, number>();
    for (const { ph, name, args } of traceEvents) if (ph === "C") bytes.set(name ?? "", args?.["bytes"] as number);
    expect(bytes.size).toBeGreaterThan(2);
    expect([...bytes.values()].reduce((sum, value) => sum + value, 0)).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 120_000);

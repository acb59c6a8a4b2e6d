/** A kernel boots alike in both tiers, with one CPU and two, and whatever the compiler takes its time for. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Arm64BackendOptions } from "../../src/backend.ts";
import { DRAM_BASE, MinimalEl2 } from "../support/minimal-el2.ts";
import { Prng } from "../vectors/state.ts";
import { SlowCompiler } from "./twins.ts";

const kernel = gunzipSync(readFileSync(new URL("../../../guest-linux/assets/Image.gz", import.meta.url)));
const dtb = readFileSync(new URL("../linux/virt.dtb", import.meta.url));
const DTB = DRAM_BASE + 0x700_0000;
const GUEST_BYTES = 256 << 20;

function boot(cpus: number, backend: Pick<Arm64BackendOptions, "tier" | "jit">) {
  const el2 = new MinimalEl2({ guestBytes: GUEST_BYTES, cpus, backend });
  const entry = DRAM_BASE + Number(kernel.readBigUInt64LE(8));
  el2.physical.write(entry, kernel);
  el2.physical.write(DTB, dtb);
  el2.start(entry, DTB);
  el2.run(30_000_000, () => el2.console.includes("NET: Registered PF_UNIX/PF_LOCAL protocol family"));
  const memory = new Uint8Array(el2.physical.memory.buffer, el2.physical.dramOffset, GUEST_BYTES);
  const outcome = {
    console: el2.console,
    retired: el2.pes.map((pe) => pe.retired),
    memory: createHash("sha256").update(memory).digest("hex"),
    exits: el2.exits,
    state: el2.pes.map((pe) => pe.save()),
  };
  const statistics = el2.backend.jitStatistics;
  el2.backend.dispose();
  return { outcome, statistics };
}

describe.each([1, 2])("with %i CPUs", { timeout: 600_000 }, (cpus) => {
  const expected = boot(cpus, { tier: "interpreter" }).outcome;
  it("boots as far", () => {
    expect(expected.console).toContain("NET: Registered PF_UNIX/PF_LOCAL protocol family");
  });
  it("boots the same way with regions at once", () => {
    const { outcome, statistics } = boot(cpus, { tier: "jit", jit: { threshold: 1000 } });
    expect(outcome).toEqual(expected);
    expect(statistics?.failed).toBe(0);
    expect(statistics?.retired).toBeGreaterThan((expected.retired[0] as number) * 0.3);
  });
  it("boots the same way with regions at random times", () => {
    const random = new Prng(cpus);
    const { outcome, statistics } = boot(cpus, {
      tier: "jit",
      jit: { threshold: 1000, compiler: (needs) => new SlowCompiler(needs, () => random.next()) },
    });
    expect(outcome).toEqual(expected);
    expect(statistics?.compiled).toBeGreaterThan(10);
  });
  it("boots the same way when regions never come", () => {
    const never = { request: () => true, finished: () => undefined, dispose: () => undefined };
    const { outcome, statistics } = boot(cpus, { tier: "jit", jit: { threshold: 1000, compiler: () => never } });
    expect(outcome).toEqual(expected);
    expect(statistics?.retired).toBe(0);
  });
});

/**
 * Boots the default guest's kernel with a helper thread and without any JIT, and prints what came of it: a process of its
 * own, because Node resolves sources for a thread only with `--conditions=gunyah-source`.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Arm64BackendOptions } from "../../src/backend.ts";
import { ThreadedCompiler } from "../../src/jit/threaded-compiler.ts";
import { DRAM_BASE, MinimalEl2 } from "../support/minimal-el2.ts";

const kernel = gunzipSync(readFileSync(new URL("../../../guest-linux/assets/Image.gz", import.meta.url)));
const dtb = readFileSync(new URL("../linux/virt.dtb", import.meta.url));
const DTB = DRAM_BASE + 0x700_0000;
const GUEST_BYTES = 256 << 20;
const INSTRUCTIONS = 12_000_000;
const STEP = 1_000_000;

async function boot(backend: Pick<Arm64BackendOptions, "tier" | "jit">) {
  const el2 = new MinimalEl2({ guestBytes: GUEST_BYTES, backend });
  const entry = DRAM_BASE + Number(kernel.readBigUInt64LE(8));
  el2.physical.write(entry, kernel);
  el2.physical.write(DTB, dtb);
  el2.start(entry, DTB);
  // Where it stops does not depend on how often it stopped before.
  for (let stop = STEP; stop <= INSTRUCTIONS; stop += STEP) {
    el2.run(stop - el2.pe.retired);
    // however busy the host is, the thread gets its chance: what it made is taken when instructions run
    for (let turn = 0; turn < 600 && (el2.backend.jitStatistics?.compiled ?? 1) === 0; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      el2.run(100);
    }
  }
  const memory = new Uint8Array(el2.physical.memory.buffer, el2.physical.dramOffset, GUEST_BYTES);
  const outcome = {
    console: el2.console,
    retired: el2.pe.retired,
    memory: createHash("sha256").update(memory).digest("hex"),
  };
  const statistics = el2.backend.jitStatistics;
  el2.backend.dispose();
  return { outcome, statistics };
}

const threaded = (entry?: URL): Pick<Arm64BackendOptions, "tier" | "jit"> => ({
  tier: "auto",
  jit: { threshold: 100, compiler: (needs) => new ThreadedCompiler(needs, entry) },
});
const source = new URL("../../bench/helper-source.mjs", import.meta.url);
process.stdout.write(
  JSON.stringify({
    interpreter: await boot({ tier: "interpreter" }),
    helper: await boot(threaded(source)),
    // a thread that cannot start: the CPU's thread compiles
    broken: await boot(threaded(new URL("./no-such-module.mjs", import.meta.url))),
  }),
);

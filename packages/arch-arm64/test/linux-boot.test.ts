import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { CPU_MODELS } from "../src/cpu/models.ts";
import { DRAM_BASE, MinimalEl2 } from "./support/minimal-el2.ts";

const KERNELS = [
  // Small and always there: what packages/guest-linux builds and checks. Read as a fixture, not imported.
  {
    name: "the default guest's kernel",
    file: new URL("../../guest-linux/assets/Image.gz", import.meta.url),
    features: ["Privileged Access Never"],
  },
  // Debian's cloud kernel has 27 MB: test/linux/build.sh fetches it into test/linux/.cache.
  {
    name: "Debian's kernel (GUNYAH_LINUX_IMAGE)",
    file: process.env["GUNYAH_LINUX_IMAGE"] ?? new URL("./linux/.cache/Image", import.meta.url),
    features: ["E0PD"],
  },
];
const dtb = readFileSync(new URL("./linux/virt.dtb", import.meta.url));
const DTB = DRAM_BASE + 0x700_0000;

describe.each(KERNELS)("early boot of $name", ({ file, features }) => {
  it.skipIf(!existsSync(file))(
    "reaches the scheduler, the same way each time, also when its CPUs are replaced on the way",
    {
      timeout: 240_000,
    },
    () => {
      const bytes = readFileSync(file);
      const kernel = bytes.readUInt16BE(0) === 0x1f8b ? gunzipSync(bytes) : bytes;
      const boot = (replaceEvery = Number.POSITIVE_INFINITY) => {
        const el2 = new MinimalEl2({ guestBytes: 256 << 20, cpus: 2 });
        // Image header: text_offset at 8, magic at 56
        expect(kernel.toString("latin1", 56, 60)).toBe("ARM\x64");
        const entry = DRAM_BASE + Number(kernel.readBigUInt64LE(8));
        el2.physical.write(entry, kernel);
        el2.physical.write(DTB, dtb);
        el2.start(entry, DTB);
        let next = replaceEvery;
        el2.run(400_000_000, () => {
          if (el2.pe.retired >= next) {
            el2.replacePes();
            next = el2.pe.retired + replaceEvery;
          }
          return el2.console.includes("NET: Registered PF_UNIX/PF_LOCAL protocol family");
        });
        return el2;
      };
      const first = boot();
      const lines = first.console.split("\n").map((line) => line.replace(/^\[ *[\d.]+\] /, "").trim());
      expect(lines[0]).toMatch(/^Booting Linux on physical CPU 0x0000000000 \[0x000f6a71\]/);
      expect(lines.some((line) => line.startsWith("Machine model: gunyah-ts,test"))).toBe(true);
      // What the ID registers advertise
      for (const feature of ["LSE atomic instructions", "CRC32 instructions", ...features])
        expect(first.console).toContain(`CPU features: detected: ${feature}`);
      expect(first.console).not.toContain("kernel page table isolation forced ON");
      // kernel_init runs as a thread: the scheduler works, driven by the timer
      expect(first.console).toContain("smp: Brought up 1 node, 2 CPUs");
      expect(lines.some((line) => line.startsWith("NET: Registered PF_UNIX/PF_LOCAL"))).toBe(true);
      expect(first.exits.irq).toBeGreaterThan(0);
      expect(first.console).not.toMatch(/BUG|WARNING|Oops|panic - /);
      const second = boot();
      expect(second.console).toBe(first.console);
      expect(second.pe.retired).toBe(first.pe.retired);
      // Every 300,000 instructions both CPUs are saved as JSON and restored into new PEs: nobody notices.
      const moved = boot(300_000);
      expect(moved.console).toBe(first.console);
      expect(moved.pe.save()).toEqual(first.pe.save());
    },
  );
});

/** What a kernel of this age finds by the ID registers; each line is "detected: ...". */
const FOUND = {
  "cortex-a53": { has: ["CRC32 instructions"], lacks: ["LSE atomic", "Privileged Access Never", "Address auth"] },
  "neoverse-n1": {
    has: ["CRC32 instructions", "LSE atomic instructions", "Privileged Access Never", "RCpc load-acquire"],
    lacks: ["Address auth", "Random Number Generator", "E0PD"],
  },
  max: {
    has: ["LSE atomic instructions", "Privileged Access Never", "Random Number Generator", "Speculation barrier"],
    lacks: [],
  },
} as const;

describe.each(Object.keys(FOUND) as (keyof typeof FOUND)[])("a boot on %s", (cpu) => {
  it("finds the model's features, and no others", { timeout: 240_000 }, () => {
    const kernel = gunzipSync(readFileSync(new URL("../../guest-linux/assets/Image.gz", import.meta.url)));
    const el2 = new MinimalEl2({ guestBytes: 256 << 20, cpu });
    const entry = DRAM_BASE + Number(kernel.readBigUInt64LE(8));
    el2.physical.write(entry, kernel);
    el2.physical.write(DTB, dtb);
    el2.start(entry, DTB);
    el2.run(400_000_000, () => el2.console.includes("NET: Registered PF_UNIX/PF_LOCAL protocol family"));
    expect(el2.console).toContain("NET: Registered PF_UNIX");
    const midr = CPU_MODELS[cpu].midr.toString(16).padStart(8, "0");
    expect(el2.console).toContain(`Booting Linux on physical CPU 0x0000000000 [0x${midr}]`);
    for (const feature of FOUND[cpu].has) expect(el2.console).toContain(`detected: ${feature}`);
    for (const feature of FOUND[cpu].lacks) expect(el2.console).not.toContain(`detected: ${feature}`);
    expect(el2.console).not.toMatch(/BUG|WARNING|Oops|panic - /);
    el2.backend.dispose();
  });
});

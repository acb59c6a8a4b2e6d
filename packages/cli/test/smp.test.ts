import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expectedLines, PROGRAM, runSmp } from "./smp.ts";

// A bare-metal program that checks what CPUs, interrupt controller and PSCI do to each other, recorded under QEMU.
describe("the SMP test program prints what it prints under QEMU", () => {
  for (const clock of ["virtual", "host"] as const)
    for (const cpus of [1, 4])
      it(`on ${cpus} vCPUs, ${clock} clock`, async () => {
        const { lines, end } = await runSmp({ cpus, clock });
        expect(lines).toEqual(expectedLines(cpus));
        expect(end).toEqual({ reason: "off", exitType: 1 });
      }, 300_000);

  it("is what its script made", () => {
    for (const line of readFileSync(new URL("SHA256SUMS", PROGRAM), "utf8").trim().split("\n")) {
      const [sum, name = ""] = line.split(/ +/);
      expect(
        createHash("sha256")
          .update(readFileSync(new URL(name, PROGRAM)))
          .digest("hex"),
        name,
      ).toBe(sum);
    }
  });
});

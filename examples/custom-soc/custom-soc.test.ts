import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { loadMachineConfig } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const BIN = fileURLToPath(new URL("../../packages/cli/src/bin.ts", import.meta.url));

/** `gunyah run` on this directory, with further arguments. */
async function gunyahRun(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(process.execPath, ["--conditions=gunyah-source", "--import", "tsx", BIN, "run", HERE, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const [code] = await once(child, "close");
  return { code, output };
}

describe("a SoC of one's own", () => {
  it("boots, with as many CPUs as the configuration says and the device that its plugin brings", async () => {
    const { code, output } = await gunyahRun(
      "--clock",
      "virtual",
      "--cmdline",
      "quiet gunyah.run=nproc;devmem+0x9010000;ls+-d+/proc/device-tree/thermometer*",
    );
    expect(output).toContain("2\r\n0x00008EF8\r\n/proc/device-tree/thermometer@9010000");
    expect(output).toMatch(/powered off .* of 96\.0 MiB/);
    expect(code).toBe(0);
  }, 60_000);

  it("is plain data, so it can be written as JSON", async () => {
    const { config } = await loadMachineConfig(HERE);
    expect(JSON.parse(JSON.stringify(config.soc))).toEqual(config.soc);
  });
});

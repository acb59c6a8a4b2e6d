import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

/** As a user runs it: the process has to end by itself. */
it("boots Linux, runs the command, powers off, and leaves nothing running", async () => {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=gunyah-source", "--import", "tsx", main]);
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, "close");
  expect(text).toMatch(/Linux version 6\.1.*\nLinux gunyah 6\.1.* aarch64 GNU\/Linux\r\n.*exited with 0/s);
  expect(text).toMatch(/\nThe VM ended: off\n$/);
  expect(code).toBe(0);
}, 60_000);

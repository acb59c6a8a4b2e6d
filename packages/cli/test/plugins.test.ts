import { expect, it } from "vitest";
import { gunyah } from "./support.ts";

it("prints a machine's plugins as a tree with services and hooks", async () => {
  const { code, stdout } = await gunyah("plugins");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toBe("machine");
  expect(lines).toContain("├─ @gunyah-ts/hyp 0.1.0");
  expect(lines).toContain("│  ├─ provides Hypervisor");
  expect(lines).toContain("│  └─ hooks host.vmFunction[2]");
  expect(lines.at(-1)).toBe("   └─ hooks vmm.device[virtio-rng]");
}, 30_000);

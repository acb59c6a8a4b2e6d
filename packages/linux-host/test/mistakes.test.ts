import { gzipSync } from "node:zlib";
import { SystemBus } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { code, machineOf } from "./support.ts";

const MIB = 2 ** 20;
const NOP = 0xd503_201f;

/** An arm64 Image of a page. */
function image(imageSize = 0x1000, textOffset = 0): Uint8Array {
  const bytes = new Uint8Array(0x1000);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, BigInt(textOffset), true);
  view.setBigUint64(16, BigInt(imageSize), true);
  view.setUint32(56, 0x644d_5241, true);
  return bytes;
}

/** Every code and path in an error and its causes. */
function trail(error: unknown): { codes: unknown[]; text: string } {
  const codes: unknown[] = [];
  let text = "";
  for (let at = error; at instanceof Error; at = at.cause) {
    codes.push((at as { code?: unknown }).code);
    text += `${at.message}\n`;
  }
  return { codes, text };
}

describe("a mistake in the host section", () => {
  it.each([
    ["nothing at all", undefined, "HOST_CONFIG", /host\.kernel: it is missing/],
    ["no kernel", { cmdline: "quiet" }, "HOST_CONFIG", /host\.kernel: it is missing/],
    ["an unknown key", { kernel: image(), cpus: 4 }, "HOST_CONFIG", /host\.cpus: nothing reads it; known are kernel/],
    ["a path for a kernel", { kernel: "Image" }, "HOST_CONFIG", /host\.kernel: it must be the bytes of an image/],
    ["a device without a type", { kernel: image(), devices: [{}] }, "HOST_CONFIG", /host\.devices: .*each with a type/],
  ])("is refused when the machine is composed: %s", async (_what, host, wanted, message) => {
    const error = await machineOf(host as object).catch((thrown: unknown) => thrown);
    const { codes, text } = trail(error);
    expect(codes).toContain(wanted);
    expect(text).toMatch(message);
  });

  it.each([
    ["an empty kernel", { kernel: new Uint8Array(0) }, "IMAGE_EMPTY", /kernel file is empty/],
    ["a text for a kernel", { kernel: new TextEncoder().encode("not a kernel") }, "IMAGE_UNKNOWN", /6e 6f 74 20/],
    ["an x86 kernel", { kernel: Uint8Array.of(0x4d, 0x5a, 0xea, 7) }, "IMAGE_UNKNOWN", /4d 5a ea 07/],
    ["a truncated kernel", { kernel: image(64 * 1024) }, "IMAGE_TRUNCATED", /its header says that it needs 65536/],
    [
      "a cut gzip file",
      { kernel: new Uint8Array(gzipSync(image())).subarray(0, 20) },
      "IMAGE_TRUNCATED",
      /cut or corrupt/,
    ],
    ["an old kernel behind its text offset", { kernel: image(0x1000, 0x8_0000) }, "HOST_ENTRY", /starts at 0x80280000/],
    ["an empty initrd", { kernel: image(), initrd: new Uint8Array(0) }, "IMAGE_EMPTY", /host's initrd is empty/],
    [
      "an initrd that does not fit",
      { kernel: image(), initrd: new Uint8Array(160 * MIB) },
      "FIRMWARE_PLACE",
      /initrd .* does not fit/,
    ],
    ["a tree that is none", { kernel: image(), dtb: Uint8Array.of(1, 2, 3) }, "HOST_DTB", /device tree: /],
    [
      "an unknown console",
      { kernel: image(), devices: [{ type: "pl012" }] },
      "HOST_DEVICE_UNKNOWN",
      /host\.devices\[0\].*"pl012"/,
    ],
    [
      "a device's own mistake",
      { kernel: image(), devices: [{ type: "pl011" }, { type: "virtio-blk" }] },
      "VMM_DEVICE_OPTION",
      /host\.devices\[1\]/,
    ],
  ])(
    "is refused when the machine starts, and no device is left on the bus: %s",
    async (_what, host, wanted, message) => {
      const { machine } = await machineOf(host);
      const error = await machine.start().catch((thrown: unknown) => thrown);
      const { codes, text } = trail(error);
      expect(codes).toContain(wanted);
      expect(text).toMatch(message);
      const bus = machine.get(SystemBus);
      await machine.dispose();
      expect(bus.find(0x0900_0000, 4)).toBeUndefined();
    },
  );

  it("a console that is connected too late is told", async () => {
    const { machine, console } = await machineOf({ kernel: code(NOP, 0x17ff_ffff /* b .-4 */), flat: true });
    await machine.start();
    const { LinuxHostService } = await import("../src/index.ts");
    expect(() => machine.get(LinuxHostService).connect(console)).toThrow("HOST_STATE");
    await machine.dispose();
  });
});

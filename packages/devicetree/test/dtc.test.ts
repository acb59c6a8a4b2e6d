import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { applyOverlay, parseDtb, printDts, writeDtb } from "../src/index.ts";
import { plain } from "./plain.ts";

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)));
const dtcInstalled = spawnSync("dtc", ["--version"]).status === 0;
const sortedSource = (blob: Uint8Array): string =>
  execFileSync("dtc", ["-q", "-s", "-I", "dtb", "-O", "dts"], { input: blob, encoding: "utf8" });

describe("against what dtc recorded", () => {
  it("re-writes the tree of QEMU's virt machine to an equivalent one", () => {
    const tree = parseDtb(fixture("qemu-virt.dtb"));
    expect(tree.node("/intc").isCompatible("arm,gic-v3")).toBe(true);
    expect(tree.node("/memory").reg).toEqual([{ address: 0x4000_0000n, size: 0x2000_0000n }]);
    expect(plain(parseDtb(writeDtb(tree)))).toEqual(plain(tree));
  });

  it("applies an overlay as fdtoverlay does", () => {
    const base = parseDtb(fixture("base.dtb"));
    applyOverlay(base, parseDtb(fixture("overlay.dtbo")));
    expect(plain(base)).toEqual(plain(parseDtb(fixture("merged.dtb"))));
  });
});

describe.skipIf(!dtcInstalled)("against dtc itself (skipped where device-tree-compiler is not installed)", () => {
  it.each(["qemu-virt.dtb", "merged.dtb"])("writes %s so that dtc reads the same tree", (name) => {
    const golden = new TextDecoder().decode(fixture(name.replace(".dtb", ".sorted.dts")));
    expect(sortedSource(writeDtb(parseDtb(fixture(name))))).toBe(golden);
  });

  it.each(["qemu-virt.dtb", "merged.dtb"])("prints %s so that dtc compiles it back to the same tree", (name) => {
    const tree = parseDtb(fixture(name));
    const blob = execFileSync("dtc", ["-q", "-I", "dts", "-O", "dtb"], { input: printDts(tree) });
    expect(plain(parseDtb(new Uint8Array(blob)))).toEqual(plain(tree));
  });
});

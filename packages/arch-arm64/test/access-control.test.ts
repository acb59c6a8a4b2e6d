import { readFileSync } from "node:fs";
import type { AccessControl } from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";
import { ARCH_ARM64_ERRORS } from "../src/errors.ts";
import { DATA, Stage, WINDOW } from "./support/probe.ts";

describe("SoC access control", () => {
  it("makes a refused access a synchronous external abort, at once when the masks change", () => {
    const stage = new Stage();
    const { physical } = stage.el2;
    const pages = physical.dramSize / 4096;
    const tablePa = physical.dramBase + (12 << 20);
    const tableOffset = physical.offsetOf(tablePa);
    const masks = new Uint32Array(physical.memory.buffer, tableOffset, pages * 2).fill(0xffff_ffff);
    const page = (pa: number) => Math.floor((pa - physical.dramBase) / 4096);
    const listeners: ((pa: number, size: number) => void)[] = [];
    const control: AccessControl = {
      masks,
      tableOffset,
      allows: (domain, pa) => ((masks[page(pa) * 2 + (domain >> 5)] as number) >>> (domain & 31)) % 2 === 1,
      onChange: (listener) => {
        listeners.push(listener);
        return () => undefined;
      },
    };
    stage.try("p_ldr", { X1: WINDOW });
    physical.accessControl = control;
    const guest = stage.el2.backend.createPe({ mpidr: 0x8000_0001n, domain: 33 });
    for (const name of ["HCR_EL2", "VTCR_EL2", "VTTBR_EL2"] as const) guest.write(name, stage.pe.read(name));
    stage.reset(guest);
    const load = (pe = guest) => stage.try("p_ldr", { X1: WINDOW }, { pe, keepTlb: true });
    expect(load().kind).toBe("done");
    masks[page(DATA) * 2 + 1] = 0xffff_fffd;
    for (const listener of listeners) listener(DATA, 4096);
    expect(load()).toMatchObject({ kind: "el1", ec: 0x25, iss: 0x10, far: BigInt(WINDOW) });
    expect(load(stage.pe).kind).toBe("done");
    masks[page(stage.address("p_ldr")) * 2 + 1] = 0xffff_fffd;
    for (const listener of listeners) listener(DATA, 4096);
    expect(load().ec).toBe(0x21);
  });
});

describe("errors", () => {
  it("are the README's", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const listed = [...readme.matchAll(/^\| `((?:ARM64|BUG)_[A-Z_]+)`/gm)].map((match) => match[1]);
    expect(listed.sort()).toEqual(Object.keys(ARCH_ARM64_ERRORS).sort());
  });
  it("refuse too many PEs and bad domains", () => {
    const stage = new Stage();
    const { backend } = stage.el2;
    expect(() => backend.createPe({ mpidr: 0x8000_0000n, domain: 64 })).toThrow(/ARM64_CONFIG_INVALID/);
    for (let n = 1; n < backend.maxPes; n++) backend.createPe({ mpidr: 0x8000_0000n });
    expect(() => backend.createPe({ mpidr: 0x8000_0000n })).toThrow(/ARM64_TOO_MANY_PES/);
    stage.pe.dispose();
    expect(() => stage.pe.run(1)).toThrow(/BUG_PE_DISPOSED/);
    expect(backend.createPe({ mpidr: 0x8000_0000n }).retired).toBe(0);
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  Board,
  type BoardConfig,
  createMachine,
  defineMachine,
  hostHooks,
  isModelError,
  lifecycleHooks,
  loadMachineConfig,
  type MachineConfig,
  PhysicalMemory,
  token,
} from "@gunyah-ts/kernel";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const MiB = 1 << 20;
const soc: BoardConfig = {
  name: "test",
  dram: { base: 0x8000_0000, size: 16 * MiB },
  carveOut: { base: 0x80f0_0000, size: MiB },
  rootVm: { base: 0x80e0_0000, size: MiB },
  rootVmEntry: 0x80e0_0000,
  hostEntry: 0x8000_0000,
  hostDtb: { base: 0x8010_0000, size: 65536 },
  hostVmid: 3,
  physicalCpus: 1,
  hostCpus: 1,
  hostGic: { distributor: 0x0800_0000, redistributors: 0x080a_0000 },
  timerFrequencyHz: 19_200_000,
  freeSpiStart: 64,
};

function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return isModelError(error) ? { code: error.code, path: error.path, message: error.message } : error;
  }
  return undefined;
}

describe("a configuration", () => {
  it("is frozen to its leaves", () => {
    const config = defineMachine({ soc, plugins: [] });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen((config.soc as BoardConfig).dram)).toBe(true);
  });

  it.each<[object, string, string, RegExp]>([
    [{ plugin: [] }, "KERNEL_CONFIG_UNKNOWN_KEY", "plugin", /did you mean "plugins"/],
    [
      { plugins: [], clock: { kind: "host", frequency: 1 } },
      "KERNEL_CONFIG_UNKNOWN_KEY",
      "clock.frequency",
      /frequencyHz/,
    ],
    [{ plugins: [{ plugin: "x", option: {} }] }, "KERNEL_CONFIG_UNKNOWN_KEY", "plugins[0].option", /"options"/],
    [{ plugins: [], soc: { ...soc, drams: 1 } }, "KERNEL_CONFIG_UNKNOWN_KEY", "soc.drams", /"dram"/],
    [{ plugins: [], soc: { ...soc, dram: { base: 0 } } }, "KERNEL_CONFIG_INVALID", "soc.dram.size", /missing/],
    [{ plugins: [], soc: { ...soc, hostVmid: "3" } }, "KERNEL_CONFIG_INVALID", "soc.hostVmid", /integer/],
    [{ plugins: [], soc: "sm8650" }, "KERNEL_CONFIG_INVALID", "soc", /package#export/],
    [{ plugins: [7] }, "KERNEL_CONFIG_INVALID", "plugins[0]", /package name/],
    [{}, "KERNEL_CONFIG_INVALID", "plugins", /array/],
    [{ plugins: [], clock: "wall" }, "KERNEL_CONFIG_INVALID", "clock", /"virtual" or "host"/],
    [{ plugins: [], entropy: "seed" }, "KERNEL_CONFIG_INVALID", "entropy", /\{ seed \}/],
    [{ plugins: [], guest: 5 }, "KERNEL_CONFIG_INVALID", "guest", /object/],
  ])("%j is refused with its path", (config, code, path, message) => {
    expect(errorOf(() => defineMachine(config as MachineConfig))).toMatchObject({ code, path });
    expect((errorOf(() => defineMachine(config as MachineConfig)) as Error).message).toMatch(message);
  });

  it("gives the machine its board and memory", async () => {
    const machine = await createMachine({ soc, plugins: [], memory: { reservedBytes: 65536 } });
    expect(machine.get(Board).hostVmid).toBe(3);
    expect(machine.get(PhysicalMemory).dramSize).toBe(16 * MiB);
  });

  it("refuses a misspelt option at compile time", () => {
    // @ts-expect-error: `plugin` is no key
    expect(() => defineMachine({ plugins: [], plugin: [] })).toThrow("KERNEL_CONFIG_UNKNOWN_KEY");
  });
});

describe("a project on disk", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "gunyah-config-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const put = (path: string, content: string | object) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
  };
  const install = (name: string, gunyah: object | undefined, code: string, version = "1.0.0") => {
    put(`node_modules/${name}/package.json`, { name, version, type: "module", exports: "./index.js", gunyah });
    put(`node_modules/${name}/index.js`, code);
  };
  /** What definePlugin makes, without an import that a temporary project cannot resolve. */
  const definition = (name: string, rest = "") =>
    `globalThis.loaded = (globalThis.loaded ?? []).concat("${name}");
     export default { [Symbol.for("gunyah-ts/Plugin")]: true, api: 1, name: "${name}", version: "1.0.0", setup() {}, ${rest} };`;
  const compose = (...plugins: string[]) => createMachine({ plugins }, { root });
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => "no error",
      (error: unknown) => (isModelError(error) ? error.code : String(error)),
    );

  it.each([
    ["gunyah.config.ts", 'const name: string = "ts"; export default { name, plugins: [] as string[] };', "ts"],
    ["gunyah.config.js", 'export default { name: "js", plugins: [] };', "js"],
    ["gunyah.config.json", '{ "name": "json", "plugins": [] }', "json"],
  ])("has its %s read without a build step", async (file, content, name) => {
    put("package.json", { type: "module" });
    put(file, content);
    const loaded = await loadMachineConfig(root);
    expect(loaded.config.name).toBe(name);
    expect(loaded.root).toBe(root);
  });

  it("is told what is wrong with its configuration", async () => {
    expect(await codeOf(loadMachineConfig(root))).toBe("KERNEL_CONFIG_NOT_FOUND");
    put("gunyah.config.json", "{");
    expect(await codeOf(loadMachineConfig(root))).toBe("KERNEL_CONFIG_LOAD_FAILED");
    put("gunyah.config.json", '{ "plugins": [], "gest": {} }');
    await expect(loadMachineConfig(root)).rejects.toMatchObject({ code: "KERNEL_CONFIG_UNKNOWN_KEY", path: "gest" });
  });

  it("has its plugins found by package name", async () => {
    install("gunyah-plugin-a", { api: 1, kind: "device" }, definition("gunyah-plugin-a"));
    expect((await compose("gunyah-plugin-a")).plugins).toEqual(["gunyah-plugin-a"]);
  });

  it.each<[string, object | undefined, string]>([
    ["KERNEL_MANIFEST_MISSING", undefined, ""],
    ["KERNEL_MANIFEST_INVALID", { api: 1, kind: "toaster" }, ""],
    ["KERNEL_MANIFEST_INVALID", { api: 1, kind: "vm-function" }, ""],
    ["KERNEL_MANIFEST_INVALID", { api: 1, kind: "device", typ: 3 }, ""],
    ["KERNEL_API_VERSION", { api: 2, kind: "device" }, ""],
    ["KERNEL_MANIFEST_MISMATCH", { api: 1, kind: "device" }, 'version: "2.0.0"'],
    ["KERNEL_MANIFEST_MISMATCH", { api: 1, kind: "device" }, 'name: "other"'],
    ["KERNEL_MANIFEST_MISMATCH", { api: 1, kind: "device" }, "vmFunction: 3"],
    ["KERNEL_MANIFEST_MISMATCH", { api: 1, kind: "device", export: "absent" }, ""],
  ])("is refused with %s for the manifest %j and the code { %s }", async (code, manifest, rest) => {
    const name = `gunyah-plugin-${Math.random().toString(36).slice(2)}`;
    install(name, manifest, definition(name, rest));
    expect(await codeOf(compose(name))).toBe(code);
    const ran = ((globalThis as { loaded?: string[] }).loaded ?? []).includes(name);
    expect(ran, "whether code of the plugin ran").toBe(code === "KERNEL_MANIFEST_MISMATCH");
  });

  it("is told when a plugin is not installed, or throws while it is imported", async () => {
    expect(await codeOf(compose("gunyah-plugin-absent"))).toBe("KERNEL_PLUGIN_NOT_FOUND");
    install("gunyah-plugin-bad", { api: 1, kind: "tool" }, 'throw new Error("no");');
    expect(await codeOf(compose("gunyah-plugin-bad"))).toBe("KERNEL_PLUGIN_LOAD_FAILED");
  });

  it("has a VM function loaded when its type is first asked for, once", async () => {
    const name = "gunyah-plugin-late";
    const own = `vmFunction: 77, setup(ctx) {
      ctx.onStart(() => { globalThis.lateStarts = (globalThis.lateStarts ?? 0) + 1; });
      ctx.own(globalThis.testHooks(ctx).vmFunction, 77, () => "driver");
    }`;
    install(name, { api: 1, kind: "vm-function", type: 77 }, definition(name, own));
    Object.assign(globalThis, { testHooks: (ctx: { hooks(set: unknown): unknown }) => ctx.hooks(hostHooks) });
    const machine = await compose(name);
    await machine.start();
    expect(machine.plugins).toEqual([]);
    const { vmFunction } = machine.hooks(hostHooks);
    expect(await Promise.all([vmFunction.load(77), vmFunction.load(77), vmFunction.load(78)])).toEqual([
      true,
      true,
      false,
    ]);
    expect(vmFunction.call(77)).toBe("driver");
    expect(machine.plugins).toEqual([name]);
    expect((globalThis as { lateStarts?: number }).lateStarts).toBe(1);
  });

  it.each(["setup", "start"])(
    "has all of a late plugin taken back when its %s fails, and tries it anew",
    async (phase) => {
      const name = `gunyah-plugin-fails-in-${phase}`;
      const log: string[] = [];
      const test = { hooks: hostHooks, lifecycle: lifecycleHooks, service: token("test/Late"), log, fails: true };
      Object.assign(globalThis, { lateTest: test });
      const own = `vmFunction: 78, provides: [globalThis.lateTest.service], setup(ctx) {
      const test = globalThis.lateTest;
      ctx.provide(test.service, { attempt: test.log.length });
      ctx.own(ctx.hooks(test.hooks).vmFunction, 78, () => "driver");
      ctx.on(ctx.hooks(test.lifecycle).vm, () => test.log.push("heard"));
      ctx.onStart(() => { if (test.fails && "${phase}" === "start") throw new Error("start failed"); });
      ctx.onStop(() => { test.log.push("stop"); });
      ctx.onDispose(() => { test.log.push("dispose"); });
      if (test.fails && "${phase}" === "setup") throw new Error("setup failed");
    }`;
      install(name, { api: 1, kind: "vm-function", type: 78 }, definition(name, own));
      const machine = await compose(name);
      await machine.start();
      const { vmFunction } = machine.hooks(hostHooks);
      const code = `KERNEL_${phase.toUpperCase()}_FAILED`;
      for (let attempt = 0; attempt < 2; attempt++) {
        await expect(vmFunction.load(78)).rejects.toMatchObject({ code, plugin: name });
        expect(vmFunction.keys()).toEqual([]);
        expect(vmFunction.call(78)).toBeUndefined();
        expect(() => machine.get(test.service)).toThrow("KERNEL_SERVICE_UNKNOWN");
        machine.hooks(lifecycleHooks).vm.call(45, "RUNNING");
        expect(machine.plugins).toEqual([]);
        expect(machine.describe()).toEqual([]);
        expect(log.splice(0)).toEqual(phase === "start" ? ["stop", "dispose"] : ["dispose"]);
      }
      test.fails = false;
      expect(await vmFunction.load(78)).toBe(true);
      expect(vmFunction.call(78)).toBe("driver");
      expect(machine.get(test.service)).toEqual({ attempt: 0 });
      machine.hooks(lifecycleHooks).vm.call(45, "RUNNING");
      await machine.dispose();
      expect(log).toEqual(["heard", "stop", "dispose"]);
    },
  );

  it("is refused when two packages drive one VM function type", async () => {
    for (const name of ["one", "two"]) install(name, { api: 1, kind: "vm-function", type: 5 }, definition(name));
    expect(await codeOf(compose("one", "two"))).toBe("KERNEL_VM_FUNCTION_TAKEN");
  });
});

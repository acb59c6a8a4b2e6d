import {
  type AnyPlugin,
  Clock,
  createMachine,
  definePlugin,
  Entropy,
  FaultPoints,
  isModelError,
  lifecycleHooks,
  type PluginDefinition,
  Trace,
  token,
  traceHooks,
  use,
} from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";

const A = token<{ readonly name: string }>("test/A");
const B = token<{ readonly name: string }>("test/B");

function plugin(name: string, definition: Partial<PluginDefinition<Record<string, never>>> = {}): AnyPlugin {
  const { provides = [] } = definition;
  return definePlugin({
    name,
    version: "1.0.0",
    setup(ctx) {
      for (const service of provides) ctx.provide(service, { name });
    },
    ...definition,
  });
}

describe("composition", () => {
  it("sets a plugin up after those whose services it requires, whatever the order of the list", async () => {
    const first = plugin("z", { provides: [A] });
    const second = plugin("a", { requires: [A], provides: [B] });
    const third = plugin("m", { optional: [B] });
    for (const plugins of [
      [first, second, third],
      [third, second, first],
    ]) {
      expect((await createMachine({ plugins })).plugins).toEqual(["z", "a", "m"]);
    }
  });

  it("hands out what was provided", async () => {
    let seen: unknown;
    const user = plugin("user", {
      requires: [A],
      optional: [B],
      setup(ctx) {
        seen = [ctx.get(A), ctx.find(B)];
      },
    });
    const machine = await createMachine({ plugins: [user, plugin("provider", { provides: [A] })] });
    expect(seen).toEqual([{ name: "provider" }, undefined]);
    expect(machine.get(A)).toEqual({ name: "provider" });
  });

  it("provides clock, entropy, trace and fault points itself", async () => {
    const machine = await createMachine({
      plugins: [plugin("user", { requires: [Clock, Entropy, Trace, FaultPoints] })],
    });
    expect(machine.get(Clock).kind).toBe("virtual");
    expect(machine.get(Entropy).next64()).toBe((await createMachine({ plugins: [] })).get(Entropy).next64());
  });

  it.each<[string, () => AnyPlugin[], RegExp]>([
    ["KERNEL_MISSING_PROVIDER", () => [plugin("p", { requires: [A] })], /plugin p requires test\/A/],
    ["KERNEL_DUPLICATE_PROVIDER", () => [plugin("p", { provides: [A] }), plugin("q", { provides: [A] })], /q .* p /],
    ["KERNEL_DUPLICATE_PROVIDER", () => [plugin("p", { provides: [Clock] })], /the machine itself/],
    ["KERNEL_PLUGIN_DUPLICATE", () => [plugin("p"), plugin("p")], /listed twice/],
    [
      "KERNEL_CYCLE",
      () => [plugin("p", { requires: [A], provides: [B] }), plugin("q", { requires: [B], provides: [A] })],
      /p requires test\/A of q, which requires test\/B of p/,
    ],
    ["KERNEL_PROVIDE_MISSING", () => [plugin("p", { provides: [A], setup() {} })], /did not provide/],
    ["KERNEL_API_VERSION", () => [{ ...plugin("p"), api: 2 }], /update @gunyah-ts\/kernel/],
    ["KERNEL_API_VERSION", () => [{ ...plugin("p"), api: 0 }], /update the plugin/],
    ["KERNEL_PROVIDE_MISSING", () => [plugin("p", { vmFunction: 7 })], /type 7/],
    ["KERNEL_VM_FUNCTION_TAKEN", () => [plugin("p", { vmFunction: 7 }), plugin("q", { vmFunction: 7 })], /p and q/],
  ])("refuses with %s", async (code, plugins, message) => {
    const error = await createMachine({ plugins: plugins() }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toMatch(message);
  });

  it.each<[string, Partial<PluginDefinition<Record<string, never>>>]>([
    ["KERNEL_UNDECLARED_REQUIRE", { setup: (ctx) => void ctx.get(A) }],
    ["KERNEL_UNDECLARED_REQUIRE", { setup: (ctx) => void ctx.find(A) }],
    ["KERNEL_UNDECLARED_PROVIDE", { setup: (ctx) => ctx.provide(A, { name: "x" }) }],
  ])("refuses with %s what the definition does not list", async (code, definition) => {
    const error = await createMachine({ plugins: [plugin("p", definition)] }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "KERNEL_SETUP_FAILED", plugin: "p", cause: { code } });
  });

  it("says which services there are when asked for an unknown one", async () => {
    const machine = await createMachine({ plugins: [] });
    expect(() => machine.get(token("contract/Clok"))).toThrow(/KERNEL_SERVICE_UNKNOWN.*did you mean "contract\/Clock"/);
  });

  it("refuses a malformed definition", () => {
    const code = (definition: object) => {
      try {
        definePlugin(definition as never);
      } catch (error) {
        return isModelError(error) ? error.code : error;
      }
      return undefined;
    };
    const setup = () => {};
    expect(code({ version: "1.0.0", setup })).toBe("KERNEL_PLUGIN_INVALID");
    expect(code({ name: "p", version: "one", setup })).toBe("KERNEL_PLUGIN_INVALID");
    expect(code({ name: "p", version: "1.0.0" })).toBe("KERNEL_PLUGIN_INVALID");
    expect(code({ name: "p", version: "1.0.0", setup, provides: [A, A] })).toBe("KERNEL_PLUGIN_INVALID");
    expect(code({ name: "p", version: "1.0.0", setup, vmFunction: -1 })).toBe("KERNEL_PLUGIN_INVALID");
  });
});

describe("options", () => {
  const seen: unknown[] = [];
  const taking = definePlugin<{ label: string; count: number }>({
    name: "taking",
    version: "1.0.0",
    options: { label: { type: "string", required: true }, count: { type: "integer", default: 3 } },
    setup: (_ctx, options) => void seen.push(options),
  });

  it("arrive checked and completed", async () => {
    await createMachine({ plugins: [use(taking, { label: "x" })] });
    expect(seen.at(-1)).toEqual({ label: "x", count: 3 });
  });

  it.each<[string, object, RegExp]>([
    ["KERNEL_OPTION_UNKNOWN", { label: "x", cuont: 1 }, /plugins\[0\]\.options\.cuont; did you mean "count"/],
    ["KERNEL_OPTION_INVALID", { label: "x", count: "1" }, /plugins\[0\]\.options\.count is "1"; it must be an integer/],
    ["KERNEL_OPTION_INVALID", {}, /label is missing/],
  ])("are refused with %s", async (code, options, message) => {
    const error = await createMachine({ plugins: [{ plugin: taking, options }] }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code, plugin: "taking" });
    expect((error as Error).message).toMatch(message);
  });
});

describe("lifecycle", () => {
  function logging(
    log: string[],
    name: string,
    breaks?: "setup" | "start" | "stop" | "dispose",
    requires = [] as symbol[],
  ) {
    const run = (phase: string) => {
      log.push(`${phase} ${name}`);
      if (phase === breaks) throw new Error(`${phase} of ${name}`);
    };
    return plugin(name, {
      requires,
      setup(ctx) {
        ctx.onStart(() => run("start"));
        ctx.onStop(() => run("stop"));
        ctx.onDispose(() => run("dispose"));
        run("setup");
      },
    });
  }

  it("starts in order, stops and disposes in reverse, each once", async () => {
    const log: string[] = [];
    const states: string[] = [];
    const watch = plugin("watch", {
      setup: (ctx) => ctx.on(ctx.hooks(lifecycleHooks).machine, (state) => states.push(state)),
    });
    const machine = await createMachine({ plugins: [logging(log, "b"), logging(log, "a"), watch] });
    await machine.start();
    await machine.stop();
    await machine.stop();
    await machine.dispose();
    await machine.dispose();
    expect(log).toEqual(["setup a", "setup b", "start a", "start b", "stop b", "stop a", "dispose b", "dispose a"]);
    expect(states).toEqual(["started", "stopping"]);
    expect(machine.state).toBe("disposed");
  });

  it("stops a running machine when it is disposed of", async () => {
    const log: string[] = [];
    const machine = await createMachine({ plugins: [logging(log, "a")] });
    await machine.start();
    await machine.dispose();
    expect(log).toEqual(["setup a", "start a", "stop a", "dispose a"]);
  });

  it("disposes once and in reverse of all that was set up when a setup throws half way", async () => {
    const log: string[] = [];
    const error = await createMachine({
      plugins: [logging(log, "a"), logging(log, "b"), logging(log, "c", "setup"), logging(log, "d")],
    }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "KERNEL_SETUP_FAILED", plugin: "c", cause: { message: "setup of c" } });
    expect(log).toEqual(["setup a", "setup b", "setup c", "dispose c", "dispose b", "dispose a"]);
  });

  it("stops what had begun when a start throws, and disposes of everything later", async () => {
    const log: string[] = [];
    const machine = await createMachine({
      plugins: [logging(log, "a"), logging(log, "b", "start"), logging(log, "c")],
    });
    await expect(machine.start()).rejects.toMatchObject({ code: "KERNEL_START_FAILED", plugin: "b" });
    await machine.dispose();
    expect(log.slice(3)).toEqual(["start a", "start b", "stop b", "stop a", "dispose c", "dispose b", "dispose a"]);
  });

  it.each(["stop", "dispose"] as const)("runs every %s handler although one throws", async (phase) => {
    const log: string[] = [];
    const machine = await createMachine({ plugins: [logging(log, "a"), logging(log, "b", phase)] });
    await machine.start();
    const code = `KERNEL_${phase.toUpperCase()}_FAILED`;
    await expect(machine.dispose()).rejects.toMatchObject({ code, plugin: "b" });
    expect(log.slice(4)).toEqual(["stop b", "stop a", "dispose b", "dispose a"]);
  });

  it("refuses to start twice or after dispose", async () => {
    const machine = await createMachine({ plugins: [] });
    await machine.start();
    await expect(machine.start()).rejects.toMatchObject({ code: "KERNEL_LIFECYCLE" });
    await machine.dispose();
    await expect(machine.stop()).rejects.toMatchObject({ code: "KERNEL_LIFECYCLE" });
  });
});

describe("trace", () => {
  it("is off until a plugin or a tool listens", async () => {
    expect((await createMachine({ plugins: [] })).trace.enabled).toBe(false);
    const kinds: string[] = [];
    const listener = plugin("listener", {
      setup: (ctx) => ctx.on(ctx.hooks(traceHooks).event, (event) => kinds.push(event.kind)),
    });
    const machine = await createMachine({ plugins: [listener] });
    expect(machine.trace.enabled).toBe(true);
    machine.trace.emit({ kind: "vm-state", at: 0, vmid: 45, state: "RUNNING" });
    expect(kinds).toEqual(["vm-state"]);
  });
});

describe("errors of a trace", () => {
  it("reach who wants nothing else, and leave the rest of the trace off", async () => {
    const { trace } = await createMachine({ plugins: [] });
    const heard: string[] = [];
    const end = trace.listenErrors(({ code }) => heard.push(code));
    expect(trace.enabled).toBe(false);
    const stop = trace.listen(() => {});
    expect(trace.enabled).toBe(true);
    stop();
    expect(trace.enabled).toBe(false);
    trace.emit({ kind: "vm-state", at: 0, vmid: 45, state: "RUNNING" });
    const error = { kind: "error", at: 0, layer: "rm", code: "NORESOURCE", value: 3, detail: "VM_START" } as const;
    trace.emit(error);
    end();
    trace.emit(error);
    expect(heard).toEqual(["NORESOURCE"]);
  });
});

describe("fault points", () => {
  it("fail the armed pass alone, and tell which points an operation passes", async () => {
    const { faults } = await createMachine({ plugins: [] });
    expect(faults.armed).toBe(false);
    const recording = faults.record();
    faults.hit("x");
    faults.hit("x");
    recording.stop();
    expect(recording.passes).toEqual(new Map([["x", 2]]));
    faults.arm("x", 2);
    expect([faults.hit("x"), faults.hit("y"), faults.hit("x"), faults.hit("x")]).toEqual([false, false, true, false]);
    expect(faults.armed).toBe(false);
    expect(() => faults.arm("x", 0)).toThrow("KERNEL_FAULT_POINT");
  });
});

describe("two machines of one process", () => {
  it("share no service, no clock and no fault point", async () => {
    const plugins = [plugin("p", { provides: [A] })];
    const one = await createMachine({ plugins });
    const two = await createMachine({ plugins });
    expect(one.get(A)).not.toBe(two.get(A));
    one.get(Clock).retire(1_000_000);
    one.faults.arm("x");
    expect(two.get(Clock).now()).toBe(0);
    expect(two.faults.armed).toBe(false);
    await one.dispose();
    expect(two.get(A)).toEqual({ name: "p" });
  });
});

import {
  createMachine,
  defineHooks,
  definePlugin,
  event,
  type HookSet,
  handledEvent,
  isModelError,
  type Machine,
  type PluginContext,
  selectorEvent,
  setupEvent,
} from "@gunyah-ts/kernel";
import { describe, expect, it } from "vitest";

const hooks = defineHooks("test", {
  said: event<[text: string]>("text"),
  asked: handledEvent<[n: number], string>("n"),
  owned: selectorEvent<number, [n: number], number>("n"),
  prepared: setupEvent<[log: string[]], number>(0, "log"),
});

function tap(name: string, setup: (ctx: PluginContext) => void) {
  return definePlugin({ name, version: "1.0.0", setup });
}

async function compose(...plugins: ReturnType<typeof tap>[]): Promise<Machine> {
  return createMachine({ plugins });
}

async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    let at: unknown = error;
    // KERNEL_SETUP_FAILED wraps what the plugin did wrong.
    while (isModelError(at, "KERNEL_SETUP_FAILED") && at.cause !== undefined) at = at.cause;
    return isModelError(at) ? at.code : String(at);
  }
  return "no error";
}

describe("an event hook", () => {
  it("calls everyone, by priority and then by plugin name, whatever the order of the list", async () => {
    const log: string[] = [];
    const plugins = [
      tap("c", (ctx) => ctx.on(ctx.hooks(hooks).said, (text) => log.push(`c ${text}`))),
      tap("a", (ctx) => ctx.on(ctx.hooks(hooks).said, (text) => log.push(`a ${text}`))),
      tap("b", (ctx) => ctx.on(ctx.hooks(hooks).said, (text) => log.push(`b ${text}`), { priority: 5 })),
    ];
    (await compose(...plugins)).hooks(hooks).said.call("1");
    (await compose(...plugins.reverse())).hooks(hooks).said.call("2");
    expect(log).toEqual(["b 1", "a 1", "c 1", "b 2", "a 2", "c 2"]);
  });

  it("does nothing when nobody listens", async () => {
    const { said } = (await compose()).hooks(hooks);
    expect(said.used).toBe(false);
    expect(said.call("x")).toBeUndefined();
  });

  it("refuses two plugins at one nonzero priority", async () => {
    const at5 = (name: string) => tap(name, (ctx) => ctx.on(ctx.hooks(hooks).said, () => {}, { priority: 5 }));
    await expect(compose(at5("a"), at5("b"))).rejects.toMatchObject({
      code: "KERNEL_HOOK_PRIORITY",
      hook: "test.said",
    });
  });

  it.each([1, 2])("reports plugin and hook when one of %i handlers throws", async (count) => {
    const bad = tap("bad", (ctx) =>
      ctx.on(ctx.hooks(hooks).said, () => {
        throw new RangeError("too far");
      }),
    );
    const good = tap("good", (ctx) => ctx.on(ctx.hooks(hooks).said, () => {}));
    const machine = await compose(...[bad, good].slice(0, count));
    let error: unknown;
    try {
      machine.hooks(hooks).said.call("x");
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: "KERNEL_HOOK_FAILED", plugin: "bad", hook: "test.said" });
    expect((error as Error).cause).toBeInstanceOf(RangeError);
  });
});

describe("a handled hook", () => {
  it("takes the first answer that is not undefined", async () => {
    const machine = await compose(
      tap("a", (ctx) => ctx.on(ctx.hooks(hooks).asked, (n) => (n > 5 ? "a" : undefined))),
      tap("b", (ctx) => ctx.on(ctx.hooks(hooks).asked, (n) => (n > 2 ? "b" : undefined))),
    );
    const { asked } = machine.hooks(hooks);
    expect([asked.call(9), asked.call(4), asked.call(0)]).toEqual(["a", "b", undefined]);
  });
});

describe("a selector hook", () => {
  it("asks the key's owner alone", async () => {
    const machine = await compose(
      tap("a", (ctx) => ctx.own(ctx.hooks(hooks).owned, 1, (n) => n + 100)),
      tap("b", (ctx) => ctx.own(ctx.hooks(hooks).owned, 2, (n) => n + 200)),
    );
    const { owned } = machine.hooks(hooks);
    expect([owned.call(1, 5), owned.call(2, 5), owned.call(3, 5)]).toEqual([105, 205, undefined]);
    expect(owned.keys()).toEqual([1, 2]);
  });

  it("refuses a second owner", async () => {
    const own = (name: string) => tap(name, (ctx) => ctx.own(ctx.hooks(hooks).owned, 1, (n) => n));
    expect(await codeOf(() => compose(own("a"), own("b")))).toBe("KERNEL_SELECTOR_TAKEN");
  });
});

describe("a setup hook", () => {
  const step = (name: string, result: number | "throw" = 0) =>
    tap(name, (ctx) =>
      ctx.onSetup(
        ctx.hooks(hooks).prepared,
        (log) => {
          log.push(`+${name}`);
          if (result === "throw") throw new Error("broken");
          return result;
        },
        (log) => log.push(`-${name}`),
      ),
    );

  it("runs all and answers ok", async () => {
    const log: string[] = [];
    expect((await compose(step("a"), step("b"))).hooks(hooks).prepared.call(log)).toBe(0);
    expect(log).toEqual(["+a", "+b"]);
  });

  it("unwinds in reverse what ran before a refusal", async () => {
    const log: string[] = [];
    const machine = await compose(step("a"), step("b"), step("c", -5), step("d"));
    expect(machine.hooks(hooks).prepared.call(log)).toBe(-5);
    expect(log).toEqual(["+a", "+b", "+c", "-b", "-a"]);
  });

  it("unwinds in reverse what ran before a throw", async () => {
    const log: string[] = [];
    const machine = await compose(step("a"), step("b"), step("c", "throw"));
    expect(await codeOf(() => machine.hooks(hooks).prepared.call(log))).toBe("KERNEL_HOOK_FAILED");
    expect(log).toEqual(["+a", "+b", "+c", "-b", "-a"]);
  });

  it("unwinds everything when the caller's later step failed", async () => {
    const log: string[] = [];
    const { prepared } = (await compose(step("a"), step("b"))).hooks(hooks);
    prepared.call(log);
    prepared.unwind(log);
    expect(log).toEqual(["+a", "+b", "-b", "-a"]);
  });
});

describe("misuse of a hook", () => {
  it("refuses a tap after the machine was set up", async () => {
    let late: PluginContext | undefined;
    const machine = await compose(
      tap("late", (ctx) => {
        late = ctx;
      }),
    );
    const { said } = machine.hooks(hooks);
    expect(await codeOf(() => late?.on(said, () => {}))).toBe("KERNEL_HOOK_FROZEN");
  });

  it("refuses a call before the machine is set up", async () => {
    expect(await codeOf(() => compose(tap("early", (ctx) => ctx.hooks(hooks).said.call("x"))))).toBe(
      "KERNEL_HOOK_NOT_READY",
    );
  });

  it("refuses the method of another kind", async () => {
    const wrong = tap("wrong", (ctx) => ctx.on(ctx.hooks(hooks).owned as never, () => {}));
    expect(await codeOf(() => compose(wrong))).toBe("KERNEL_HOOK_KIND");
    expect(await codeOf(() => compose(tap("alien", (ctx) => ctx.on({} as never, () => {}))))).toBe("KERNEL_HOOK_KIND");
  });

  it("keeps the hooks of two machines apart", async () => {
    const log: string[] = [];
    const one = await compose(tap("a", (ctx) => ctx.on(ctx.hooks(hooks).said, (text) => log.push(text))));
    const two = await compose();
    two.hooks(hooks).said.call("two");
    one.hooks(hooks).said.call("one");
    expect(log).toEqual(["one"]);
    expect(two.hooks(hooks)).not.toBe(one.hooks(hooks as HookSet<typeof hooks.specs>));
  });
});

/**
 * What the compiler refuses. Every `@ts-expect-error` is a check of `npm run typecheck`, which fails where the line
 * below it compiles; at run time the same mistakes have their coded errors, in the tests of each part.
 */
import { definePlugin, type MachineConfig, type PluginContext, token, use } from "@gunyah-ts/kernel";
import { expect, it } from "vitest";
import { event, handledEvent, selectorEvent, setupEvent } from "../src/hooks/define.ts";
import { defineHooks } from "../src/index.ts";

const counting = definePlugin<{ readonly label: string; readonly count: number }>({
  name: "counting",
  version: "1.0.0",
  options: { label: { type: "string", required: true }, count: { type: "integer", default: 3 } },
  setup() {},
});
const Count = token<{ readonly count: number }>("types/Count");
const hooks = defineHooks("types", {
  said: event<[text: string]>("text"),
  asked: handledEvent<[n: number], string>("n"),
  owned: selectorEvent<number, [n: number], number>("n"),
  prepared: setupEvent<[n: number], number>(0, "n"),
});

// Never called: compiling it is the test.
function refusals(ctx: PluginContext): void {
  use(counting, { label: "x" });
  // @ts-expect-error: misspelt option
  use(counting, { lable: "x" });
  // @ts-expect-error: option of another type
  use(counting, { count: "3" });
  // @ts-expect-error: options of a plugin that takes none
  use(definePlugin({ name: "plain", version: "1.0.0", setup() {} }), { count: 3 });
  const name = "p";
  const version = "1.0.0";
  const setup = () => {};
  // @ts-expect-error: a rule for every option
  definePlugin<{ a: string; b: string }>({ name, version, setup, options: { a: { type: "string" } } });
  // @ts-expect-error: a default of another type
  definePlugin<{ a: string }>({ name, version, setup, options: { a: { type: "string", default: 1 } } });
  // @ts-expect-error: no setup
  definePlugin({ name: "p", version: "1.0.0" });

  // @ts-expect-error: another service than the token's
  ctx.provide(Count, { count: "3" });
  // @ts-expect-error: no such member
  ctx.get(Count).total;

  const { said, asked, owned, prepared } = ctx.hooks(hooks);
  // @ts-expect-error: argument of another type
  ctx.on(said, (text: number) => text);
  // @ts-expect-error: answer of another type
  ctx.on(asked, () => 3);
  // @ts-expect-error: key of another type
  ctx.own(owned, "key", (n) => n);
  // @ts-expect-error: result of another type
  ctx.own(owned, 1, () => "text");
  // @ts-expect-error: not a setup hook
  ctx.onSetup(said, () => 0);
  // @ts-expect-error: result of another type
  ctx.onSetup(prepared, () => "refused");
  // @ts-expect-error: misspelt tap option
  ctx.on(said, () => {}, { prio: 1 });
  // @ts-expect-error: calls take what was declared
  said.call(3);
}

// @ts-expect-error: misspelt section
const misspelt: MachineConfig = { plugins: [], clok: "host" };
// @ts-expect-error: no such clock
const wall: MachineConfig = { plugins: [], clock: "wall" };
// @ts-expect-error: a board must be complete
const board: MachineConfig = { plugins: [], soc: { name: "half" } };

it("is refused by the compiler; what compiles is an object that run time checks too", () => {
  expect([misspelt, wall, board].map((config) => config.plugins)).toEqual([[], [], []]);
  expect(refusals).toBeTypeOf("function");
});

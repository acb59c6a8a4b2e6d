// Run by hand: npx tsx --conditions=gunyah-source packages/kernel/bench/kernel.ts
// Targets: 50 plugins compose in under 20 ms; a hook costs under 5 ns with no listener and under 50 ns with one.
import { createMachine, defineHooks, definePlugin, event, token } from "../src/index.ts";

const hooks = defineHooks("bench", {
  none: event<[n: number]>("n"),
  one: event<[n: number]>("n"),
  two: event<[n: number]>("n"),
});
let sum = 0;
const listener = (name: string, both: boolean) =>
  definePlugin({
    name,
    version: "1.0.0",
    setup(ctx) {
      const { one, two } = ctx.hooks(hooks);
      if (both) ctx.on(one, (n) => void (sum += n));
      ctx.on(two, (n) => void (sum += n));
    },
  });
const { none, one, two } = (await createMachine({ plugins: [listener("a", true), listener("b", false)] })).hooks(hooks);

function nanoseconds(call: (n: number) => void): number {
  const calls = 20_000_000;
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) call(i);
    times.push(((performance.now() - start) * 1e6) / calls);
  }
  return median(times);
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

const composed: number[] = [];
for (let round = 0; round < 15; round++) {
  const services = Array.from({ length: 50 }, (_, i) => token<number>(`bench/${i}`));
  const plugins = services.map((service, i) =>
    definePlugin({
      name: `plugin-${i}`,
      version: "1.0.0",
      provides: [service],
      requires: i === 0 ? [] : [services[i - 1] as symbol],
      setup(ctx) {
        ctx.provide(service, i);
        ctx.on(ctx.hooks(hooks).one, () => {});
      },
    }),
  );
  const start = performance.now();
  const machine = await createMachine({ plugins: plugins.reverse() });
  composed.push(performance.now() - start);
  await machine.dispose();
}

console.log(
  `compose 50 plugins: first ${composed[0]?.toFixed(2)} ms, median ${median(composed.slice(1)).toFixed(2)} ms`,
);
console.log(`hook with no listener: ${nanoseconds((n) => none.call(n)).toFixed(2)} ns`);
console.log(`hook with one listener: ${nanoseconds((n) => one.call(n)).toFixed(2)} ns`);
console.log(`hook with two listeners: ${nanoseconds((n) => two.call(n)).toFixed(2)} ns`);

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";

it("the README's first example runs", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(example).toContain('machine.get(Greeter).greet("world")');
  const directory = new URL("../.cache/", import.meta.url);
  mkdirSync(directory, { recursive: true });
  const file = new URL(`readme-${process.pid}.ts`, directory);
  const line = 'machine.get(Greeter).greet("world");';
  writeFileSync(file, (example ?? "").replace(line, `export const said = ${line}`));
  try {
    expect(((await import(file.pathname)) as { said: string }).said).toBe("hello world");
  } finally {
    rmSync(file);
  }
});

// The tests that `npm run mutate` runs for each mutant: one package's own, without those that take seconds each.
import { defineConfig } from "vitest/config";
import base from "./vitest.config.ts";

const name = process.env["GUNYAH_MUTATE"] ?? "packages/*";

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: [`${name}/{src,test}/**/*.test.ts`],
    exclude: [...(base.test?.exclude ?? []), "**/*.property.test.ts", "**/linux*.test.ts", "**/readme.test.ts"],
  },
});

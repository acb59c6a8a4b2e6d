import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["gunyah-source"] },
  ssr: { resolve: { conditions: ["gunyah-source"] } },
  test: {
    include: ["packages/*/{src,test}/**/*.test.ts", "plugins/*/{src,test}/**/*.test.ts", "examples/*/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    // Some tests boot Linux, on machines with two busy cores too. Nothing is timed: these only end what hangs.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

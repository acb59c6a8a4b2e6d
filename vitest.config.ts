import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["gunyah-source"] },
  ssr: { resolve: { conditions: ["gunyah-source"] } },
  test: {
    include: ["packages/*/{src,test}/**/*.test.ts", "plugins/*/{src,test}/**/*.test.ts", "examples/*/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
  },
});

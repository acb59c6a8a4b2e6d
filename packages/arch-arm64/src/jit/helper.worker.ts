/** The helper thread: compiles batches over the machine's shared memory. */
import { serveHelper } from "#host";
import type { Feature } from "../cpu/features.ts";
import type { RegionRequest } from "./batch.ts";
import { compile } from "./compiler.ts";
import type { HelperData } from "./threaded-compiler.ts";

serveHelper((data) => {
  const { memory, features } = data as HelperData;
  const words = new Int32Array(memory.buffer);
  const has: ReadonlySet<Feature> = new Set(features);
  return (message) => compile(message as readonly RegionRequest[], words, has);
});

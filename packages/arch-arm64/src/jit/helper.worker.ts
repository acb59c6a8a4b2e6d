/** The helper thread: compiles batches over the machine's shared memory. */
import { serveHelper } from "#host";
import type { Feature } from "../cpu/features.ts";
import type { RegionRequest } from "./batch.ts";
import { Decoder } from "./blocks.ts";
import { compile } from "./compiler.ts";
import type { HelperData } from "./threaded-compiler.ts";

serveHelper((data) => {
  const { memory, features } = data as HelperData;
  const known: ReadonlySet<Feature> = new Set(features);
  const source = { words: new Int32Array(memory.buffer), features: known, decoder: new Decoder() };
  return (message) => compile(message as readonly RegionRequest[], source);
});

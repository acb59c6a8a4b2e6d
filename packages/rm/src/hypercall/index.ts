export { HypercallClient, type HypercallResult } from "./client.ts";
export { Objects, type RootCaps, SIBLING } from "./objects.ts";

export { HypercallClient } from "./client.ts";
export { Objects, SIBLING } from "./objects.ts";

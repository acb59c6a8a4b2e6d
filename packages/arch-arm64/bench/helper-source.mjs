// The helper thread from sources: Node 20 has no TypeScript in workers.
import { register } from "tsx/esm/api";

register();
await import("../src/jit/helper.worker.ts");

/** Part of `npm run build`: generate the interpreter once, so that a process that starts need not. */
import { writeFileSync } from "node:fs";
import { encodeModule } from "../src/backend.ts";

writeFileSync(new URL("../dist/interpreter.wasm", import.meta.url), encodeModule());

export { virtBoard } from "./board.ts";
export { CLI_ERRORS, type CliErrorCode } from "./errors.ts";
export { ExitCode } from "./exit-code.ts";
export { catalog, type Explanation, explain } from "./explain/catalog.ts";
export { main } from "./main.ts";
export { type AbiName, defaultPlugins } from "./stack.ts";
export { PerfettoWriter, TraceFile } from "./trace/perfetto.ts";

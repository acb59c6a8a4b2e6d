import type { LayerError } from "@gunyah-ts/kernel";

/** An error as a user reads it: one message, then what each layer said, outermost first. */
export function reportOf(error: unknown): string {
  const lines: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause) {
    // A wrapper repeats its cause's message: say each thing once.
    const said = lines.some((line) => line.includes(current.message));
    if (!said) lines.push(lines.length === 0 ? `gunyah: ${current.message}` : `  because: ${current.message}`);
    const { layers } = current as { layers?: readonly LayerError[] };
    for (const { layer, code, value, detail } of layers ?? []) lines.push(`  ${layer}: ${code} (${value}) ${detail}`);
  }
  if (lines.length === 0) lines.push(`gunyah: ${String(error)}`);
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code === "string" && !code.startsWith("CLI_USAGE")) lines.push(`  gunyah explain ${code} tells more`);
  return lines.join("\n");
}

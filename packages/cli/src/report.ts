import type { LayerError, TraceError } from "@gunyah-ts/kernel";

/** What the layers below reported before an error, oldest first: a reply of RM carries one word, its trace says why. */
const trails = new WeakMap<object, readonly TraceError[]>();

/** Keep `events` for the report of `error`. @returns the error */
export function withTrail(error: unknown, events: readonly TraceError[]): unknown {
  if (typeof error === "object" && error !== null) trails.set(error, events);
  return error;
}

/** An error as a user reads it: one message, then what each layer said, outermost first. */
export function reportOf(error: unknown): string {
  const lines: string[] = [];
  const trail = (typeof error === "object" && error !== null && trails.get(error)) || [];
  for (let current = error; current instanceof Error; current = current.cause) {
    // A wrapper repeats its cause's message: say each thing once.
    const said = lines.some((line) => line.includes(current.message));
    if (!said) lines.push(lines.length === 0 ? `gunyah: ${current.message}` : `  because: ${current.message}`);
    const { layers } = current as { layers?: readonly LayerError[] };
    for (const layer of layers ?? [])
      for (const { layer: name, code, value, detail } of explained(layer, trail))
        lines.push(`  ${name}: ${code} (${value}) ${detail}`);
  }
  if (lines.length === 0) lines.push(`gunyah: ${String(error)}`);
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code === "string" && !code.startsWith("CLI_USAGE")) lines.push(`  gunyah explain ${code} tells more`);
  return lines.join("\n");
}

/** RM's word with RM's own reason, and the hypercall behind it where there is one. */
function explained(layer: LayerError, trail: readonly TraceError[]): readonly (LayerError | TraceError)[] {
  if (layer.layer !== "rm") return [layer];
  const at = trail.findLastIndex(
    (event) => event.layer === "rm" && event.value === layer.value && event.detail.startsWith(`${layer.detail}: `),
  );
  const reason = trail[at];
  if (reason === undefined) return [layer];
  const cause = trail[at + 1];
  return cause?.layer === "hypervisor" ? [reason, cause] : [reason];
}

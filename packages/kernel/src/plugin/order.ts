/** Who is set up after whom. */
import { ModelError } from "../errors.ts";
import { type AnyPlugin, tokenName } from "./define.ts";

/**
 * Order plugins so that each comes after those whose services it uses; ties by name, so the list's order never matters.
 *
 * @param builtIn services that the machine itself provides
 * Errors: KERNEL_PLUGIN_DUPLICATE, KERNEL_DUPLICATE_PROVIDER, KERNEL_VM_FUNCTION_TAKEN, KERNEL_MISSING_PROVIDER, KERNEL_CYCLE
 */
export function orderPlugins<Entry extends { readonly plugin: AnyPlugin }>(
  entries: readonly Entry[],
  builtIn: ReadonlySet<symbol>,
): Entry[] {
  const sorted = [...entries].sort((a, b) => (a.plugin.name < b.plugin.name ? -1 : 1));
  const names = new Set<string>();
  const providers = new Map<symbol, Entry>();
  const types = new Map<number, string>();
  for (const entry of sorted) {
    const { name, provides = [], vmFunction } = entry.plugin;
    if (names.has(name)) {
      throw new ModelError("KERNEL_PLUGIN_DUPLICATE", `plugin ${name} is listed twice; remove one`, { plugin: name });
    }
    names.add(name);
    for (const service of provides) {
      const other = builtIn.has(service) ? "the machine itself" : providers.get(service)?.plugin.name;
      if (other !== undefined) {
        throw new ModelError(
          "KERNEL_DUPLICATE_PROVIDER",
          `plugin ${name} provides ${tokenName(service)}, which ${other} provides too; leave one of them out`,
          { plugin: name },
        );
      }
      providers.set(service, entry);
    }
    if (vmFunction === undefined) continue;
    const owner = types.get(vmFunction);
    if (owner !== undefined) throw vmFunctionTaken(vmFunction, owner, name);
    types.set(vmFunction, name);
  }

  const order: Entry[] = [];
  const done = new Set<Entry>();
  const path: { entry: Entry; service: symbol | undefined }[] = [];
  const visit = (entry: Entry, service: symbol | undefined) => {
    if (done.has(entry)) return;
    const start = path.findIndex((step) => step.entry === entry);
    if (start >= 0) throw cycle([...path.slice(start), { entry, service }]);
    path.push({ entry, service });
    const { name, requires = [], optional = [] } = entry.plugin;
    for (const needed of requires) {
      if (builtIn.has(needed)) continue;
      const provider = providers.get(needed);
      if (provider === undefined) throw missingProvider(name, needed);
      visit(provider, needed);
    }
    for (const wanted of optional) {
      const provider = providers.get(wanted);
      if (provider !== undefined) visit(provider, wanted);
    }
    path.pop();
    done.add(entry);
    order.push(entry);
  };
  for (const entry of sorted) visit(entry, undefined);
  return order;
}

export function missingProvider(plugin: string, service: symbol): ModelError {
  return new ModelError(
    "KERNEL_MISSING_PROVIDER",
    `plugin ${plugin} requires ${tokenName(service)}, which no plugin of this machine provides; add one that does`,
    { plugin },
  );
}

export function vmFunctionTaken(type: number, owner: string, plugin: string): ModelError {
  return new ModelError(
    "KERNEL_VM_FUNCTION_TAKEN",
    `plugins ${owner} and ${plugin} both drive VM function type ${type}; leave one of them out`,
    { plugin, hook: "host.vmFunction" },
  );
}

function cycle(steps: readonly { entry: { plugin: AnyPlugin }; service: symbol | undefined }[]): ModelError {
  const first = steps[0]?.entry.plugin.name ?? "";
  let text = first;
  for (const { entry, service } of steps.slice(1)) {
    text += ` requires ${service === undefined ? "?" : tokenName(service)} of ${entry.plugin.name}`;
    if (entry !== steps.at(-1)?.entry) text += ", which";
  }
  return new ModelError("KERNEL_CYCLE", `${text}; break the circle with a hook or a third service`, { plugin: first });
}

import { archArm64, type CpuModelName, DEFAULT_CPU_MODEL, type Tier } from "@gunyah-ts/arch-arm64";
import { firmware } from "@gunyah-ts/firmware";
import { hyp } from "@gunyah-ts/hyp";
import { ioeventfd } from "@gunyah-ts/ioeventfd";
import { irqfd } from "@gunyah-ts/irqfd";
import { type AnyPlugin, isPlugin, type PluginEntry, use } from "@gunyah-ts/kernel";
import { linuxHost } from "@gunyah-ts/linux-host";
import { rm } from "@gunyah-ts/rm";
import { vcpuProxy } from "@gunyah-ts/vcpu-proxy";
import { vmManager } from "@gunyah-ts/vm-manager";
import { vmm, vmmDevices } from "@gunyah-ts/vmm";

export type AbiName = "v14" | "v15" | "v16" | "v17";

/**
 * The whole stack.
 * @param abi revision of the Linux series that the host driver has
 * @param cpu CPU model of every PE
 * @param tier what executes hot code; the backend's default when left out
 */
export function defaultPlugins(
  abi: AbiName = "v17",
  cpu: CpuModelName = DEFAULT_CPU_MODEL,
  tier?: Tier,
): PluginEntry[] {
  return [
    use(archArm64, { cpu, ...(tier === undefined ? {} : { tier }) }),
    hyp,
    rm,
    use(vmManager, { abi }),
    vcpuProxy,
    irqfd,
    ioeventfd,
    firmware,
    vmm,
    ...vmmDevices,
  ];
}

/** The stack whose host VM is a real kernel: nothing of ours lies between it and the hypervisor. */
export function linuxHostPlugins(cpu: CpuModelName = DEFAULT_CPU_MODEL): PluginEntry[] {
  return [use(archArm64, { cpu }), hyp, rm, firmware, linuxHost, ...vmmDevices];
}

/**
 * The stack with the user's plugins. A plugin of the user's takes the place of the default one that has its name,
 * provides one of its services, or drives its VM function type.
 */
export function withUserPlugins(defaults: readonly PluginEntry[], user: readonly PluginEntry[]): PluginEntry[] {
  const kept = defaults.filter((entry) => !user.some((other) => replaces(other, pluginOf(entry))));
  return [...kept, ...user];
}

function replaces(entry: PluginEntry, replaced: AnyPlugin | undefined): boolean {
  if (replaced === undefined) return false;
  if (entryName(entry) === replaced.name) return true;
  const plugin = pluginOf(entry);
  if (plugin === undefined) return false;
  const { provides = [], vmFunction } = plugin;
  return (
    (vmFunction !== undefined && vmFunction === replaced.vmFunction) ||
    (replaced.provides ?? []).some((service) => provides.includes(service))
  );
}

function pluginOf(entry: PluginEntry): AnyPlugin | undefined {
  if (typeof entry === "string") return undefined;
  if (isPlugin(entry)) return entry;
  return typeof entry.plugin === "string" ? undefined : entry.plugin;
}

/** The plugin's package name. */
export function entryName(entry: PluginEntry): string {
  if (typeof entry === "string") return entry;
  if (isPlugin(entry)) return entry.name;
  return typeof entry.plugin === "string" ? entry.plugin : entry.plugin.name;
}

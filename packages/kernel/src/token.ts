/**
 * The name of a service in a machine's container, with the type of the service attached.
 * Two copies of a package yield the same token, because it is a registered symbol.
 */
export type Token<Service> = symbol & { readonly __service?: Service };

/** @param name stable, unique name, for example `contract/CpuBackend` */
export function token<Service>(name: string): Token<Service> {
  return Symbol.for(`gunyah-ts/${name}`) as Token<Service>;
}

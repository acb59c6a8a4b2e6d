/** One tsyringe child container per machine, with the surprises taken out. tsyringe is not seen outside this file. */
import "reflect-metadata";
import { container, type DependencyContainer } from "tsyringe";
import { ModelError } from "../errors.ts";
import { tokenName } from "../plugin/define.ts";
import type { Token } from "../token.ts";

export class Services {
  readonly #container: DependencyContainer = container.createChildContainer();
  readonly #owners = new Map<symbol, string>();

  has(service: symbol): boolean {
    return this.#owners.has(service);
  }

  get names(): ReadonlySet<symbol> {
    return new Set(this.#owners.keys());
  }

  /** tsyringe lets the last registration win; here the second is an error. Errors: KERNEL_DUPLICATE_PROVIDER */
  add<Service>(owner: string, service: Token<Service>, implementation: Service): void {
    const other = this.#owners.get(service);
    if (other !== undefined) {
      throw new ModelError(
        "KERNEL_DUPLICATE_PROVIDER",
        `${owner} provides ${tokenName(service)}, which ${other} provides too; leave one of them out`,
        { plugin: owner },
      );
    }
    this.#owners.set(service, owner);
    this.#container.register(service, { useValue: implementation as object });
  }

  /** Forget what `owner` provided: its setup failed. A later provider takes the place, as tsyringe's last registration. */
  remove(owner: string): void {
    for (const [service, name] of this.#owners) if (name === owner) this.#owners.delete(service);
  }

  find<Service>(service: Token<Service>): Service | undefined {
    return this.#owners.has(service) ? (this.#container.resolve(service as symbol) as Service) : undefined;
  }

  clear(): void {
    this.#owners.clear();
    this.#container.reset();
  }
}

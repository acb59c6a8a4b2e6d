import { LinuxErrno } from "@gunyah-ts/abi";
import type { Errno, GunyahResource, ResourceTicket } from "@gunyah-ts/kernel";

interface TicketEntry {
  readonly ticket: ResourceTicket;
  readonly resources: GunyahResource[];
}

/**
 * Resources of one VM and who wants them.
 * Source: Linux series v17, drivers/virt/gunyah/vm_mgr.c, gunyah_vm_add_resource_ticket, gunyah_vm_add_resource
 */
export class ResourceTable {
  readonly #tickets: TicketEntry[] = [];
  #unclaimed: GunyahResource[] = [];

  /** Add a ticket and offer it what nobody claimed. @returns -EEXIST for a second ticket of one (type, label) */
  addTicket(ticket: ResourceTicket): Errno {
    if (this.#tickets.some(({ ticket: t }) => t.type === ticket.type && t.label === ticket.label))
      return -LinuxErrno.EEXIST;
    const entry: TicketEntry = { ticket, resources: [] };
    this.#tickets.push(entry);
    this.#unclaimed = this.#unclaimed.filter((resource) => !offer(entry, resource));
    return 0;
  }

  /** Its resources go back to the unclaimed ones. */
  removeTicket(ticket: ResourceTicket): void {
    const index = this.#tickets.findIndex((entry) => entry.ticket === ticket);
    if (index < 0) return;
    const [entry] = this.#tickets.splice(index, 1) as [TicketEntry];
    for (const resource of entry.resources) {
      ticket.unpopulate(resource);
      this.#unclaimed.push(resource);
    }
  }

  /** The first ticket that matches decides. */
  addResource(resource: GunyahResource): void {
    const entry = this.#tickets.find(({ ticket }) => matches(ticket, resource));
    if (entry === undefined || !offer(entry, resource)) this.#unclaimed.push(resource);
  }

  /** Destruction: remove tickets that are left and forget every resource. @returns the tickets that were left */
  clear(): readonly ResourceTicket[] {
    const left = this.#tickets.map((entry) => entry.ticket);
    for (const ticket of left) this.removeTicket(ticket);
    this.#unclaimed = [];
    return left;
  }
}

function matches(ticket: ResourceTicket, resource: GunyahResource): boolean {
  return ticket.type === resource.type && ticket.label === resource.label;
}

function offer(entry: TicketEntry, resource: GunyahResource): boolean {
  if (!matches(entry.ticket, resource) || !entry.ticket.populate(resource)) return false;
  // Most recent first, which is where a ticket that takes several looks.
  entry.resources.unshift(resource);
  return true;
}

/** A ticket that takes every resource and uses the most recent: address space and memory extents. */
export class ListTicket implements ResourceTicket {
  readonly type: number;
  readonly label: number;
  readonly #resources: GunyahResource[] = [];

  constructor(type: number, label: number) {
    this.type = type;
    this.label = label;
  }

  /** The resource in use. */
  get first(): GunyahResource | undefined {
    return this.#resources[0];
  }
  populate(resource: GunyahResource): boolean {
    this.#resources.unshift(resource);
    return true;
  }
  unpopulate(resource: GunyahResource): void {
    const index = this.#resources.indexOf(resource);
    if (index >= 0) this.#resources.splice(index, 1);
  }
}

import type { EventFd, HostFile } from "@gunyah-ts/kernel";

/** The open file of an eventfd. */
export class EventFdFile implements HostFile {
  readonly kind = "[eventfd]";
  readonly event: EventFd;

  constructor(event: EventFd) {
    this.event = event;
  }
}

import {
  type Device,
  type DeviceResources,
  type DeviceType,
  definePlugin,
  ModelError,
  type NotifyRegister,
  vmmHooks,
} from "@gunyah-ts/kernel";

const PAGE_SIZE = 4096;
const LARGEST_MESSAGE = PAGE_SIZE - 4;

const Register = {
  /** Read: 0 speaks first, 1 answers. */
  ROLE: 0x00,
  /** Write: number of the page of guest memory that holds messages. */
  PAGE: 0x04,
  /** Write: there is a message. An ioeventfd: the store does not stop the vCPU. */
  BELL: 0x08,
  /** Read: 1 while the other VM is there. */
  PEER: 0x0c,
} as const;

/** What connects the mailboxes of two VMs: one `Link` for both, `end` 0 in one VM and 1 in the other. */
export class Link {
  readonly ends: (Mailbox | undefined)[] = [undefined, undefined];
}

/**
 * One end of a link. A guest shares a page of its memory with the host, writes messages there and rings; the host
 * copies a message into the other guest's page and rings that one. Nothing in a guest's page is trusted.
 */
class Mailbox implements Device {
  readonly name: string;
  readonly windowSize = PAGE_SIZE;
  readonly interrupt = "edge";
  readonly description = { node: "mailbox", properties: { compatible: "example,mailbox" } } as const;
  readonly notifications: readonly NotifyRegister[] = [
    { offset: Register.BELL, length: 4, notified: () => this.#send() },
  ];
  readonly #link: Link;
  readonly #end: 0 | 1;
  #resources: DeviceResources | undefined;
  #page: number | undefined;
  /** Messages for a guest that has not said yet where to put them. */
  readonly #waiting: Uint8Array[] = [];

  constructor(name: string, link: Link, end: 0 | 1) {
    this.name = name;
    this.#link = link;
    this.#end = end;
    link.ends[end] = this;
  }

  activate(resources: DeviceResources): void {
    this.#resources = resources;
  }

  read(offset: number): number {
    if (offset === Register.ROLE) return this.#end;
    return offset === Register.PEER && this.#peer !== undefined ? 1 : 0;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset !== Register.PAGE) return;
    this.#page = value * PAGE_SIZE;
    for (const message of this.#waiting.splice(0)) this.#receive(message);
  }

  dispose(): void {
    const peer = this.#peer;
    this.#link.ends[this.#end] = undefined;
    if (peer !== undefined) peer.#resources?.line.pulse();
  }

  get #peer(): Mailbox | undefined {
    return this.#link.ends[1 - this.#end];
  }

  #send(): void {
    const header = new Uint8Array(4);
    if (this.#page === undefined || this.#resources?.memory.read(this.#page, header) !== true) return;
    const length = new DataView(header.buffer).getUint32(0, true);
    const message = new Uint8Array(4 + Math.min(length, LARGEST_MESSAGE));
    const peer = this.#peer;
    if (peer !== undefined && this.#resources.memory.read(this.#page, message)) peer.#receive(message);
  }

  #receive(message: Uint8Array): void {
    if (this.#page === undefined) {
      this.#waiting.push(message);
      return;
    }
    if (this.#resources?.memory.write(this.#page, message) === true) this.#resources.line.pulse();
  }
}

const mailboxType: DeviceType<{ readonly link: Link; readonly end: 0 | 1 }> = {
  type: "mailbox",
  validate(options, path) {
    const { link, end } = (options ?? {}) as { link?: unknown; end?: unknown };
    if (!(link instanceof Link) || (end !== 0 && end !== 1))
      throw new ModelError("VMM_DEVICE_OPTION", `${path} needs a link and an end, 0 or 1`, { path });
    return { link, end };
  },
  create: ({ link, end }, { name }) => new Mailbox(name, link, end),
};

/** Provides the device type `mailbox`. */
export const mailbox = definePlugin({
  name: "example-mailbox",
  version: "1.0.0",
  setup(ctx) {
    ctx.own(ctx.hooks(vmmHooks).device, mailboxType.type, () => mailboxType as DeviceType);
  },
});

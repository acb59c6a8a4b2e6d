import type { Socket } from "node:net";

/**
 * The debugger's end of a connection to `qemu-aarch64 -g`. QEMU listens; the caller connects when the socket is there.
 * Source: GDB manual, Remote Serial Protocol; register numbers from org.gnu.gdb.aarch64.core
 */
export class Gdb {
  readonly #socket: Socket;
  #input = "";
  readonly #packets: string[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#receive(text));
    const ended = () => {
      this.#isClosed = true;
      this.#wake?.();
    };
    socket.on("close", ended);
    socket.on("error", ended);
  }

  #receive(text: string): void {
    this.#input += text;
    for (;;) {
      const start = this.#input.indexOf("$");
      const end = this.#input.indexOf("#", start);
      if (start < 0 || end < 0 || this.#input.length < end + 3) return;
      this.#packets.push(this.#input.slice(start + 1, end));
      this.#input = this.#input.slice(end + 3);
      this.#socket.write("+");
      this.#wake?.();
    }
  }

  send(packet: string): void {
    let sum = 0;
    for (let i = 0; i < packet.length; i++) sum = (sum + packet.charCodeAt(i)) & 0xff;
    this.#socket.write(`$${packet}#${sum.toString(16).padStart(2, "0")}`, "latin1");
  }

  /** @returns the next packet, or undefined when the program has gone */
  async reply(): Promise<string | undefined> {
    while (this.#packets.length === 0 && !this.#isClosed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#packets.shift();
  }

  async #ask(packet: string): Promise<string> {
    this.send(packet);
    const reply = await this.reply();
    if (reply === undefined || reply === "" || /^E[0-9a-f]{2}$/.test(reply))
      throw new Error(`gdb: ${packet}: ${reply}`);
    return reply;
  }

  /** QEMU writes single registers only for a debugger that knows their description. */
  async begin(): Promise<void> {
    await this.#ask("qXfer:features:read:target.xml:0,400");
  }

  async breakAt(address: number): Promise<void> {
    await this.#ask(`Z0,${address.toString(16)},4`);
  }

  async unbreak(address: number): Promise<void> {
    await this.#ask(`z0,${address.toString(16)},4`);
  }

  /** X0 to X30, SP, PC. */
  async registers(): Promise<BigUint64Array> {
    const bytes = Buffer.from((await this.#ask("g")).slice(0, 33 * 16), "hex");
    return BigUint64Array.from({ length: 33 }, (_, n) => bytes.readBigUInt64LE(8 * n));
  }

  async setRegister(number: number, value: bigint): Promise<void> {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
    await this.#ask(`P${number.toString(16)}=${bytes.toString("hex")}`);
  }

  async read(address: bigint, length: number): Promise<Uint8Array> {
    return Buffer.from(await this.#ask(`m${address.toString(16)},${length.toString(16)}`), "hex");
  }

  async write(address: bigint, bytes: Uint8Array): Promise<void> {
    await this.#ask(`M${address.toString(16)},${bytes.length.toString(16)}:${Buffer.from(bytes).toString("hex")}`);
  }

  close(): void {
    this.#socket.destroy();
  }
}

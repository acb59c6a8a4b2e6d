import type { ConsolePort, Device, DeviceContext, DeviceResources, InterruptLine } from "@gunyah-ts/kernel";
import { SerialReceiver } from "../serial-receiver.ts";
import { Flag, IDENTIFICATION, Interrupt, PLAIN_REGISTERS, Pl011Register as Reg } from "./registers.ts";

/** Receive FIFO of revision r1p4 and older. DDI 0183 G §1.1.1 */
const FIFO_DEPTH = 16;
/** IFLS.RXIFLSEL to the level at which the receive interrupt rises. §3.3.9 */
const RX_LEVELS = [2, 4, 8, 12, 14] as const;

/**
 * Arm PrimeCell UART (PL011).
 *
 * Transmission takes no time: the transmit FIFO is always empty. The receive timeout interrupt, which hardware raises
 * after 32 idle bit periods, rises at once while the FIFO holds less than the receive level.
 * Source: DDI 0183 G.
 */
export class Pl011 implements Device {
  readonly name: string;
  readonly windowSize = 0x1000;
  readonly interrupt = "level";
  readonly description = {
    node: "pl011",
    properties: { compatible: ["arm,pl011", "arm,primecell"] },
    clocks: [
      { name: "uartclk", frequencyHz: 24_000_000 },
      { name: "apb_pclk", frequencyHz: 24_000_000 },
    ],
    stdout: {},
  } as const;

  readonly #console: ConsolePort;
  readonly #plain = new Map<number, number>(PLAIN_REGISTERS.map(({ offset, reset }) => [offset, reset]));
  readonly #receiver = new SerialReceiver(() => {
    this.#rawInterrupts |= this.#receiver.length >= this.#receiveLevel ? Interrupt.RX : Interrupt.RT;
    this.#updateLine();
  });
  readonly #byte = new Uint8Array(1);
  #rawInterrupts = 0;
  #line: InterruptLine | undefined;

  constructor(context: DeviceContext) {
    this.name = context.name;
    this.#console = context.console;
  }

  activate({ line }: DeviceResources): void {
    this.#line = line;
    this.#receiver.connect(this.#console);
  }

  dispose(): void {
    this.#receiver.disconnect();
  }

  read(offset: number, _size: number): number {
    if (offset === Reg.FR || offset === Reg.RIS) this.#receiver.poll();
    else this.#receiver.touch();
    switch (offset) {
      case Reg.DR:
        return this.#takeByte();
      case Reg.RSR:
        return 0;
      case Reg.FR:
        return this.#flags();
      case Reg.RIS:
        return this.#rawInterrupts;
      case Reg.MIS:
        return this.#rawInterrupts & this.#get(Reg.IMSC);
      default:
        if (offset >= Reg.PERIPH_ID0) return IDENTIFICATION[(offset - Reg.PERIPH_ID0) >> 2] ?? 0;
        return this.#plain.get(offset) ?? 0;
    }
  }

  write(offset: number, _size: number, value: number): void {
    switch (offset) {
      case Reg.DR:
        this.#receiver.touch();
        this.#transmit(value & 0xff);
        return;
      case Reg.ICR:
        this.#rawInterrupts &= ~value;
        break;
      default: {
        const register = PLAIN_REGISTERS.find((candidate) => candidate.offset === offset);
        if (register === undefined) return; // read-only and unassigned addresses ignore writes
        this.#plain.set(offset, value & register.mask);
      }
    }
    // Nothing is received while the UART or its receiver is off.
    const receiving = (this.#get(Reg.CR) & 0x201) === 0x201;
    this.#receiver.configure(this.#depth, receiving, (this.#get(Reg.IMSC) & (Interrupt.RX | Interrupt.RT)) !== 0);
    this.#updateLine();
  }

  #get(offset: number): number {
    return this.#plain.get(offset) ?? 0;
  }

  #flags(): number {
    return (
      Flag.TXFE |
      Flag.CTS |
      Flag.DSR |
      Flag.DCD |
      (this.#receiver.length === 0 ? Flag.RXFE : 0) |
      (this.#receiver.isFull ? Flag.RXFF : 0)
    );
  }

  get #depth(): number {
    return (this.#get(Reg.LCR_H) & 0x10) === 0 ? 1 : FIFO_DEPTH;
  }

  #transmit(byte: number): void {
    this.#byte[0] = byte;
    this.#console.output(this.#byte);
    // The byte left at once, so the FIFO passed its level from above: §2.8.3, UARTTXINTR.
    this.#rawInterrupts |= Interrupt.TX;
    this.#updateLine();
  }

  #takeByte(): number {
    // What the next bytes raise, they raise after this.
    if (this.#receiver.length <= 1) this.#rawInterrupts &= ~(Interrupt.RX | Interrupt.RT);
    else if (this.#receiver.length <= this.#receiveLevel) this.#rawInterrupts &= ~Interrupt.RX;
    const byte = this.#receiver.take();
    this.#updateLine();
    return Math.max(byte, 0);
  }

  get #receiveLevel(): number {
    return this.#depth === 1 ? 1 : (RX_LEVELS[(this.#get(Reg.IFLS) >> 3) & 7] ?? 8);
  }

  #updateLine(): void {
    this.#line?.set((this.#rawInterrupts & this.#get(Reg.IMSC)) !== 0);
  }
}

import type { ConsolePort, Device, DeviceContext, DeviceResources, InterruptLine } from "@gunyah-ts/kernel";
import { SerialReceiver } from "../serial-receiver.ts";

/** Registers, by byte offset; 8 bits wide. Source: TI PC16550D data sheet (SNLS378), table 2. */
const Reg = { DATA: 0, IER: 1, IIR_FCR: 2, LCR: 3, MCR: 4, LSR: 5, MSR: 6, SCR: 7 } as const;
/** Receive FIFO, when it is enabled. */
const FIFO_DEPTH = 16;
const Ier = { RX: 1, THRE: 2 } as const;
/** Interrupt identification, highest priority first: receive, then transmitter empty. §8.6.5 */
const Iir = { NONE: 1, THRE: 2, RX: 4, FIFOS: 0xc0 } as const;
/** FIFO control. §8.5 */
const Fcr = { ENABLE: 1, CLEAR_RECEIVER: 2 } as const;
const Lsr = { DR: 0x01, THRE: 0x20, TEMT: 0x40 } as const;
const LCR_DLAB = 0x80;
const MCR_LOOP = 0x10;
/** CTS, DSR, DCD. */
const MSR_CONNECTED = 0xb0;

/**
 * A 16550A UART. Transmission takes no time, so the transmitter is always empty; the receive trigger level is 1 byte.
 * Source: TI PC16550D data sheet (SNLS378).
 */
export class Uart16550 implements Device {
  readonly name: string;
  readonly windowSize = 0x1000;
  readonly interrupt = "level";
  readonly description = {
    node: "serial",
    properties: { compatible: "ns16550a", "clock-frequency": 1_843_200, "reg-shift": 0, "reg-io-width": 1 },
    stdout: {},
  } as const;

  readonly #console: ConsolePort;
  readonly #receiver = new SerialReceiver(() => this.#updateLine());
  readonly #byte = new Uint8Array(1);
  #divisor = 12;
  #ier = 0;
  #fcr = 0;
  #lcr = 3;
  #mcr = 8;
  #scratch = 0;
  #thrEmptyPending = false;
  #line: InterruptLine | undefined;

  constructor(context: DeviceContext) {
    this.name = context.name;
    this.#console = context.console;
  }

  activate({ line }: DeviceResources): void {
    this.#line = line;
    this.#receiver.connect(this.#console);
    this.#configure();
  }

  dispose(): void {
    this.#receiver.disconnect();
  }

  read(offset: number, _size: number): number {
    if (offset === Reg.LSR) this.#receiver.poll();
    else this.#receiver.touch();
    switch (offset) {
      case Reg.DATA:
        return this.#divisorLatch ? this.#divisor & 0xff : this.#receive();
      case Reg.IER:
        return this.#divisorLatch ? this.#divisor >> 8 : this.#ier;
      case Reg.IIR_FCR:
        return this.#identify();
      case Reg.LCR:
        return this.#lcr;
      case Reg.MCR:
        return this.#mcr;
      case Reg.LSR:
        return Lsr.THRE | Lsr.TEMT | (this.#receiver.length > 0 ? Lsr.DR : 0);
      case Reg.MSR:
        // In loop-back the modem inputs show the outputs: CTS = RTS, DSR = DTR, RI = OUT1, DCD = OUT2. §8.6.7
        return (this.#mcr & MCR_LOOP) === 0 ? MSR_CONNECTED : loopedStatus(this.#mcr);
      case Reg.SCR:
        return this.#scratch;
      default:
        return 0;
    }
  }

  write(offset: number, _size: number, value: number): void {
    const byte = value & 0xff;
    switch (offset) {
      case Reg.DATA:
        if (this.#divisorLatch) this.#divisor = (this.#divisor & 0xff00) | byte;
        else this.#transmit(byte);
        break;
      case Reg.IER:
        if (this.#divisorLatch) this.#divisor = (this.#divisor & 0xff) | (byte << 8);
        else {
          // Enabling the transmitter interrupt while the register is empty raises it at once.
          if ((byte & Ier.THRE) !== 0 && (this.#ier & Ier.THRE) === 0) this.#thrEmptyPending = true;
          this.#ier = byte & 0xf;
        }
        break;
      case Reg.IIR_FCR:
        this.#fcr = byte & 0xc9;
        if ((byte & Fcr.CLEAR_RECEIVER) !== 0) this.#receiver.clear();
        break;
      case Reg.LCR:
        this.#lcr = byte;
        break;
      case Reg.MCR:
        this.#mcr = byte & 0x1f;
        break;
      case Reg.SCR:
        this.#scratch = byte;
        break;
      default:
        return; // LSR and MSR are read only
    }
    this.#configure();
    this.#updateLine();
  }

  /** In loop-back nothing comes from outside. §8.6.7 */
  #configure(): void {
    const depth = (this.#fcr & Fcr.ENABLE) === 0 ? 1 : FIFO_DEPTH;
    this.#receiver.configure(depth, (this.#mcr & MCR_LOOP) === 0, (this.#ier & Ier.RX) !== 0);
  }

  get #divisorLatch(): boolean {
    return (this.#lcr & LCR_DLAB) !== 0;
  }

  #receive(): number {
    const byte = Math.max(this.#receiver.take(), 0);
    this.#updateLine();
    return byte;
  }

  #transmit(byte: number): void {
    if ((this.#mcr & MCR_LOOP) !== 0) this.#receiver.loopBack(byte);
    else {
      this.#byte[0] = byte;
      this.#console.output(this.#byte);
    }
    this.#thrEmptyPending = true;
  }

  get #pending(): number {
    if ((this.#ier & Ier.RX) !== 0 && this.#receiver.length > 0) return Iir.RX;
    if ((this.#ier & Ier.THRE) !== 0 && this.#thrEmptyPending) return Iir.THRE;
    return Iir.NONE;
  }

  /** Reading the identification clears a transmitter-empty interrupt. §8.6.5 */
  #identify(): number {
    const pending = this.#pending;
    if (pending === Iir.THRE) {
      this.#thrEmptyPending = false;
      this.#updateLine();
    }
    return pending | ((this.#fcr & Fcr.ENABLE) !== 0 ? Iir.FIFOS : 0);
  }

  #updateLine(): void {
    this.#line?.set(this.#pending !== Iir.NONE);
  }
}

function loopedStatus(mcr: number): number {
  return ((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
}

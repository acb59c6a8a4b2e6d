/**
 * Registers of the PL011, by byte offset. All are 32 bits wide on the bus.
 * Source: Arm PrimeCell UART (PL011) Technical Reference Manual, DDI 0183 G, §3.2 Summary of registers.
 */
export const Pl011Register = {
  /** Data, 7:0; reading takes from the receive FIFO. §3.3.1 */
  DR: 0x000,
  /** Receive status; a write clears errors. §3.3.2 */
  RSR: 0x004,
  /** Flags, read only. §3.3.3 */
  FR: 0x018,
  /** IrDA low power counter. §3.3.4 */
  ILPR: 0x020,
  /** Integer baud rate divisor. §3.3.5 */
  IBRD: 0x024,
  /** Fractional baud rate divisor. §3.3.6 */
  FBRD: 0x028,
  /** Line control; FEN is bit 4. §3.3.7 */
  LCR_H: 0x02c,
  /** Control: UARTEN 0, TXE 8, RXE 9. §3.3.8 */
  CR: 0x030,
  /** Interrupt FIFO level select. §3.3.9 */
  IFLS: 0x034,
  /** Interrupt mask set/clear. §3.3.10 */
  IMSC: 0x038,
  /** Raw interrupt status, read only. §3.3.11 */
  RIS: 0x03c,
  /** Masked interrupt status, read only. §3.3.12 */
  MIS: 0x040,
  /** Interrupt clear, write only. §3.3.13 */
  ICR: 0x044,
  /** DMA control. §3.3.14 */
  DMACR: 0x048,
  /** First of the eight identification registers. §3.3.15-22 */
  PERIPH_ID0: 0xfe0,
} as const;

/** FR. */
export const Flag = {
  CTS: 0x01,
  DSR: 0x02,
  DCD: 0x04,
  BUSY: 0x08,
  RXFE: 0x10,
  TXFF: 0x20,
  RXFF: 0x40,
  TXFE: 0x80,
} as const;

/** RIS, MIS, IMSC, ICR. */
export const Interrupt = { RX: 0x10, TX: 0x20, RT: 0x40, ALL: 0x7ff } as const;

/** UARTPeriphID0-3 (part 0x011, designer Arm 0x41, revision 1), UARTPCellID0-3. */
export const IDENTIFICATION = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1] as const;

/** Stored bits of the registers that the model only keeps, and their reset values. */
export const PLAIN_REGISTERS: readonly { readonly offset: number; readonly mask: number; readonly reset: number }[] = [
  { offset: Pl011Register.ILPR, mask: 0xff, reset: 0 },
  { offset: Pl011Register.IBRD, mask: 0xffff, reset: 0 },
  { offset: Pl011Register.FBRD, mask: 0x3f, reset: 0 },
  { offset: Pl011Register.LCR_H, mask: 0xff, reset: 0 },
  { offset: Pl011Register.CR, mask: 0xff87, reset: 0x300 },
  { offset: Pl011Register.IFLS, mask: 0x3f, reset: 0x12 },
  { offset: Pl011Register.IMSC, mask: Interrupt.ALL, reset: 0 },
  { offset: Pl011Register.DMACR, mask: 0x7, reset: 0 },
];

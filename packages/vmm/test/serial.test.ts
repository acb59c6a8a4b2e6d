import { describe, expect, it } from "vitest";
import { Pl011 } from "../src/devices/pl011/pl011.ts";
import { Flag, Interrupt, Pl011Register as Reg } from "../src/devices/pl011/registers.ts";
import { Uart16550 } from "../src/devices/uart16550/uart16550.ts";
import { ArrayMemory, deviceContext, RecordedConsole, RecordedLine } from "./support.ts";

function setUp<T extends Pl011 | Uart16550>(create: (context: ReturnType<typeof deviceContext>) => T) {
  const console = new RecordedConsole();
  const line = new RecordedLine();
  const device = create(deviceContext(console));
  device.activate({ line, memory: new ArrayMemory(0), defer: () => {} });
  return { console, line, device };
}

describe("PL011", () => {
  const uart = () => setUp((context) => new Pl011(context));
  const enable = (device: Pl011, mask: number): void => {
    device.write(Reg.LCR_H, 4, 0x70);
    device.write(Reg.CR, 4, 0x301);
    device.write(Reg.IMSC, 4, mask);
  };

  it("has the identification that amba probes for", () => {
    const { device } = uart();
    const bytes = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map((offset) => device.read(offset, 4));
    expect(bytes).toEqual([0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
  });

  it("resets CR to 0x300 and IFLS to 0x12", () => {
    const { device } = uart();
    expect([device.read(Reg.CR, 4), device.read(Reg.IFLS, 4), device.read(Reg.IMSC, 4)]).toEqual([0x300, 0x12, 0]);
  });

  it("sends a byte and raises the transmit interrupt until it is cleared", () => {
    const { device, console, line } = uart();
    enable(device, Interrupt.TX);
    device.write(Reg.DR, 4, 0x41);
    expect(console.text).toBe("A");
    expect(line.level).toBe(true);
    expect(device.read(Reg.MIS, 4)).toBe(Interrupt.TX);
    device.write(Reg.ICR, 4, Interrupt.TX);
    expect(line.level).toBe(false);
    expect(device.read(Reg.FR, 4) & Flag.TXFF).toBe(0);
  });

  it("receives through the FIFO: timeout below the level, receive at it, nothing lost beyond 16", () => {
    const { device, console, line } = uart();
    enable(device, Interrupt.RX | Interrupt.RT);
    expect(device.read(Reg.FR, 4) & Flag.RXFE).not.toBe(0);
    console.type("ab");
    expect(device.read(Reg.MIS, 4)).toBe(Interrupt.RT);
    console.type("cdefghijklmnopqrstuvwxyz");
    expect(device.read(Reg.MIS, 4) & Interrupt.RX).not.toBe(0);
    expect(device.read(Reg.FR, 4) & Flag.RXFF).not.toBe(0);
    let text = "";
    while ((device.read(Reg.FR, 4) & Flag.RXFE) === 0) text += String.fromCharCode(device.read(Reg.DR, 4));
    expect(text).toBe("abcdefghijklmnopqrstuvwxyz");
    expect(line.level).toBe(false);
  });

  /** What a driver does that empties the FIFO, at most 32 times: it stops where there is nothing. */
  const drain = (device: Pl011): number => {
    for (let count = 0; count < 32; count++) {
      if ((device.read(Reg.FR, 4) & Flag.RXFE) !== 0) return count;
      device.read(Reg.DR, 4);
    }
    return 32;
  };
  const readAll = (device: Pl011): string => {
    let text = "";
    while ((device.read(Reg.FR, 4) & Flag.RXFE) === 0) text += String.fromCharCode(device.read(Reg.DR, 4));
    return text;
  };

  it("keeps what is typed until the driver listens, also from its emptying of the FIFO", () => {
    const { device, console, line } = uart();
    console.type("typed before ");
    enable(device, 0);
    console.type("the driver listens");
    expect(drain(device)).toBe(0);
    expect(line.level).toBe(false);
    device.write(Reg.IMSC, 4, Interrupt.RX | Interrupt.RT);
    expect(line.level).toBe(true);
    expect(readAll(device)).toBe("typed before the driver listens");
    device.write(Reg.IMSC, 4, 0);
    console.type("x");
    expect(drain(device)).toBe(0);
    device.write(Reg.IMSC, 4, Interrupt.RX);
    expect(readAll(device)).toBe("x");
  });

  it("gives its input to a program that polls, but not to one that looks now and then", () => {
    const { device, console } = uart();
    enable(device, 0);
    console.type("ab");
    for (let count = 0; count < 100; count++) {
      for (let look = 0; look < 15; look++) expect(device.read(Reg.FR, 4) & Flag.RXFE).not.toBe(0);
      device.write(Reg.DR, 4, 0x2e);
    }
    for (let count = 0; count < 15; count++) expect(device.read(Reg.FR, 4) & Flag.RXFE).not.toBe(0);
    expect(device.read(Reg.RIS, 4) & Interrupt.RT).toBe(Interrupt.RT);
    expect(readAll(device)).toBe("ab");
  });

  it("receives nothing while the UART or its receiver is off, listening or not", () => {
    const { device, console } = uart();
    enable(device, Interrupt.RX);
    for (const cr of [0, 0x300, 0x101]) {
      device.write(Reg.CR, 4, cr);
      console.type("x");
      for (let count = 0; count < 40; count++) expect(device.read(Reg.FR, 4) & Flag.RXFE).not.toBe(0);
    }
    device.write(Reg.CR, 4, 0x301);
    expect(readAll(device)).toBe("xxx");
  });

  it("has a FIFO of 16 bytes, or of one while it is off", () => {
    const { device, console } = uart();
    enable(device, Interrupt.RX);
    console.type("0123456789abcdefgh");
    device.write(Reg.CR, 4, 0);
    expect(readAll(device)).toBe("0123456789abcdef");
    device.write(Reg.LCR_H, 4, 0);
    device.write(Reg.CR, 4, 0x301);
    expect(device.read(Reg.FR, 4) & Flag.RXFF).toBe(Flag.RXFF);
    device.write(Reg.CR, 4, 0);
    expect(readAll(device)).toBe("g");
  });

  it("ignores writes to read-only registers", () => {
    const { device } = uart();
    device.write(Reg.RIS, 4, 0x7ff);
    device.write(0xfe0, 4, 0xff);
    expect([device.read(Reg.RIS, 4), device.read(0xfe0, 4)]).toEqual([0, 0x11]);
  });
});

describe("16550", () => {
  const uart = () => setUp((context) => new Uart16550(context));

  it("sends, receives and identifies its interrupts by priority", () => {
    const { device, console, line } = uart();
    device.write(1, 1, 3);
    expect(device.read(2, 1) & 0xf).toBe(2);
    expect(device.read(2, 1) & 0xf).toBe(1);
    device.write(0, 1, 0x42);
    expect(console.text).toBe("B");
    console.type("z");
    expect(device.read(2, 1) & 0xf).toBe(4);
    expect(device.read(5, 1) & 1).toBe(1);
    expect(device.read(0, 1)).toBe(0x7a);
    expect(device.read(2, 1) & 0xf).toBe(2);
    expect(line.level).toBe(false);
  });

  it("keeps what is typed before the driver listens, past its reset of the FIFO", () => {
    const { device, console } = uart();
    console.type("early");
    for (const fcr of [1, 7, 0, 1]) device.write(2, 1, fcr);
    expect([device.read(5, 1) & 1, device.read(0, 1)]).toEqual([0, 0]);
    device.write(1, 1, 1);
    let text = "";
    while ((device.read(5, 1) & 1) !== 0) text += String.fromCharCode(device.read(0, 1));
    expect(text).toBe("early");
  });

  it("gives its input to a program that polls", () => {
    const { device, console } = uart();
    console.type("p");
    const looks = Array.from({ length: 16 }, () => device.read(5, 1) & 1);
    expect([looks.indexOf(1), device.read(0, 1)]).toEqual([15, 0x70]);
  });

  it("loses with a reset of the FIFO what is in it, and no more", () => {
    const { device, console } = uart();
    device.write(2, 1, 1);
    device.write(1, 1, 1);
    console.type("0123456789abcdefgh");
    device.write(2, 1, 3);
    expect(device.read(0, 1)).toBe(0x67);
  });

  it("hides the divisor behind DLAB and loops back", () => {
    const { device } = uart();
    device.write(3, 1, 0x83);
    device.write(0, 1, 0x34);
    device.write(1, 1, 0x12);
    expect([device.read(0, 1), device.read(1, 1)]).toEqual([0x34, 0x12]);
    device.write(3, 1, 3);
    device.write(4, 1, 0x1b);
    expect(device.read(6, 1)).toBe(0xb0);
    device.write(0, 1, 0x55);
    expect(device.read(0, 1)).toBe(0x55);
    device.write(2, 1, 1);
    expect(device.read(2, 1) & 0xc0).toBe(0xc0);
  });
});

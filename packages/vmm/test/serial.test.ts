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

  it("keeps input until the receiver is on", () => {
    const { device, console } = uart();
    device.write(Reg.CR, 4, 0);
    console.type("x");
    expect(device.read(Reg.FR, 4) & Flag.RXFE).not.toBe(0);
    enable(device, 0);
    expect(device.read(Reg.DR, 4)).toBe(0x78);
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

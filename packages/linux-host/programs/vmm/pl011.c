/*
 * Arm PrimeCell UART (PL011). What is sent leaves at once, so the transmit FIFO is always empty; the receive timeout
 * interrupt rises at once while the FIFO is below its level. Source: Arm DDI 0183 G, §3.3
 */
#include "vmm.h"

enum {
	DR = 0x00, RSR = 0x04, FR = 0x18, ILPR = 0x20, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34,
	IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44, DMACR = 0x48, PERIPH_ID0 = 0xfe0,
};
enum { FR_CTS = 0x01, FR_DSR = 0x02, FR_DCD = 0x04, FR_RXFE = 0x10, FR_RXFF = 0x40, FR_TXFE = 0x80 };
enum { RX = 0x10, TX = 0x20, RT = 0x40 };
enum { FEN = 0x10, UARTEN_RXE = 0x201, FIFO = 16 };

static struct {
	int irq;
	bool line;
	uint32_t raw, imsc, cr, lcr, ifls, ilpr, ibrd, fbrd, dmacr;
	uint8_t fifo[FIFO];
	unsigned first, length;
} uart = {.irq = -1, .cr = 0x300, .ifls = 0x12};

static unsigned depth(void)
{
	return (uart.lcr & FEN) != 0 ? FIFO : 1;
}

static unsigned level(void)
{
	static const uint8_t levels[] = {2, 4, 8, 12, 14};
	unsigned select = uart.ifls >> 3 & 7;
	return depth() == 1 ? 1 : select < sizeof(levels) ? levels[select] : 8;
}

/* The eventfd rings the guest's doorbell at each rising edge; the guest's driver leaves only when nothing is pending. */
static void update_line(void)
{
	bool now = (uart.raw & uart.imsc) != 0;
	if (now && !uart.line) {
		uint64_t one = 1;
		checked(linux_call(NR_WRITE, uart.irq, (long)&one, sizeof(one), 0, 0, 0), "write to the irqfd's eventfd");
	}
	uart.line = now;
}

void pl011_connect(int irq)
{
	uart.irq = irq;
}

/* Nothing is received while the UART or its receiver is off. */
size_t pl011_room(void)
{
	if ((uart.cr & UARTEN_RXE) != UARTEN_RXE || uart.length >= depth())
		return 0;
	return depth() - uart.length;
}

void pl011_receive(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count && uart.length < FIFO; i++)
		uart.fifo[(uart.first + uart.length++) % FIFO] = bytes[i];
	uart.raw |= uart.length >= level() ? RX : RT;
	update_line();
}

static uint8_t take(void)
{
	if (uart.length == 0)
		return 0;
	uint8_t byte = uart.fifo[uart.first];
	uart.first = (uart.first + 1) % FIFO;
	uart.length--;
	if (uart.length == 0)
		uart.raw &= ~(uint32_t)(RX | RT);
	else if (uart.length < level())
		uart.raw &= ~(uint32_t)RX;
	update_line();
	return byte;
}

static uint32_t load(uint64_t offset)
{
	static const uint8_t id[] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
	switch (offset) {
	case DR: {
		uint8_t byte = take();
		console_poll(); /* there is room now */
		return byte;
	}
	case FR:
		return FR_TXFE | FR_CTS | FR_DSR | FR_DCD | (uart.length == 0 ? FR_RXFE : 0) |
		       (uart.length >= depth() ? FR_RXFF : 0);
	case ILPR: return uart.ilpr;
	case IBRD: return uart.ibrd;
	case FBRD: return uart.fbrd;
	case LCR_H: return uart.lcr;
	case CR: return uart.cr;
	case IFLS: return uart.ifls;
	case IMSC: return uart.imsc;
	case RIS: return uart.raw;
	case MIS: return uart.raw & uart.imsc;
	case DMACR: return uart.dmacr;
	default: return offset >= PERIPH_ID0 ? id[(offset - PERIPH_ID0) / 4 % sizeof(id)] : 0;
	}
}

static void store(uint64_t offset, uint32_t value)
{
	switch (offset) {
	case DR: {
		uint8_t byte = (uint8_t)value;
		write_all(1, &byte, 1);
		uart.raw |= TX; /* the byte left: the FIFO passed its level from above */
		break;
	}
	case ILPR: uart.ilpr = value & 0xff; break;
	case IBRD: uart.ibrd = value & 0xffff; break;
	case FBRD: uart.fbrd = value & 0x3f; break;
	case LCR_H: uart.lcr = value & 0xff; break;
	case CR: uart.cr = value & 0xff87; break;
	case IFLS: uart.ifls = value & 0x3f; break;
	case IMSC: uart.imsc = value & 0x7ff; break;
	case ICR: uart.raw &= ~value; break;
	case DMACR: uart.dmacr = value & 7; break;
	default: break; /* read-only and unassigned addresses ignore writes */
	}
	update_line();
	if (offset == CR || offset == LCR_H || offset == IMSC)
		console_poll(); /* it may receive from here on */
}

void pl011_access(uint64_t offset, bool is_write, uint8_t data[8], uint32_t length)
{
	uint32_t value = 0;
	if (is_write) {
		for (uint32_t i = 0; i < length && i < 4; i++)
			value |= (uint32_t)data[i] << 8 * i;
		store(offset, value);
		return;
	}
	value = load(offset);
	for (uint32_t i = 0; i < 8; i++)
		data[i] = i < 4 ? (uint8_t)(value >> 8 * i) : 0;
}

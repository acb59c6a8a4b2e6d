/* Lines on the PL011. Source: Arm DDI 0183, UARTDR, UARTFR, UARTCR */
#include "machine.h"

static const char *group_name;

static void put(char c)
{
  volatile u32 *uart = (volatile u32 *)machine.uart;
  while (uart[0x18 / 4] & (1 << 5)) /* UARTFR.TXFF */
    ;
  uart[0] = (u32)c;
}

void put_text(const char *text)
{
  while (*text) put(*text++);
}

void put_hex(u64 value)
{
  int digits = 1;
  while (digits < 16 && value >> (4 * digits)) digits++;
  put_text("0x");
  while (digits-- > 0) put("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

static void put_decimal(s64 value)
{
  char text[24];
  int n = 24;
  u64 rest = value < 0 ? -(u64)value : (u64)value;
  text[--n] = 0;
  do text[--n] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (value < 0) text[--n] = '-';
  put_text(text + n);
}

static void put_name(const char *what, u64 n)
{
  put_text(group_name);
  put_text(": ");
  for (; *what; what++) {
    if (*what == '#') put_decimal((s64)n);
    else if (*what == '@') put_hex(n);
    else put(*what);
  }
  put_text(" = ");
}

void group(const char *name)
{
  group_name = name;
}

void show_n(const char *what, u64 n, s64 value)
{
  put_name(what, n);
  put_decimal(value);
  put('\n');
}

void show_hex_n(const char *what, u64 n, u64 value)
{
  put_name(what, n);
  put_hex(value);
  put('\n');
}

void show(const char *what, s64 value)
{
  show_n(what, 0, value);
}

void show_hex(const char *what, u64 value)
{
  show_hex_n(what, 0, value);
}

void fail(const char *why)
{
  irq_off();
  put_text("FAILED: ");
  put_text(group_name);
  put_text(": ");
  put_text(why);
  put('\n');
  for (;;) smccc(PSCI_SYSTEM_OFF, 0, 0, 0);
}

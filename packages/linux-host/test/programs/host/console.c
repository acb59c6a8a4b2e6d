/* Lines on the PL011, and counting. Source: Arm DDI 0183, UARTDR, UARTFR */
#include "host.h"

u64 checks, failures;

static void put(char c)
{
  volatile u32 *uart = (volatile u32 *)board.uart;
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

void say(const char *what, u64 value)
{
  put_text(what);
  put_text(" ");
  put_hex(value);
  put('\n');
}

void check(const char *what, u64 value, u64 wanted)
{
  checks++;
  if (value == wanted) return;
  failures++;
  put_text("FAILED: ");
  put_text(what);
  put_text(" is ");
  put_hex(value);
  say(", not", wanted);
}

void copy(void *to, const void *from, u64 size)
{
  u8 *t = to;
  const u8 *f = from;
  while (size-- > 0) *t++ = *f++;
}

void fill(void *to, u8 value, u64 size)
{
  u8 *t = to;
  while (size-- > 0) *t++ = value;
}

void exception(u64 kind, u64 esr, u64 elr, u64 far)
{
  say("FAILED: exception", kind);
  say("  ESR_EL1", esr);
  say("  ELR_EL1", elr);
  say("  FAR_EL1", far);
  fail("an exception");
}

/* What the program needs of the flattened device tree. Source: Devicetree Specification 0.4, chapter 5 */
#include "host.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4 };

struct board board;

static u32 be32(const u8 *p)
{
  return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static u64 be64(const u8 *p)
{
  return (u64)be32(p) << 32 | be32(p + 4);
}

static int same(const char *a, const char *b)
{
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* Whether a list of strings has this one. */
static int names(const u8 *list, u32 size, const char *name)
{
  for (u32 i = 0; i < size; i++) {
    if (same((const char *)list + i, name)) return 1;
    while (i < size && list[i]) i++;
  }
  return 0;
}

/* Addresses of every node that is looked for are two cells wide. */
void read_device_tree(const u8 *dtb)
{
  const u8 *strings = dtb + be32(dtb + 12), *p = dtb + be32(dtb + 8), *compatible = 0, *reg = 0;
  u32 size = 0;
  int depth = 0;
  do {
    u32 token = be32(p);
    p += 4;
    if (token == PROP) {
      const char *name = (const char *)strings + be32(p + 4);
      u32 length = be32(p);
      if (same(name, "compatible")) compatible = p + 8, size = length;
      if (same(name, "reg")) reg = p + 8;
      p += 8 + ((length + 3) & ~3u);
      continue;
    }
    if (token == NOP) continue;
    /* The properties of the node that began last are complete. */
    if (compatible && reg && names(compatible, size, "arm,pl011") && !board.uart) board.uart = be64(reg);
    if (compatible && reg && names(compatible, size, "gunyah-resource-manager")) {
      board.tx = be64(reg);
      board.rx = be64(reg + 8);
    }
    compatible = reg = 0;
    depth += token == BEGIN_NODE ? 1 : -1;
    if (token != BEGIN_NODE) continue;
    while (*p) p++;
    p = (const u8 *)(((u64)p + 4) & ~3ull);
  } while (depth > 0);
}

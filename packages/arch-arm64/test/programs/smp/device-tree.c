/* What the test needs of the flattened device tree. Source: Devicetree Specification 0.4, chapter 5 */
#include "machine.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4 };

struct property {
  const u8 *at;
  u32 size;
};

struct node {
  struct property compatible, reg, device_type, method, interrupts;
  u32 address_cells, size_cells;
};

static const u8 *strings;

static u32 be32(const u8 *p)
{
  return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static u64 cells(const u8 *p, u32 count)
{
  u64 value = 0;
  while (count-- > 0) {
    value = value << 32 | be32(p);
    p += 4;
  }
  return value;
}

static int same(const char *a, const char *b)
{
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* Whether a list of strings has this one. */
static int names(struct property p, const char *name)
{
  for (u32 i = 0; i < p.size; i++) {
    if (same((const char *)p.at + i, name)) return 1;
    while (i < p.size && p.at[i]) i++;
  }
  return 0;
}

static void learn(const struct node *n, u32 address_cells, u32 size_cells)
{
  u32 entry = 4 * (address_cells + size_cells);
  if (names(n->compatible, "arm,pl011") && !machine.uart) machine.uart = cells(n->reg.at, address_cells);
  if (names(n->compatible, "arm,gic-v3")) {
    machine.gicd = cells(n->reg.at, address_cells);
    machine.gicr = cells(n->reg.at + entry, address_cells);
  }
  if (names(n->compatible, "arm,psci-0.2") && n->method.size) machine.psci_smc = n->method.at[0] == 's';
  if (names(n->compatible, "arm,armv8-timer")) {
    /* Secure, non-secure, virtual: three cells each, PPI number in the second. */
    machine.physical_timer = be32(n->interrupts.at + 16) + 16;
    machine.virtual_timer = be32(n->interrupts.at + 28) + 16;
  }
  if (names(n->device_type, "memory") && !machine.memory_size) {
    machine.memory = cells(n->reg.at, address_cells);
    machine.memory_size = cells(n->reg.at + 4 * address_cells, size_cells);
  }
  if (names(n->device_type, "cpu") && cpu_count < MAX_CPUS) {
    cpus[cpu_count].index = cpu_count;
    cpus[cpu_count++].mpidr = cells(n->reg.at, address_cells) & MPIDR_AFFINITY;
  }
}

/* One node from behind BEGIN_NODE. Returns what follows its END_NODE. */
static const u8 *walk(const u8 *p, u32 address_cells, u32 size_cells)
{
  struct node n = {.address_cells = 2, .size_cells = 1};
  int learned = 0;
  while (*p) p++;
  p = (const u8 *)(((u64)p + 4) & ~3ull);
  for (;;) {
    u32 token = be32(p);
    p += 4;
    if (token == PROP) {
      struct property value = {p + 8, be32(p)};
      const char *name = (const char *)strings + be32(p + 4);
      if (same(name, "compatible")) n.compatible = value;
      else if (same(name, "reg")) n.reg = value;
      else if (same(name, "device_type")) n.device_type = value;
      else if (same(name, "method")) n.method = value;
      else if (same(name, "interrupts")) n.interrupts = value;
      else if (same(name, "#address-cells")) n.address_cells = be32(value.at);
      else if (same(name, "#size-cells")) n.size_cells = be32(value.at);
      p += 8 + ((value.size + 3) & ~3u);
      continue;
    }
    if (token == NOP) continue;
    if (!learned) learn(&n, address_cells, size_cells);
    learned = 1;
    if (token != BEGIN_NODE) return p;
    p = walk(p, n.address_cells, n.size_cells);
  }
}

void read_device_tree(const u8 *dtb)
{
  strings = dtb + be32(dtb + 12);
  walk(dtb + be32(dtb + 8) + 4, 2, 2);
}

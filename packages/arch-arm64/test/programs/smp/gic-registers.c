/* Registers of distributor and redistributor by MMIO, with all widths. Source: Arm IHI 0069H §12.9 to §12.11, §12.1.3 */
#include "machine.h"

/* PPIs that no device of either machine has: INTID 18-21. */
#define PPIS 0x003c0000u
/* Word of the SPIs that none has: INTID 96-127. */
#define WORD 3

/* One register that has a bit for each interrupt, by its set and its clear address. */
static void set_and_clear(u64 set, u64 clear, u32 mask, u64 which)
{
  wr32(clear, mask);
  show_hex_n("@ empty", which, rd32(set) & mask);
  wr32(set, 0xa5a5a5a5 & mask);
  show_hex_n("@ set", which, rd32(set) & mask);
  show_hex_n("@ read at the clear address", which, rd32(clear) & mask);
  wr32(set, 0);
  show_hex_n("@ after a write of 0", which, rd32(set) & mask);
  wr32(set, 0x0f0f0f0f & mask);
  show_hex_n("@ set more", which, rd32(set) & mask);
  wr32(clear, 0x05050505 & mask);
  show_hex_n("@ cleared some", which, rd32(set) & mask);
  wr32(clear, mask);
  show_hex_n("@ cleared", which, rd32(clear) & mask);
}

static void bits(const char *name, u64 frame, u64 word, u32 mask)
{
  group(name);
  u64 at = frame + 4 * word;
  u32 groups = rd32(at + IGROUPR);
  wr32(at + IGROUPR, 0x5a5a5a5a & mask);
  show_hex("IGROUPR", rd32(at + IGROUPR) & mask);
  wr32(at + IGROUPR, groups);
  show_hex("IGROUPR back", rd32(at + IGROUPR) & mask);
  set_and_clear(at + ISENABLER, at + ICENABLER, mask, ISENABLER);
  set_and_clear(at + ISPENDR, at + ICPENDR, mask, ISPENDR);
  set_and_clear(at + ISACTIVER, at + ICACTIVER, mask, ISACTIVER);
}

/* Bytes and words of IPRIORITYR, in the five bits that every implementation has. */
static void priorities(const char *name, u64 at)
{
  group(name);
  wr32(at, 0x10305070);
  show_hex("IPRIORITYR word", rd32(at));
  for (u64 i = 0; i < 4; i++) show_hex_n("IPRIORITYR byte #", i, rd8(at + i));
  wr8(at + 1, 0xf8);
  wr8(at + 3, 0);
  show_hex("IPRIORITYR word after bytes", rd32(at));
  wr32(at, 0xffffffff);
  show_hex("IPRIORITYR upper bits after all ones", rd32(at) & 0xf8f8f8f8);
  wr32(at, 0xa0a0a0a0);
}

/*
 * An access of a width that the register does not have: it reads as zero and is ignored, or is faulted. 1 when it
 * is so: `read` must not show the value that is there, `write` not change it.
 */
static u64 refused_read(struct cpu *me, u64 value)
{
  return me->faults != 0 || value == 0;
}

static void widths(struct cpu *me)
{
  u64 d = machine.gicd, f = frame_of(me);
  group("widths");
  me->on_sync = expect_fault;
  wr32(d + ISENABLER + 4 * WORD, 0x00ff00ff);
  wr32(d + ISENABLER + 4 * WORD + 4, 0x00ff00ff);
  u64 at = d + ISENABLER + 4 * WORD;
  me->faults = 0;
  show("byte read of GICD_ISENABLER is refused", (s64)refused_read(me, rd8(at)));
  me->faults = 0;
  show("halfword read of GICD_ISENABLER is refused", (s64)refused_read(me, rd16(at)));
  me->faults = 0;
  show("doubleword read of GICD_ISENABLER is refused", (s64)refused_read(me, rd64(d + ISENABLER + 8)));
  wr8(at + 1, 0xff);
  wr16(at + 2, 0xff00);
  wr64(d + ISENABLER + 8, ~0ull);
  show_hex("GICD_ISENABLER after writes of other widths", rd32(at));
  wr32(d + ICENABLER + 4 * WORD, ~0u);
  wr32(d + ICENABLER + 4 * WORD + 4, ~0u);

  at = d + IPRIORITYR + 32 * WORD;
  me->faults = 0;
  show("halfword read of GICD_IPRIORITYR is refused", (s64)refused_read(me, rd16(at)));
  me->faults = 0;
  show("doubleword read of GICD_IPRIORITYR is refused", (s64)refused_read(me, rd64(at)));
  wr16(at, 0x1010);
  wr64(at, 0x1010101010101010ull);
  show_hex("GICD_IPRIORITYR after writes of other widths", rd32(at));

  at = d + ICFGR + 8 * WORD;
  wr32(at, 0xaaaaaaaa);
  me->faults = 0;
  show("byte read of GICD_ICFGR is refused", (s64)refused_read(me, rd8(at)));
  me->faults = 0;
  show("halfword read of GICD_ICFGR is refused", (s64)refused_read(me, rd16(at)));
  wr8(at, 0);
  wr16(at, 0);
  show_hex("GICD_ICFGR after writes of other widths", rd32(at));
  wr32(at, 0);

  me->faults = 0;
  show("byte read of GICD_CTLR is refused", (s64)refused_read(me, rd8(d)));
  me->faults = 0;
  show("halfword read of GICD_TYPER is refused", (s64)refused_read(me, rd16(d + GICD_TYPER)));
  me->faults = 0;
  show("byte read of GICR_WAKER is refused", (s64)refused_read(me, rd8(me->redistributor + 0x14)));
  wr32(f + ISENABLER, PPIS);
  me->faults = 0;
  show("byte read of GICR_ISENABLER0 is refused", (s64)refused_read(me, rd8(f + ISENABLER + 2)));
  me->faults = 0;
  show("halfword read of GICR_ISENABLER0 is refused", (s64)refused_read(me, rd16(f + ISENABLER + 2)));
  me->faults = 0;
  show("doubleword read of GICR_ISENABLER0 is refused", (s64)refused_read(me, rd64(f + ISENABLER)));
  wr64(f + ICENABLER, ~0ull);
  wr16(f + ICENABLER + 2, 0xffff);
  show_hex("GICR_ISENABLER0 after writes of other widths", rd32(f + ISENABLER));
  wr32(f + ICENABLER, ~0u);
  me->faults = 0;
  show("halfword read of GICR_IPRIORITYR is refused", (s64)refused_read(me, rd16(f + IPRIORITYR + 18)));
  me->faults = 0;
  show("doubleword read of GICR_IPRIORITYR is refused", (s64)refused_read(me, rd64(f + IPRIORITYR + 16)));
  /* What is allowed did not fault. */
  me->faults = 0;
  (void)rd8(d + IPRIORITYR + 32 * WORD);
  (void)rd8(f + IPRIORITYR + 18);
  (void)rd64(d + GICD_IROUTER + 8 * 100);
  (void)rd64(me->redistributor + 8);
  show("faults of byte reads of priorities, and doublewords of IROUTER and GICR_TYPER", me->faults);
  /* Not aligned: the CPU's own fault, memory is Device. */
  me->faults = 0;
  (void)rd32(d + IPRIORITYR + 32 * WORD + 2);
  show("unaligned word", me->faults);
  show_hex("unaligned word: ESR_EL1", me->fault_esr & 0xfc00003f);
  show_hex("unaligned word: FAR_EL1 offset", me->fault_far - d);
  me->on_sync = 0;
}

static void routing_registers(void)
{
  u64 at = machine.gicd + GICD_IROUTER + 8 * 100;
  group("gicd");
  wr64(at, 0x123456);
  show_hex("IROUTER", rd64(at));
  wr64(at, 0x7f00010203ull);
  show_hex("IROUTER low half", rd32(at));
  show_hex("IROUTER high half", rd32(at + 4));
  wr32(at, 0x00040506);
  show_hex("IROUTER after a write of the low half", rd64(at));
  wr32(at + 4, 0x08);
  show_hex("IROUTER after a write of the high half", rd64(at));
  wr64(at, MPIDR_AFFINITY);
  show_hex("IROUTER after all ones in the affinity fields", rd64(at));
  wr64(at, cpus[0].mpidr);
}

static void identification(struct cpu *me)
{
  u64 d = machine.gicd, r = me->redistributor, f = frame_of(me);
  group("gicd");
  show_hex("CTLR", rd32(d + GICD_CTLR));
  wr32(d + GICD_CTLR, 0);
  show_hex("CTLR after a write of 0", rd32(d + GICD_CTLR));
  wr32(d + GICD_CTLR, 0x13);
  u32 typer = rd32(d + GICD_TYPER);
  show("TYPER.ITLinesNumber of 3 or more", (typer & 31) >= 3);
  show_hex("TYPER.SecurityExtn", typer >> 10 & 1);
  show_hex("PIDR2.ArchRev", rd32(d + 0xffe8) >> 4 & 15);
  show_hex("ISENABLER0", rd32(d + ISENABLER));
  wr32(d + ISENABLER, ~0u);
  show_hex("ISENABLER0 after all ones", rd32(d + ISENABLER));
  wr32(d + IPRIORITYR, ~0u);
  show_hex("IPRIORITYR0 after all ones", rd32(d + IPRIORITYR));
  wr32(d + ICFGR + 8 * WORD, 0xffffffff);
  show_hex("ICFGR upper bits after all ones", rd32(d + ICFGR + 8 * WORD) & 0xaaaaaaaa);
  wr32(d + ICFGR + 8 * WORD, 0x88888888);
  show_hex("ICFGR", rd32(d + ICFGR + 8 * WORD));
  wr32(d + ICFGR + 8 * WORD, 0);
  show_hex("ICFGR after a write of 0", rd32(d + ICFGR + 8 * WORD));

  group("gicr");
  show_hex("PIDR2.ArchRev", rd32(r + 0xffe8) >> 4 & 15);
  show_hex("TYPER affinity", rd64(r + 8) >> 32);
  show_hex("TYPER affinity as a word", rd32(r + 12));
  show_hex("TYPER.Processor_Number", rd32(r + 8) >> 8 & 0xffff);
  show_hex("WAKER", rd32(r + 0x14) & 6);
  wr32(r + 0x14, 2);
  show("WAKER.ChildrenAsleep follows", wait_until((rd32(r + 0x14) & 6) == 6));
  wr32(r + 0x14, 0);
  show("WAKER.ChildrenAsleep follows again", wait_until((rd32(r + 0x14) & 6) == 0));
  show_hex("ICFGR0", rd32(f + ICFGR) & 0xaaaaaaaa);
  wr32(f + ICFGR, 0);
  show_hex("ICFGR0 after a write of 0", rd32(f + ICFGR) & 0xaaaaaaaa);
  u64 last = 0, count = 0;
  for (u64 at = machine.gicr; !last; at += 0x20000, count++) last = rd64(at + 8) & 1 << 4;
  show("redistributors up to TYPER.Last", (s64)count);
}

void test_gic(void)
{
  struct cpu *me = this_cpu();
  identification(me);
  bits("gicd", machine.gicd, WORD, ~0u);
  bits("gicr", frame_of(me), 0, PPIS);
  bits("gicr of SGIs", frame_of(me), 0, 0xffff);
  for (unsigned n = 1; n < cpu_count; n++) bits("gicr of another", frame_of(&cpus[n]), 0, PPIS | 0xffff);
  priorities("gicd", machine.gicd + IPRIORITYR + 32 * WORD);
  priorities("gicr", frame_of(me) + IPRIORITYR + 16 + 4);
  routing_registers();
  widths(me);
  gic_set_up();
  gic_cpu_set_up(me);
}

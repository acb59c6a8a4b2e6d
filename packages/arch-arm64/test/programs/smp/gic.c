/* GICv3: set-up, and accesses of each width. Source: Arm IHI 0069H */
#include "machine.h"

u8 rd8(u64 a) { u32 v; __asm__ volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(a) : "memory"); return (u8)v; }
u16 rd16(u64 a) { u32 v; __asm__ volatile("ldrh %w0, [%1]" : "=r"(v) : "r"(a) : "memory"); return (u16)v; }
u32 rd32(u64 a) { u32 v; __asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(a) : "memory"); return v; }
u64 rd64(u64 a) { u64 v; __asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(a) : "memory"); return v; }
void wr8(u64 a, u8 v) { __asm__ volatile("strb %w0, [%1]" :: "r"((u32)v), "r"(a) : "memory"); }
void wr16(u64 a, u16 v) { __asm__ volatile("strh %w0, [%1]" :: "r"((u32)v), "r"(a) : "memory"); }
void wr32(u64 a, u32 v) { __asm__ volatile("str %w0, [%1]" :: "r"(v), "r"(a) : "memory"); }
void wr64(u64 a, u64 v) { __asm__ volatile("str %0, [%1]" :: "r"(v), "r"(a) : "memory"); }

/* The distributor with affinity routing and both groups on; every SPI off, group 1, priority 0xa0, to the boot CPU. */
void gic_set_up(void)
{
  u64 d = machine.gicd;
  u32 lines = (rd32(d + GICD_TYPER) & 31) + 1;
  wr32(d + GICD_CTLR, 0x10); /* ARE */
  for (u32 n = 1; n < lines; n++) {
    wr32(d + ICENABLER + 4 * n, ~0u);
    wr32(d + ICPENDR + 4 * n, ~0u);
    wr32(d + ICACTIVER + 4 * n, ~0u);
    wr32(d + IGROUPR + 4 * n, ~0u);
    for (u32 i = 0; i < 8; i++) wr32(d + IPRIORITYR + 32 * n + 4 * i, 0xa0a0a0a0);
  }
  wr32(d + GICD_CTLR, 0x13); /* ARE, EnableGrp1, EnableGrp0 */
}

/* SGI_base of a CPU's redistributor, found by its affinity. */
u64 frame_of(struct cpu *c)
{
  if (c->redistributor) return c->redistributor + SGI_BASE;
  u32 affinity = (u32)((c->mpidr >> 8 & 0xff000000) | (c->mpidr & 0xffffff));
  for (u64 r = machine.gicr;; r += 0x20000) {
    u64 typer = rd64(r + 8);
    if (typer >> 32 == affinity) {
      c->redistributor = r;
      return r + SGI_BASE;
    }
    if (typer & 1 << 4) fail("a CPU has no redistributor");
  }
}

/* For the CPU that calls: private interrupts off, idle, group 1, priority 0xa0; its interface open for both groups. */
void gic_cpu_set_up(struct cpu *me)
{
  u64 f = frame_of(me);
  u64 waker = me->redistributor + 0x14;
  wr32(waker, rd32(waker) & ~2u);
  while (rd32(waker) & 4)
    ;
  msr(ICC_SRE, 7);
  wr32(f + ICENABLER, ~0u);
  wr32(f + ICPENDR, ~0u);
  wr32(f + ICACTIVER, ~0u);
  wr32(f + IGROUPR, ~0u);
  for (u32 i = 0; i < 8; i++) wr32(f + IPRIORITYR + 4 * i, 0xa0a0a0a0);
  msr(ICC_PMR, 0xf8);
  msr(ICC_CTLR, 0);
  msr(ICC_BPR0, 0);
  msr(ICC_BPR1, 0);
  msr(ICC_IGRPEN0, 1);
  msr(ICC_IGRPEN1, 1);
}

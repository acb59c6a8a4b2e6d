/* SGIs between all CPUs. Source: Arm IHI 0069H §12.2.20, ICC_SGI1R_EL1 */
#include "machine.h"

static u64 stop;
static u64 listening;

static void listen(struct cpu *me, u64 mask)
{
  wr32(frame_of(me) + ISENABLER, (u32)mask);
  me->on_irq = count_irq;
  irq_on();
  __atomic_fetch_add(&listening, 1, __ATOMIC_ACQ_REL);
  wait_until(load_acquire(&stop));
  irq_off();
}

static u64 sgi(u64 intid, u64 aff1, u64 list)
{
  return intid << 24 | aff1 << 16 | list;
}

static u64 aff1_of(unsigned cpu)
{
  return cpus[cpu].mpidr >> 8 & 0xff;
}

/* TargetList bits of a set of CPUs; all of them have Aff0 below 16 and the same Aff1. */
static u64 list_of(u64 set)
{
  u64 list = 0;
  for (unsigned n = 0; n < cpu_count; n++)
    if (set >> n & 1) list |= 1ull << (cpus[n].mpidr & 15);
  return list;
}

static u64 volatile_taken(unsigned cpu)
{
  return *(volatile u32 *)&cpus[cpu].taken_all;
}

static u32 want[MAX_CPUS];

static int all_came(void)
{
  for (unsigned n = 0; n < cpu_count; n++)
    if (volatile_taken(n) < want[n]) return 0;
  return 1;
}

static void all_settle(void)
{
  wait_until(all_came());
  settle();
}

/* From this CPU to every set of CPUs, one INTID after the other, then to all others, then to nobody. */
static void source(struct cpu *me, u64 argument)
{
  (void)argument;
  wr32(frame_of(me) + ISENABLER, 0xffff);
  me->on_irq = count_irq;
  irq_on();
  for (u64 set = 0; set < 1u << cpu_count; set++) {
    for (unsigned n = 0; n < cpu_count; n++) want[n] += set >> n & 1;
    msr(ICC_SGI1R, sgi(set & 15, aff1_of(0), list_of(set)));
    wait_until(all_came());
  }
  for (u64 intid = 0; intid < 16; intid++) {
    for (unsigned n = 0; n < cpu_count; n++) want[n] += n != me->index;
    msr(ICC_SGI1R, sgi(intid, 0, 0xffff) | 1ull << 40);
    wait_until(all_came());
  }
  /* No CPU has this Aff1, Aff2 or Aff3. */
  msr(ICC_SGI1R, sgi(1, aff1_of(0) ^ 0x80, 0xffff));
  msr(ICC_SGI1R, sgi(1, aff1_of(0), 0xffff) | 1ull << 32);
  msr(ICC_SGI1R, sgi(1, aff1_of(0), 0xffff) | 1ull << 48);
  /* And these are for the other group. */
  msr(ICC_SGI0R, sgi(1, aff1_of(0), 0xffff));
  msr(ICC_ASGI1R, sgi(1, aff1_of(0), 0xffff));
  all_settle();
  irq_off();
}

static void from_each(void)
{
  for (unsigned s = 0; s < cpu_count; s++) {
    store_release(&stop, 0);
    store_release(&listening, 0);
    for (unsigned n = 0; n < cpu_count; n++) want[n] = 0;
    u64 others = 0;
    for (unsigned n = 1; n < cpu_count; n++)
      if (n != s) {
        start_job(n, listen, 0xffff);
        others++;
      }
    u32 counts[MAX_CPUS];
    if (s == 0) {
      wait_until(load_acquire(&listening) == others);
      for (int i = 0; i < 64; i++) cpus[0].taken[i] = 0;
      cpus[0].taken_all = 0;
      source(&cpus[0], 0);
      counts[0] = cpus[0].taken_all;
    } else {
      struct cpu *me = &cpus[0];
      me->taken_all = 0;
      wr32(frame_of(me) + ISENABLER, 0xffff);
      me->on_irq = count_irq;
      irq_on();
      wait_until(load_acquire(&listening) == others);
      start_job(s, source, 0);
      finish_job(s);
      irq_off();
      counts[0] = me->taken_all;
    }
    store_release(&stop, 1);
    for (unsigned n = 1; n < cpu_count; n++) {
      finish_job(n);
      counts[n] = cpus[n].taken_all;
    }
    cpus[0].on_irq = 0;
    wr32(frame_of(&cpus[0]) + ICENABLER, ~0u);
    for (unsigned n = 0; n < cpu_count; n++) show_n("from CPU #", s, counts[n]);
  }
}

/* Many at once: each CPU sends each other CPU every SGI, again and again, and each is taken at least once. */
static void storm_job(struct cpu *me, u64 rounds)
{
  wr32(frame_of(me) + ISENABLER, 0xffff);
  me->on_irq = count_irq;
  irq_on();
  __atomic_fetch_add(&listening, 1, __ATOMIC_ACQ_REL);
  wait_until(load_acquire(&listening) == cpu_count);
  for (u64 i = 0; i < rounds; i++)
    for (u64 intid = 0; intid < 16; intid++) msr(ICC_SGI1R, sgi(intid, 0, 0) | 1ull << 40);
  __atomic_fetch_add(&stop, 1, __ATOMIC_ACQ_REL);
  wait_until(load_acquire(&stop) == cpu_count);
  pause_us(500);
  irq_off();
  for (int i = 0; i < 16; i++) me->result[0] |= (u64)(me->taken[i] != 0) << i;
  me->result[1] = rd32(frame_of(me) + ISPENDR) & 0xffff;
  me->result[2] = rd32(frame_of(me) + ISACTIVER) & 0xffff;
}

static void storm(void)
{
  if (cpu_count < 2) return;
  store_release(&stop, 0);
  store_release(&listening, 0);
  for (unsigned n = 0; n < cpu_count; n++) cpus[n].result[0] = 0;
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, storm_job, 20);
  run_job(0, storm_job, 20);
  for (unsigned n = 1; n < cpu_count; n++) finish_job(n);
  for (unsigned n = 0; n < cpu_count; n++) {
    show_hex_n("storm, SGIs that CPU # took", n, cpus[n].result[0]);
    show_hex_n("storm, pending after it at CPU #", n, cpus[n].result[1]);
    show_hex_n("storm, active after it at CPU #", n, cpus[n].result[2]);
  }
}

/* An SGI that waits for a CPU that is off is taken when that is on. */
static void pending_over_off(void)
{
  for (unsigned n = 1; n < cpu_count; n++) {
    u64 f = frame_of(&cpus[n]);
    wr32(f + IGROUPR, ~0u);
    msr(ICC_SGI1R, sgi(5, aff1_of(n), list_of(1u << n)));
    show_hex_n("pending at CPU # that is off", n, rd32(f + ISPENDR) & 0xffff);
    wr32(f + ICPENDR, 1 << 5);
    show_hex_n("pending at CPU #, cleared from here", n, rd32(f + ISPENDR) & 0xffff);
  }
}

void test_sgi(void)
{
  group("sgi");
  from_each();
  storm();
  pending_over_off();
  gic_cpu_set_up(this_cpu());
}

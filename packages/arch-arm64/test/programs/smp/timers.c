/* The EL1 physical and virtual timers. Source: Arm ARM DDI 0487 D12.2 */
#include "machine.h"

enum { ENABLE = 1, IMASK = 2, ISTATUS = 4 };

struct timer {
  const char *name;
  u32 intid;
  int virtual;
};

static u64 ctl(const struct timer *t) { return t->virtual ? mrs("CNTV_CTL_EL0") : mrs("CNTP_CTL_EL0"); }
static u64 cval(const struct timer *t) { return t->virtual ? mrs("CNTV_CVAL_EL0") : mrs("CNTP_CVAL_EL0"); }
static u64 tval(const struct timer *t) { return t->virtual ? mrs("CNTV_TVAL_EL0") : mrs("CNTP_TVAL_EL0"); }
static u64 count(const struct timer *t)
{
  asm_volatile("isb");
  return t->virtual ? mrs("CNTVCT_EL0") : mrs("CNTPCT_EL0");
}
static void set_ctl(const struct timer *t, u64 v)
{
  if (t->virtual) msr("CNTV_CTL_EL0", v);
  else msr("CNTP_CTL_EL0", v);
}
static void set_cval(const struct timer *t, u64 v)
{
  if (t->virtual) msr("CNTV_CVAL_EL0", v);
  else msr("CNTP_CVAL_EL0", v);
}
static void set_tval(const struct timer *t, u64 v)
{
  if (t->virtual) msr("CNTV_TVAL_EL0", v);
  else msr("CNTP_TVAL_EL0", v);
}

static struct timer timer_of(u64 is_virtual)
{
  struct timer t = {is_virtual ? "virtual" : "physical", is_virtual ? machine.virtual_timer : machine.physical_timer,
                    (int)is_virtual};
  return t;
}

static void show_t(const struct timer *t, const char *what, u64 value)
{
  group(t->name);
  show_hex(what, value);
}

static u64 is_pending(const struct timer *t)
{
  return rd32(frame_of(this_cpu()) + ISPENDR) >> t->intid & 1;
}

/* The level of the interrupt, and what the CPU is told, after both had time to settle. */
static u64 level(const struct timer *t)
{
  settle();
  u64 pending = is_pending(t);
  settle();
  return pending | (mrs("ISR_EL1") >> 7 & 1) << 1;
}

static void registers(const struct timer *t)
{
  set_ctl(t, 0);
  set_cval(t, 0x123456789abcdef0ull);
  show_t(t, "CVAL", cval(t));
  set_ctl(t, ~0ull & ~(u64)ENABLE);
  show_t(t, "CTL after all ones but ENABLE", ctl(t) & ~(u64)ISTATUS);
  set_ctl(t, 0);
  u64 before = count(t);
  set_tval(t, 1000000);
  u64 after = count(t);
  show_t(t, "TVAL of 1000000 is CVAL of now + 1000000", cval(t) - 1000000 >= before && cval(t) - 1000000 <= after);
  before = count(t);
  set_tval(t, 0xffffffff);
  after = count(t);
  show_t(t, "TVAL of -1 is CVAL of now - 1", cval(t) + 1 >= before && cval(t) + 1 <= after);
  before = count(t);
  set_tval(t, 0x80000000);
  after = count(t);
  show_t(t, "TVAL of 0x80000000 is negative", cval(t) + 0x80000000ull >= before && cval(t) + 0x80000000ull <= after);
  before = count(t);
  set_tval(t, 0x7fffffff);
  after = count(t);
  show_t(t, "TVAL of 0x7fffffff is positive", cval(t) - 0x7fffffff >= before && cval(t) - 0x7fffffff <= after);
  before = count(t);
  set_tval(t, 0xabcdef0000001000ull);
  after = count(t);
  show_t(t, "the upper half of TVAL is ignored", cval(t) - 0x1000 >= before && cval(t) - 0x1000 <= after);
  set_cval(t, count(t) + 0x300000000ull);
  show_t(t, "TVAL reads as 32 bits", tval(t) >> 32);
  set_cval(t, 0);
  before = count(t);
  u64 read = tval(t);
  after = count(t);
  show_t(t, "TVAL wraps", (u32)(0 - read) - (u32)before <= (u32)after - (u32)before);
}

static void conditions(const struct timer *t)
{
  wr32(frame_of(this_cpu()) + ISENABLER, 1u << t->intid);
  set_cval(t, 0);
  set_ctl(t, 0);
  show_t(t, "off, in the past: level", level(t));
  set_ctl(t, ENABLE | IMASK);
  show_t(t, "masked, in the past: CTL", ctl(t));
  show_t(t, "masked, in the past: level", level(t));
  set_ctl(t, ENABLE);
  show_t(t, "in the past: CTL", ctl(t));
  show_t(t, "in the past: level", level(t));
  set_ctl(t, ENABLE | IMASK);
  show_t(t, "masked again: level", level(t));
  set_ctl(t, ENABLE);
  wr32(frame_of(this_cpu()) + ICENABLER, 1u << t->intid);
  show_t(t, "disabled at the redistributor: level", level(t));
  set_cval(t, ~0ull);
  show_t(t, "far future: CTL", ctl(t));
  show_t(t, "far future: level", level(t));
  wr32(frame_of(this_cpu()) + ISENABLER, 1u << t->intid);
  show_t(t, "far future, enabled: level", level(t));
  set_cval(t, 0);
  show_t(t, "in the past again: level", level(t));
  set_cval(t, 1ull << 63);
  show_t(t, "at 2^63: CTL", ctl(t));
  show_t(t, "at 2^63: level", level(t));
  set_cval(t, count(t));
  show_t(t, "now: CTL", ctl(t));
  show_t(t, "now: level", level(t));
  set_tval(t, 0xffffffff);
  show_t(t, "TVAL of -1: CTL", ctl(t));
  set_tval(t, 0x7fffffff);
  show_t(t, "TVAL of 0x7fffffff: CTL", ctl(t));
  show_t(t, "TVAL of 0x7fffffff: level", level(t));
  /* Whether that is in the past depends on how long the machine has been on: the comparison is unsigned. */
  set_tval(t, 0x80000000);
  show_t(t, "TVAL of 0x80000000: as an unsigned comparison says", (ctl(t) >> 2 & 1) == (count(t) >= cval(t)));
  set_ctl(t, 0);
  show_t(t, "off: level", level(t));
}

static u32 fires;

/* Ends the interrupt without taking its level away, until it has come three times. */
static void stubborn(struct cpu *me, int fiq)
{
  (void)fiq;
  u64 intid = mrs(ICC_IAR1);
  me->last_intid = (u32)intid;
  if (++fires == 3) {
    if (intid == machine.virtual_timer) msr("CNTV_CTL_EL0", 0);
    else msr("CNTP_CTL_EL0", 0);
  }
  msr(ICC_EOIR1, intid);
}

static void interrupts(const struct timer *t)
{
  struct cpu *me = this_cpu();
  wr32(frame_of(me) + ISENABLER, 1u << t->intid);
  me->on_irq = stubborn;
  fires = 0;
  set_cval(t, 0);
  set_ctl(t, ENABLE);
  irq_on();
  wait_until(*(volatile u32 *)&fires >= 3);
  irq_off();
  show_t(t, "a level that stays interrupts again", fires);

  me->on_irq = count_irq;
  u64 early = 0, taken = 0;
  for (u64 i = 1; i <= 20; i++) {
    me->taken[t->intid] = 0;
    u64 deadline = count(t) + ticks_of_ms(1) * i / 10;
    set_cval(t, deadline);
    set_ctl(t, ENABLE);
    while (!*(volatile u32 *)&me->taken[t->intid]) sleep_for_interrupt();
    irq_off();
    early += count(t) < deadline;
    taken += me->taken[t->intid];
  }
  show_t(t, "of 20 deadlines, taken", taken);
  show_t(t, "of 20 deadlines, early", early);

  me->taken[t->intid] = 0;
  set_ctl(t, 0);
  set_cval(t, ~0ull);
  set_ctl(t, ENABLE);
  irq_on();
  set_tval(t, ticks_of_ms(1));
  wait_until(*(volatile u32 *)&me->taken[t->intid]);
  irq_off();
  show_t(t, "far future brought near: taken", me->taken[t->intid]);
  /* Acknowledged, then the level goes before the end: nothing more comes. */
  set_cval(t, 0);
  set_ctl(t, ENABLE);
  wait_until(mrs("ISR_EL1") & 1 << 7);
  u64 intid = mrs(ICC_IAR1);
  set_ctl(t, 0);
  msr(ICC_EOIR1, intid);
  show_t(t, "level gone before the end of interrupt: level", level(t));
  set_ctl(t, ENABLE);
  show_t(t, "level back: level", level(t));
  set_ctl(t, 0);
  /* A hypervisor may learn only by this read that the level is gone. */
  show_t(t, "level gone before the acknowledge: pending", is_pending(t));
  show_t(t, "level gone before the acknowledge: IAR", mrs(ICC_IAR1));
  me->on_irq = 0;
  wr32(frame_of(me) + ICENABLER, 1u << t->intid);
}

static u64 gate;

/* Both timers of this CPU at once, beside those of the others. */
static void both(struct cpu *me, u64 rounds)
{
  wr32(frame_of(me) + ISENABLER, 1u << machine.virtual_timer | 1u << machine.physical_timer);
  me->on_irq = count_irq;
  __atomic_fetch_add(&gate, 1, __ATOMIC_ACQ_REL);
  wait_until(load_acquire(&gate) == cpu_count);
  u64 good = 0;
  for (u64 i = 0; i < rounds; i++) {
    u32 v = me->taken[machine.virtual_timer], p = me->taken[machine.physical_timer];
    msr("CNTV_TVAL_EL0", ticks_of_ms(1) / 4 * (1 + ((me->index + i) & 3)));
    msr("CNTP_TVAL_EL0", ticks_of_ms(1) / 4 * (1 + ((me->index + 2 * i) & 3)));
    msr("CNTV_CTL_EL0", ENABLE);
    msr("CNTP_CTL_EL0", ENABLE);
    irq_on();
    wait_until(*(volatile u32 *)&me->taken[machine.virtual_timer] != v &&
               *(volatile u32 *)&me->taken[machine.physical_timer] != p);
    irq_off();
    good += me->taken[machine.virtual_timer] == v + 1 && me->taken[machine.physical_timer] == p + 1;
  }
  me->result[0] = good;
}

void test_timers(void)
{
  struct cpu *me = this_cpu();
  me->on_sync = expect_fault;
  me->faults = 0;
  msr("CNTP_CTL_EL0", 0);
  me->on_sync = 0;
  int has_physical = me->faults == 0;
  group("timers");
  show("physical timer", has_physical);
  for (u64 is_virtual = 2; is_virtual-- > (u64)!has_physical;) {
    struct timer t = timer_of(is_virtual);
    group(t.name);
    registers(&t);
    conditions(&t);
    interrupts(&t);
  }
  if (!has_physical) return;
  group("timers");
  store_release(&gate, 0);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, both, 20);
  run_job(0, both, 20);
  for (unsigned n = 1; n < cpu_count; n++) finish_job(n);
  for (unsigned n = 0; n < cpu_count; n++)
    show_n("rounds of both timers at CPU #, beside the others", n, (s64)cpus[n].result[0]);
  gic_cpu_set_up(this_cpu());
}

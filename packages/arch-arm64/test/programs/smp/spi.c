/* SPIs: pending and active by MMIO, and their way to each CPU. Source: Arm IHI 0069H §4.1, §4.7 */
#include "machine.h"

#define SPI 100
#define BIT (1u << (SPI & 31))
#define WORD (4 * (SPI / 32))

static u64 stop, listening, phase;

static u64 reg(u64 block) { return machine.gicd + block + WORD; }
static u64 is_pending(void) { return (rd32(reg(ISPENDR)) & BIT) != 0; }
static u64 is_active(void) { return (rd32(reg(ISACTIVER)) & BIT) != 0; }

static void route(u64 affinity)
{
  wr64(machine.gicd + GICD_IROUTER + 8 * SPI, affinity);
  (void)rd64(machine.gicd + GICD_IROUTER + 8 * SPI);
}

static void configure_edge(int edge)
{
  u64 at = machine.gicd + ICFGR + 4 * (SPI / 16);
  u32 bit = 2u << 2 * (SPI % 16);
  wr32(reg(ICENABLER), BIT);
  wr32(at, edge ? rd32(at) | bit : rd32(at) & ~bit);
}

static void listen(struct cpu *me, u64 argument)
{
  (void)argument;
  me->on_irq = count_irq;
  irq_on();
  __atomic_fetch_add(&listening, 1, __ATOMIC_ACQ_REL);
  wait_until(load_acquire(&stop));
  irq_off();
}

static u32 total(void)
{
  u32 sum = 0;
  for (unsigned n = 0; n < cpu_count; n++) sum += *(volatile u32 *)&cpus[n].taken_all;
  return sum;
}

static void all_listen(void)
{
  store_release(&stop, 0);
  store_release(&listening, 0);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, listen, 0);
  wait_until(load_acquire(&listening) == cpu_count - 1);
  cpus[0].taken_all = 0;
  cpus[0].on_irq = count_irq;
  irq_on();
}

static void all_stop(void)
{
  irq_off();
  cpus[0].on_irq = 0;
  store_release(&stop, 1);
  for (unsigned n = 1; n < cpu_count; n++) finish_job(n);
}

/* Route to each CPU, five times each; then to nobody, and back. */
static void routes(int edge)
{
  configure_edge(edge);
  wr32(reg(ISENABLER), BIT);
  all_listen();
  for (unsigned n = 0; n < cpu_count; n++) {
    route(cpus[n].mpidr);
    for (int i = 0; i < 5; i++) {
      u32 before = total();
      wr32(reg(ISPENDR), BIT);
      wait_until(total() != before);
    }
    settle();
    for (unsigned m = 0; m < cpu_count; m++)
      show_n(edge ? "edge, routed on: taken by then at CPU #" : "level, routed on: taken by then at CPU #", m, *(volatile u32 *)&cpus[m].taken_all);
  }
  u32 before = total();
  route(0x7f00);
  wr32(reg(ISPENDR), BIT);
  settle();
  show("routed to nobody: taken", total() - before);
  show("routed to nobody: pending", (s64)is_pending());
  route(cpus[cpu_count - 1].mpidr);
  wait_until(total() != before);
  show("routed to the last CPU while pending: taken", total() - before);
  show("routed to the last CPU while pending: pending", (s64)is_pending());

  before = total();
  wr32(reg(ICENABLER), BIT);
  wr32(reg(ISPENDR), BIT);
  settle();
  show("pending while disabled: taken", total() - before);
  wr32(reg(ICPENDR), BIT);
  wr32(reg(ISENABLER), BIT);
  settle();
  show("cleared, then enabled: taken", total() - before);
  wr32(reg(ICENABLER), BIT);
  wr32(reg(ISPENDR), BIT);
  wr32(reg(ISENABLER), BIT);
  wait_until(total() != before);
  show("enabled while pending: taken", total() - before);
  before = total();
  wr32(reg(ISACTIVER), BIT);
  wr32(reg(ISPENDR), BIT);
  settle();
  show("made active by MMIO, then pending: taken", total() - before);
  show("made active by MMIO, then pending: pending", (s64)is_pending());
  show("made active by MMIO, then pending: active", (s64)is_active());
  wr32(reg(ICACTIVER), BIT);
  wait_until(total() != before);
  settle();
  show("made inactive by MMIO: taken", total() - before);
  show("made inactive by MMIO: active", (s64)is_active());
  all_stop();
  wr32(reg(ICENABLER), BIT);
}

/* Acknowledges, says so, and waits for what happens to the active interrupt. */
static void holder(struct cpu *me, u64 argument)
{
  (void)argument;
  msr(ICC_CTLR, 2); /* EOImode */
  store_release(&phase, 1);
  wait_until(mrs("ISR_EL1") & 1 << 7);
  me->result[0] = mrs(ICC_IAR1);
  msr(ICC_EOIR1, me->result[0]);
  store_release(&phase, 2);
  wait_until(load_acquire(&phase) == 3);
  me->result[1] = mrs("ISR_EL1");
  store_release(&phase, 4);
  wait_until(load_acquire(&phase) == 5);
  wait_until(mrs("ISR_EL1") & 1 << 7);
  me->result[2] = mrs(ICC_IAR1);
  msr(ICC_EOIR1, me->result[2]);
  msr(ICC_DIR, me->result[2]);
  store_release(&phase, 6);
}

static void observe(void)
{
  wait_until(load_acquire(&phase) == 1);
  wr32(reg(ISPENDR), BIT);
  wait_until(load_acquire(&phase) == 2);
  show("held: pending", (s64)is_pending());
  show("held: active", (s64)is_active());
  wr32(reg(ISPENDR), BIT);
  settle();
  show("held, pending again: pending", (s64)is_pending());
  show("held, pending again: active", (s64)is_active());
  store_release(&phase, 3);
  wait_until(load_acquire(&phase) == 4);
  wr32(reg(ICACTIVER), BIT);
  store_release(&phase, 5);
  wait_until(load_acquire(&phase) == 6);
  show("held, deactivated from here: pending", (s64)is_pending());
  show("held, deactivated from here: active", (s64)is_active());
}

static void held_elsewhere(void)
{
  for (unsigned n = 1; n < cpu_count; n++) {
    struct cpu *c = &cpus[n];
    route(c->mpidr);
    wr32(reg(ISENABLER), BIT);
    store_release(&phase, 0);
    start_job(n, holder, 0);
    observe();
    finish_job(n);
    show_n("held by CPU #: acknowledged", n, (s64)c->result[0]);
    show_hex_n("held by CPU #: ISR_EL1 while active and pending", n, c->result[1]);
    show_n("held by CPU #: acknowledged again", n, (s64)c->result[2]);
    wr32(reg(ICENABLER), BIT);
  }
}

/* Active here, routed away: what is pending goes there, what is active ends here. */
static void rerouted_while_active(void)
{
  if (cpu_count < 2) return;
  route(cpus[0].mpidr);
  wr32(reg(ISENABLER), BIT);
  wr32(reg(ISPENDR), BIT);
  wait_until(mrs("ISR_EL1") & 1 << 7);
  u64 intid = mrs(ICC_IAR1);
  route(cpus[1].mpidr);
  show("rerouted while active: active", (s64)is_active());
  msr(ICC_EOIR1, intid);
  show("rerouted while active, ended: active", (s64)is_active());
  all_listen();
  irq_off();
  wr32(reg(ISPENDR), BIT);
  wait_until(total() == 1);
  show("rerouted: taken by CPU 1", *(volatile u32 *)&cpus[1].taken_all);
  all_stop();
  wr32(reg(ICENABLER), BIT);
}

/* More than there are list registers. */
#define ACTIVE 20

/* More pending at once than there are list registers: all are taken, highest priority first. */
static void many(void)
{
  struct cpu *me = this_cpu();
  u64 got[3] = {0, 0, 0};
  for (u32 i = 0; i < 24; i++) {
    wr8(machine.gicd + IPRIORITYR + 96 + i, (u8)(8 * ((i * 7 + 5) % 24)));
    wr64(machine.gicd + GICD_IROUTER + 8 * (96 + i), me->mpidr);
  }
  wr32(machine.gicd + ISENABLER + 12, 0xffffff);
  wr32(machine.gicd + ISPENDR + 12, 0xffffff);
  for (u32 i = 0; i < 24; i++) {
    wait_until(mrs("ISR_EL1") & 1 << 7);
    u64 intid = mrs(ICC_IAR1);
    got[i / 8] = got[i / 8] << 8 | (intid & 0xff);
    msr(ICC_EOIR1, intid);
  }
  for (u64 i = 0; i < 3; i++) show_hex_n("24 at once, eight from the #th", i * 8, got[i]);
  show("24 at once, then", (s64)mrs(ICC_IAR1));
  /* All active at once: each preempts the one before. */
  wr32(machine.gicd + ICENABLER + 12, ~0u);
  u64 depth = 0;
  for (u32 i = 0; i < ACTIVE; i++) {
    wr8(machine.gicd + IPRIORITYR + 96 + i, (u8)(0xa0 - 8 * i));
    wr32(machine.gicd + ISENABLER + 12, 1u << i);
    wr32(machine.gicd + ISPENDR + 12, 1u << i);
    wait_until(mrs("ISR_EL1") & 1 << 7);
    depth += mrs(ICC_IAR1) == 96 + i;
  }
  show("20 active at once, acknowledged", (s64)depth);
  show_hex("20 active at once, active", rd32(machine.gicd + ISACTIVER + 12));
  for (u32 i = ACTIVE; i-- > 0;) msr(ICC_EOIR1, 96 + i);
  show_hex("20 active at once, active after their ends", rd32(machine.gicd + ISACTIVER + 12));
  show_hex("20 active at once, RPR after their ends", mrs(ICC_RPR));
  gic_set_up();
}

void test_spi(void)
{
  group("spi");
  routes(1);
  routes(0);
  configure_edge(1);
  held_elsewhere();
  rerouted_while_active();
  many();
  gic_set_up();
  gic_cpu_set_up(this_cpu());
}

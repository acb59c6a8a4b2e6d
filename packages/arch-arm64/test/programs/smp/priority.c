/* Priorities, preemption, groups and end of interrupt at the CPU interface. Source: Arm IHI 0069H §4.8, §12.2 */
#include "machine.h"

#define ISR_I (1 << 7)
#define ISR_F (1 << 6)

static void send_self(u64 intid)
{
  u64 me = mrs("MPIDR_EL1");
  msr(ICC_SGI1R, intid << 24 | (me >> 8 & 0xff) << 16 | 1ull << (me & 15));
  dsb();
}

static void set_priority(struct cpu *me, u32 intid, u8 priority)
{
  wr8(frame_of(me) + IPRIORITYR + intid, priority);
  (void)rd8(frame_of(me) + IPRIORITYR + intid);
}

/* Whether an IRQ would be signalled, after what came before has had its effect. */
static u64 signalled(u64 bit)
{
  settle();
  return (mrs("ISR_EL1") & bit) != 0;
}

static void clean(struct cpu *me)
{
  gic_cpu_set_up(me);
  wr32(frame_of(me) + ISENABLER, 0xffff);
}

/* All sixteen at once, each of another priority. Acknowledged in this order, a hexadecimal digit each. */
static void order(struct cpu *me, u64 step)
{
  clean(me);
  u64 got = 0;
  for (u32 i = 0; i < 16; i++) set_priority(me, i, (u8)((i * step + 3) % 16 * 8));
  for (u32 i = 0; i < 16; i++) send_self(i);
  for (int i = 0; i < 16; i++) {
    wait_until(mrs("ISR_EL1") & ISR_I);
    u64 intid = mrs(ICC_IAR1);
    got = got << 4 | (intid & 15);
    msr(ICC_EOIR1, intid);
  }
  me->result[0] = got;
  me->result[1] = mrs(ICC_IAR1);
}

static void masks(struct cpu *me)
{
  clean(me);
  u64 passed = 0;
  set_priority(me, 2, 0x80);
  send_self(2);
  for (u64 i = 0; i < 32; i++) {
    msr(ICC_PMR, i * 8);
    passed |= signalled(ISR_I) << i;
  }
  show_hex("PMR values that let priority 0x80 pass, bit n is 8n", passed);
  msr(ICC_PMR, 0xff);
  show_hex("ICC_PMR_EL1 after 0xff", mrs(ICC_PMR));
  msr(ICC_PMR, 0x7);
  show_hex("ICC_PMR_EL1 after 0x7", mrs(ICC_PMR));
  msr(ICC_PMR, 0x80);
  show_hex("ICC_IAR1_EL1 while masked", mrs(ICC_IAR1));
  msr(ICC_PMR, 0xf8);
  show_hex("ICC_HPPIR1_EL1", mrs(ICC_HPPIR1));
  show_hex("ICC_RPR_EL1 while idle", mrs(ICC_RPR));
  show_hex("ICC_IAR1_EL1", mrs(ICC_IAR1));
  show_hex("ICC_RPR_EL1 while active", mrs(ICC_RPR));
  show_hex("ICC_AP1R0_EL1 while active", mrs(ICC_AP1R0));
  show_hex("ICC_HPPIR1_EL1 with nothing pending", mrs(ICC_HPPIR1));
  msr(ICC_EOIR1, 2);
  show_hex("ICC_RPR_EL1 after the end", mrs(ICC_RPR));
  show_hex("ICC_AP1R0_EL1 after the end", mrs(ICC_AP1R0));
}

static void binary_points(struct cpu *me)
{
  clean(me);
  for (u64 i = 0; i < 8; i++) {
    msr(ICC_BPR0, i);
    show_hex_n("ICC_BPR0_EL1 after #", i, mrs(ICC_BPR0));
    msr(ICC_BPR1, i);
    show_hex_n("ICC_BPR1_EL1 after #", i, mrs(ICC_BPR1));
  }
  for (u64 bpr = 3; bpr < 8; bpr++) {
    clean(me);
    msr(ICC_BPR1, bpr);
    set_priority(me, 1, 0x80);
    send_self(1);
    wait_until(mrs("ISR_EL1") & ISR_I);
    (void)mrs(ICC_IAR1);
    u64 preempts = 0;
    for (u32 i = 0; i < 32; i++) {
      set_priority(me, 2, (u8)(8 * i));
      send_self(2);
      preempts |= signalled(ISR_I) << i;
      wr32(frame_of(me) + ICPENDR, 1 << 2);
    }
    show_hex_n("BPR1 #, priorities that preempt 0x80, bit n is 8n", bpr, preempts);
    msr(ICC_EOIR1, 1);
  }
  clean(me);
  msr(ICC_CTLR, 1); /* CBPR */
  show_hex("ICC_CTLR_EL1.{EOImode,CBPR} after 1", mrs(ICC_CTLR) & 3);
  msr(ICC_BPR0, 5);
  show_hex("ICC_BPR1_EL1 with CBPR and ICC_BPR0_EL1 of 5", mrs(ICC_BPR1));
  msr(ICC_CTLR, 2);
  show_hex("ICC_CTLR_EL1.{EOImode,CBPR} after 2", mrs(ICC_CTLR) & 3);
  msr(ICC_CTLR, 0);
}

static u64 active_of(struct cpu *me)
{
  return rd32(frame_of(me) + ISACTIVER) & 0xffff;
}

static u64 pending_of(struct cpu *me)
{
  return rd32(frame_of(me) + ISPENDR) & 0xffff;
}

static void end_of_interrupt(struct cpu *me)
{
  for (u64 mode = 0; mode <= 1; mode++) {
    clean(me);
    msr(ICC_CTLR, mode << 1);
    send_self(7);
    wait_until(mrs("ISR_EL1") & ISR_I);
    show_hex_n("EOImode #, pending", mode, pending_of(me));
    show_n("EOImode #, acknowledged", mode, (s64)mrs(ICC_IAR1));
    show_hex_n("EOImode #, pending after IAR", mode, pending_of(me));
    show_hex_n("EOImode #, active after IAR", mode, active_of(me));
    send_self(7);
    show_hex_n("EOImode #, pending and active", mode, pending_of(me) | active_of(me) << 16);
    show_n("EOImode #, signalled while active", mode, (s64)signalled(ISR_I));
    msr(ICC_EOIR1, 1023);
    show_hex_n("EOImode #, RPR after EOIR of 1023", mode, mrs(ICC_RPR));
    msr(ICC_EOIR1, 7);
    show_hex_n("EOImode #, RPR after EOIR", mode, mrs(ICC_RPR));
    show_hex_n("EOImode #, active after EOIR", mode, active_of(me));
    show_n("EOImode #, signalled after EOIR", mode, (s64)signalled(ISR_I));
    if (mode) msr(ICC_DIR, 7);
    show_hex_n("EOImode #, active after DIR", mode, active_of(me));
    show_n("EOImode #, signalled again", mode, (s64)signalled(ISR_I));
    show_n("EOImode #, acknowledged again", mode, (s64)mrs(ICC_IAR1));
    msr(ICC_EOIR1, 7);
    if (mode) msr(ICC_DIR, 7);
    show_n("EOImode #, nothing left", mode, (s64)mrs(ICC_IAR1));
    show_hex_n("EOImode #, active at last", mode, active_of(me));
  }
  /* Two active, ended in the order of priorities and deactivated in another. */
  clean(me);
  msr(ICC_CTLR, 2);
  set_priority(me, 4, 0x60);
  send_self(3);
  wait_until(mrs("ISR_EL1") & ISR_I);
  (void)mrs(ICC_IAR1);
  send_self(4);
  wait_until(mrs("ISR_EL1") & ISR_I);
  (void)mrs(ICC_IAR1);
  show_hex("two active", active_of(me));
  show_hex("two active, RPR", mrs(ICC_RPR));
  show_hex("two active, AP1R0", mrs(ICC_AP1R0));
  msr(ICC_EOIR1, 4);
  show_hex("RPR after EOIR of the inner", mrs(ICC_RPR));
  msr(ICC_DIR, 3);
  show_hex("active after DIR of the outer", active_of(me));
  msr(ICC_EOIR1, 3);
  show_hex("RPR after EOIR of the outer", mrs(ICC_RPR));
  msr(ICC_DIR, 4);
  msr(ICC_DIR, 9);
  show_hex("active after DIR of the inner, and of one that is not", active_of(me));
  msr(ICC_CTLR, 0);
}

static void groups(struct cpu *me)
{
  u64 self = mrs("MPIDR_EL1");
  u64 to_self = 6ull << 24 | (self >> 8 & 0xff) << 16 | 1ull << (self & 15);
  clean(me);
  wr32(frame_of(me) + IGROUPR, ~(1u << 6));
  msr(ICC_SGI1R, to_self);
  show_hex("group 0: pending after ICC_SGI1R_EL1", pending_of(me));
  msr(ICC_ASGI1R, to_self);
  show_hex("group 0: pending after ICC_ASGI1R_EL1", pending_of(me));
  wr32(frame_of(me) + ICPENDR, 1 << 6);
  msr(ICC_SGI0R, to_self);
  show_hex("group 0: pending after ICC_SGI0R_EL1", pending_of(me));
  show("group 0: FIQ", (s64)signalled(ISR_F));
  show("group 0: IRQ", (s64)signalled(ISR_I));
  show_hex("group 0: ICC_HPPIR0_EL1", mrs(ICC_HPPIR0));
  show_hex("group 0: ICC_IAR1_EL1", mrs(ICC_IAR1));
  msr(ICC_IGRPEN0, 0);
  show("group 0 off at the interface: FIQ", (s64)signalled(ISR_F));
  msr(ICC_IGRPEN0, 1);
  wr32(machine.gicd + GICD_CTLR, 0x12);
  show("group 0 off at the distributor: FIQ", (s64)signalled(ISR_F));
  wr32(machine.gicd + GICD_CTLR, 0x13);
  show("group 0 on: FIQ", (s64)signalled(ISR_F));
  show_hex("group 0: ICC_IAR0_EL1", mrs(ICC_IAR0));
  show_hex("group 0: RPR", mrs(ICC_RPR));
  msr(ICC_EOIR0, 6);
  show_hex("group 0: active after ICC_EOIR0_EL1", active_of(me));
  me->on_irq = count_irq;
  me->taken[6] = 0;
  msr(ICC_SGI0R, to_self);
  irq_on();
  wait_until(*(volatile u32 *)&me->taken[6]);
  irq_off();
  show("group 0: taken as FIQ", me->taken[6]);
  me->on_irq = 0;

  clean(me);
  send_self(6);
  msr(ICC_IGRPEN1, 0);
  show("group 1 off at the interface: IRQ", (s64)signalled(ISR_I));
  show_hex("group 1 off at the interface: pending", pending_of(me));
  msr(ICC_IGRPEN1, 1);
  wr32(machine.gicd + GICD_CTLR, 0x11);
  show("group 1 off at the distributor: IRQ", (s64)signalled(ISR_I));
  show_hex("group 1 off at the distributor: pending", pending_of(me));
  wr32(machine.gicd + GICD_CTLR, 0x13);
  show("group 1 on: IRQ", (s64)signalled(ISR_I));
  wr32(frame_of(me) + ICENABLER, 1 << 6);
  show("disabled: IRQ", (s64)signalled(ISR_I));
  show_hex("disabled: pending", pending_of(me));
  wr32(frame_of(me) + IGROUPR, ~(1u << 6));
  wr32(frame_of(me) + ISENABLER, 1 << 6);
  show("moved to group 0 while pending: IRQ", (s64)signalled(ISR_I));
  show("moved to group 0 while pending: FIQ", (s64)signalled(ISR_F));
  wr32(frame_of(me) + IGROUPR, ~0u);
  show("moved back: IRQ", (s64)signalled(ISR_I));
  wr32(frame_of(me) + ICPENDR, 1 << 6);
  show("cleared: IRQ", (s64)signalled(ISR_I));
}

static u32 depth, deepest;

/* Each handler sends itself a higher priority and a lower one, and lets interrupts in. */
static void nest(struct cpu *me, int fiq)
{
  (void)fiq;
  u64 intid = mrs(ICC_IAR1);
  if (++depth > deepest) deepest = depth;
  if (intid > 0 && intid < 16) send_self(intid - 1);
  irq_on();
  if (intid > 0) wait_until(*(volatile u32 *)&me->taken[intid - 1]);
  irq_off();
  me->taken[intid & 15]++;
  depth--;
  msr(ICC_EOIR1, intid);
}

static void nesting(struct cpu *me, u64 argument)
{
  (void)argument;
  clean(me);
  depth = deepest = 0;
  for (int i = 0; i < 16; i++) me->taken[i] = 0;
  for (u32 i = 0; i < 16; i++) set_priority(me, i, (u8)(0x20 + 8 * i));
  me->on_irq = nest;
  send_self(15);
  irq_on();
  wait_until(*(volatile u32 *)&me->taken[15]);
  irq_off();
  me->on_irq = 0;
  me->result[0] = deepest;
  me->result[1] = mrs(ICC_RPR);
}

static void changes(struct cpu *me)
{
  clean(me);
  send_self(1);
  send_self(2);
  set_priority(me, 1, 0x90);
  set_priority(me, 2, 0x88);
  wait_until(mrs("ISR_EL1") & ISR_I);
  show_hex("highest pending", mrs(ICC_HPPIR1));
  set_priority(me, 1, 0x40);
  show_hex("highest pending after a change of priority", mrs(ICC_HPPIR1));
  wr32(frame_of(me) + ICENABLER, 1 << 1);
  show_hex("highest pending after a disable", mrs(ICC_HPPIR1));
  wr32(frame_of(me) + ICPENDR, ~0u);
}

void test_priority(void)
{
  struct cpu *me = this_cpu();
  group("priority");
  for (unsigned n = 0; n < cpu_count; n++)
    for (u64 step = 5; step <= 7; step += 2) {
      run_job(n, order, step);
      show_hex_n("order of sixteen SGIs at CPU #", n, cpus[n].result[0]);
      show_n("then at CPU #", n, (s64)cpus[n].result[1]);
    }
  for (unsigned n = 0; n < cpu_count; n++) {
    run_job(n, nesting, 0);
    show_n("deepest preemption at CPU #", n, (s64)cpus[n].result[0]);
    show_hex_n("RPR after it at CPU #", n, cpus[n].result[1]);
  }
  masks(me);
  binary_points(me);
  end_of_interrupt(me);
  groups(me);
  changes(me);
  gic_cpu_set_up(me);
}

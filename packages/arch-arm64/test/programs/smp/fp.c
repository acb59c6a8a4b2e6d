/* Vector registers, FPCR and FPSR of all CPUs at the same time. */
#include "machine.h"

void load_vectors(u64 unused, const u64 *from);
void store_vectors(u64 unused, u64 *to);

static u64 gate, taken;

static void count_and_send(struct cpu *me, int fiq)
{
  __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
  count_irq(me, fiq);
}

static u64 pattern(struct cpu *me, u64 round, u64 n)
{
  return (me->index + 1) * 0x0101010101010101ull * (round + 1) + n * 0x100000001b3ull;
}

static u64 at[MAX_CPUS][2][64] __attribute__((aligned(16)));

/* Fill all registers, let the other CPUs run and interrupts come, compare. */
static void hold(struct cpu *me, u64 rounds)
{
  u64 wrong = 0;
  u64(*mine)[64] = at[me->index];
  me->on_irq = count_and_send;
  wr32(frame_of(me) + ISENABLER, 0xffff | 1u << machine.virtual_timer);
  __atomic_fetch_add(&gate, 1, __ATOMIC_ACQ_REL);
  wait_until(load_acquire(&gate) == cpu_count);
  irq_on();
  for (u64 r = 0; r < rounds; r++) {
    for (u64 i = 0; i < 64; i++) mine[0][i] = pattern(me, r, i);
    u64 fpcr = (me->index & 3) << 22, fpsr = 1ull << me->index;
    msr("FPCR", fpcr);
    msr("FPSR", fpsr);
    load_vectors(0, mine[0]);
    irq_off();
    msr("CNTV_TVAL_EL0", ticks_of_ms(1) / 10);
    msr("CNTV_CTL_EL0", 1);
    if (r & 1) sleep_for_interrupt();
    irq_on();
    msr(ICC_SGI1R, (r & 15) << 24 | 1ull << 40);
    pause_us(300);
    store_vectors(0, mine[1]);
    for (u64 i = 0; i < 64; i++) wrong += mine[1][i] != mine[0][i];
    wrong += mrs("FPCR") != fpcr;
    wrong += mrs("FPSR") != fpsr;
  }
  irq_off();
  msr("CNTV_CTL_EL0", 0);
  msr("FPCR", 0);
  me->result[0] = wrong;
}

/* FP off at EL1: the first use faults, and then works. */
static u64 trapped(void)
{
  struct cpu *me = this_cpu();
  me->on_sync = expect_fault;
  me->faults = 0;
  msr("CPACR_EL1", 0);
  __asm__ volatile(".arch_extension fp\n\tfmov d0, xzr" ::: "memory");
  msr("CPACR_EL1", 3 << 20);
  __asm__ volatile("fmov d0, xzr" ::: "memory");
  me->on_sync = 0;
  return me->faults << 8 | me->fault_esr >> 26;
}

void test_fp(void)
{
  group("fp");
  show_hex("faults of FP that is off, and their class", trapped());
  store_release(&gate, 0);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, hold, 12);
  run_job(0, hold, 12);
  for (unsigned n = 1; n < cpu_count; n++) finish_job(n);
  for (unsigned n = 0; n < cpu_count; n++) show_n("registers of CPU # that changed", n, (s64)cpus[n].result[0]);
  show("interrupts came in between", taken >= 6);
  gic_cpu_set_up(this_cpu());
}

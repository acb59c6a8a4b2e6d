/* Events and waiting: WFE, SEV, SEVL, monitors, the event stream, WFI. Source: Arm ARM DDI 0487 D1.6 */
#include "machine.h"

/* A sleeper that nothing wakes is woken by its timer, so much later; then the check says 1. */
#define GUARD_MS 3000

static u64 flag;
static u64 ready;

static void guard_on(struct cpu *me)
{
  me->taken[machine.virtual_timer] = 0;
  me->on_irq = count_irq;
  wr32(frame_of(me) + ISENABLER, 1u << machine.virtual_timer);
  msr("CNTV_CVAL_EL0", now() + ticks_of_ms(GUARD_MS));
  msr("CNTV_CTL_EL0", 1);
  irq_on();
}

static u64 guard_off(struct cpu *me)
{
  irq_off();
  msr("CNTV_CTL_EL0", 0);
  wr32(frame_of(me) + ICENABLER, ~0u);
  return me->taken[machine.virtual_timer];
}

static void alone(struct cpu *me, u64 argument)
{
  (void)argument;
  guard_on(me);
  asm_volatile("sevl\n\twfe");
  asm_volatile("sev\n\twfe");
  asm_volatile("sev\n\tsev\n\tsevl\n\twfe");
  asm_volatile("sevl\n\twfe\n\tsevl\n\twfe\n\tsev\n\twfe");
  me->result[0] = guard_off(me);
}

enum { WAIT_FLAG, WAIT_MONITOR, WAIT_MONITOR_ACQUIRE, WAIT_MONITOR_WORD };

/* Sleep until `flag` is 1. */
static void sleeper(struct cpu *me, u64 how)
{
  guard_on(me);
  /* No event from before. */
  asm_volatile("sevl\n\twfe");
  __atomic_fetch_add(&ready, 1, __ATOMIC_ACQ_REL);
  u64 v;
  do {
    if (how == WAIT_FLAG) {
      v = load_acquire(&flag);
      if (!v) asm_volatile("wfe");
    } else {
      if (how == WAIT_MONITOR) __asm__ volatile("ldxr %0, [%1]" : "=r"(v) : "r"(&flag) : "memory");
      else if (how == WAIT_MONITOR_ACQUIRE) __asm__ volatile("ldaxr %0, [%1]" : "=r"(v) : "r"(&flag) : "memory");
      else __asm__ volatile("ldxr %w0, [%1]" : "=r"(v) : "r"(&flag) : "memory");
      if (!v) asm_volatile("wfe");
    }
  } while (!v);
  me->result[0] = guard_off(me);
}

enum { BY_SEV, BY_STR, BY_STLR, BY_SWP, BY_STXR, BY_STRB };

static void wake(u64 how)
{
  u64 one = 1, old;
  u32 failed;
  switch (how) {
  case BY_SEV:
    store_release(&flag, 1);
    asm_volatile("dsb ish\n\tsev");
    break;
  case BY_STR:
    __asm__ volatile("str %0, [%1]" :: "r"(one), "r"(&flag) : "memory");
    break;
  case BY_STLR:
    __asm__ volatile("stlr %0, [%1]" :: "r"(one), "r"(&flag) : "memory");
    break;
  case BY_SWP:
    __asm__ volatile("swpal %1, %0, [%2]" : "=r"(old) : "r"(one), "r"(&flag) : "memory");
    break;
  case BY_STXR:
    do __asm__ volatile("ldxr %1, [%3]\n\tstxr %w0, %2, [%3]" : "=&r"(failed), "=&r"(old) : "r"(one), "r"(&flag) : "memory");
    while (failed);
    break;
  default:
    __asm__ volatile("strb %w0, [%1]" :: "r"(one), "r"(&flag) : "memory");
  }
}

static void waker(struct cpu *me, u64 how)
{
  (void)me;
  wait_until(load_acquire(&ready) == 1);
  pause_us(300);
  wake(how);
}

/* One sleeper and one waker. Returns how often the guard had to wake the sleeper. */
static s64 pair(unsigned sleeping, unsigned waking, u64 wait, u64 by)
{
  store_release(&flag, 0);
  store_release(&ready, 0);
  if (sleeping == 0) {
    start_job(waking, waker, by);
    run_job(0, sleeper, wait);
    finish_job(waking);
  } else {
    start_job(sleeping, sleeper, wait);
    run_job(waking, waker, by);
    finish_job(sleeping);
  }
  return (s64)cpus[sleeping].result[0];
}

static void pairs(void)
{
  for (unsigned n = 1; n < cpu_count; n++) {
    show_n("sleeps through SEV of CPU #", n, pair(0, n, WAIT_FLAG, BY_SEV));
    show_n("CPU # sleeps through SEV of CPU 0", n, pair(n, 0, WAIT_FLAG, BY_SEV));
    show_n("CPU # sleeps through SEV of another", n, pair(n, n == 1 ? cpu_count - 1 : 1, WAIT_FLAG, BY_SEV));
    show_n("sleeps through STR of CPU # to its monitor", n, pair(0, n, WAIT_MONITOR, BY_STR));
    show_n("sleeps through STLR of CPU # to its monitor", n, pair(0, n, WAIT_MONITOR_ACQUIRE, BY_STLR));
    show_n("sleeps through SWP of CPU # to its monitor", n, pair(0, n, WAIT_MONITOR, BY_SWP));
    show_n("sleeps through STXR of CPU # to its monitor", n, pair(0, n, WAIT_MONITOR_ACQUIRE, BY_STXR));
    show_n("sleeps through STRB of CPU # to its monitor", n, pair(0, n, WAIT_MONITOR, BY_STRB));
    show_n("sleeps through a store of CPU # wider than its monitor", n, pair(0, n, WAIT_MONITOR_WORD, BY_STR));
    show_n("CPU # sleeps through a store to its monitor", n, pair(n, 0, WAIT_MONITOR, BY_STR));
  }
}

static void all_at_once(void)
{
  if (cpu_count < 3) return;
  store_release(&flag, 0);
  store_release(&ready, 0);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, sleeper, WAIT_FLAG);
  wait_until(load_acquire(&ready) == cpu_count - 1);
  pause_us(300);
  wake(BY_SEV);
  u64 slept = 0;
  for (unsigned n = 1; n < cpu_count; n++) {
    finish_job(n);
    slept += cpus[n].result[0];
  }
  show("of all others, sleep through one SEV", (s64)slept);
}

/* Turns: each waits for its number by WFE, and hands on by SEV. */
static void turns(struct cpu *me, u64 rounds)
{
  guard_on(me);
  for (u64 i = 0; i < rounds; i++) {
    msr("CNTV_CVAL_EL0", now() + ticks_of_ms(GUARD_MS));
    while (load_acquire(&flag) != i * cpu_count + me->index) asm_volatile("wfe");
    store_release(&flag, load_acquire(&flag) + 1);
    asm_volatile("dsb ish\n\tsev");
  }
  me->result[0] = guard_off(me);
}

static void ping_pong(void)
{
  if (cpu_count < 2) return;
  store_release(&flag, 0);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, turns, 100);
  run_job(0, turns, 100);
  u64 slept = cpus[0].result[0];
  for (unsigned n = 1; n < cpu_count; n++) {
    finish_job(n);
    slept += cpus[n].result[0];
  }
  show("turns by WFE and SEV", (s64)flag);
  show("of them, by the guard", (s64)slept);
}

static void event_stream(void)
{
  struct cpu *me = this_cpu();
  for (u64 falling = 0; falling <= 1; falling++) {
    msr("CNTKCTL_EL1", mrs("CNTKCTL_EL1") | 8 << 4 | falling << 3 | 1 << 2);
    guard_on(me);
    u64 before = now();
    for (int i = 0; i < 8; i++) asm_volatile("wfe");
    show_n("event stream, EVNTDIR #, times by the guard", falling, (s64)guard_off(me));
    show_n("event stream, EVNTDIR #, took under a second", falling, now() - before < ticks_of_ms(1000));
    msr("CNTKCTL_EL1", mrs("CNTKCTL_EL1") & ~0xfcull);
  }
}

static void interrupt_sleeper(struct cpu *me, u64 masked)
{
  wr32(frame_of(me) + ISENABLER, 1 << 3);
  me->on_irq = count_irq;
  if (!masked) irq_on();
  store_release(&ready, 1);
  if (masked) {
    asm_volatile("wfi");
    me->result[0] = mrs("ISR_EL1");
    irq_on();
  } else {
    while (!*(volatile u32 *)&me->taken[3]) sleep_for_interrupt();
  }
  irq_off();
  me->result[1] = me->taken[3];
}

static void wfi(void)
{
  for (unsigned n = 1; n < cpu_count; n++)
    for (u64 masked = 0; masked <= 1; masked++) {
      store_release(&ready, 0);
      start_job(n, interrupt_sleeper, masked);
      wait_until(load_acquire(&ready));
      pause_us(300);
      msr(ICC_SGI1R, 3ull << 24 | (cpus[n].mpidr & 0xff00) << 8 | 1ull << (cpus[n].mpidr & 15));
      show_n(masked ? "masked WFI of CPU # ends" : "WFI of CPU # ends", n, finish_job(n));
      if (masked) show_hex_n("ISR_EL1 after masked WFI of CPU #", n, cpus[n].result[0]);
      show_n("interrupts taken by CPU #", n, (s64)cpus[n].result[1]);
    }
}

void test_events(void)
{
  group("events");
  for (unsigned n = 0; n < cpu_count; n++) {
    run_job(n, alone, 0);
    show_n("CPU # sleeps through its own SEV and SEVL", n, (s64)cpus[n].result[0]);
  }
  pairs();
  all_at_once();
  ping_pong();
  event_stream();
  wfi();
}

/* PSCI. Source: Arm DEN 0022F */
#include "machine.h"

static void on_and_leave(struct cpu *me, u64 argument)
{
  me->result[0] = argument;
  me->result[1] = mrs("MPIDR_EL1") & MPIDR_AFFINITY;
}

static u64 held;

static void on_and_wait(struct cpu *me, u64 argument)
{
  (void)argument;
  me->result[0] = 1;
  wait_until(load_acquire(&held) == 0);
}

static s64 ask(u64 fid, u64 a1, u64 a2, u64 a3)
{
  return (s64)(fid & 1 << 30 ? smccc(fid, a1, a2, a3) : (u64)(s64)(int)smccc(fid, a1, a2, a3));
}

static void features(void)
{
  show_hex("PSCI_VERSION", smccc(PSCI_VERSION, 0, 0, 0));
  static const u32 functions[] = {
      0x84000000, 0x84000001, 0xc4000001, 0x84000002, 0x84000003, 0xc4000003, 0x84000004,
      0xc4000004, 0x84000008, 0x84000009, 0x8400000a, 0xc4000000, 0xc4000002, 0xc4000008,
      0xc4000009, 0xc400000a, 0x8400001f, 0xc400001f, 0x04000000, 0x84000005, 0x84000006,
      0x8400000b, 0x8400000c, 0x8400000e, 0x8400000f, 0xc4000010, 0xc4000012, 0x80000000};
  for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) {
    show_n("PSCI_FEATURES of @", functions[i], ask(PSCI_FEATURES, functions[i], 0, 0));
  }
  show("function 0x8400001f", ask(0x8400001f, 0, 0, 0));
  show("function 0xc400001f", ask(0xc400001f, 0, 0, 0));
  show("CPU_OFF as SMC64", ask(0xc4000002, 0, 0, 0));
  show("PSCI_VERSION as SMC64", ask(0xc4000000, 0, 0, 0));
}

static void wrong_arguments(void)
{
  static const u64 absent[] = {0x1f, 0xff, 0x1000, 0x10000, 0x1000000000ull, 0x80000000};
  for (unsigned i = 0; i < 6; i++) {
    show_n("CPU_ON of @", absent[i], ask(PSCI_CPU_ON, absent[i], (u64)secondary_entry, 0));
    show_n("AFFINITY_INFO of @", absent[i], ask(PSCI_AFFINITY_INFO, absent[i], 0, 0));
  }
  show("CPU_ON of the caller", ask(PSCI_CPU_ON, cpus[0].mpidr, (u64)secondary_entry, 0));
  show("CPU_ON of the caller as SMC32", ask(0x84000003, cpus[0].mpidr, 0, 0));
  show("AFFINITY_INFO of the caller", ask(PSCI_AFFINITY_INFO, cpus[0].mpidr, 0, 0));
  show("AFFINITY_INFO of the caller as SMC32", ask(0x84000004, cpus[0].mpidr, 0, 0));
  show("AFFINITY_INFO at level 1", ask(PSCI_AFFINITY_INFO, cpus[0].mpidr, 1, 0));
  show("AFFINITY_INFO at level 4", ask(PSCI_AFFINITY_INFO, cpus[0].mpidr, 4, 0));
}

static void on_and_off(void)
{
  for (unsigned n = 1; n < cpu_count; n++) {
    struct cpu *c = &cpus[n];
    show_n("AFFINITY_INFO of CPU # before CPU_ON", n, ask(PSCI_AFFINITY_INFO, c->mpidr, 0, 0));
    c->result[0] = 0;
    store_release(&held, 1);
    start_job(n, on_and_wait, 0);
    wait_until(load_acquire(&c->result[0]) == 1);
    show_n("CPU # runs", n, (s64)c->result[0]);
    show_n("AFFINITY_INFO of CPU # that runs", n, ask(PSCI_AFFINITY_INFO, c->mpidr, 0, 0));
    show_n("CPU_ON of CPU # that runs", n, ask(PSCI_CPU_ON, c->mpidr, (u64)secondary_entry, 0));
    store_release(&held, 0);
    show_n("CPU # goes off", n, finish_job(n));
    show_hex_n("CurrentEL of CPU # at entry", n, c->found[0]);
    show_hex_n("DAIF of CPU # at entry", n, c->found[1]);
    show_hex_n("SCTLR_EL1.{M,C,I} of CPU # at entry", n, c->found[2] & 0x1005);
    show_n("SPSel of CPU # at entry", n, (s64)c->found[3]);
    run_job(n, on_and_leave, 0xfedcba9876543210ull);
    show_hex_n("argument of CPU #", n, c->result[0]);
    show_n("MPIDR_EL1 of CPU # is that of the device tree", n, c->result[1] == c->mpidr);
    u64 good = 0;
    for (u64 i = 0; i < 50; i++) {
      run_job(n, on_and_leave, i);
      good += c->result[0] == i;
    }
    show_n("CPU # on and off, times", n, (s64)good);
  }
}

/* A secondary starts the next one and so on; the last one stops last. */
static void chain(struct cpu *me, u64 argument)
{
  (void)argument;
  unsigned next = (unsigned)me->index + 1;
  if (next < cpu_count) {
    start_job(next, chain, 0);
    me->result[0] = (u64)finish_job(next);
  } else {
    me->result[0] = 7;
  }
}

/* Both start the same CPU: one succeeds, the other hears that it runs or is about to (in QEMU both may succeed). */
static u64 gate;

static void race(struct cpu *me, u64 target)
{
  wait_until(load_acquire(&gate) != 0);
  me->result[0] = smccc(PSCI_CPU_ON, cpus[target].mpidr, (u64)secondary_entry, (u64)&cpus[target]);
}

static void chains_and_races(void)
{
  if (cpu_count > 1) {
    run_job(1, chain, 0);
    for (unsigned n = 1; n < cpu_count; n++) show_n("chain of starts, CPU #", n, (s64)cpus[n].result[0]);
  }
  if (cpu_count < 4) return;
  s64 started = 0;
  for (int i = 0; i < 10; i++) {
    store_release(&gate, 0);
    store_release(&held, 1);
    cpus[3].job = on_and_wait;
    cpus[3].result[0] = cpus[3].done = 0;
    start_job(1, race, 3);
    start_job(2, race, 3);
    store_release(&gate, 1);
    finish_job(1);
    finish_job(2);
    wait_until(load_acquire(&cpus[3].result[0]) == 1);
    store_release(&held, 0);
    finish_job(3);
    int won = 0;
    for (int n = 1; n <= 2; n++) {
      s64 r = (s64)cpus[n].result[0];
      won |= r == 0;
      if (r != 0 && r != -4 && r != -5) show("CPU_ON that raced", r);
    }
    started += won;
  }
  show("races of two CPU_ON that started the CPU", started);
}

static volatile u64 resumed_with __attribute__((used));
static u64 resume_sp[16] __attribute__((used));

/* Where a power-down state wakes up: X0 is the context. Goes back to `suspend_here`. */
__asm__(".global suspend_resume\nsuspend_resume:\n"
        "adrp x1, resume_sp\n add x1, x1, :lo12:resume_sp\n"
        "adrp x2, resumed_with\n str x0, [x2, :lo12:resumed_with]\n"
        "ldp x19, x20, [x1]\n ldp x21, x22, [x1, #16]\n ldp x23, x24, [x1, #32]\n"
        "ldp x25, x26, [x1, #48]\n ldp x27, x28, [x1, #64]\n ldp x29, x30, [x1, #80]\n"
        "ldr x2, [x1, #96]\n mov sp, x2\n"
        "adrp x0, cpus\n add x0, x0, :lo12:cpus\n mov x19, x30\n bl set_up_el1\n mov x30, x19\n"
        "adrp x1, resume_sp\n add x1, x1, :lo12:resume_sp\n ldr x19, [x1]\n mov x0, #1\n ret\n"
        /* u64 suspend_here(state): CPU_SUSPEND with suspend_resume as entry; 1 when it came back that way. */
        ".global suspend_here\nsuspend_here:\n"
        "adrp x1, resume_sp\n add x1, x1, :lo12:resume_sp\n"
        "stp x19, x20, [x1]\n stp x21, x22, [x1, #16]\n stp x23, x24, [x1, #32]\n"
        "stp x25, x26, [x1, #48]\n stp x27, x28, [x1, #64]\n stp x29, x30, [x1, #80]\n"
        "mov x2, sp\n str x2, [x1, #96]\n"
        "mov x1, x0\n ldr x0, =0xc4000001\n adr x2, suspend_resume\n ldr x3, =0x1122334455667788\n"
        "hvc #0\n ret\n.ltorg\n");
u64 suspend_here(u64 state);

static void arm_timer(u64 ms)
{
  msr("CNTV_CVAL_EL0", now() + ticks_of_ms(ms));
  msr("CNTV_CTL_EL0", 1);
}

static void suspend(void)
{
  struct cpu *me = this_cpu();
  u64 f = frame_of(me);
  int extended = (ask(PSCI_FEATURES, PSCI_CPU_SUSPEND, 0, 0) & 2) != 0;
  u64 power_down = extended ? 1ull << 30 : 1ull << 16;
  wr32(f + ISENABLER, 1u << machine.virtual_timer);

  u64 before = now();
  arm_timer(5);
  show("CPU_SUSPEND, standby, to a timer", ask(PSCI_CPU_SUSPEND, 0, 0, 0));
  show("the timer has fired", mrs("CNTV_CTL_EL0") == 5 && now() - before >= ticks_of_ms(5));
  show("CPU_SUSPEND, standby, with an interrupt pending", ask(PSCI_CPU_SUSPEND, 0, 0, 0));
  show("CPU_SUSPEND as SMC32 with an interrupt pending", ask(0x84000001, 0, 0, 0));
  me->on_irq = count_irq;
  irq_on();
  show("timer interrupts taken", me->taken[machine.virtual_timer]);
  irq_off();

  /* A power-down state may be entered, and then wakes up at its entry, or be less deep and return. */
  arm_timer(5);
  resumed_with = 0;
  u64 how = suspend_here(power_down);
  show("power-down state returned or woke up at its entry", how <= 1);
  show("context at the entry, if it woke up there", how == 0 || resumed_with == 0x1122334455667788ull);
  if (how == 1) gic_cpu_set_up(me);
  wr32(f + ISENABLER, 1u << machine.virtual_timer);
  msr("CNTV_CTL_EL0", 0);

  /* In both formats of power_state bits 31 and 29:28 are zero. */
  arm_timer(0);
  show("CPU_SUSPEND with power_state bit 31", ask(PSCI_CPU_SUSPEND, 1ull << 31, 0, 0));
  show("CPU_SUSPEND with power_state bit 28", ask(PSCI_CPU_SUSPEND, 1ull << 28, 0, 0));
  msr("CNTV_CTL_EL0", 0);
  wr32(f + ICENABLER, ~0u);
  wr32(f + ICPENDR, ~0u);
}

void test_psci(void)
{
  group("psci");
  features();
  wrong_arguments();
  on_and_off();
  chains_and_races();
  suspend();
}

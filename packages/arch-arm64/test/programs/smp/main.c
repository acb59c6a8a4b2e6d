/* The SMP test: set-up, CPUs and their jobs, exceptions; then one group of checks after the other. */
#include "machine.h"

struct cpu cpus[MAX_CPUS];
unsigned cpu_count;
struct machine machine;

static u8 stacks[MAX_CPUS][8192] __attribute__((aligned(16)));
u64 level1[512] __attribute__((aligned(4096)));
static u64 level2[512] __attribute__((aligned(4096)));
static u64 level3[512] __attribute__((aligned(4096)));

#define GIB 0x40000000ull
/* Valid, AF, inner shareable, UXN; attribute 1 is Normal memory. */
#define NORMAL_BLOCK (1ull << 54 | 1 << 10 | 3 << 8 | 1 << 2 | 1)
#define DEVICE_BLOCK (3ull << 53 | 1 << 10 | 1)
/* Where `test_page` is: entry 256 of level 1. */
#define TEST_VA (256 * GIB)

/* With the MMU off: the GiB of this image is memory, the rest below 512 GiB devices; 1 page at TEST_VA is free to use. */
void make_tables(void)
{
  u64 image = (u64)make_tables & -GIB;
  for (u64 i = 0; i < 256; i++) level1[i] = i * GIB | (i * GIB == image ? NORMAL_BLOCK : DEVICE_BLOCK);
  level1[256] = (u64)level2 | 3;
  level2[0] = (u64)level3 | 3;
  dsb();
}

u64 *test_page(u64 *va)
{
  *va = TEST_VA;
  return &level3[0];
}

void exception(struct frame *f, u64 kind)
{
  struct cpu *me = this_cpu();
  int type = kind & 3;
  if (type == 0 && me->on_sync && me->on_sync(me, f)) return;
  if ((type == 1 || type == 2) && me->on_irq) {
    me->on_irq(me, type == 2);
    return;
  }
  put_text("exception ");
  put_hex(kind);
  put_text(" esr ");
  put_hex(f->esr);
  put_text(" elr ");
  put_hex(f->elr - (u64)make_tables);
  put_text(" far ");
  put_hex(f->far);
  put_text(" cpu ");
  put_hex(me->index);
  put_text("\n");
  fail("unexpected exception");
}

int expect_fault(struct cpu *me, struct frame *f)
{
  me->faults++;
  me->fault_esr = f->esr;
  me->fault_far = f->far;
  f->elr += 4;
  return 1;
}

void count_irq(struct cpu *me, int fiq)
{
  u32 intid = (u32)(fiq ? mrs(ICC_IAR0) : mrs(ICC_IAR1));
  me->last_intid = intid;
  if (intid >= 1020) return;
  if (intid < 64) me->taken[intid]++;
  me->taken_all++;
  /* Timers are level-sensitive: take the level away first. */
  if (intid == machine.virtual_timer) msr("CNTV_CTL_EL0", 2);
  if (intid == machine.physical_timer) msr("CNTP_CTL_EL0", 2);
  if (fiq) msr(ICC_EOIR0, intid);
  else msr(ICC_EOIR1, intid);
}

void secondary(struct cpu *me)
{
  gic_cpu_set_up(me);
  me->job(me, me->argument);
  irq_off();
  store_release(&me->done, 1);
  smccc(PSCI_CPU_OFF, 0, 0, 0);
  fail("CPU_OFF returned");
}

static void clear_counts(struct cpu *c)
{
  for (int i = 0; i < 64; i++) c->taken[i] = 0;
  c->taken_all = 0;
  c->faults = 0;
  c->done = 0;
  c->on_irq = 0;
  c->on_sync = 0;
}

void start_job(unsigned cpu, job_fn *job, u64 argument)
{
  struct cpu *c = &cpus[cpu];
  clear_counts(c);
  c->job = job;
  c->argument = argument;
  dsb();
  s64 error = (s64)smccc(PSCI_CPU_ON, c->mpidr, (u64)secondary_entry, (u64)c);
  if (error) {
    show("CPU_ON of a job", error);
    fail("a CPU does not start");
  }
}

int finish_job(unsigned cpu)
{
  /* QEMU's AFFINITY_INFO says OFF until the CPU really executes, so that alone is not enough. */
  return wait_until(load_acquire(&cpus[cpu].done) && smccc(PSCI_AFFINITY_INFO, cpus[cpu].mpidr, 0, 0) == 1);
}

void run_job(unsigned cpu, job_fn *job, u64 argument)
{
  if (cpu == 0) {
    clear_counts(&cpus[0]);
    job(&cpus[0], argument);
    irq_off();
    clear_counts(&cpus[0]);
    return;
  }
  start_job(cpu, job, argument);
  if (!finish_job(cpu)) fail("a job does not end");
}

void main(const u8 *dtb)
{
  read_device_tree(dtb);
  for (unsigned i = 0; i < cpu_count; i++) cpus[i].stack = (u64)stacks[i] + sizeof stacks[i];
  *(volatile u32 *)(machine.uart + 0x30) = 0x301; /* UARTCR: UARTEN, TXE, RXE */

  group("boot");
  show("CPUs", cpu_count);
  show("boot CPU is the first of the device tree", (mrs("MPIDR_EL1") & MPIDR_AFFINITY) == cpus[0].mpidr);
  show("exception level", (s64)(mrs("CurrentEL") >> 2));
  show_hex("DAIF", mrs("DAIF"));
  gic_set_up();
  gic_cpu_set_up(&cpus[0]);
  test_psci();
  test_smccc();
  test_events();
  test_sgi();
  test_priority();
  test_timers();
  test_gic();
  test_spi();
  test_debug();
  test_cache();
  test_fp();
  test_atomics();
  put_text("end\n");
  smccc(PSCI_SYSTEM_OFF, 0, 0, 0);
  fail("SYSTEM_OFF returned");
}

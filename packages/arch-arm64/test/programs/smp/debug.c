/* Self-hosted debug at EL1, of code that moves from CPU to CPU. Source: Arm ARM DDI 0487 D2 */
#include "machine.h"

enum { EC_BREAKPOINT = 0x31, EC_STEP = 0x33, EC_WATCHPOINT = 0x35, EC_BRK = 0x3c };
#define MDSCR_SS 1ull
#define MDSCR_KDE (1ull << 13)
#define MDSCR_MDE (1ull << 15)

static u64 watched[16] __attribute__((aligned(128)));
static u64 hits, last_far, last_esr, last_elr;

static void debug_on(void)
{
  msr("OSLAR_EL1", 0);
  msr("OSDLR_EL1", 0);
  msr("MDSCR_EL1", MDSCR_MDE | MDSCR_KDE);
  asm_volatile("msr daifclr, #8\n\tisb");
}

static void debug_off(void)
{
  asm_volatile("msr daifset, #8\n\tisb");
  msr("MDSCR_EL1", 0);
  msr("DBGBCR0_EL1", 0);
  msr("DBGWCR0_EL1", 0);
}

static int on_debug(struct cpu *me, struct frame *f)
{
  (void)me;
  u64 ec = f->esr >> 26;
  if (ec != EC_BREAKPOINT && ec != EC_WATCHPOINT && ec != EC_BRK) return 0;
  hits++;
  last_esr = f->esr;
  last_far = f->far;
  last_elr = f->elr;
  f->elr += 4;
  return 1;
}

/* Four instructions of which a breakpoint skips the one that it is on. */
u64 stepping(u64 x);
__asm__(".balign 16\n.global stepping\nstepping:\n add x0, x0, #1\n add x0, x0, #16\n add x0, x0, #256\n ret\n");

#define BCR_EL1 (1u | 1 << 1 | 0xf << 5)

static void breakpoints(struct cpu *me, u64 argument)
{
  (void)argument;
  me->on_sync = on_debug;
  hits = 0;
  debug_on();
  msr("DBGBVR0_EL1", (u64)stepping + 4);
  msr("DBGBCR0_EL1", BCR_EL1);
  me->result[0] = stepping(0);
  me->result[1] = hits;
  me->result[2] = last_elr - (u64)stepping;
  me->result[3] = last_esr;
  asm_volatile("msr daifset, #8\n\tisb");
  me->result[4] = stepping(0);
  asm_volatile("msr daifclr, #8\n\tisb");
  msr("MDSCR_EL1", MDSCR_MDE);
  me->result[5] = stepping(0);
  msr("MDSCR_EL1", MDSCR_MDE | MDSCR_KDE);
  msr("DBGBCR0_EL1", BCR_EL1 & ~1u);
  me->result[6] = stepping(0);
  msr("DBGBCR0_EL1", 1u | 2 << 1 | 0xf << 5); /* EL0 only */
  me->result[7] = stepping(0);
  debug_off();
}

static void watchpoints(struct cpu *me, u64 argument)
{
  (void)argument;
  me->on_sync = on_debug;
  debug_on();
  msr("DBGWVR0_EL1", (u64)watched + 8);
  /* BAS of bytes 2 and 3; stores of each byte around. */
  msr("DBGWCR0_EL1", 1 | 1 << 1 | 2 << 3 | 0x0c << 5);
  me->result[0] = me->result[1] = me->result[2] = 0;
  for (u64 i = 0; i < 24; i++) {
    hits = 0;
    wr8((u64)watched + i, (u8)i);
    me->result[0] |= hits << i;
    hits = 0;
    (void)rd8((u64)watched + i);
    me->result[1] |= hits << i;
  }
  hits = 0;
  wr64((u64)watched + 8, 1);
  me->result[2] |= hits;
  wr16((u64)watched + 10, 1);
  me->result[2] |= hits << 8;
  me->result[3] = last_esr;
  wr16((u64)watched + 8, 1);
  me->result[2] |= hits << 16;
  /* Loads, and both. */
  msr("DBGWCR0_EL1", 1 | 1 << 1 | 1 << 3 | 0xff << 5);
  hits = 0;
  wr32((u64)watched + 8, 1);
  me->result[4] = hits;
  (void)rd32((u64)watched + 8);
  me->result[4] |= hits << 8;
  me->result[5] = last_esr;
  msr("DBGWCR0_EL1", 1 | 1 << 1 | 3 << 3 | 0xff << 5);
  hits = 0;
  wr32((u64)watched + 8, 1);
  (void)rd32((u64)watched + 12);
  me->result[4] |= hits << 16;
  /* An atomic is a store. */
  hits = 0;
  msr("DBGWCR0_EL1", 1 | 1 << 1 | 2 << 3 | 0xff << 5);
  __asm__ volatile("ldadd %0, %0, [%1]" :: "r"(0ull), "r"((u64)watched + 8) : "memory");
  me->result[4] |= hits << 24;
  /* 64 bytes by MASK. */
  msr("DBGWVR0_EL1", (u64)watched + 64);
  msr("DBGWCR0_EL1", 1 | 1 << 1 | 2 << 3 | 0xff << 5 | 6u << 24);
  me->result[6] = 0;
  for (u64 i = 0; i < 16; i++) {
    hits = 0;
    wr64((u64)watched + 8 * i, i);
    me->result[6] |= hits << i;
  }
  me->result[7] = last_far - (u64)watched;
  debug_off();
}

static void brk(struct cpu *me, u64 argument)
{
  (void)argument;
  me->on_sync = on_debug;
  hits = 0;
  asm_volatile("brk #0x1234");
  me->result[0] = hits;
  me->result[1] = last_esr;
}

/* A context that counts, on its own stack, and is stepped on one CPU after the other. */
static struct frame context;
static u8 context_stack[1024] __attribute__((aligned(16)));
static u64 saved_sp, steps_left;

static void keep(const struct frame *f)
{
  const volatile u64 *from = (const volatile u64 *)f;
  for (u64 i = 0; i < sizeof *f / 8; i++) ((volatile u64 *)&context)[i] = from[i];
}

void counting(void);
__asm__(".balign 16\n.global counting\ncounting:\n1: add x0, x0, #1\n add x1, x1, x0\n eor x2, x2, x1\n b 1b\n");

static int on_step(struct cpu *me, struct frame *f)
{
  if (f->esr >> 26 != EC_STEP) return 0;
  me->result[0]++;
  me->result[1] = f->esr;
  if (--steps_left) {
    f->spsr |= 1ull << 21;
    return 1;
  }
  keep(f);
  asm_volatile("msr daifset, #8\n\tisb");
  msr("MDSCR_EL1", 0);
  leave_context(saved_sp);
}

static void step_on(struct cpu *me, u64 steps)
{
  me->on_sync = on_step;
  me->result[0] = 0;
  steps_left = steps;
  msr("OSLAR_EL1", 0);
  asm_volatile("msr daifset, #8\n\tisb");
  msr("MDSCR_EL1", MDSCR_KDE | MDSCR_SS);
  context.spsr = 0x1c5 | 1ull << 21; /* EL1h, D clear, SS */
  run_context(&context, &saved_sp);
}

static void migrate(void)
{
  for (int i = 0; i < 31; i++) context.x[i] = 0;
  context.sp = (u64)context_stack + sizeof context_stack;
  context.elr = (u64)counting;
  u64 steps = 0;
  for (u64 round = 0; round < 3; round++)
    for (unsigned n = 0; n < cpu_count; n++) {
      run_job(n, step_on, 5 + n);
      steps += 5 + n;
      show_n("steps on CPU #", n, (s64)cpus[n].result[0]);
      show_hex("context, PC", context.elr - (u64)counting);
      show_hex("context, X0", context.x[0]);
      show_hex("context, X2", context.x[2]);
    }
  show("steps in all", (s64)steps);
  show_hex("ESR_EL1 of a step", cpus[0].result[1]);
}

/* A context with a breakpoint on it: the registers go with it to the next CPU. */
static int on_break(struct cpu *me, struct frame *f)
{
  if (f->esr >> 26 != EC_BREAKPOINT) return 0;
  me->result[0]++;
  keep(f);
  debug_off();
  leave_context(saved_sp);
}

static void break_on(struct cpu *me, u64 offset)
{
  me->on_sync = on_break;
  me->result[0] = 0;
  debug_on();
  asm_volatile("msr daifset, #8\n\tisb");
  msr("DBGBVR0_EL1", (u64)counting + offset);
  msr("DBGBCR0_EL1", BCR_EL1);
  context.spsr = 0x1c5;
  run_context(&context, &saved_sp);
}

static void migrate_breakpoint(void)
{
  context.elr = (u64)counting;
  context.x[0] = context.x[1] = context.x[2] = 0;
  for (u64 i = 0; i < 12; i++) {
    unsigned n = (unsigned)(i % cpu_count);
    run_job(n, break_on, 4 * ((i * 3 + 1) % 4));
    show_n("breakpoints on CPU #", n, (s64)cpus[n].result[0]);
    show_hex("context, PC", context.elr - (u64)counting);
    show_hex("context, X0", context.x[0]);
  }
}

void test_debug(void)
{
  group("debug");
  static const char what[8][32] = {"breakpoint: result", "breakpoint: hits", "breakpoint: ELR", "breakpoint: ESR",
                                   "PSTATE.D: result", "KDE clear: result", "E clear: result", "EL0 only: result"};
  static const char watch[8][32] = {"watchpoint: bytes stored", "watchpoint: bytes loaded", "watchpoint: wider stores",
                                    "watchpoint: ESR of a store", "watchpoint: kinds", "watchpoint: ESR of a load",
                                    "watchpoint: MASK", "watchpoint: FAR"};
  for (unsigned n = 0; n < cpu_count; n++) {
    run_job(n, breakpoints, 0);
    for (int i = 0; i < 8; i++) show_hex(what[i], cpus[n].result[i]);
    run_job(n, watchpoints, 0);
    for (int i = 0; i < 8; i++) show_hex(watch[i], cpus[n].result[i]);
    run_job(n, brk, 0);
    show_hex("BRK: hits", cpus[n].result[0]);
    show_hex("BRK: ESR", cpus[n].result[1]);
  }
  migrate();
  migrate_breakpoint();
}

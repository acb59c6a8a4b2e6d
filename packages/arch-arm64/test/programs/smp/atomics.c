/* All CPUs on the same words: LSE, exclusives, locks, ordering. Source: Arm ARM DDI 0487 B2.9, B2.3 */
#include "machine.h"

#define ROUNDS 3000

static struct {
  u64 ldadd, cas, exclusive, byte_wide, locked, ticket_locked, bits, flags[2] __attribute__((aligned(16)));
  u64 pair[2] __attribute__((aligned(16)));
  u64 casp[2] __attribute__((aligned(16)));
  u64 lock, next, serving, gate;
  u32 word;
  u16 halfwords[4];
} shared __attribute__((aligned(64)));

static void contend(struct cpu *me, u64 rounds)
{
  u64 old, new;
  u32 failed;
  __atomic_fetch_add(&shared.gate, 1, __ATOMIC_ACQ_REL);
  wait_until(load_acquire(&shared.gate) == cpu_count);
  for (u64 i = 0; i < rounds; i++) {
    __asm__ volatile("ldadd %1, xzr, [%0]" :: "r"(&shared.ldadd), "r"(1ull) : "memory");
    __asm__ volatile("ldaddalh %w1, wzr, [%0]" :: "r"(&shared.halfwords[me->index & 3]), "r"(1ull) : "memory");
    __asm__ volatile("stadd %w1, [%0]" :: "r"(&shared.word), "r"(1ull) : "memory");
    do {
      old = *(volatile u64 *)&shared.cas;
      new = old;
      __asm__ volatile("casal %0, %2, [%1]" : "+r"(new) : "r"(&shared.cas), "r"(old + 1) : "memory");
    } while (new != old);
    do
      __asm__ volatile("ldxr %1, [%2]\n\tadd %1, %1, #1\n\tstxr %w0, %1, [%2]"
                       : "=&r"(failed), "=&r"(old) : "r"(&shared.exclusive) : "memory");
    while (failed);
    do
      __asm__ volatile("ldaxrb %w1, [%2]\n\tadd %w1, %w1, #1\n\tstlxrb %w0, %w1, [%2]"
                       : "=&r"(failed), "=&r"(old) : "r"((u64)&shared.byte_wide + me->index) : "memory");
    while (failed);
    /* Both halves together. */
    do
      __asm__ volatile("ldxp %1, %2, [%3]\n\tadd %1, %1, #1\n\tsub %2, %2, #1\n\tstxp %w0, %1, %2, [%3]"
                       : "=&r"(failed), "=&r"(old), "=&r"(new) : "r"(shared.pair) : "memory");
    while (failed);
    register u64 a __asm__("x4"), b __asm__("x5"), c __asm__("x6"), d __asm__("x7");
    u64 was;
    do {
      a = ((volatile u64 *)shared.casp)[0];
      b = 0 - a;
      was = a;
      c = a + 1;
      d = b - 1;
      __asm__ volatile("caspal x4, x5, x6, x7, [%4]" : "+r"(a), "+r"(b) : "r"(c), "r"(d), "r"(shared.casp) : "memory");
    } while (a != was);
    /* A lock by SWP. */
    do __asm__ volatile("swpa %1, %0, [%2]" : "=&r"(old) : "r"(1ull), "r"(&shared.lock) : "memory");
    while (old);
    *(volatile u64 *)&shared.locked += 1;
    store_release(&shared.lock, 0);
    /* Bits of this CPU alone. */
    u64 bit = 1ull << (me->index * 16 + i % 16);
    __asm__ volatile("ldset %1, xzr, [%0]" :: "r"(&shared.bits), "r"(bit) : "memory");
    if (i % 32 >= 16) __asm__ volatile("ldclr %1, xzr, [%0]" :: "r"(&shared.bits), "r"(bit) : "memory");
    if (i % 64 == 63) __asm__ volatile("ldeor %1, xzr, [%0]" :: "r"(&shared.bits), "r"(0xffffull << me->index * 16) : "memory");
  }
  /* A ticket lock, with the way that an OS waits. */
  for (u64 i = 0; i < rounds / 10; i++) {
    u64 ticket = __atomic_fetch_add(&shared.next, 1, __ATOMIC_ACQ_REL);
    wait_until(load_acquire(&shared.serving) == ticket);
    *(volatile u64 *)&shared.ticket_locked += 1;
    store_release(&shared.serving, ticket + 1);
  }
}

/* A message by store-release is seen whole by load-acquire. */
static void producer(struct cpu *me, u64 rounds)
{
  me->result[0] = 0;
  for (u64 i = 1; i <= rounds; i++) {
    *(volatile u64 *)&shared.flags[0] = i * 3;
    store_release(&shared.flags[1], i);
    if (i % 64 == 0) wait_until(load_acquire(&shared.gate) == i);
  }
}

static void consumer(struct cpu *me, u64 rounds)
{
  u64 seen = 0, torn = 0;
  while (seen < rounds) {
    u64 n = 0;
    wait_until((n = load_acquire(&shared.flags[1])) != seen);
    torn += *(volatile u64 *)&shared.flags[0] < n * 3;
    if (n < seen) torn++;
    seen = n;
    if (seen % 64 == 0) store_release(&shared.gate, seen);
  }
  me->result[0] = torn;
}

/* Whether a store of another CPU to the monitored word makes the store-exclusive fail. */
static void intruder(struct cpu *me, u64 how)
{
  (void)me;
  if (how) __asm__ volatile("str %0, [%1]" :: "r"(99ull), "r"(&shared.exclusive) : "memory");
}

static void monitors(void)
{
  u32 failed;
  for (unsigned n = 1; n < cpu_count; n++) {
    shared.exclusive = 5;
    u64 old;
    __asm__ volatile("ldxr %0, [%1]" : "=r"(old) : "r"(&shared.exclusive) : "memory");
    /* The job's start has exceptions here and there, which may clear the monitor too: a failure is allowed, not success. */
    run_job(n, intruder, 1);
    __asm__ volatile("stxr %w0, %1, [%2]" : "=&r"(failed) : "r"(old + 1), "r"(&shared.exclusive) : "memory");
    show_n("STXR fails after a store of CPU #", n, failed);
    show_n("what CPU # stored stays", n, (s64)shared.exclusive);
  }
  __asm__ volatile("ldxr %x0, [%1]\n\tclrex\n\tstxr %w0, xzr, [%1]" : "=&r"(failed) : "r"(&shared.exclusive) : "memory");
  show("STXR fails after CLREX", failed);
  __asm__ volatile("stxr %w0, xzr, [%1]" : "=&r"(failed) : "r"(&shared.exclusive) : "memory");
  show("STXR fails without LDXR", failed);
}

void test_atomics(void)
{
  group("atomics");
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, contend, ROUNDS);
  run_job(0, contend, ROUNDS);
  for (unsigned n = 1; n < cpu_count; n++) finish_job(n);
  show("LDADD", (s64)shared.ldadd);
  show("STADD of a word", shared.word);
  for (unsigned n = 0; n < cpu_count; n++) show_n("LDADDALH of CPU #", n, shared.halfwords[n]);
  show("CASAL", (s64)shared.cas);
  show("LDXR, STXR", (s64)shared.exclusive);
  show_hex("LDAXRB, STLXRB", shared.byte_wide);
  show("LDXP, STXP", (s64)shared.pair[0]);
  show("LDXP, STXP, the other half", (s64)shared.pair[1]);
  show("CASPAL", (s64)shared.casp[0]);
  show("CASPAL, the other half", (s64)shared.casp[1]);
  show("under a lock by SWPA", (s64)shared.locked);
  show("under a ticket lock", (s64)shared.ticket_locked);
  show_hex("LDSET, LDCLR, LDEOR", shared.bits);
  if (cpu_count > 1) {
    shared.gate = 0;
    start_job(1, producer, 2048);
    run_job(0, consumer, 2048);
    finish_job(1);
    show("torn messages", (s64)cpus[0].result[0]);
  }
  monitors();
}

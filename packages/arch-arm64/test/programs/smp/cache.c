/* Code and translations that one CPU changes and others use. Source: Arm ARM DDI 0487 B2.3, D7.5, D8.13 */
#include "machine.h"

static u32 code[2048] __attribute__((aligned(8192)));
static u64 pages[2][512] __attribute__((aligned(4096)));
static u64 phase, answered;

typedef u64 function(void);

static u32 mov_x0(u64 value) { return 0xd2800000u | (u32)value << 5; }
#define RET 0xd65f03c0u

enum { BY_WORD, BY_BYTE, BY_HALFWORD, BY_DOUBLEWORD, BY_PAIR, BY_VECTOR, BY_SWP, BY_CAS, BY_STXR, BY_STXP, WAYS };

void store_vector(void *to, u64 low, u64 high);
__asm__(".arch_extension fp\n.arch_extension simd\n.global store_vector\nstore_vector:\n"
        " fmov d0, x1\n mov v0.d[1], x2\n str q0, [x0]\n ret\n");

/* Put two instructions over old ones, by stores of each kind, without telling the instruction side yet. */
static void put(u32 *at, u32 first, u32 second, int way)
{
  u64 both = (u64)second << 32 | first, old;
  u32 failed;
  switch (way) {
  case BY_WORD:
    wr32((u64)at, first);
    wr32((u64)(at + 1), second);
    break;
  case BY_BYTE:
    for (u64 i = 0; i < 8; i++) wr8((u64)at + i, (u8)(both >> 8 * i));
    break;
  case BY_HALFWORD:
    for (u64 i = 0; i < 8; i += 2) wr16((u64)at + i, (u16)(both >> 8 * i));
    break;
  case BY_DOUBLEWORD:
    wr64((u64)at, both);
    break;
  case BY_PAIR:
    __asm__ volatile("stp %0, %1, [%2]" :: "r"(both), "r"((u64)RET << 32 | RET), "r"(at) : "memory");
    break;
  case BY_VECTOR:
    store_vector(at, both, (u64)RET << 32 | RET);
    break;
  case BY_SWP:
    __asm__ volatile("swp %1, %0, [%2]" : "=r"(old) : "r"(both), "r"(at) : "memory");
    break;
  case BY_CAS:
    old = *(volatile u64 *)at;
    __asm__ volatile("cas %0, %1, [%2]" : "+r"(old) : "r"(both), "r"(at) : "memory");
    break;
  case BY_STXR:
    do __asm__ volatile("ldxr %1, [%3]\n\tstxr %w0, %2, [%3]" : "=&r"(failed), "=&r"(old) : "r"(both), "r"(at) : "memory");
    while (failed);
    break;
  default:
    do __asm__ volatile("ldxp %1, xzr, [%3]\n\tstxp %w0, %2, xzr, [%3]" : "=&r"(failed), "=&r"(old) : "r"(both), "r"(at) : "memory");
    while (failed);
  }
}

static void synchronize(u64 at)
{
  __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" :: "r"(at) : "memory");
}

static u64 call(u64 offset)
{
  asm_volatile("isb");
  return ((function *)((u64)code + offset))();
}

static void own_code(void)
{
  for (int way = 0; way < WAYS; way++) {
    u64 good = 0;
    for (u64 i = 0; i < 64; i++) {
      /* At the end of a line, and of a page. */
      u64 offset = i & 1 ? 4096 - 8 : 64 - 16;
      if (way >= BY_PAIR && offset == 4096 - 8) offset -= 8;
      put(&code[offset / 4], mov_x0(i + 1), RET, way);
      synchronize((u64)code + offset);
      good += call(offset) == i + 1;
    }
    show_n("own code, changed by way #", (u64)way, (s64)good);
  }
}

/* Executes what the boot CPU wrote, phase after phase, until phase 0. */
static void executor(struct cpu *me, u64 argument)
{
  (void)argument;
  u64 seen = 0;
  me->result[0] = 0;
  me->on_sync = expect_fault;
  for (;;) {
    u64 p = 0;
    wait_until((p = load_acquire(&phase)) != seen);
    if (p == ~0ull) return;
    seen = p;
    me->result[0] += call(0) == (p & 0xffff);
    __atomic_fetch_add(&answered, 1, __ATOMIC_ACQ_REL);
  }
}

static void code_of_another(void)
{
  if (cpu_count < 2) return;
  put(code, mov_x0(0), RET, BY_WORD);
  synchronize((u64)code);
  store_release(&phase, 0);
  store_release(&answered, 0);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, executor, 0);
  for (u64 i = 1; i <= 100; i++) {
    put(code, mov_x0(i), RET, (int)(i % WAYS));
    if (i & 1) synchronize((u64)code);
    else asm_volatile("dsb ish\n\tic ialluis\n\tdsb ish\n\tisb");
    store_release(&phase, i);
    wait_until(load_acquire(&answered) == i * (cpu_count - 1));
  }
  store_release(&phase, ~0ull);
  for (unsigned n = 1; n < cpu_count; n++) {
    finish_job(n);
    show_n("code of CPU 0, executed at CPU #", n, (s64)cpus[n].result[0]);
  }
}

/* Code that each CPU writes for the next one. */
static void relay(struct cpu *me, u64 rounds)
{
  me->result[0] = 0;
  for (u64 i = 0; i < rounds; i++) {
    u64 turn = i * cpu_count + me->index;
    wait_until(load_acquire(&phase) == turn);
    me->result[0] += call(256) == (turn & 0xff);
    put(&code[64], mov_x0((turn + 1) & 0xff), RET, (int)(turn % WAYS));
    synchronize((u64)code + 256);
    store_release(&phase, turn + 1);
  }
}

static void relays(void)
{
  put(&code[64], mov_x0(0), RET, BY_WORD);
  synchronize((u64)code + 256);
  store_release(&phase, 0);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, relay, 40);
  run_job(0, relay, 40);
  for (unsigned n = 1; n < cpu_count; n++) finish_job(n);
  for (unsigned n = 0; n < cpu_count; n++) show_n("code handed on, executed at CPU #", n, (s64)cpus[n].result[0]);
}

static u64 zva_size(void)
{
  return 4ull << (mrs("DCZID_EL0") & 15);
}

/* DC ZVA over data, and over code that was executed. */
static void zero_block(struct cpu *me, u64 argument)
{
  (void)argument;
  u64 size = zva_size(), at = (u64)code + 4096;
  for (u64 i = 0; i < 4096 / 8; i++) *(volatile u64 *)(at + 8 * i) = ~0ull;
  __asm__ volatile("dc zva, %0" :: "r"(at + 2 * size - 8) : "memory");
  u64 zeros = 0, first = 0;
  for (u64 i = 0; i < 4096 / 8; i++)
    if (*(volatile u64 *)(at + 8 * i) == 0) {
      if (!zeros++) first = 8 * i;
    }
  me->result[0] = zeros * 8 == size;
  me->result[1] = first == size;

  put((u32 *)at, mov_x0(77), RET, BY_WORD);
  synchronize(at);
  me->result[2] = call(4096);
  __asm__ volatile("dc zva, %0" :: "r"(at) : "memory");
  synchronize(at);
  /* Zero is UDF: step over both of them to the RET behind. */
  put((u32 *)(at + 8), RET, RET, BY_WORD);
  synchronize(at);
  me->on_sync = expect_fault;
  me->faults = 0;
  (void)call(4096);
  me->result[3] = me->faults;
  me->result[4] = me->fault_esr >> 26;
  me->on_sync = 0;
}

static void zva(void)
{
  for (unsigned n = 0; n < cpu_count; n++) {
    run_job(n, zero_block, 0);
    show_n("DC ZVA at CPU # zeroes a block", n, (s64)cpus[n].result[0]);
    show_n("DC ZVA at CPU # zeroes the right block", n, (s64)cpus[n].result[1]);
    show_n("code before DC ZVA at CPU #", n, (s64)cpus[n].result[2]);
    show_n("undefined instructions after DC ZVA at CPU #", n, (s64)cpus[n].result[3]);
    show_hex_n("their exception class at CPU #", n, cpus[n].result[4]);
  }
}

#define PAGE_NORMAL (1ull << 54 | 1 << 10 | 3 << 8 | 1 << 2 | 3)
#define READ_ONLY (1ull << 7)
#define NOT_GLOBAL (1ull << 11)

static u64 flush_way;

static void flush(u64 va, u64 way)
{
  u64 page = va >> 12 & 0xfffffffffffull;
  switch (way) {
  case 0: __asm__ volatile("dsb ishst\n\ttlbi vae1is, %0\n\tdsb ish\n\tisb" :: "r"(page) : "memory"); break;
  case 1: __asm__ volatile("dsb ishst\n\ttlbi vaae1is, %0\n\tdsb ish\n\tisb" :: "r"(page) : "memory"); break;
  case 2: __asm__ volatile("dsb ishst\n\ttlbi vale1is, %0\n\tdsb ish\n\tisb" :: "r"(page) : "memory"); break;
  case 3: __asm__ volatile("dsb ishst\n\ttlbi vaale1is, %0\n\tdsb ish\n\tisb" :: "r"(page) : "memory"); break;
  case 4: __asm__ volatile("dsb ishst\n\ttlbi aside1is, %0\n\tdsb ish\n\tisb" :: "r"(0ull) : "memory"); break;
  default: asm_volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb");
  }
}

/* Per phase: what a load of the page gives, and whether load, store and fetch fault. */
static void reader(struct cpu *me, u64 va)
{
  u64 seen = 0;
  me->result[0] = me->result[1] = me->result[2] = 0;
  me->on_sync = expect_fault;
  for (;;) {
    u64 p = 0;
    wait_until((p = load_acquire(&phase)) != seen);
    if (p == ~0ull) return;
    seen = p;
    me->faults = 0;
    u64 value = rd64(va);
    if (me->faults) me->result[0] = me->result[0] << 1 | 0;
    else me->result[1] = me->result[1] << 4 | (value & 15);
    u32 before = me->faults;
    wr64(va + 8 * (1 + me->index), p);
    me->result[2] = me->result[2] << 2 | before << 1 | (me->faults - before);
    __atomic_fetch_add(&answered, 1, __ATOMIC_ACQ_REL);
  }
}

static u64 next_phase, readers;

static void ask(void)
{
  store_release(&answered, 0);
  store_release(&phase, ++next_phase);
  wait_until(load_acquire(&answered) == readers);
}

static void shootdown(void)
{
  u64 va, *entry = test_page(&va);
  readers = cpu_count - 1;
  if (!readers) return;
  pages[0][0] = 5;
  pages[1][0] = 9;
  for (flush_way = 0; flush_way < 6; flush_way++) {
    u64 global = flush_way == 4 ? NOT_GLOBAL : 0;
    next_phase = 0;
    store_release(&phase, 0);
    *entry = (u64)pages[0] | PAGE_NORMAL | global;
    flush(va, 5);
    for (unsigned n = 1; n < cpu_count; n++) start_job(n, reader, va);
    ask(); /* 5 */
    *entry = 0;
    flush(va, flush_way);
    ask(); /* faults */
    *entry = (u64)pages[1] | PAGE_NORMAL | global;
    flush(va, flush_way);
    ask(); /* 9 */
    *entry = (u64)pages[1] | PAGE_NORMAL | READ_ONLY | global;
    flush(va, flush_way);
    ask(); /* 9, store faults */
    *entry = 0;
    flush(va, flush_way);
    *entry = (u64)pages[0] | PAGE_NORMAL | global;
    flush(va, flush_way);
    ask(); /* 5 */
    store_release(&phase, ~0ull);
    for (unsigned n = 1; n < cpu_count; n++) {
      finish_job(n);
      show_hex_n("values read at CPU #", n, cpus[n].result[1]);
      show_hex_n("faults of load and store at CPU #", n, cpus[n].result[2]);
    }
    show_n("TLBI way # done", flush_way, 1);
  }
  *entry = 0;
  flush(va, 5);
}

/* Code behind a page that is mapped anew to other code. */
static void remapped_fetch(struct cpu *me, u64 va)
{
  u64 seen = 0;
  me->result[0] = 0;
  for (;;) {
    u64 p = 0;
    wait_until((p = load_acquire(&phase)) != seen);
    if (p == ~0ull) return;
    seen = p;
    asm_volatile("isb");
    me->result[0] = me->result[0] << 4 | (((function *)va)() & 15);
    __atomic_fetch_add(&answered, 1, __ATOMIC_ACQ_REL);
  }
}

static void remapped_code(void)
{
  u64 va, *entry = test_page(&va);
  if (!readers) return;
  for (u64 i = 0; i < 2; i++) {
    put((u32 *)pages[i], mov_x0(3 + 4 * i), RET, BY_WORD);
    synchronize((u64)pages[i]);
  }
  next_phase = 0;
  store_release(&phase, 0);
  *entry = (u64)pages[0] | PAGE_NORMAL;
  flush(va, 5);
  for (unsigned n = 1; n < cpu_count; n++) start_job(n, remapped_fetch, va);
  for (u64 i = 0; i < 8; i++) {
    *entry = 0;
    flush(va, i % 4);
    *entry = (u64)pages[i & 1] | PAGE_NORMAL;
    flush(va, i % 4);
    ask();
  }
  store_release(&phase, ~0ull);
  for (unsigned n = 1; n < cpu_count; n++) {
    finish_job(n);
    show_hex_n("code behind a page that is mapped anew, CPU #", n, cpus[n].result[0]);
  }
  *entry = 0;
  flush(va, 5);
}

void test_cache(void)
{
  group("cache");
  own_code();
  code_of_another();
  relays();
  zva();
  group("tlb");
  shootdown();
  remapped_code();
}

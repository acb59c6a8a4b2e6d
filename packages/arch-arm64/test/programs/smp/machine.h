/*
 * What the groups of the SMP test share: CPUs and their jobs, system registers, the interrupt controller, the console.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include "offsets.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
typedef int64_t s64;

#define MAX_CPUS 4
#define MPIDR_AFFINITY 0xff00ffffffull

/* Registers at an exception, as start.S stores them. */
struct frame {
  u64 x[31];
  u64 sp;
  u64 elr;
  u64 spsr;
  u64 esr;
  u64 far;
};
_Static_assert(sizeof(struct frame) == FRAME_SIZE, "start.S");

struct cpu;
typedef void job_fn(struct cpu *me, u64 argument);
/* Returns whether it knows the exception; changes the frame to say where to go on. */
typedef int sync_fn(struct cpu *me, struct frame *f);
/* `fiq` is 1 for a FIQ. */
typedef void irq_fn(struct cpu *me, int fiq);

struct cpu {
  u64 stack;
  /* CurrentEL, DAIF, SCTLR_EL1, SPSel when it was entered. */
  u64 found[4];
  u64 index;
  u64 mpidr;
  /* SGI_base is 64 KiB on. */
  u64 redistributor;
  job_fn *job;
  u64 argument;
  /* The job has returned. */
  u64 done;
  sync_fn *on_sync;
  irq_fn *on_irq;
  /* Interrupts taken by `count_irq`, by INTID up to 63; last INTID. */
  u32 taken[64];
  u32 taken_all;
  u32 last_intid;
  /* Set by `expect_fault`: an abort or undefined instruction is stepped over and counted. */
  u32 faults;
  u64 fault_esr;
  u64 fault_far;
  /* For whoever runs on it. */
  u64 result[8];
};
_Static_assert(offsetof(struct cpu, stack) == CPU_STACK && offsetof(struct cpu, found) == CPU_FOUND, "start.S");

extern struct cpu cpus[MAX_CPUS];
extern unsigned cpu_count;
/* From the device tree. */
extern struct machine {
  u64 uart;
  u64 gicd;
  u64 gicr;
  u64 memory;
  u64 memory_size;
  /* 1: SMC. */
  u64 psci_smc;
  /* INTIDs. */
  u32 physical_timer;
  u32 virtual_timer;
} machine;

/* start.S */
void secondary_entry(void);
void run_context(struct frame *context, u64 *saved_sp);
void leave_context(u64 saved_sp) __attribute__((noreturn));

/* main.c */
void read_device_tree(const u8 *dtb);
void make_tables(void);
/* The descriptor of one page that nothing else is mapped at, and its address. */
u64 *test_page(u64 *va);
void start_job(unsigned cpu, job_fn *job, u64 argument);
/* Wait until the CPU is off. Returns 0 when it does not end in time. */
int finish_job(unsigned cpu);
void run_job(unsigned cpu, job_fn *job, u64 argument);
int expect_fault(struct cpu *me, struct frame *f);
void count_irq(struct cpu *me, int fiq);

/* console.c: one line a check, "group: what = value". */
void group(const char *name);
void show(const char *what, s64 value);
void show_hex(const char *what, u64 value);
/* With a number in the text's place of '#' (decimal) or '@' (hexadecimal). */
void show_n(const char *what, u64 n, s64 value);
void show_hex_n(const char *what, u64 n, u64 value);
void put_text(const char *text);
void put_hex(u64 value);
void fail(const char *why) __attribute__((noreturn));

/* smccc.c */
u64 smccc(u64 fid, u64 a1, u64 a2, u64 a3);

/* gic.c */
void gic_set_up(void);
void gic_cpu_set_up(struct cpu *me);
u64 frame_of(struct cpu *me);
u32 rd32(u64 address);
u64 rd64(u64 address);
u16 rd16(u64 address);
u8 rd8(u64 address);
void wr64(u64 address, u64 value);
void wr32(u64 address, u32 value);
void wr16(u64 address, u16 value);
void wr8(u64 address, u8 value);

/* groups */
void test_psci(void);
void test_smccc(void);
void test_events(void);
void test_sgi(void);
void test_priority(void);
void test_timers(void);
void test_gic(void);
void test_spi(void);
void test_debug(void);
void test_cache(void);
void test_fp(void);
void test_atomics(void);

enum {
  PSCI_VERSION = 0x84000000,
  PSCI_CPU_OFF = 0x84000002,
  PSCI_SYSTEM_OFF = 0x84000008,
  PSCI_FEATURES = 0x8400000a,
};
#define PSCI_CPU_SUSPEND 0xc4000001ull
#define PSCI_CPU_ON 0xc4000003ull
#define PSCI_AFFINITY_INFO 0xc4000004ull

#define mrs(name) ({ u64 v_; __asm__ volatile("mrs %0, " name : "=r"(v_) :: "memory"); v_; })
#define msr(name, value) __asm__ volatile("msr " name ", %0\n\tisb" :: "r"((u64)(value)) : "memory")
#define asm_volatile(text) __asm__ volatile(text ::: "memory")

#define ICC_PMR "S3_0_C4_C6_0"
#define ICC_IAR0 "S3_0_C12_C8_0"
#define ICC_EOIR0 "S3_0_C12_C8_1"
#define ICC_HPPIR0 "S3_0_C12_C8_2"
#define ICC_BPR0 "S3_0_C12_C8_3"
#define ICC_AP1R0 "S3_0_C12_C9_0"
#define ICC_DIR "S3_0_C12_C11_1"
#define ICC_RPR "S3_0_C12_C11_3"
#define ICC_SGI1R "S3_0_C12_C11_5"
#define ICC_ASGI1R "S3_0_C12_C11_6"
#define ICC_SGI0R "S3_0_C12_C11_7"
#define ICC_IAR1 "S3_0_C12_C12_0"
#define ICC_EOIR1 "S3_0_C12_C12_1"
#define ICC_HPPIR1 "S3_0_C12_C12_2"
#define ICC_BPR1 "S3_0_C12_C12_3"
#define ICC_CTLR "S3_0_C12_C12_4"
#define ICC_SRE "S3_0_C12_C12_5"
#define ICC_IGRPEN0 "S3_0_C12_C12_6"
#define ICC_IGRPEN1 "S3_0_C12_C12_7"

#define GICD_CTLR 0x0000
#define GICD_TYPER 0x0004
#define IGROUPR 0x0080
#define ISENABLER 0x0100
#define ICENABLER 0x0180
#define ISPENDR 0x0200
#define ICPENDR 0x0280
#define ISACTIVER 0x0300
#define ICACTIVER 0x0380
#define IPRIORITYR 0x0400
#define ICFGR 0x0c00
#define GICD_IROUTER 0x6000
#define SGI_BASE 0x10000
/* No device of either machine has these. */
#define SPI_FIRST 96

static inline struct cpu *this_cpu(void) { return (struct cpu *)mrs("TPIDR_EL1"); }
static inline u64 now(void) { asm_volatile("isb"); return mrs("CNTVCT_EL0"); }
static inline u64 ticks_of_ms(u64 ms) { return mrs("CNTFRQ_EL0") * ms / 1000; }
static inline void irq_on(void) { asm_volatile("msr daifclr, #3\n\tisb"); }
static inline void irq_off(void) { asm_volatile("msr daifset, #3\n\tisb"); }
static inline void dsb(void) { asm_volatile("dsb sy"); }
static inline u64 load_acquire(const volatile u64 *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void store_release(volatile u64 *p, u64 v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }

/* Some hundred instructions, so that who waits does not only read the counter: an emulator may take long for that. */
static inline void relax(void)
{
  for (u64 n = 200; n > 0; n--) asm_volatile("");
}
static inline void pause_us(u64 us)
{
  u64 end = now() + mrs("CNTFRQ_EL0") * us / 1000000 + 1;
  while (now() < end) relax();
}
/* What came before has had its effect on interrupts. */
static inline void settle(void) { pause_us(100); }

/* WFI for an interrupt that may be there already: masked, so that it cannot be taken just before. */
static inline void sleep_for_interrupt(void)
{
  irq_off();
  asm_volatile("wfi");
  irq_on();
}

/* No check waits so long unless it fails. */
#define PATIENCE_MS 20000
/* Spin until `condition`; 0 when it never comes. */
#define wait_until(condition) ({ \
  u64 end_ = now() + ticks_of_ms(PATIENCE_MS); \
  int came_ = 0; \
  while (!(came_ = !!(condition)) && now() < end_) { asm_volatile("yield"); relax(); } \
  came_; })

#endif

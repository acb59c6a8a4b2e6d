/*
 * What QEMU's FEAT_PAuth (QARMA5) makes of random pointers, keys and TCR_EL1: bare metal at EL1, MMU off, `-M virt`.
 *
 * Each line on the PL011 is the input of a case and every result, in hexadecimal. See record.sh.
 */
#include <stdint.h>

#define UART (*(volatile uint32_t *)0x09000000)
static void put(char c) { UART = (uint32_t)c; }
static void hex(uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 15]);
  put(' ');
}

static uint64_t seed = 0x9e3779b97f4a7c15u;
static uint64_t next(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed * 0x2545f4914f6cdd1du;
}

#define SET(name, value) __asm__ volatile("msr " name ", %0" ::"r"(value))
/* insn <result and pointer>, <modifier> */
#define OP2(insn, pointer, modifier) \
  ({ uint64_t r = (pointer); __asm__ volatile(insn " %0, %1" : "+r"(r) : "r"(modifier)); r; })
#define OP1(insn, pointer) ({ uint64_t r = (pointer); __asm__ volatile(insn " %0" : "+r"(r)); r; })

void main(void) {
  static const int sizes[] = {16, 25, 28, 32, 39};
  for (int n = 0; n < 240; n++) {
    uint64_t ids[10];
    for (int i = 0; i < 10; i++) ids[i] = next();
    SET("S3_0_C2_C1_0", ids[0]); SET("S3_0_C2_C1_1", ids[1]); /* APIA Lo, Hi */
    SET("S3_0_C2_C1_2", ids[2]); SET("S3_0_C2_C1_3", ids[3]); /* APIB */
    SET("S3_0_C2_C2_0", ids[4]); SET("S3_0_C2_C2_1", ids[5]); /* APDA */
    SET("S3_0_C2_C2_2", ids[6]); SET("S3_0_C2_C2_3", ids[7]); /* APDB */
    SET("S3_0_C2_C3_0", ids[8]); SET("S3_0_C2_C3_1", ids[9]); /* APGA */
    uint64_t pick = next();
    /* T0SZ, T1SZ, TBI0, TBI1, TBID0, TBID1; TG0 and TG1 of 4 KiB */
    uint64_t tcr = sizes[pick % 5] | ((uint64_t)sizes[(pick >> 8) % 5] << 16) | (2ull << 30) |
                   (((pick >> 16) & 3) << 37) | (((pick >> 20) & 3) << 51);
    SET("tcr_el1", tcr);
    __asm__ volatile("isb");
    uint64_t pointer = next();
    /* mostly canonical; never with bits 55 and 63 different, where QEMU and the architecture part */
    if (n % 4) pointer = (uint64_t)((int64_t)(pointer << 16) >> 16);
    if (n % 8 == 1) pointer = (uint64_t)((int64_t)(pointer << 28) >> 28);
    if (n % 8 == 5) pointer ^= (pick >> 32 & 15) << 56;
    pointer = (pointer & ~(1ull << 63)) | ((pointer >> 55 & 1) << 63);
    uint64_t modifier = n % 7 ? next() : 0;
    uint64_t ia = OP2("pacia", pointer, modifier), ib = OP2("pacib", pointer, modifier);
    uint64_t da = OP2("pacda", pointer, modifier), db = OP2("pacdb", pointer, modifier);
    uint64_t flip = 1ull << (pick >> 40) % 64;
    uint64_t ga;
    __asm__ volatile("pacga %0, %1, %2" : "=r"(ga) : "r"(pointer), "r"(modifier));
    for (int i = 0; i < 10; i++) hex(ids[i]);
    hex(tcr); hex(pointer); hex(modifier); hex(flip);
    hex(ia); hex(ib); hex(da); hex(db); hex(ga);
    hex(OP2("autia", ia, modifier)); hex(OP2("autib", ib, modifier));
    hex(OP2("autda", da, modifier)); hex(OP2("autdb", db, modifier));
    hex(OP2("autia", ia ^ flip, modifier)); hex(OP2("autib", ib ^ flip, modifier));
    hex(OP2("autda", da ^ flip, modifier)); hex(OP2("autdb", db ^ flip, modifier));
    hex(OP1("xpaci", ia)); hex(OP1("xpacd", da));
    put('\n');
  }
  __asm__ volatile("mov x0, %0\n hvc #0" ::"r"(0x84000008ull) : "x0"); /* PSCI SYSTEM_OFF */
  for (;;) {}
}

__asm__(".globl _start\n_start:\n mov x0, #0x40000000\n add x0, x0, #0x800000\n mov sp, x0\n"
        /* SCTLR_EL1.EnIA, EnIB, EnDA, EnDB */
        " mrs x0, sctlr_el1\n movz x1, #0xc800, lsl #16\n movk x1, #0x2000\n orr x0, x0, x1\n msr sctlr_el1, x0\n isb\n"
        " mov x0, #0x300000\n msr cpacr_el1, x0\n isb\n b main\n");

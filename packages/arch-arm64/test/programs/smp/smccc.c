/* Calls by SMCCC, and what they leave alone. Source: Arm DEN 0028F §2.6 */
#include "machine.h"

u64 smccc(u64 fid, u64 a1, u64 a2, u64 a3)
{
  register u64 x0 __asm__("x0") = fid;
  register u64 x1 __asm__("x1") = a1;
  register u64 x2 __asm__("x2") = a2;
  register u64 x3 __asm__("x3") = a3;
  register u64 smc __asm__("x18") = machine.psci_smc;
  __asm__ volatile("cbnz %4, 1f\n\thvc #0\n\tb 2f\n1:\tsmc #0\n2:"
                   : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : "r"(smc)
                   : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory", "cc");
  return x0;
}

/* registers.S knows this layout. */
struct probe {
  u64 in[31];
  u64 smc;
  u64 out[31];
  u64 unused;
  u64 v[64];
  u64 fpsr, fpcr;
};
void smccc_probe(struct probe *p);

static struct probe probe;

static u64 pattern(u64 n)
{
  return 0x9e3779b97f4a7c15ull * (n + 1);
}

/* Registers that the call changed, X0-X3 apart, which are results or may be: bits 4-30 general, 32-63 vectors. */
static void changed(u64 fid, u64 a1, u64 a2, u64 a3)
{
  for (int i = 0; i < 31; i++) probe.in[i] = pattern((u64)i);
  for (int i = 0; i < 64; i++) probe.v[i] = pattern(100 + (u64)i);
  probe.in[0] = fid;
  probe.in[1] = a1;
  probe.in[2] = a2;
  probe.in[3] = a3;
  probe.smc = machine.psci_smc;
  probe.fpsr = 0x0800009f;
  probe.fpcr = 0x00c00000;
  smccc_probe(&probe);
  u64 bits = 0;
  for (int i = 4; i < 31; i++) bits |= (u64)(probe.out[i] != probe.in[i]) << i;
  for (int i = 0; i < 64; i++) bits |= (u64)(probe.v[i] != pattern(100 + (u64)i)) << (32 + i / 2);
  show_hex_n("registers that @ changes", fid, bits);
  show_hex_n("FPSR after @", fid, probe.fpsr);
  show_hex_n("FPCR after @", fid, probe.fpcr);
}

void test_smccc(void)
{
  group("smccc");
  changed(PSCI_VERSION, 0, 0, 0);
  changed(PSCI_FEATURES, PSCI_CPU_OFF, 0, 0);
  changed(PSCI_FEATURES, 0x8400001f, 0, 0);
  changed(PSCI_AFFINITY_INFO, cpus[0].mpidr, 0, 0);
  changed(PSCI_AFFINITY_INFO, 0xff, 0, 0);
  changed(PSCI_CPU_ON, cpus[0].mpidr, 0, 0);
  changed(PSCI_CPU_ON, 0xff, 0, 0);
  changed(0x8400001f, 1, 2, 3);
  changed(0x80000000, 0, 0, 0);
  changed(0x80000001, 0x80000000, 0, 0);
  changed(0x8600ff01, 0, 0, 0);
  changed(0xc600ff0f, 0, 0, 0);
  changed(0xffffffff, 0, 0, 0);
  changed(0, 0, 0, 0);
  /* A standby that an interrupt ends at once. */
  u64 f = frame_of(this_cpu());
  wr32(f + ISENABLER, 1u << machine.virtual_timer);
  msr("CNTV_CVAL_EL0", 0);
  msr("CNTV_CTL_EL0", 1);
  changed(PSCI_CPU_SUSPEND, 0, 0, 0);
  msr("CNTV_CTL_EL0", 0);
  wr32(f + ICENABLER, ~0u);
}

/* Calls by SMCCC. Source: Arm DEN 0028 */
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

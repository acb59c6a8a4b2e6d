/* Calls of the hypervisor, with all registers looked at. Source: Arm DEN 0028 (SMCCC 1.3) §2.6 */
#include "host.h"

void call_all(u64 x[31], u64 is_smc);

#define HYPERCALL 0xc6008000ull

u64 result[4];

/* What no argument and no result may be. */
static u64 pattern(unsigned i)
{
  return 0xa5a5000000000000ull | (u64)i << 8 | 0x5a;
}

static u64 call(u64 fid, unsigned outputs, int is_smc, const u64 *arguments, unsigned count)
{
  u64 x[31], before[31];
  for (unsigned i = 0; i < 31; i++) x[i] = pattern(i);
  x[0] = fid;
  for (unsigned i = 0; i < count; i++) x[i + 1] = arguments[i];
  for (unsigned i = 0; i < 31; i++) before[i] = x[i];
  call_all(x, (u64)is_smc);
  /* X0 and the declared results are written, also on an error; nothing else is. */
  for (unsigned i = outputs; i < 31; i++) {
    if (x[i] == before[i]) continue;
    say("FAILED: function", fid);
    say("  did not keep X", i);
    check("the register", x[i], before[i]);
  }
  checks++;
  for (unsigned i = 0; i < 4; i++) result[i] = x[i + 1];
  return x[0];
}

u64 hypercall(u32 number, unsigned outputs, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6, u64 a7)
{
  u64 arguments[8] = {a1, a2, a3, a4, a5, a6, a7, 0};
  return call(HYPERCALL | number, outputs, 0, arguments, 8);
}

u64 smccc(u64 fid, unsigned outputs, int is_smc, u64 a1, u64 a2, u64 a3)
{
  u64 arguments[3] = {a1, a2, a3};
  return call(fid, outputs, is_smc, arguments, 3);
}

void fail(const char *why)
{
  put_text("FAILED: ");
  put_text(why);
  put_text("\n");
  for (;;) smccc(0x84000008, 4, 1, 0, 0, 0);
}

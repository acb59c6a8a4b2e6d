/* Non-local jumps: registers that callees save come back, also the FP ones. */
#include "programs.h"
#include <setjmp.h>
#include <stdio.h>

static jmp_buf buffers[3];
static __attribute__((noinline, noreturn)) void descend(int depth, int value) {
  volatile char pad[64];
  pad[depth] = (char)value;
  if (depth == 0) longjmp(buffers[value % 3], value);
  descend(depth - 1, value);
  __builtin_unreachable();
}

int test_setjmp(void) {
  for (int round = 1; round < 9; round++) {
    double kept = round * 1.5;
    register uint64_t x = (uint64_t)round * 0x123456789abcdefull;
    volatile int seen = 0;
    int value = setjmp(buffers[round % 3]);
    if (value == 0) {
      seen = 1;
      descend(round * 7, round);
      printf("not reached\n");
    }
    printf("round %d value %d seen %d kept %.2f x %016llx\n", round, value, seen, kept, (unsigned long long)x);
  }
  return 0;
}

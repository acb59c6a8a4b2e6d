/* Doubly recursive Fibonacci number 22. */
#include "bench.h"
NOINLINE static u64 fib(u64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
u64 bench_fib(u8 *memory, u64 rounds) {
  (void)memory;
  u64 sum = 0;
  while (rounds--) sum += fib(22);
  return sum;
}

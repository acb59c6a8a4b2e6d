/* Primes below 131,072. */
#include "bench.h"
u64 bench_sieve(u8 *memory, u64 rounds) {
  const u32 limit = 1u << 17;
  u64 primes = 0;
  while (rounds--) {
    primes = 0;
    for (u32 i = 0; i < limit; i++) memory[i] = 1;
    for (u32 i = 2; i < limit; i++) {
      if (!memory[i]) continue;
      primes++;
      for (u32 j = 2 * i; j < limit; j += i) memory[j] = 0;
    }
  }
  return primes;
}

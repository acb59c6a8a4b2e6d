/* Copies 64 KiB there and back, 32 bytes at a time. */
#include "bench.h"
NOINLINE static void copy(u64 *to, const u64 *from, u64 words) {
  for (; words >= 4; words -= 4, to += 4, from += 4) {
    u64 a = from[0], b = from[1], c = from[2], d = from[3];
    to[0] = a, to[1] = b, to[2] = c, to[3] = d;
  }
}
u64 bench_memcpy(u8 *memory, u64 rounds) {
  u64 *a = (u64 *)memory, *b = (u64 *)(memory + 65536);
  for (u64 i = 0; i < 8192; i++) a[i] = i * 0x9e3779b97f4a7c15ul;
  while (rounds--) {
    copy(b, a, 8192);
    copy(a, b, 8192);
    a[rounds & 8191] += rounds;
  }
  return a[5] + b[77];
}

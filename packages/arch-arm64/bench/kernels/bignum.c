/* Schoolbook product of two 2,048-bit numbers, from 32-bit halves as portable kernels do it. */
#include "bench.h"
NOINLINE static u64 addmul(u64 *result, const u64 *a, int words, u64 b) {
  u64 carry = 0;
  for (int i = 0; i < words; i++) {
    u64 al = (u32)a[i], ah = a[i] >> 32, bl = (u32)b, bh = b >> 32;
    u64 low = al * bl, mid = al * bh, mid2 = ah * bl, high = ah * bh;
    mid += low >> 32;
    mid += mid2;
    if (mid < mid2) high += 1ul << 32;
    high += mid >> 32;
    low = (mid << 32) + (u32)low;
    low += carry;
    carry = high + (low < carry);
    u64 sum = result[i] + low;
    carry += sum < low;
    result[i] = sum;
  }
  return carry;
}
u64 bench_bignum(u8 *memory, u64 rounds) {
  u64 *a = (u64 *)memory, *b = a + 64, *r = a + 128;
  for (u64 i = 0; i < 32; i++) a[i] = i * 0x9e3779b97f4a7c15ul + 1, b[i] = ~a[i] * 3;
  while (rounds--) {
    for (int i = 0; i < 64; i++) r[i] = 0;
    for (int i = 0; i < 32; i++) r[i + 32] = addmul(r + i, a, 32, b[i]);
    b[rounds & 31] ^= r[40];
  }
  return r[20] ^ r[50];
}

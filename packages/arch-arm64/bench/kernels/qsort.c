/* Quicksort of 8,192 words with a comparison through a pointer: calls, indirect calls, recursion. */
#include "bench.h"
typedef int compare(const u32 *, const u32 *);
NOINLINE static int ascending(const u32 *a, const u32 *b) { return *a < *b ? -1 : *a > *b; }
NOINLINE static int descending(const u32 *a, const u32 *b) { return *a < *b ? 1 : -(*a > *b); }
NOINLINE static void sort(u32 *v, i64 low, i64 high, compare *order) {
  while (low < high) {
    u32 pivot = v[(low + high) / 2];
    i64 i = low, j = high;
    while (i <= j) {
      while (order(&v[i], &pivot) < 0) i++;
      while (order(&v[j], &pivot) > 0) j--;
      if (i > j) break;
      u32 t = v[i];
      v[i++] = v[j];
      v[j--] = t;
    }
    if (j - low < high - i) sort(v, low, j, order), low = i;
    else sort(v, i, high, order), high = j;
  }
}
u64 bench_qsort(u8 *memory, u64 rounds) {
  u32 *v = (u32 *)memory;
  u64 sum = 0;
  while (rounds--) {
    u32 x = 12345 + rounds;
    for (int i = 0; i < 8192; i++) v[i] = (x = x * 1664525 + 1013904223) >> 8;
    sort(v, 0, 8191, rounds & 1 ? ascending : descending);
    sum = sum * 31 + v[4096];
  }
  return sum;
}

/* The C library's qsort and bsearch, and a recursive sort, over integers, doubles and strings. */
#include "programs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 1500
static int compare_ints(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}
static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static int compare_strings(const void *a, const void *b) { return strcmp(a, b); }

static void sort(int *a, int n) {
  while (n > 1) {
    int pivot = a[n / 2], i = 0, j = n - 1;
    for (;; i++, j--) {
      while (a[i] < pivot) i++;
      while (a[j] > pivot) j--;
      if (i >= j) break;
      int t = a[i];
      a[i] = a[j];
      a[j] = t;
    }
    sort(a, i);
    a += i;
    n -= i;
  }
}

int test_qsort(void) {
  static int ints[COUNT], copy[COUNT];
  static double doubles[COUNT];
  static char strings[COUNT][12];
  uint32_t seed = 42;
  for (int i = 0; i < COUNT; i++) {
    copy[i] = ints[i] = (int)next_random(&seed) >> 8;
    doubles[i] = (double)(int)next_random(&seed) / 1000.0;
    snprintf(strings[i], sizeof strings[i], "%08x", next_random(&seed));
  }
  qsort(ints, COUNT, sizeof *ints, compare_ints);
  qsort(doubles, COUNT, sizeof *doubles, compare_doubles);
  qsort(strings, COUNT, sizeof *strings, compare_strings);
  sort(copy, COUNT);
  printf("%s\n", memcmp(ints, copy, sizeof ints) == 0 ? "same" : "DIFFERENT");
  for (int i = 0; i < COUNT; i += 149) printf("%d %.3f %s\n", ints[i], doubles[i], strings[i]);
  int *found = bsearch(&ints[700], ints, COUNT, sizeof *ints, compare_ints);
  printf("found at %d\n", (int)(found - ints));
  return 0;
}

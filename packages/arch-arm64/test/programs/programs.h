/* Test programs of the CPU backend. Each prints what it computed; the output under QEMU is the expected one. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int test_sha256(void);
int test_crc32(void);
int test_qsort(void);
int test_inflate(void);
int test_matrix(void);
int test_setjmp(void);
int test_libc(void);

/* A generator of numbers that is the same everywhere. */
static inline uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

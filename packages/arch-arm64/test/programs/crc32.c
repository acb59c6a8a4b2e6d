/* CRC-32 and CRC-32C by table and by instruction. */
#include "programs.h"
#include <arm_acle.h>
#include <stdio.h>

static uint32_t by_bits(uint32_t polynomial, uint32_t crc, const uint8_t *p, size_t n) {
  uint32_t table[256];
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int b = 0; b < 8; b++) c = c & 1 ? c >> 1 ^ polynomial : c >> 1;
    table[i] = c;
  }
  while (n--) crc = crc >> 8 ^ table[(crc ^ *p++) & 255];
  return crc;
}

__attribute__((target("+crc"))) static uint32_t by_instruction(int castagnoli, uint32_t crc, const uint8_t *p, size_t n) {
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t v;
    __builtin_memcpy(&v, p, 8);
    crc = castagnoli ? __crc32cd(crc, v) : __crc32d(crc, v);
  }
  for (; n > 0; n--, p++) crc = castagnoli ? __crc32cb(crc, *p) : __crc32b(crc, *p);
  return crc;
}

int test_crc32(void) {
  static uint8_t data[10001];
  uint32_t seed = 7;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)next_random(&seed);
  for (size_t n = 0; n <= sizeof data; n = n * 3 + 1) {
    uint32_t a = ~by_bits(0xedb88320, ~0u, data, n), b = ~by_instruction(0, ~0u, data, n);
    uint32_t c = ~by_bits(0x82f63b78, ~0u, data, n), d = ~by_instruction(1, ~0u, data, n);
    printf("%5zu crc32 %08x crc32c %08x %s\n", n, a, c, a == b && c == d ? "same" : "DIFFERENT");
  }
  return 0;
}

/* Decompress a deflate stream (RFC 1951) that the build script made from these sources. */
#include "programs.h"
#include "deflated.h"
#include <stdio.h>

static size_t at;
static uint32_t bit_buffer;
static int bit_count;
static uint8_t out[1 << 16];
static size_t out_size;

static uint32_t bits(int n) {
  while (bit_count < n) {
    bit_buffer |= (uint32_t)deflated[at++] << bit_count;
    bit_count += 8;
  }
  uint32_t v = bit_buffer & ((1u << n) - 1);
  bit_buffer >>= n;
  bit_count -= n;
  return v;
}

struct code {
  uint16_t count[16], symbol[288];
};
static void build(struct code *c, const uint8_t *lengths, int n) {
  uint16_t offset[16] = {0};
  for (int i = 0; i < 16; i++) c->count[i] = 0;
  for (int i = 0; i < n; i++) c->count[lengths[i]]++;
  c->count[0] = 0;
  for (int i = 1; i < 15; i++) offset[i + 1] = offset[i] + c->count[i];
  for (int i = 0; i < n; i++)
    if (lengths[i]) c->symbol[offset[lengths[i]]++] = (uint16_t)i;
}
static int decode(const struct code *c) {
  int code = 0, first = 0, index = 0;
  for (int length = 1; length < 16; length++) {
    code |= (int)bits(1);
    int count = c->count[length];
    if (code - count < first) return c->symbol[index + code - first];
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  return -1;
}

static void codes(const struct code *literal, const struct code *distance) {
  static const uint16_t base[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  static const uint8_t extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
  static const uint16_t dbase[] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
  for (int symbol; (symbol = decode(literal)) != 256;) {
    if (symbol < 256) {
      out[out_size++] = (uint8_t)symbol;
      continue;
    }
    size_t length = base[symbol - 257] + bits(extra[symbol - 257]);
    int d = decode(distance);
    size_t back = dbase[d] + bits(d < 2 ? 0 : d / 2 - 1);
    for (; length > 0; length--, out_size++) out[out_size] = out[out_size - back];
  }
}

int test_inflate(void) {
  struct code literal, distance;
  uint8_t lengths[320];
  int last;
  do {
    last = (int)bits(1);
    uint32_t type = bits(2);
    if (type == 1) {
      for (int i = 0; i < 288; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
      build(&literal, lengths, 288);
      for (int i = 0; i < 30; i++) lengths[i] = 5;
      build(&distance, lengths, 30);
    } else {
      static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
      int nlen = (int)bits(5) + 257, ndist = (int)bits(5) + 1, ncode = (int)bits(4) + 4, n = 0;
      for (int i = 0; i < 19; i++) lengths[order[i]] = i < ncode ? (uint8_t)bits(3) : 0;
      build(&literal, lengths, 19);
      while (n < nlen + ndist) {
        int symbol = decode(&literal), repeat = 1;
        uint8_t value = (uint8_t)symbol;
        if (symbol == 16) value = lengths[n - 1], repeat = 3 + (int)bits(2);
        else if (symbol == 17) value = 0, repeat = 3 + (int)bits(3);
        else if (symbol == 18) value = 0, repeat = 11 + (int)bits(7);
        while (repeat--) lengths[n++] = value;
      }
      build(&distance, lengths + nlen, ndist);
      build(&literal, lengths, nlen);
    }
    codes(&literal, &distance);
  } while (!last);
  uint32_t crc = ~0u;
  for (size_t i = 0; i < out_size; i++) {
    crc ^= out[i];
    for (int b = 0; b < 8; b++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
  }
  printf("%zu bytes become %zu, crc32 %08x\n%.60s\n", sizeof deflated, out_size, ~crc, (const char *)out);
  return 0;
}

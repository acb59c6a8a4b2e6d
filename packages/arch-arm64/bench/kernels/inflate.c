/*
 * DEFLATE decoding, bit by bit as RFC 1951 section 3.2 describes it. The input is a stream that the kernel makes itself:
 * fixed Huffman codes of pseudo-random text with matches.
 */
#include "bench.h"
struct stream {
  u8 *bytes;
  u32 at;   /* byte */
  u32 hold; /* bits not used yet */
  int bits;
};
static void put(struct stream *s, u32 value, int count) {
  s->hold |= value << s->bits;
  s->bits += count;
  while (s->bits >= 8) s->bytes[s->at++] = s->hold, s->hold >>= 8, s->bits -= 8;
}
static u32 get(struct stream *s, int count) {
  while (s->bits < count) s->hold |= (u32)s->bytes[s->at++] << s->bits, s->bits += 8;
  u32 value = s->hold & ((1u << count) - 1);
  s->hold >>= count;
  s->bits -= count;
  return value;
}
struct code {
  u16 count[16], symbol[288];
};
static void build(struct code *c, const u8 *length, int n) {
  u16 offset[16];
  for (int i = 0; i < 16; i++) c->count[i] = 0;
  for (int i = 0; i < n; i++) c->count[length[i]]++;
  offset[1] = 0;
  for (int i = 1; i < 15; i++) offset[i + 1] = offset[i] + c->count[i];
  for (int i = 0; i < n; i++)
    if (length[i]) c->symbol[offset[length[i]]++] = i;
}
NOINLINE static int decode(struct stream *s, const struct code *c) {
  int code = 0, first = 0, index = 0;
  for (int length = 1; length < 16; length++) {
    code |= get(s, 1);
    int count = c->count[length];
    if (code - count < first) return c->symbol[index + code - first];
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  return -1;
}
static u32 reversed(u32 value, int bits) {
  u32 r = 0;
  while (bits--) r = r << 1 | (value & 1), value >>= 1;
  return r;
}
static void put_literal(struct stream *s, u32 v) {
  if (v < 144) put(s, reversed(0x30 + v, 8), 8);
  else if (v < 256) put(s, reversed(0x190 + v - 144, 9), 9);
  else put(s, reversed(v - 256, 7), 7);
}
u64 bench_inflate(u8 *memory, u64 rounds) {
  struct code *literals = (struct code *)memory, *distances = literals + 1;
  u8 *packed = memory + 0x10000, *out = memory + 0x40000, length[288];
  for (int i = 0; i < 288; i++) length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  build(literals, length, 288);
  for (int i = 0; i < 30; i++) length[i] = 5;
  build(distances, length, 30);
  struct stream s = {packed, 0, 0, 0};
  u32 x = 1;
  put(&s, 3, 3); /* last block, fixed codes */
  for (int i = 0; i < 12000; i++) {
    x = x * 1664525 + 1013904223;
    if (i > 64 && (x >> 28) < 6) {
      put_literal(&s, 257 + (x >> 24 & 7)); /* lengths 3 to 10 */
      put(&s, reversed(8, 5), 5);           /* distances 17 to 24 */
      put(&s, x >> 20 & 7, 3);
    } else put_literal(&s, 'a' + (x >> 24) % 26);
  }
  put_literal(&s, 256);
  put(&s, 0, 15);
  u64 sum = 0;
  while (rounds--) {
    struct stream in = {packed, 0, 0, 0};
    u32 n = 0;
    get(&in, 3);
    for (int symbol; (symbol = decode(&in, literals)) != 256;) {
      if (symbol < 256) {
        out[n++] = symbol;
        continue;
      }
      int run = symbol - 257 + 3;
      decode(&in, distances);
      u32 distance = 17 + get(&in, 3);
      for (; run--; n++) out[n] = out[n - distance];
    }
    for (u32 i = 0; i < n; i += 64) sum = sum * 31 + out[i];
    sum += n;
  }
  return sum;
}

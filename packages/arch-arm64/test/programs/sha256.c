/* SHA-256, by the definition and by the SHA2 instructions. Source: FIPS 180-4. */
#include "programs.h"
#include <arm_neon.h>
#include <stdio.h>
#include <string.h>

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static uint32_t ror(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void block_plain(uint32_t h[8], const uint8_t *p) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + w[i - 7] + (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) + (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
  memcpy(s, h, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
    uint32_t t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += t1;
    s[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) h[i] += s[i];
}

__attribute__((target("+crypto"))) static void block_crypto(uint32_t h[8], const uint8_t *p) {
  uint32x4_t abcd = vld1q_u32(h), efgh = vld1q_u32(h + 4), a0 = abcd, e0 = efgh, m[4];
  for (int i = 0; i < 4; i++) m[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p + 16 * i)));
  for (int i = 0; i < 16; i++) {
    uint32x4_t wk = vaddq_u32(m[i & 3], vld1q_u32(k + 4 * i)), t = abcd;
    abcd = vsha256hq_u32(abcd, efgh, wk);
    efgh = vsha256h2q_u32(efgh, t, wk);
    if (i < 12) m[i & 3] = vsha256su1q_u32(vsha256su0q_u32(m[i & 3], m[(i + 1) & 3]), m[(i + 2) & 3], m[(i + 3) & 3]);
  }
  vst1q_u32(h, vaddq_u32(abcd, a0));
  vst1q_u32(h + 4, vaddq_u32(efgh, e0));
}

static void digest(const char *name, void (*block)(uint32_t *, const uint8_t *), const uint8_t *data, size_t size) {
  uint32_t h[8];
  uint8_t last[128] = {0};
  size_t whole = size & ~(size_t)63, rest = size - whole, padded = rest < 56 ? 64 : 128;
  memcpy(h, initial, sizeof h);
  for (size_t at = 0; at < whole; at += 64) block(h, data + at);
  memcpy(last, data + whole, rest);
  last[rest] = 0x80;
  for (int i = 0; i < 8; i++) last[padded - 1 - i] = (uint8_t)((uint64_t)size * 8 >> (8 * i));
  for (size_t at = 0; at < padded; at += 64) block(h, last + at);
  printf("%s ", name);
  for (int i = 0; i < 8; i++) printf("%08x", h[i]);
  printf(" %zu bytes\n", size);
}

int test_sha256(void) {
  static uint8_t data[4096];
  uint32_t seed = 1;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)next_random(&seed);
  const size_t sizes[] = {0, 3, 55, 56, 63, 64, 65, 1000, 4096};
  digest("plain ", block_plain, (const uint8_t *)"abc", 3);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    digest("plain ", block_plain, data, sizes[i]);
    digest("crypto", block_crypto, data, sizes[i]);
  }
  return 0;
}

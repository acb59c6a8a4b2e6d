/* Floating point: matrices by plain C (vectorised by the compiler) and by NEON, Gauss elimination, series, rounding modes, exceptions. */
#include "programs.h"
#include <arm_neon.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define N 24
static float a[N][N], b[N][N], c[N][N], d[N][N];

static uint32_t checksum(const void *p, size_t n) {
  const uint8_t *q = p;
  uint32_t h = 2166136261u;
  while (n--) h = (h ^ *q++) * 16777619u;
  return h;
}

static void multiply_neon(void) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j += 4) {
      float32x4_t sum = vdupq_n_f32(0);
      for (int k = 0; k < N; k += 4) {
        float32x4_t row = vld1q_f32(&a[i][k]);
        sum = vfmaq_laneq_f32(sum, vld1q_f32(&b[k][j]), row, 0);
        sum = vfmaq_laneq_f32(sum, vld1q_f32(&b[k + 1][j]), row, 1);
        sum = vfmaq_laneq_f32(sum, vld1q_f32(&b[k + 2][j]), row, 2);
        sum = vfmaq_laneq_f32(sum, vld1q_f32(&b[k + 3][j]), row, 3);
      }
      vst1q_f32(&d[i][j], sum);
    }
}

static double determinant(void) {
  double m[N][N], det = 1;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) m[i][j] = a[i][j];
  for (int i = 0; i < N; i++) {
    int pivot = i;
    for (int r = i + 1; r < N; r++)
      if (fabs(m[r][i]) > fabs(m[pivot][i])) pivot = r;
    if (pivot != i) {
      double t[N];
      memcpy(t, m[i], sizeof t);
      memcpy(m[i], m[pivot], sizeof t);
      memcpy(m[pivot], t, sizeof t);
      det = -det;
    }
    det *= m[i][i];
    for (int r = i + 1; r < N; r++) {
      double f = m[r][i] / m[i][i];
      for (int j = i; j < N; j++) m[r][j] -= f * m[i][j];
    }
  }
  return det;
}

/* Structures of vectors at every offset around a page boundary. */
static void structures(void) {
  static _Alignas(4096) uint8_t from[3 * 4096], to[3 * 4096];
  uint32_t seed = 11, h = 0;
  for (size_t i = 0; i < sizeof from; i++) from[i] = (uint8_t)next_random(&seed);
  for (size_t at = 4096 - 66; at < 4096 + 2; at++) {
    uint8x16x4_t q = vld4q_u8(from + at);
    uint16x8x3_t t = vld3q_u16((const uint16_t *)(from + at + 1));
    uint32x2x2_t p = vld2_u32((const uint32_t *)(from + at + 5));
    uint8x16x4_t r = vld1q_u8_x4(from + at + 3);
    uint64x2_t one = vld1q_dup_u64((const uint64_t *)(from + at + 7));
    p = vld2_lane_u32((const uint32_t *)(from + at + 9), p, 1);
    q.val[2] = veorq_u8(q.val[2], vreinterpretq_u8_u64(one));
    vst4q_u8(to + at, q);
    vst3q_u16((uint16_t *)(to + at + 64), t);
    vst1q_u8_x4(to + at - 64, r);
    vst2_lane_u32((uint32_t *)(to + at + 120), p, 0);
    vst1q_u64((uint64_t *)(to + at + 30), vaddq_u64(one, vld1q_u64((const uint64_t *)(to + at + 33))));
    h = h * 33 + checksum(to + 4096 - 256, 512);
  }
  printf("structures %08x\n", h);
}

int test_matrix(void) {
  uint32_t seed = 99;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = (float)((int)next_random(&seed) >> 12) / 65536.0f;
      b[i][j] = (float)((int)next_random(&seed) >> 12) / 4096.0f;
    }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      c[i][j] = 0;
      for (int k = 0; k < N; k++) c[i][j] = fmaf(a[i][k], b[k][j], c[i][j]);
    }
  multiply_neon();
  printf("product %08x neon %08x c[3][5] %a d[3][5] %a\n", checksum(c, sizeof c), checksum(d, sizeof d), c[3][5], d[3][5]);
  printf("determinant %a\n", determinant());

  double pi = 0, e = 1, term = 1;
  for (int k = 0; k < 3000; k++) pi += (k & 1 ? -4.0 : 4.0) / (2 * k + 1);
  for (int k = 1; k < 25; k++) e += term /= k;
  printf("pi %a e %a sin %a exp %a log %a pow %a\n", pi, e, sin(0.7), exp(-1.25), log(10.0), pow(1.0001, 12345.0));
  printf("sqrt %a cbrt %a hypot %a fmod %a\n", sqrt(2.0), cbrt(-27.5), hypot(3e-200, 4e-200), fmod(1e18, 7.3));

  const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  volatile double one = 1, three = 3, big = 1e308, tiny = 5e-324;
  for (int i = 0; i < 4; i++) {
    fesetround(modes[i]);
    feclearexcept(FE_ALL_EXCEPT);
    volatile double third = one / three, over = big * three, under = tiny / three;
    volatile float narrow = (float)third;
    printf("mode %d: %a %a %a %a rint %g %g flags %x\n", i, third, over, under, (double)narrow, rint(2.5), rint(-0.5), fetestexcept(FE_ALL_EXCEPT));
  }
  fesetround(FE_TONEAREST);
  volatile double zero = 0;
  feclearexcept(FE_ALL_EXCEPT);
  printf("%g %g %d %d flags %x\n", one / zero, -one / zero, isnan(zero / zero), (int)(int64_t)lrint(-1234567.5), fetestexcept(FE_ALL_EXCEPT));

  uint8_t bytes[64], packed[64];
  for (int i = 0; i < 64; i++) bytes[i] = (uint8_t)next_random(&seed);
  uint8x16x4_t planes = vld4q_u8(bytes);
  uint8x16_t mixed = vqtbl4q_u8(planes, vandq_u8(planes.val[0], vdupq_n_u8(0x4f)));
  planes.val[1] = vqaddq_u8(planes.val[1], mixed);
  planes.val[2] = vreinterpretq_u8_s8(vqrshlq_s8(vreinterpretq_s8_u8(planes.val[2]), vdupq_n_s8(-3)));
  planes.val[3] = vcombine_u8(vqshrn_n_u16(vmull_u8(vget_low_u8(mixed), vget_high_u8(mixed)), 5), vaddhn_u16(vpaddlq_u8(mixed), vdupq_n_u16(999)));
  vst4q_u8(packed, planes);
  printf("bytes %08x sum %u\n", checksum(packed, sizeof packed), vaddlvq_u8(mixed));
  structures();
  return 0;
}

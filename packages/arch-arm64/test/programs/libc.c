/* The C library's string, memory, number and formatting functions at every alignment. */
#include "programs.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t sum(const void *p, size_t n) {
  const uint8_t *q = p;
  uint32_t h = 0;
  while (n--) h = h * 31 + *q++;
  return h;
}

int test_libc(void) {
  static char from[5000], to[5000];
  uint32_t seed = 5, h = 0;
  for (size_t i = 0; i < sizeof from; i++) from[i] = (char)('a' + next_random(&seed) % 26);
  for (size_t align = 0; align < 17; align++)
    for (size_t n = 0; n < 300; n = n < 20 ? n + 1 : n * 2 - 7) {
      memset(to, 0, sizeof to);
      memcpy(to + align, from + 31 - align, n);
      memmove(to + align + 3, to + align, n);
      memset(to + 600 + align, (int)n, n);
      to[1200 + align + n] = 0;
      memcpy(to + 1200 + align, from + align, n);
      h = h * 33 + sum(to, 1600) + (uint32_t)strlen(to + 1200 + align);
      h = h * 33 + (uint32_t)(memchr(from + align, 'q', n) ? (char *)memchr(from + align, 'q', n) - from : -1);
      h = h * 33 + (uint32_t)(memcmp(from + align, to + 1200 + align, n) == 0) + (uint32_t)(strcmp(from, to + 1200 + align) > 0);
      h = h * 33 + (uint32_t)(strrchr(to + 1200 + align, 'z') ? strrchr(to + 1200 + align, 'z') - to : -1);
    }
  printf("memory and strings %08x\n", h);
  memset(to, 0xff, 4096);
  memset(to, 0, 4096);
  printf("cleared %08x\n", sum(to, 4200));

  char *blocks[50];
  for (int i = 0; i < 50; i++) {
    blocks[i] = malloc((size_t)(i * i * 7 + 1));
    memset(blocks[i], i, (size_t)(i * i * 7 + 1));
  }
  for (int i = 0; i < 50; i += 2) free(blocks[i]);
  for (int i = 0; i < 50; i += 2) blocks[i] = calloc(1, 300);
  h = 0;
  for (int i = 0; i < 50; i++) h = h * 31 + (uint32_t)blocks[i][i & 1 ? i * i * 7 : 299];
  char *large = malloc(300000);
  memset(large, 3, 300000);
  printf("heap %08x %08x\n", h, sum(large, 300000));
  free(large);

  char text[200];
  snprintf(text, sizeof text, "%d %u %lx %+.3e %-8s|%08.3f %c %%", -42, 4000000000u, 0x123456789abcul, 6.02214076e23, "left", -3.14159, 'x');
  printf("%s\n", text);
  printf("%.17g %.17g %a %g %ld %lu\n", strtod("0.1", NULL), strtod("1.7976931348623157e308", NULL), strtod("-2.5e-310", NULL), atof("12.5"), strtol("-0x7fff", NULL, 16), strtoul("18446744073709551615", NULL, 10));
  for (char *p = text; *p; p++) *p = (char)toupper(*p);
  char *save, *word = strtok_r(text, " |", &save);
  for (int i = 0; word; i++, word = strtok_r(NULL, " |", &save)) printf("[%d:%s]", i, word);
  printf("\n%s\n", strstr(from, "ab") ? strndup(strstr(from, "ab"), 12) : "none");
  return 0;
}

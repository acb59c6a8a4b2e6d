#include "programs.h"
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  int (*run)(void);
} programs[] = {
    {"sha256", test_sha256}, {"crc32", test_crc32},   {"qsort", test_qsort}, {"inflate", test_inflate},
    {"matrix", test_matrix}, {"setjmp", test_setjmp}, {"libc", test_libc},
};

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
    if (argc > 1 && strcmp(argv[1], programs[i].name) == 0) return programs[i].run();
  fprintf(stderr, "usage: programs NAME\n");
  return 2;
}

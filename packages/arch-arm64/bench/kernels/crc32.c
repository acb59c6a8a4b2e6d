/* Table-driven CRC-32 of 64 KiB a round. */
#include "bench.h"
u64 bench_crc32(u8 *memory, u64 rounds) {
  u32 *table = (u32 *)memory;
  u8 *data = memory + 4096;
  for (u32 i = 0; i < 256; i++) {
    u32 c = i;
    for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (c & 1 ? 0xedb88320u : 0);
    table[i] = c;
  }
  for (u32 i = 0; i < 65536; i++) data[i] = i * 13 + (i >> 7);
  u32 crc = ~0u;
  while (rounds--)
    for (u32 i = 0; i < 65536; i++) crc = (crc >> 8) ^ table[(u8)(crc ^ data[i])];
  return ~crc;
}

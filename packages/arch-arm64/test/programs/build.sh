#!/bin/sh
# Builds the test programs with Debian's cross compiler and records their output under QEMU.
# Needs gcc-aarch64-linux-gnu, qemu-user and node. Writes programs.elf.deflate and expected/.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node -e '
  const { readFileSync } = require("fs");
  const text = Buffer.concat(process.argv.slice(1).map((f) => readFileSync(f)));
  const bytes = require("zlib").deflateRawSync(text, { level: 9 });
  console.log(`static const unsigned char deflated[] = {${[...bytes].join(",")}};`);
' crc32.c qsort.c matrix.c sha256.c setjmp.c libc.c > "$work/deflated.h"
aarch64-linux-gnu-gcc -std=gnu11 -O2 -Wall -static -s -ffp-contract=off -I "$work" -I . -Wl,-Ttext-segment=0x40400000 -Wl,-z,noseparate-code -Wl,--gc-sections -ffunction-sections \
  -o "$work/programs.elf" main.c sha256.c crc32.c qsort.c inflate.c matrix.c setjmp.c libc.c -lm
node -e '
  const { readFileSync, writeFileSync } = require("fs");
  writeFileSync("programs.elf.deflate", require("zlib").deflateRawSync(readFileSync(process.argv[1]), { level: 9 }));
' "$work/programs.elf"
mkdir -p expected
for name in sha256 crc32 qsort inflate matrix setjmp libc; do
  qemu-aarch64 -cpu max "$work/programs.elf" $name > expected/$name.txt
done
sha256sum programs.elf.deflate expected/*.txt > SHA256SUMS
ls -l "$work/programs.elf" programs.elf.deflate
for package in libc6-dev-arm64-cross libgcc-12-dev-arm64-cross gcc-12-aarch64-linux-gnu; do
  dpkg-query -W -f '${Package} ${Version} (source ${source:Package} ${source:Version})\n' "$package"
done

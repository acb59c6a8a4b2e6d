#!/bin/sh
# Record test/fixtures: what QEMU and dtc say of the same trees.
# Needs Debian's qemu-system-arm and device-tree-compiler. Run from this package's directory.
set -eu
out=test/fixtures
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

qemu-system-aarch64 -M virt,gic-version=3,dumpdtb="$tmp/virt.dtb" -cpu cortex-a57 -smp 2 -m 512 -display none -nodefaults
# QEMU pads the blob to 1 MiB and puts random seeds into it; keep what it holds, without both.
dtc -q -I dtb -O dts "$tmp/virt.dtb" | sed -E '/(kaslr|rng)-seed/d' >"$tmp/virt.dts"
dtc -q -I dts -O dtb -o "$out/qemu-virt.dtb" "$tmp/virt.dts"

dtc -q -@ -I dts -O dtb -o "$out/base.dtb" "$out/base.dts"
dtc -q -@ -I dts -O dtb -o "$out/overlay.dtbo" "$out/overlay.dts"
fdtoverlay -i "$out/base.dtb" -o "$out/merged.dtb" "$out/overlay.dtbo"

for blob in qemu-virt.dtb merged.dtb; do
	dtc -q -s -I dtb -O dts -o "$out/${blob%.dtb}.sorted.dts" "$out/$blob"
done
(cd "$out" && sha256sum ./*.dtb ./*.dtbo >SHA256SUMS)

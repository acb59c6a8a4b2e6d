#!/bin/sh
# Build the default guest: a small arm64 Linux kernel and an initramfs with busybox.
#
# Everything comes from Debian's packages by name. As root the build tools are installed too; otherwise install
# linux-source-6.1 gcc-aarch64-linux-gnu make bc bison flex libssl-dev cpio xz-utils kmod first.
#
#   scripts/build.sh            build, compare with assets/SHA256SUMS, say whether the result matches
#   scripts/build.sh --update   build and replace assets/
set -eu
update=false
[ "${1:-}" = --update ] && update=true
here=$(cd "$(dirname "$0")/.." && pwd)
work=${WORK_DIR:-$(mktemp -d)}
mkdir -p "$work"
echo "building in $work"

if [ "$(id -u)" = 0 ]; then
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends linux-source-6.1 \
		gcc-aarch64-linux-gnu make bc bison flex libssl-dev libc6-dev cpio xz-utils kmod rsync
fi

# --- kernel ---------------------------------------------------------------------------------------------------------
[ -d "$work/linux-source-6.1" ] || tar -C "$work" -xf /usr/src/linux-source-6.1.tar.xz
export ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-
# Nothing of the building machine enters the image.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' KBUILD_BUILD_USER=gunyah-ts KBUILD_BUILD_HOST=gunyah-ts
export KBUILD_BUILD_VERSION=1 KCFLAGS="-ffile-prefix-map=$work=."
(
	cd "$work/linux-source-6.1"
	make -s KCONFIG_ALLCONFIG="$here/scripts/linux.config" allnoconfig
	sed -n 's/^\(CONFIG_[A-Z0-9_]*=y\)$/\1/p' "$here/scripts/linux.config" | while read -r option; do
		grep -qx "$option" .config || echo "warning: $option did not take effect" >&2
	done
	make -s -j"$(nproc)" Image
)
gzip -9 -n -c "$work/linux-source-6.1/arch/arm64/boot/Image" >"$work/Image.gz"

# --- initramfs ------------------------------------------------------------------------------------------------------
# A private package list for arm64, so that the system's own architectures stay as they are.
apt64="$work/apt"
mkdir -p "$apt64/lists/partial" "$apt64/cache/archives/partial"
: >"$apt64/status"
set -- -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State::Lists="$apt64/lists" \
	-o Dir::Cache="$apt64/cache" -o Dir::State::status="$apt64/status" -o APT::Sandbox::User=root
apt-get -q "$@" update
(cd "$apt64" && apt-get -q "$@" download busybox-static)
rm -rf "$work/busybox" "$work/root"
dpkg-deb -x "$apt64"/busybox-static_*_arm64.deb "$work/busybox"
mkdir -p "$work/root/bin" "$work/root/dev" "$work/root/proc" "$work/root/sys" "$work/root/tmp" "$work/root/mnt" "$work/root/etc"
cp "$work/busybox/bin/busybox" "$work/root/bin/busybox"
ln -s busybox "$work/root/bin/sh"
cp "$here/scripts/init" "$work/root/init"
chmod 755 "$work/root/init" "$work/root/bin/busybox"
(
	cd "$work/root"
	find . -exec touch -h -d @1767225600 {} +
	# --reproducible and a sorted list: the same files give the same bytes. Owners are root whoever builds.
	find . -print0 | LC_ALL=C sort -z | cpio --quiet --null -o -H newc -R 0:0 --reproducible
) | gzip -9 -n >"$work/initramfs.cpio.gz"

# --- record ---------------------------------------------------------------------------------------------------------
{
	echo "linux-source-6.1 $(dpkg-query -W -f='${Version}' linux-source-6.1)"
	echo "gcc-aarch64-linux-gnu $(dpkg-query -W -f='${Version}' gcc-aarch64-linux-gnu)"
	echo "busybox-static $(dpkg-deb -f "$apt64"/busybox-static_*_arm64.deb Version) (source $(dpkg-deb -f "$apt64"/busybox-static_*_arm64.deb Source Built-Using | tr '\n' ' '))"
} >"$work/VERSIONS"
(cd "$work" && sha256sum Image.gz initramfs.cpio.gz) >"$work/SHA256SUMS"
cat "$work/VERSIONS" "$work/SHA256SUMS"

if $update; then
	mkdir -p "$here/assets"
	cp "$work/Image.gz" "$work/initramfs.cpio.gz" "$work/VERSIONS" "$work/SHA256SUMS" "$here/assets/"
	cp /usr/share/doc/linux-source-6.1/copyright "$here/assets/COPYRIGHT.linux"
	cp "$work/busybox/usr/share/doc/busybox-static/copyright" "$here/assets/COPYRIGHT.busybox"
	echo "assets/ replaced"
elif cmp -s "$work/SHA256SUMS" "$here/assets/SHA256SUMS"; then
	echo "the result matches assets/"
else
	echo "the result differs from assets/:" >&2
	diff "$here/assets/VERSIONS" "$work/VERSIONS" >&2 || true
	diff "$here/assets/SHA256SUMS" "$work/SHA256SUMS" >&2 || true
	exit 1
fi

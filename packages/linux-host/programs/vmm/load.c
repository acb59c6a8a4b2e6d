/* Files into guest memory, by the arm64 boot protocol. Source: Linux Documentation/arch/arm64/booting.rst */
#include "vmm.h"

/* Header of an Image: offsets of the fields used. */
enum { IMAGE_TEXT_OFFSET = 8, IMAGE_SIZE = 16, IMAGE_MAGIC = 56, IMAGE_HEADER = 64 };

static uint64_t field(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;
	while (size-- > 0)
		value = value << 8 | at[size];
	return value;
}

static int open_file(const char *path)
{
	return (int)checked(linux_call(NR_OPENAT, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0), path);
}

static _Noreturn void refuse(const char *path, const char *why)
{
	SAY(path, ": ", why);
	finish(CODE_FAILED);
}

/* Read the rest of the file. @returns its length */
static uint64_t read_file(int fd, const char *path, uint8_t *to, uint64_t room)
{
	uint64_t length = 0;
	for (;;) {
		uint8_t beyond;
		bool full = length == room;
		long got = linux_call(NR_READ, fd, (long)(full ? &beyond : to + length), full ? 1 : (long)(room - length), 0, 0, 0);
		if (got == -EINTR)
			continue;
		if (checked(got, path) == 0)
			break;
		if (full)
			refuse(path, "does not fit into guest memory; see -m");
		length += (uint64_t)got;
	}
	checked(linux_call(NR_CLOSE, fd, 0, 0, 0, 0, 0), "close");
	return length;
}

struct layout load_guest(uint8_t *memory, const struct settings *settings)
{
	struct layout layout = {.memory = settings->memory};
	/* At the end, on a 2 MiB boundary: the kernel maps it by one entry of that size. */
	uint64_t end = settings->memory - (2ul << 20);
	layout.dtb = RAM_BASE + end;

	uint8_t header[IMAGE_HEADER];
	int fd = open_file(settings->kernel);
	if (read_file(fd, settings->kernel, memory, end) < IMAGE_HEADER)
		refuse(settings->kernel, "not an arm64 Image: too short");
	memcpy(header, memory, sizeof(header));
	if (field(header + IMAGE_MAGIC, 4) != 0x644d5241)
		refuse(settings->kernel, "not an arm64 Image; a compressed one must be unpacked first");
	uint64_t offset = field(header + IMAGE_TEXT_OFFSET, 8), size = field(header + IMAGE_SIZE, 8);
	if (offset > end || size > end - offset)
		refuse(settings->kernel, "does not fit into guest memory; see -m");
	if (offset != 0)
		read_file(open_file(settings->kernel), settings->kernel, memory + offset, end - offset);
	layout.entry = RAM_BASE + offset;

	if (settings->initrd != NULL) {
		uint64_t start = (offset + size + 0xffff) & ~0xfffful;
		if (start > end)
			refuse(settings->initrd, "does not fit into guest memory; see -m");
		layout.initrd = RAM_BASE + start;
		layout.initrd_end = layout.initrd + read_file(open_file(settings->initrd), settings->initrd, memory + start, end - start);
	}
	build_guest_tree(memory + end, &layout, settings);
	return layout;
}

/* A flattened device tree, written front to back. Source: Devicetree Specification v0.4, §5 */
#include "vmm.h"

enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_END = 9 };
enum { HEADER = 40, RESERVATIONS = 16 };

static void put_at(struct fdt *fdt, size_t at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		fdt->out[at + i] = (uint8_t)(value >> (24 - 8 * i));
}

static void need(struct fdt *fdt, size_t count)
{
	if (count <= fdt->room - fdt->length)
		return;
	SAY("the device tree does not fit; is the command line too long?");
	finish(CODE_FAILED);
}

static void put(struct fdt *fdt, uint32_t value)
{
	need(fdt, 4);
	put_at(fdt, fdt->length, value);
	fdt->length += 4;
}

static void put_bytes(struct fdt *fdt, const void *bytes, size_t count)
{
	size_t padded = (count + 3) & ~(size_t)3;
	need(fdt, padded);
	memset(fdt->out + fdt->length, 0, padded);
	memcpy(fdt->out + fdt->length, bytes, count);
	fdt->length += padded;
}

/* Each name stands once in the strings block. @returns its offset there */
static uint32_t string_offset(struct fdt *fdt, const char *name)
{
	for (size_t at = 0; at < fdt->strings_length; at += text_length(fdt->strings + at) + 1)
		if (text_equal(fdt->strings + at, name))
			return (uint32_t)at;
	size_t at = fdt->strings_length, length = text_length(name) + 1;
	if (length > sizeof(fdt->strings) - at) {
		SAY("the device tree has too many names");
		finish(CODE_FAILED);
	}
	memcpy(fdt->strings + at, name, length);
	fdt->strings_length += length;
	return (uint32_t)at;
}

void fdt_begin(struct fdt *fdt, uint8_t *out, size_t room)
{
	fdt->out = out;
	fdt->room = room;
	fdt->length = HEADER + RESERVATIONS;
	fdt->strings_length = 0;
	memset(out, 0, fdt->length);
}

void fdt_node(struct fdt *fdt, const char *name)
{
	put(fdt, FDT_BEGIN_NODE);
	put_bytes(fdt, name, text_length(name) + 1);
}

void fdt_end_node(struct fdt *fdt)
{
	put(fdt, FDT_END_NODE);
}

void fdt_bytes(struct fdt *fdt, const char *name, const void *value, size_t length)
{
	put(fdt, FDT_PROP);
	put(fdt, (uint32_t)length);
	put(fdt, string_offset(fdt, name));
	put_bytes(fdt, value, length);
}

void fdt_flag(struct fdt *fdt, const char *name)
{
	fdt_bytes(fdt, name, "", 0);
}

void fdt_text(struct fdt *fdt, const char *name, const char *value)
{
	fdt_bytes(fdt, name, value, text_length(value) + 1);
}

void fdt_cells(struct fdt *fdt, const char *name, const uint32_t *cells, size_t count)
{
	put(fdt, FDT_PROP);
	put(fdt, (uint32_t)(4 * count));
	put(fdt, string_offset(fdt, name));
	for (size_t i = 0; i < count; i++)
		put(fdt, cells[i]);
}

void fdt_finish(struct fdt *fdt)
{
	put(fdt, FDT_END);
	size_t strings = fdt->length;
	put_bytes(fdt, fdt->strings, fdt->strings_length);
	const uint32_t header[] = {
		0xd00dfeed,
		(uint32_t)fdt->length,
		HEADER + RESERVATIONS, /* structure block */
		(uint32_t)strings,
		HEADER, /* memory reservations: none */
		17,     /* version */
		16,     /* oldest compatible version */
		0,      /* boot CPU */
		(uint32_t)fdt->strings_length,
		(uint32_t)(strings - HEADER - RESERVATIONS),
	};
	for (size_t i = 0; i < sizeof(header) / 4; i++)
		put_at(fdt, 4 * i, header[i]);
}

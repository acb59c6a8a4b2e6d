/* The parts of the program: what each is for stands at the head of its file. */
#pragma once
#include "gunyah.h"
#include "linux.h"

/* Exit codes of the process: the same as those of `gunyah run`. */
enum {
	CODE_OFF = 0,
	CODE_FAILED = 1,
	CODE_USAGE = 2,
	CODE_RESET = 10,
	CODE_CRASH = 11,
	CODE_LOAD_FAILED = 12,
	CODE_STOPPED = 130,
};

/* Guest physical addresses: where crosvm puts them; devices lie below 1 GiB, where accesses become exits. */
#define RAM_BASE 0x80000000ul
#define GIC_DISTRIBUTOR 0x3fff0000ul
#define GIC_REDISTRIBUTORS 0x3ffd0000ul
#define UART_BASE 0x09000000ul
#define UART_SIZE 0x1000ul
#define UART_SPI 4
/* Room for the device tree with what the Resource Manager adds. */
#define DTB_SIZE 0x10000ul

struct settings {
	const char *kernel, *initrd, *cmdline;
	uint64_t memory; /* bytes */
	struct {
		bool wanted, has_value;
		uint64_t addr, value;
		uint32_t len;
	} ioeventfd;
};

/* Where everything lies in guest memory, guest physical. */
struct layout {
	uint64_t memory, entry, initrd, initrd_end, dtb;
};

struct vm {
	int device, fd, vcpu, irq, ioevent;
	struct vcpu_run *run;
};

/* text.c */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
void say(const char *const *parts, size_t count);
#define SAY(...) say((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
const char *number_text(uint64_t value, unsigned base, char buffer[24]);
size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);
/* false when the text is no number, or has something behind it other than `end` */
bool parse_number(const char **text, uint64_t *value);
/* End with CODE_FAILED when `result` is an error: the call's name and the errno. */
long checked(long result, const char *call);
_Noreturn void finish(int code);
void write_all(int fd, const uint8_t *bytes, size_t count);

/* arguments.c */
void parse_arguments(int count, char **values, struct settings *settings);

/* load.c */
struct layout load_guest(uint8_t *memory, const struct settings *settings);

/* fdt.c */
struct fdt {
	uint8_t *out;
	size_t room, length;
	char strings[512];
	size_t strings_length;
};
void fdt_begin(struct fdt *fdt, uint8_t *out, size_t room);
void fdt_node(struct fdt *fdt, const char *name);
void fdt_end_node(struct fdt *fdt);
void fdt_bytes(struct fdt *fdt, const char *name, const void *value, size_t length);
void fdt_flag(struct fdt *fdt, const char *name);
void fdt_text(struct fdt *fdt, const char *name, const char *value);
void fdt_cells(struct fdt *fdt, const char *name, const uint32_t *cells, size_t count);
#define FDT_CELLS(fdt, name, ...) \
	fdt_cells(fdt, name, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)
void fdt_finish(struct fdt *fdt);

/* guest-tree.c */
void build_guest_tree(uint8_t *out, const struct layout *layout, const struct settings *settings);

/* vm.c */
void create_vm(struct vm *vm, const struct settings *settings);
void start_vm(struct vm *vm);

/* pl011.c */
void pl011_connect(int irq);
void pl011_access(uint64_t offset, bool is_write, uint8_t data[8], uint32_t length);
size_t pl011_room(void);
void pl011_receive(const uint8_t *bytes, size_t count);

/* console.c */
void console_open(struct vcpu_run *run);
void console_close(void);
/* Input that arrived goes to the UART, as much as it takes. */
void console_poll(void);
/* Called before each entry of the guest. @returns whether the user or a signal ended the program */
bool console_before_run(void);

/* run.c */
int run_vcpu(struct vm *vm);

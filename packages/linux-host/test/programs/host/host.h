/* What the parts of the host program share. */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

/* From the device tree. */
extern struct board {
  u64 uart;
  /* Message queues to and from the Resource Manager. */
  u64 tx;
  u64 rx;
} board;

/* device-tree.c */
void read_device_tree(const u8 *dtb);

/* console.c. `check` prints a line where a value is not as it should be, and counts. */
void put_text(const char *text);
void put_hex(u64 value);
void say(const char *what, u64 value);
void check(const char *what, u64 value, u64 wanted);
extern u64 checks, failures;

/* call.c: a hypercall by number, or any other function id. Checks every register that is not a result. */
extern u64 result[4];
u64 hypercall(u32 number, unsigned outputs, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6, u64 a7);
u64 smccc(u64 fid, unsigned outputs, int is_smc, u64 a1, u64 a2, u64 a3);

/* rm.c: one request to the Resource Manager. Returns its error word; the payload behind it is in `reply`. */
extern u8 reply[4096];
extern u32 reply_size;
u32 rm_call(u32 id, const void *payload, u32 size);
/* Wait for a notification. Returns its payload. */
const u8 *rm_notification(u32 id);

void copy(void *to, const void *from, u64 size);
void fill(void *to, u8 value, u64 size);
void fail(const char *why) __attribute__((noreturn));

#endif

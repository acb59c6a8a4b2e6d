/* Layout that start.S shares with machine.h; machine.h asserts it. */
#define FRAME_SIZE 288
#define CPU_STACK 0
#define CPU_FOUND 8

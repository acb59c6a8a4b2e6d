/* What the program needs of the Linux system call interface on arm64, by number and layout. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NR_EVENTFD2 = 19,
	NR_FCNTL = 25,
	NR_IOCTL = 29,
	NR_OPENAT = 56,
	NR_CLOSE = 57,
	NR_LSEEK = 62,
	NR_READ = 63,
	NR_WRITE = 64,
	NR_PPOLL = 73,
	NR_EXIT_GROUP = 94,
	NR_RT_SIGACTION = 134,
	NR_GETPID = 172,
	NR_MUNMAP = 215,
	NR_MMAP = 222,
	NR_GETRANDOM = 278,
};

enum { EINTR = 4, EAGAIN = 11, EINVAL = 22, ENOTTY = 25 };
enum { AT_FDCWD = -100, O_RDONLY = 0, O_RDWR = 2, O_ASYNC = 020000, O_CLOEXEC = 02000000 };
enum { F_GETFL = 3, F_SETFL = 4, F_SETOWN = 8 };
enum { SEEK_SET = 0, SEEK_END = 2 };
enum { PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20 };
enum { EFD_NONBLOCK = 04000, EFD_CLOEXEC = 02000000 };
enum { SIGHUP = 1, SIGINT = 2, SIGTERM = 15, SIGIO = 29 };
enum { TCGETS = 0x5401, TCSETS = 0x5402 };
enum { POLLIN = 1 };

/* The kernel's termios, not the C library's. */
struct termios {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[19];
};

struct sigaction {
	void (*handler)(int);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

struct pollfd {
	int32_t fd;
	int16_t events;
	int16_t revents;
};

struct timespec {
	int64_t seconds;
	int64_t nanoseconds;
};

/* Result, or a negative errno. The number first, as in syscall(2). */
long linux_call(long number, long a, long b, long c, long d, long e, long f);

static inline bool is_error(long result)
{
	return result < 0 && result >= -4095;
}

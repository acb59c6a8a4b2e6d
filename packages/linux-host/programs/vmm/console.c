/*
 * Standard input and output as the guest's serial line. Input announces itself by SIGIO, whose handler sets
 * immediate_exit in the run page: a VCPU_RUN that sleeps ends with EINTR, and one that has not begun ends at once.
 */
#include "vmm.h"

enum { CTRL_A = 1 };

static struct {
	struct vcpu_run *run;
	bool raw;         /* the terminal's settings are in `before` */
	bool at_end;      /* of the input */
	bool escaped;     /* Ctrl-A was typed */
	bool quit;
	struct termios before;
	long flags;
} console;
static volatile bool input_came, told_to_end;

static void on_signal(int signal)
{
	if (signal == SIGIO)
		input_came = true;
	else
		told_to_end = true;
	if (console.run != NULL)
		*(volatile uint8_t *)&console.run->immediate_exit = 1;
}

static void make_raw(void)
{
	if (is_error(linux_call(NR_IOCTL, 0, TCGETS, (long)&console.before, 0, 0, 0)))
		return; /* no terminal */
	struct termios raw = console.before;
	raw.iflag &= ~(uint32_t)(0002 | 0010 | 0020 | 0040 | 0100 | 0200 | 0400 | 02000); /* BRKINT to ICRNL, IXON */
	raw.oflag &= ~(uint32_t)0001;                                                      /* OPOST */
	raw.lflag &= ~(uint32_t)(0001 | 0002 | 0010 | 0100 | 0100000); /* ISIG ICANON ECHO ECHONL IEXTEN */
	raw.cc[6] = 1;                                                 /* VMIN */
	raw.cc[5] = 0;                                                 /* VTIME */
	console.raw = !is_error(linux_call(NR_IOCTL, 0, TCSETS, (long)&raw, 0, 0, 0));
}

void console_open(struct vcpu_run *run)
{
	console.run = run;
	struct sigaction action = {.handler = on_signal};
	static const int signals[] = {SIGIO, SIGINT, SIGTERM, SIGHUP};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		checked(linux_call(NR_RT_SIGACTION, signals[i], (long)&action, 0, 8, 0, 0), "rt_sigaction");
	make_raw();
	console.flags = linux_call(NR_FCNTL, 0, F_GETFL, 0, 0, 0, 0);
	if (is_error(console.flags)) {
		console.at_end = true; /* no standard input */
		return;
	}
	linux_call(NR_FCNTL, 0, F_SETOWN, linux_call(NR_GETPID, 0, 0, 0, 0, 0, 0), 0, 0, 0);
	linux_call(NR_FCNTL, 0, F_SETFL, console.flags | O_ASYNC, 0, 0, 0);
	input_came = true; /* what was there before is not announced */
}

void console_close(void)
{
	if (console.run != NULL && !is_error(console.flags))
		linux_call(NR_FCNTL, 0, F_SETFL, console.flags, 0, 0, 0);
	if (console.raw)
		linux_call(NR_IOCTL, 0, TCSETS, (long)&console.before, 0, 0, 0);
	console.raw = false;
}

/* Ctrl-A x ends the program, Ctrl-A Ctrl-A is one Ctrl-A. @returns how many bytes are for the guest */
static size_t without_escapes(uint8_t *bytes, size_t count)
{
	if (!console.raw)
		return count;
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		bool escaped = console.escaped;
		console.escaped = !escaped && bytes[i] == CTRL_A;
		if (console.escaped)
			continue;
		if (escaped && bytes[i] == 'x')
			console.quit = true;
		else
			bytes[kept++] = bytes[i];
	}
	return kept;
}

void console_poll(void)
{
	for (;;) {
		size_t room = pl011_room();
		if (console.at_end || room == 0)
			return;
		struct pollfd input = {.fd = 0, .events = POLLIN};
		struct timespec now = {0};
		if (linux_call(NR_PPOLL, (long)&input, 1, (long)&now, 0, 8, 0) != 1)
			return;
		uint8_t bytes[16];
		long got = linux_call(NR_READ, 0, (long)bytes, (long)room, 0, 0, 0);
		if (got == -EAGAIN || got == -EINTR)
			return;
		if (got <= 0) {
			console.at_end = true; /* the guest runs on without input */
			return;
		}
		size_t kept = without_escapes(bytes, (size_t)got);
		if (kept > 0)
			pl011_receive(bytes, kept);
	}
}

bool console_before_run(void)
{
	/* This order: a signal from here on makes VCPU_RUN return. */
	*(volatile uint8_t *)&console.run->immediate_exit = 0;
	if (input_came) {
		input_came = false;
		console_poll();
	}
	return console.quit || told_to_end;
}

/* Words on standard error, numbers, and what the compiler expects of a library. */
#include "vmm.h"

void *memcpy(void *to, const void *from, size_t count)
{
	uint8_t *out = to;
	const uint8_t *in = from;
	while (count-- > 0)
		*out++ = *in++;
	return to;
}

void *memset(void *to, int value, size_t count)
{
	uint8_t *out = to;
	while (count-- > 0)
		*out++ = (uint8_t)value;
	return to;
}

size_t text_length(const char *text)
{
	size_t length = 0;
	while (text[length] != 0)
		length++;
	return length;
}

bool text_equal(const char *a, const char *b)
{
	while (*a != 0 && *a == *b)
		a++, b++;
	return *a == *b;
}

const char *number_text(uint64_t value, unsigned base, char buffer[24])
{
	char *at = buffer + 23;
	*at = 0;
	do {
		*--at = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	if (base == 16) {
		*--at = 'x';
		*--at = '0';
	}
	return at;
}

bool parse_number(const char **text, uint64_t *value)
{
	const char *at = *text;
	unsigned base = 10;
	if (at[0] == '0' && at[1] == 'x') {
		base = 16;
		at += 2;
	}
	const char *first = at;
	uint64_t result = 0;
	for (;; at++) {
		unsigned digit = *at >= '0' && *at <= '9' ? (unsigned)(*at - '0') : (unsigned)((*at | 0x20) - 'a') + 10;
		if (digit >= base)
			break;
		if (result > (UINT64_MAX - digit) / base)
			return false;
		result = result * base + digit;
	}
	*text = at;
	*value = result;
	return at != first;
}

void write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		long done = linux_call(NR_WRITE, fd, (long)bytes, (long)count, 0, 0, 0);
		if (done == -EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = 4 /* POLLOUT */};
			linux_call(NR_PPOLL, (long)&wait, 1, 0, 0, 8, 0);
			continue;
		}
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return; /* nobody reads any more */
		bytes += done;
		count -= (size_t)done;
	}
}

void say(const char *const *parts, size_t count)
{
	static const char head[] = "gunyah-vmm: ";
	write_all(2, (const uint8_t *)head, sizeof(head) - 1);
	for (size_t i = 0; i < count; i++)
		write_all(2, (const uint8_t *)parts[i], text_length(parts[i]));
	write_all(2, (const uint8_t *)"\n", 1);
}

static const char *errno_name(long number)
{
	static const struct {
		long number;
		const char *name;
	} names[] = {
		{1, "EPERM"},   {2, "ENOENT"},   {4, "EINTR"},   {5, "EIO"},      {9, "EBADF"},   {11, "EAGAIN"},
		{12, "ENOMEM"}, {13, "EACCES"},  {14, "EFAULT"}, {16, "EBUSY"},   {17, "EEXIST"}, {19, "ENODEV"},
		{21, "EISDIR"}, {22, "EINVAL"},  {24, "EMFILE"}, {25, "ENOTTY"},  {38, "ENOSYS"}, {74, "EBADMSG"},
		{75, "EOVERFLOW"}, {95, "EOPNOTSUPP"}, {110, "ETIMEDOUT"},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	return "errno";
}

long checked(long result, const char *call)
{
	if (!is_error(result))
		return result;
	char buffer[24];
	SAY(call, ": ", errno_name(-result), " (", number_text((uint64_t)-result, 10, buffer), ")");
	finish(CODE_FAILED);
}

_Noreturn void finish(int code)
{
	console_close();
	for (;;)
		linux_call(NR_EXIT_GROUP, code, 0, 0, 0, 0, 0);
}

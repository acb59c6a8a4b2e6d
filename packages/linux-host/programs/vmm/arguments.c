/* The command line of the program. */
#include "vmm.h"

static _Noreturn void usage(const char *wrong, const char *what)
{
	SAY(wrong, what);
	SAY("usage: gunyah-vmm [-m MIB] [-i INITRD] [-a CMDLINE] [-e ADDRESS[,LENGTH[,VALUE]]] IMAGE\n"
	    "  -m  guest memory in MiB, 128 unless said\n"
	    "  -i  initramfs\n"
	    "  -a  kernel command line, \"console=ttyAMA0\" unless said\n"
	    "  -e  ioeventfd: guest stores there are counted and cause no exit; the sum is said at the end\n"
	    "  Ctrl-A x on the console ends the program.\n"
	    "  Exit code: 0 powered off, 1 a call failed, 2 usage, 10 reset, 11 crashed, 12 not loaded, 130 stopped");
	finish(CODE_USAGE);
}

static uint64_t number(const char **text, const char *what)
{
	uint64_t value;
	if (!parse_number(text, &value))
		usage("no number for ", what);
	return value;
}

static void ioeventfd(const char *text, struct settings *settings)
{
	settings->ioeventfd.wanted = true;
	settings->ioeventfd.addr = number(&text, "-e");
	if (*text == ',') {
		text++;
		settings->ioeventfd.len = (uint32_t)number(&text, "-e");
	}
	if (*text == ',') {
		text++;
		settings->ioeventfd.value = number(&text, "-e");
		settings->ioeventfd.has_value = true;
	}
	if (*text != 0)
		usage("cannot read -e from ", text);
}

void parse_arguments(int count, char **values, struct settings *settings)
{
	*settings = (struct settings){.cmdline = "console=ttyAMA0", .memory = 128ul << 20};
	for (int i = 1; i < count; i++) {
		const char *name = values[i];
		if (name[0] != '-') {
			if (settings->kernel != NULL)
				usage("one image, not also ", name);
			settings->kernel = name;
			continue;
		}
		if (name[1] == 0 || name[2] != 0)
			usage("unknown option ", name);
		const char *value = ++i < count ? values[i] : NULL;
		if (value == NULL)
			usage("no value for ", name);
		switch (name[1]) {
		case 'm': {
			uint64_t mib = number(&value, "-m");
			if (*value != 0 || mib < 16 || mib > 1ul << 20)
				usage("-m takes 16 to 1048576, not ", values[i]);
			settings->memory = mib << 20;
			break;
		}
		case 'i':
			settings->initrd = value;
			break;
		case 'a':
			settings->cmdline = value;
			break;
		case 'e':
			ioeventfd(value, settings);
			break;
		default:
			usage("unknown option ", name);
		}
	}
	if (settings->kernel == NULL)
		usage("no image", "");
}

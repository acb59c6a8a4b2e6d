/*
 * Runs test cases of a few A64 instructions and reports the state after them.
 *
 * Built with aarch64-linux-gnu-gcc -static, run under qemu-aarch64 (or on arm64 Linux). Reads an array of
 * struct machine_state from standard input, writes the same array back to standard output.
 *
 * A case is entered and left by signals: the harness raises SIGUSR1 and the handler replaces the whole register
 * context with the case's; the code page is filled with BRK, so whatever the case does ends in a signal, whose
 * handler copies the context out and goes back to the harness. No register is lost to a prologue.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE_BASE 0x41000000ul /* the first page a case may run in; two pages either side are BRK */
#define CODE_SIZE 0x4000ul
#define CODE_ENTRY (CODE_BASE + 0x2000)
#define DATA_BASE 0x42000000ul /* three pages; the window is in the middle of the second */
#define DATA_SIZE 0x3000ul
#define WINDOW (DATA_BASE + 0x1800)
#define WINDOW_SIZE 256
#define MAX_WORDS 16
#define BRK 0xd4200000u

struct machine_state {
  uint32_t word_count;
  uint32_t signal; /* out: the signal that ended the case */
  uint64_t fault_address; /* out */
  uint32_t words[MAX_WORDS];
  uint64_t x[31];
  uint64_t sp;
  uint64_t pc; /* out */
  uint32_t nzcv;
  uint32_t fpcr;
  uint32_t fpsr;
  uint32_t reserved;
  uint64_t v[64];
  uint8_t window[WINDOW_SIZE];
};

static struct machine_state state;
static ucontext_t home; /* the harness's own context while a case runs */
static struct {
  uint64_t v[64];
  uint32_t fpsr, fpcr;
} home_fp;
static volatile int running;

static struct fpsimd_context *fp_of(ucontext_t *uc) {
  uint8_t *p = uc->uc_mcontext.__reserved;
  for (;;) {
    struct _aarch64_ctx *head = (struct _aarch64_ctx *)p;
    if (head->magic == FPSIMD_MAGIC) return (struct fpsimd_context *)p;
    if (head->magic == 0) abort();
    p += head->size;
  }
}

static void handler(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  mcontext_t *mc = &uc->uc_mcontext;
  struct fpsimd_context *fp = fp_of(uc);
  if (sig == SIGUSR1) {
    home.uc_mcontext = *mc;
    memcpy(home_fp.v, fp->vregs, sizeof home_fp.v);
    home_fp.fpsr = fp->fpsr;
    home_fp.fpcr = fp->fpcr;
    memcpy(mc->regs, state.x, sizeof state.x);
    mc->sp = state.sp;
    mc->pc = CODE_ENTRY;
    mc->pstate = (mc->pstate & ~0xf0000c00ull) | state.nzcv;
    memcpy(fp->vregs, state.v, sizeof state.v);
    fp->fpcr = state.fpcr;
    fp->fpsr = state.fpsr;
    running = 1;
    return;
  }
  if (!running) {
    fprintf(stderr, "recorder: signal %d outside a case at %llx\n", sig, (unsigned long long)mc->pc);
    _exit(1);
  }
  running = 0;
  state.signal = sig;
  state.fault_address = (uint64_t)info->si_addr;
  memcpy(state.x, mc->regs, sizeof state.x);
  state.sp = mc->sp;
  state.pc = mc->pc;
  state.nzcv = mc->pstate & 0xf0000000u;
  memcpy(state.v, fp->vregs, sizeof state.v);
  state.fpcr = fp->fpcr;
  state.fpsr = fp->fpsr;
  memcpy(mc->regs, home.uc_mcontext.regs, sizeof state.x);
  mc->sp = home.uc_mcontext.sp;
  mc->pc = home.uc_mcontext.pc;
  mc->pstate = home.uc_mcontext.pstate;
  memcpy(fp->vregs, home_fp.v, sizeof home_fp.v);
  fp->fpsr = home_fp.fpsr;
  fp->fpcr = home_fp.fpcr;
}

static void read_all(void *to, size_t size, int *end) {
  size_t got = fread(to, 1, size, stdin);
  *end = got == 0;
  if (got != 0 && got != size) {
    fputs("recorder: truncated input\n", stderr);
    exit(1);
  }
}

int main(void) {
  stack_t alt = {.ss_sp = malloc(1 << 17), .ss_size = 1 << 17};
  sigaltstack(&alt, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  const int signals[] = {SIGUSR1, SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  uint32_t *code = mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
  uint8_t *data = mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  if ((uint64_t)code != CODE_BASE || (uint64_t)data != DATA_BASE) {
    perror("recorder: mmap");
    return 1;
  }
  for (size_t i = 0; i < CODE_SIZE / 4; i++) code[i] = BRK;
  uint32_t *entry = (uint32_t *)CODE_ENTRY;
  pid_t self = getpid();
  for (;;) {
    int end;
    read_all(&state, sizeof state, &end);
    if (end) break;
    uint32_t count = state.word_count;
    memcpy(entry, state.words, count * 4);
    for (uint32_t i = count; i < MAX_WORDS; i++) entry[i] = BRK;
    __builtin___clear_cache((char *)entry, (char *)(entry + MAX_WORDS));
    memset(data, 0, DATA_SIZE);
    memcpy((void *)WINDOW, state.window, WINDOW_SIZE);
    kill(self, SIGUSR1);
    memcpy(state.window, (void *)WINDOW, WINDOW_SIZE);
    fwrite(&state, 1, sizeof state, stdout);
  }
  return 0;
}

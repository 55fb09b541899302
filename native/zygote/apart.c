/* A migratable zygote serves on a stack of its own, at a fixed address: what its loop writes lies there, and nowhere in the image that its
 * workers share with it. A worker leaves that stack and goes on where main stood, on the ordinary one. */
#include "zygote/state.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "checkpoint/manifest.h"

#if defined(__x86_64__)
/* Found in our code by who moves our workers (checkpoint/frame.h): a system call, then rt_sigreturn. Never run by ourselves. */
__asm__(".text\n.balign 16\n.globl wy_returning_call\nwy_returning_call: syscall\nmovl $15, %eax\nsyscall\nhlt\n");
#endif

static ucontext_t main_stands, loop_stands;
static const wy_zygote_state *served;
static int (*announce)(void);

static struct {
    const wy_zygote_fork *request;
    const int *descriptors;
    uint32_t count;
} born; /* written in a worker only */

static void loop(void) {
    _exit(announce() != 0 ? 1 : wy_zygote_serve(served));
}

wy_status wy_zygote_apart(wy_error *error) {
    void *wanted = (void *)(uintptr_t)WY_SEAL_STACK;
    void *stack = mmap(wanted, WY_SEAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (stack != wanted || getcontext(&loop_stands) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "seal", "no place for the loop's stack: %s", strerror(errno));
    }
    loop_stands.uc_stack = (stack_t){.ss_sp = stack, .ss_size = WY_SEAL_STACK_BYTES};
    loop_stands.uc_link = NULL;
    makecontext(&loop_stands, loop, 0);
    return WY_OK;
}

int wy_zygote_serve_apart(const wy_zygote_state *zygote, int (*ready)(void)) {
    served = zygote;
    announce = ready;
    if (swapcontext(&main_stands, &loop_stands) != 0) {
        return 1;
    }
    wy_child_run(served, born.request, born.descriptors, born.count); /* only workers come back */
}

_Noreturn void wy_child_leave(const wy_zygote_fork *request, const int *descriptors, uint32_t descriptor_count) {
    born.request = request;
    born.descriptors = descriptors;
    born.count = descriptor_count;
    (void)setcontext(&main_stands);
    _exit(1);
}

#include "checkpoint/tracee.h"

#include "checkpoint/frame.h"
#include "checkpoint/manifest.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* What a system call leaves in rax that the kernel begins again on its own way back to the program. */
#define RESTART_SYS 512
#define RESTART_NOINTR 513
#define RESTART_NOHAND 514
#define RESTART_BLOCK 516
#define MAX_TURNS 1000

static wy_status trace_fail(pid_t pid, const char *what, wy_error *error) {
    int cause = errno;
    return wy_fail(error, cause == ESRCH ? WY_CLOSED : cause == EPERM ? WY_DENIED : WY_SYSTEM, cause, "ptrace", "%s process %d: %s", what,
                   (int)pid, strerror(cause));
}

/* The next stop's wait status; an end is seen, but left to whoever reaps. */
static wy_status wait_stop(pid_t pid, int *status, wy_error *error) {
    siginfo_t info;
    int result;
    do {
        memset(&info, 0, sizeof info);
        result = waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT | __WALL);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return trace_fail(pid, "cannot wait for", error);
    }
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) {
        return wy_fail(error, WY_CLOSED, 0, "ptrace", "process %d has ended", (int)pid);
    }
    return waitpid(pid, status, __WALL) == pid ? WY_OK : trace_fail(pid, "cannot wait for", error);
}

wy_status wy_tracee_registers(const wy_tracee *tracee, wy_registers *out, wy_error *error) {
    pid_t pid = tracee->memory.pid;
    memset(out, 0, sizeof *out);
    struct iovec general = {&out->general, sizeof out->general}, extended = {out->xsave, sizeof out->xsave};
    if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &general) != 0 ||
        ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &extended) != 0 ||
        ptrace(PTRACE_GETSIGMASK, pid, (void *)sizeof out->signal_mask, &out->signal_mask) != 0) {
        return trace_fail(pid, "cannot read the registers of", error);
    }
    if (general.iov_len != sizeof out->general || extended.iov_len >= sizeof out->xsave) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "registers", "a register file of %zu and %zu bytes", general.iov_len, extended.iov_len);
    }
    out->xsave_bytes = (uint32_t)extended.iov_len;
    int64_t result = (int64_t)out->general.rax;
    if ((int64_t)out->general.orig_rax >= 0 &&
        (result == -RESTART_SYS || result == -RESTART_NOINTR || result == -RESTART_NOHAND || result == -RESTART_BLOCK)) {
        out->general.rip -= 2; /* the instruction itself */
        out->general.rax = out->general.orig_rax;
    }
    out->general.orig_rax = (unsigned long long)-1; /* not inside a call any more */
    return WY_OK;
}

static wy_status stop(pid_t pid, wy_error *error) {
    int status = 0;
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0) {
        return trace_fail(pid, "cannot interrupt", error);
    }
    wy_status waited = wait_stop(pid, &status, error);
    if (waited != WY_OK) {
        return waited;
    }
    if (status >> 16 != PTRACE_EVENT_STOP) {
        int number = WSTOPSIG(status);
        (void)ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)number);
        return wy_fail(error, WY_DENIED, 0, "signal", "signal %d was just being delivered", number);
    }
    return WY_OK;
}

static wy_status begin(pid_t pid, wy_tracee *out, wy_error *error) {
    out->stopped = 1;
    wy_status status = wy_memory_open(pid, &out->memory, error);
    out->memory.pid = pid;
    if (status == WY_OK) {
        wy_memory_hold(&out->memory);
    }
    status = status == WY_OK ? wy_tracee_registers(out, &out->registers, error) : status;
    if (status != WY_OK) {
        wy_tracee_close(out);
    }
    return status;
}

/* Between a call that somebody made it make, and ended meanwhile, and its own work: it comes back by itself, over the frame that we would
 * lay ours upon. */
static int is_coming_back(const wy_tracee *tracee) {
    uint8_t code[WY_RETURNING_CALL_BYTES];
    uint64_t into = tracee->registers.general.rip - tracee->syscall_at;
    return into <= sizeof code && wy_memory_read(&tracee->memory, tracee->syscall_at, code, sizeof code, NULL) == WY_OK &&
           memcmp(code, WY_RETURNING_CALL, sizeof code) == 0;
}

static wy_status freeze_once(pid_t pid, uint64_t syscall_at, long options, wy_tracee *out, wy_error *error) {
    memset(out, 0, offsetof(wy_tracee, registers));
    out->memory = WY_NO_MEMORY_OPEN;
    out->syscall_at = syscall_at;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) != 0) {
        return trace_fail(pid, "cannot trace", error);
    }
    wy_status status = stop(pid, error);
    return status == WY_OK ? begin(pid, out, error) : status;
}

wy_status wy_tracee_freeze(pid_t pid, uint64_t syscall_at, int die_with_us, wy_tracee *out, wy_error *error) {
    long options = PTRACE_O_TRACESYSGOOD | (die_with_us ? PTRACE_O_EXITKILL : 0);
    for (int i = 0; i < MAX_TURNS; i++) {
        wy_status status = freeze_once(pid, syscall_at, options, out, error);
        if (status != WY_OK || !is_coming_back(out)) {
            return status;
        }
        wy_tracee_close(out);
        (void)sched_yield(); /* its turn: two instructions */
    }
    return wy_fail(error, WY_DENIED, 0, "signal", "process %d does not come back from a call", (int)pid);
}

wy_status wy_tracee_adopt(pid_t pid, wy_tracee *out, wy_error *error) {
    int status = 0;
    memset(out, 0, sizeof *out);
    out->memory = WY_NO_MEMORY_OPEN;
    wy_status waited = wait_stop(pid, &status, error);
    if (waited != WY_OK) {
        return waited;
    }
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0) {
        return trace_fail(pid, "cannot trace", error);
    }
    waited = begin(pid, out, error);
    if (waited == WY_OK && WSTOPSIG(status) != SIGTRAP) {
        waited = wy_fail(error, WY_DENIED, 0, "signal", "it stopped by %x before it executed anything", (unsigned)status);
        wy_tracee_close(out);
    }
    return waited;
}

wy_status wy_tracee_set(const wy_tracee *tracee, wy_error *error) {
    pid_t pid = tracee->memory.pid;
    wy_registers own = tracee->registers;
    struct iovec general = {&own.general, sizeof own.general}, extended = {own.xsave, own.xsave_bytes};
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &general) != 0 ||
        ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &extended) != 0 ||
        ptrace(PTRACE_SETSIGMASK, pid, (void *)sizeof own.signal_mask, &own.signal_mask) != 0) {
        return trace_fail(pid, "cannot set the registers of", error);
    }
    return WY_OK;
}

wy_status wy_tracee_go(wy_tracee *tracee, wy_error *error) {
    wy_status status = wy_tracee_set(tracee, error);
    pid_t pid = tracee->memory.pid;
    /* From here on our own end is not its end. */
    if (status == WY_OK && (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)0L) != 0 || ptrace(PTRACE_DETACH, pid, NULL, (void *)0L) != 0)) {
        status = trace_fail(pid, "cannot let go of", error);
    }
    if (status == WY_OK) {
        tracee->stopped = 0;
    }
    return status;
}

void wy_tracee_close(wy_tracee *tracee) {
    if (tracee->stopped) {
        (void)ptrace(PTRACE_DETACH, tracee->memory.pid, NULL, (void *)0L);
        tracee->stopped = 0;
    }
    wy_memory_close(&tracee->memory);
}

static wy_status continue_to_call(const wy_tracee *tracee, wy_error *error) {
    pid_t pid = tracee->memory.pid;
    int status = 0;
    if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)0L) != 0) {
        return trace_fail(pid, "cannot continue", error);
    }
    wy_status waited = wait_stop(pid, &status, error);
    return waited != WY_OK                         ? waited
           : WSTOPSIG(status) == (SIGTRAP | 0x80) ? WY_OK
                                                   : wy_fail(error, WY_DENIED, 0, "signal", "process %d stopped by %x on the way",
                                                             (int)pid, (unsigned)status);
}

static wy_status lay_frame(wy_tracee *tracee, wy_error *error) {
    wy_status status = tracee->call_stack == 0 ? wy_frame_lay(tracee, &tracee->call_stack, error) : WY_OK;
    if (status == WY_UNSUPPORTED) {
        tracee->call_stack = 1;
        status = WY_OK;
    }
    return status;
}

wy_status wy_tracee_call(wy_tracee *tracee, long number, const uint64_t arguments[6], int64_t *result, wy_error *error) {
    pid_t pid = tracee->memory.pid;
    struct user_regs_struct set = tracee->registers.general, after;
    set.rip = tracee->syscall_at;
    set.rax = (unsigned long long)number;
    set.orig_rax = (unsigned long long)-1;
    set.rdi = arguments[0];
    set.rsi = arguments[1];
    set.rdx = arguments[2];
    set.r10 = arguments[3];
    set.r8 = arguments[4];
    set.r9 = arguments[5];
    wy_status laid = lay_frame(tracee, error);
    if (laid != WY_OK) {
        return laid;
    }
    set.rsp = tracee->call_stack == 1 ? set.rsp : tracee->call_stack;
    struct iovec part = {&set, sizeof set}, seen = {&after, sizeof after};
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &part) != 0) {
        return trace_fail(pid, "cannot set the registers of", error);
    }
    wy_status status = continue_to_call(tracee, error); /* before the call, then behind it */
    status = status == WY_OK ? continue_to_call(tracee, error) : status;
    if (status == WY_OK && ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &seen) != 0) {
        status = trace_fail(pid, "cannot read the registers of", error);
    }
    *result = status == WY_OK ? (int64_t)after.rax : -1;
    if (status == WY_OK) { /* should we end now, it goes on where it was */
        part.iov_base = &tracee->registers.general;
        status = ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &part) == 0 ? WY_OK : trace_fail(pid, "cannot set the registers of", error);
    }
    return status;
}

wy_status wy_tracee_call_with(wy_tracee *tracee, long number, const uint64_t arguments[6], int at, void *bytes, size_t length,
                              int64_t *result, wy_error *error) {
    uint8_t kept[256];
    uint64_t own[6];
    wy_status status = lay_frame(tracee, error);
    if (status != WY_OK) {
        return status;
    }
    /* The first page of the stack that workers never use; elsewhere the page that the stack pointer is in, which is there. */
    uint64_t place = tracee->call_stack > 1 ? WY_SEAL_STACK : tracee->registers.general.rsp & ~UINT64_C(4095);
    if (length > sizeof kept) {
        return wy_fail(error, WY_INVALID, 0, "call", "%zu bytes", length);
    }
    memcpy(own, arguments, sizeof own);
    own[at] = place;
    status = wy_memory_read(&tracee->memory, place, kept, length, error);
    status = status == WY_OK ? wy_memory_write(&tracee->memory, place, bytes, length, error) : status;
    status = status == WY_OK ? wy_tracee_call(tracee, number, own, result, error) : status;
    if (status == WY_OK) {
        status = wy_memory_read(&tracee->memory, place, bytes, length, error);
        wy_status back = wy_memory_write(&tracee->memory, place, kept, length, error);
        status = status == WY_OK ? back : status;
    }
    return status;
}

/* A process stopped under our eyes: frozen at whatever instruction it was, its registers taken, able to make system calls for
 * us in between. Everything here works from outside by ptrace: nothing of ours runs inside of what may be hostile, and the filter
 * of a `compute` worker allows the few calls that moving needs. One thread of the caller does all of it (ptrace's rule). */
#ifndef WAYANG_CHECKPOINT_TRACEE_H
#define WAYANG_CHECKPOINT_TRACEE_H

#include <sys/user.h>

#include "checkpoint/memory.h"

#define WY_MAX_XSAVE_BYTES 16384u

typedef struct wy_registers {
    struct user_regs_struct general; /* with the bases of FS and GS; a system call that was under way is begun again */
    uint64_t signal_mask;
    uint32_t xsave_bytes;
    uint32_t reserved;
    uint8_t xsave[WY_MAX_XSAVE_BYTES];
} wy_registers;

typedef struct wy_tracee {
    wy_memory memory;
    uint64_t syscall_at; /* of the image's manifest */
    int stopped;
    uint64_t call_stack; /* where a call stands that survives our end (frame.h); 0: not laid yet; 1: there is no such place */
    wy_registers registers; /* as they are when it goes on */
} wy_tracee;

/* Seizes and stops the thread. `die_with_us`: it is killed when this process ends before wy_tracee_go (a worker that is half
 * filled); else it then goes on as if nothing had been. WY_CLOSED: it has ended (and is left to be reaped). WY_DENIED: a signal
 * was just being delivered; it went on. Blocks until the thread stops, which the kernel promises for all but broken devices. */
wy_status wy_tracee_freeze(pid_t pid, uint64_t syscall_at, int die_with_us, wy_tracee *out, wy_error *error);

/* The same for a child that asked to be traced by us (PTRACE_TRACEME) and stops in execve: waits for that stop. */
wy_status wy_tracee_adopt(pid_t pid, wy_tracee *out, wy_error *error);

/* Puts `registers` into the thread, which stays stopped. */
wy_status wy_tracee_set(const wy_tracee *tracee, wy_error *error);

/* What the thread has now. */
wy_status wy_tracee_registers(const wy_tracee *tracee, wy_registers *out, wy_error *error);

/* With the registers in `registers`, from here on untraced. */
wy_status wy_tracee_go(wy_tracee *tracee, wy_error *error);

/* Closes what is open; a tracee that is stopped still goes on (or is killed by its owner first). */
void wy_tracee_close(wy_tracee *tracee);

/* The tracee makes a system call; *result is -errno or its value. Registers and signal state are left as they were, also when we end in
 * the middle (in images that have a place for that: frame.h). */
wy_status wy_tracee_call(wy_tracee *tracee, long number, const uint64_t arguments[6], int64_t *result, wy_error *error);

/* The same with a piece of its memory, in the page of its stack that it uses, that `bytes` (at most 256) are put to before and
 * read from after; argument `at` is its address. What stood there is put back. */
wy_status wy_tracee_call_with(wy_tracee *tracee, long number, const uint64_t arguments[6], int at, void *bytes, size_t length,
                              int64_t *result, wy_error *error);

#endif

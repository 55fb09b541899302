/* What a worker may have when it moves: one thread, memory of its own, the channel. Everything else that the kernel keeps for a
 * process would be lost without a word, so it is looked for and refused by name. For a worker under the filter of `compute` most of it
 * cannot exist; the looks are the second line, and the whole proof for nobody else. */
#ifndef WAYANG_CHECKPOINT_STATE_H
#define WAYANG_CHECKPOINT_STATE_H

#include "checkpoint/tracee.h"
#include "checkpoint/vma.h"

typedef struct wy_state_rules {
    int confined;     /* 1: refuse what runs without a seccomp filter (the second line alone is not enough) */
    int doorbell_fd;  /* the only descriptor, an eventfd; -1: none */
    int kernel_pages; /* 1: a vDSO may be mapped (tests of processes that no zygote made) */
} wy_state_rules;

/* Of /proc/PID/status, which takes the kernel long to write: read once. Signals as bits; what it does not tell is 0. */
typedef struct wy_state_facts {
    uint64_t threads, seccomp;
    uint64_t waiting; /* signals that were sent, and not taken yet */
    uint64_t handled; /* signals with a handler, or ignored */
    uint64_t locked;  /* kB */
} wy_state_facts;

void wy_state_read(pid_t pid, wy_state_facts *out);

/* WY_OK, or WY_DENIED: `error->where` is one of threads, children, descriptors, timers, alarm, sigaltstack, shared memory, rseq, signal,
 * locked memory, vdso, filter. */
wy_status wy_state_check(wy_tracee *tracee, const wy_state_facts *facts, const wy_vmas *vmas, const wy_state_rules *rules, wy_error *error);

#endif

/* Processes by pidfd: no pid is ever signalled that could have been given to somebody else. */
#ifndef WAYANG_SPAWNER_PROCESS_H
#define WAYANG_SPAWNER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

typedef struct wy_end {
    pid_t pid;
    int code;   /* CLD_EXITED, CLD_KILLED, CLD_DUMPED */
    int status; /* exit code or signal */
    uint64_t cpu_microseconds;
} wy_end;

/* WY_OK: reaped. WY_EMPTY: still alive. WY_CLOSED: not a child of ours (or reaped before). WY_INVALID: not a pidfd. */
wy_status wy_process_reap(int pidfd, wy_end *out);

/* Its process has ended, also where a tracer keeps us from reaping it. */
bool wy_process_has_ended(int pidfd);

/* WY_OK if `pidfd` stands for a child of ours, alive or not yet reaped; nothing is consumed. */
wy_status wy_process_is_child(int pidfd);

/* Host pid behind a pidfd, or -1. */
pid_t wy_process_pid(int pidfd);

int wy_process_kill(int pidfd, int signal);

#endif

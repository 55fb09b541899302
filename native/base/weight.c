#include "base/weight.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESET_ON_FORK 1u /* SCHED_FLAG_RESET_ON_FORK */

/* The kernel's first version of it; newer C libraries have it under its own name. */
typedef struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} scheduling;

static int schedule(pid_t thread, int niceness, uint64_t slice_ns) {
    const scheduling wanted = {.size = sizeof wanted, .policy = SCHED_OTHER, .nice = niceness, .runtime = slice_ns};
    return (int)syscall(SYS_sched_setattr, thread, &wanted, 0);
}

void wy_weigh_alone(void) {
    scheduling own = {.size = sizeof own};
    if (syscall(SYS_sched_getattr, 0, &own, sizeof own, 0) == 0) {
        own.size = sizeof own;
        own.flags |= RESET_ON_FORK;
        (void)syscall(SYS_sched_setattr, 0, &own, 0);
    }
}

void wy_weigh(pid_t thread, int niceness, uint64_t slice_ns) {
    if (schedule(thread, niceness, slice_ns) == 0 || schedule(thread, getpriority(PRIO_PROCESS, (id_t)thread), slice_ns) == 0) {
        return;
    }
    setpriority(PRIO_PROCESS, (id_t)thread, niceness); /* where a filter knows no sched_setattr */
}

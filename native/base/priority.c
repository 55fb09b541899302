#include "base/priority.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/weight.h"

#define NICENESS (-10)

void wy_outrank_tasks(uint64_t slice_ns) {
    static const char session[] = "-10"; /* NICENESS: nine times the weight of a session at 0, where the workers' group has one per processor */
    wy_weigh(0, NICENESS, slice_ns);
    if (getsid(0) != getpid()) {
        return; /* others live in this session */
    }
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, session, strlen(session)); /* EAGAIN, EPERM, or no such file in a kernel without: as before */
        close(fd);
    }
}

static bool is_thread_of(pid_t process, pid_t thread) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d", (int)process, (int)thread);
    return process > 0 && thread > 0 && access(path, F_OK) == 0;
}

bool wy_put_first(pid_t process, pid_t thread) {
    const struct sched_param lowest = {.sched_priority = 1};
    return is_thread_of(process, thread) && sched_setscheduler(thread, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0;
}

bool wy_put_before_tasks(pid_t process, pid_t thread, uint64_t slice_ns) {
    if (!is_thread_of(process, thread)) {
        return false;
    }
    wy_weigh(thread, NICENESS, slice_ns);
    return true;
}

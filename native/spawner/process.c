#include "spawner/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The system call itself: libc's waitid does not return the resource usage. __WALL because zygotes and workers are cloned
 * with exit_signal 0. */
static int wait_pidfd(int pidfd, siginfo_t *info, int options, struct rusage *usage) {
    memset(info, 0, sizeof *info);
    return (int)syscall(SYS_waitid, P_PIDFD, pidfd, info, options | WEXITED | WNOHANG | __WALL, usage);
}

static wy_status from_errno(void) {
    return errno == ECHILD ? WY_CLOSED : WY_INVALID;
}

wy_status wy_process_reap(int pidfd, wy_end *out) {
    siginfo_t info;
    struct rusage usage;
    memset(&usage, 0, sizeof usage);
    if (wait_pidfd(pidfd, &info, 0, &usage) != 0) {
        return from_errno();
    }
    if (info.si_pid == 0) {
        return WY_EMPTY;
    }
    out->pid = info.si_pid;
    out->code = info.si_code;
    out->status = info.si_status;
    out->cpu_microseconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
                            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return WY_OK;
}

bool wy_process_has_ended(int pidfd) {
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    return poll(&end, 1, 0) == 1 && (end.revents & POLLIN) != 0;
}

wy_status wy_process_is_child(int pidfd) {
    siginfo_t info;
    return wait_pidfd(pidfd, &info, WNOWAIT, NULL) == 0 ? WY_OK : from_errno();
}

pid_t wy_process_pid(int pidfd) {
    char path[48], text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) {
        return -1;
    }
    text[length] = 0;
    const char *line = strstr(text, "\nPid:");
    return line != NULL ? (pid_t)strtol(line + 5, NULL, 10) : -1;
}

int wy_process_kill(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

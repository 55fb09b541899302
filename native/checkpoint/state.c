#include "checkpoint/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

typedef struct rseq_configuration {
    uint64_t pointer;
    uint32_t size, signature, flags, pad;
} rseq_configuration;

/* At most `room` - 1 bytes of a small file of /proc; -1 where it cannot be read. */
static ssize_t read_proc(pid_t pid, const char *file, char *out, size_t room) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t used = 0, got = 1;
    while (got > 0 && (size_t)used < room - 1) {
        got = read(fd, out + used, room - 1 - (size_t)used);
        used += got > 0 ? got : 0;
    }
    (void)close(fd);
    out[used] = '\0';
    return got < 0 ? -1 : used;
}

static uint64_t number_of(const char *text, const char *key, int base) {
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "\n%s:", key);
    const char *line = strstr(text, wanted);
    return line == NULL ? 0 : strtoull(line + strlen(wanted), NULL, base);
}

void wy_state_read(pid_t pid, wy_state_facts *out) {
    char text[4096] = "";
    ssize_t length = read_proc(pid, "status", text, sizeof text);
    text[length > 0 ? length : 0] = '\0';
    *out = (wy_state_facts){.threads = number_of(text, "Threads", 10),
                            .seccomp = number_of(text, "Seccomp", 10),
                            .waiting = number_of(text, "SigPnd", 16) | number_of(text, "ShdPnd", 16),
                            .handled = number_of(text, "SigCgt", 16) | number_of(text, "SigIgn", 16),
                            .locked = number_of(text, "VmLck", 10)};
}

static wy_status refuse(wy_error *error, const char *what, const char *text) {
    return wy_fail(error, WY_DENIED, 0, what, "%s", text);
}

static wy_status check_family(pid_t pid, uint64_t threads, wy_error *error) {
    char path[64], text[256];
    if (threads != 1) {
        return wy_fail(error, WY_DENIED, 0, "threads", "it has %" PRIu64 " threads; only one can be moved", threads);
    }
    (void)snprintf(path, sizeof path, "task/%d/children", (int)pid);
    ssize_t length = read_proc(pid, path, text, sizeof text);
    if (length < 0) {
        return wy_fail(error, WY_UNSUPPORTED, errno, "children", "this kernel does not tell a process's children");
    }
    return length == 0 ? WY_OK : wy_fail(error, WY_DENIED, 0, "children", "it has children: %.100s", text);
}

static wy_status check_descriptor(pid_t pid, const char *number, int doorbell_fd, wy_error *error) {
    char path[64], target[128];
    (void)snprintf(path, sizeof path, "/proc/%d/fd/%.16s", (int)pid, number);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    int doorbell = doorbell_fd >= 0 && atoi(number) == doorbell_fd && strncmp(target, "anon_inode:[eventfd", 19) == 0;
    const char *kind = strncmp(target, "socket:", 7) == 0          ? "a socket"
                       : strstr(target, "[io_uring]") != NULL      ? "an io_uring"
                       : strstr(target, "[timerfd]") != NULL       ? "a timer"
                                                                   : "a file";
    return doorbell ? WY_OK : wy_fail(error, WY_DENIED, 0, "descriptors", "descriptor %.16s is %s (%.80s)", number, kind, target);
}

static wy_status check_descriptors(pid_t pid, int doorbell_fd, wy_error *error) {
    char path[48];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return wy_fail(error, WY_SYSTEM, errno, "descriptors", "cannot list them: %s", strerror(errno));
    }
    wy_status status = WY_OK;
    for (struct dirent *entry = readdir(directory); entry != NULL && status == WY_OK; entry = readdir(directory)) {
        status = entry->d_name[0] == '.' ? WY_OK : check_descriptor(pid, entry->d_name, doorbell_fd, error);
    }
    (void)closedir(directory);
    return status;
}

static wy_status check_mappings(const wy_vmas *vmas, const wy_state_rules *rules, wy_error *error) {
    for (uint32_t i = 0; i < vmas->count; i++) {
        const wy_vma *vma = &vmas->items[i];
        if ((vma->flags & WY_VMA_KERNEL) != 0 && !rules->kernel_pages) {
            return refuse(error, "vdso", "the kernel's vDSO is mapped: its zygote was not launched as migratable");
        }
        if ((vma->flags & WY_VMA_SHARED) != 0) {
            return wy_fail(error, WY_DENIED, 0, "shared memory", "%" PRIx64 "-%" PRIx64 " is shared memory", vma->start, vma->end);
        }
    }
    return WY_OK;
}

/* Denied by the filter: then it was denied all the time, and there is none. */
static int is_denied(int64_t result) {
    return result == -EPERM || result == -ENOSYS || result == -EACCES;
}

static wy_status check_alarms(wy_tracee *tracee, wy_error *error) {
    static const char *const names[] = {"real", "virtual", "profiling"};
    for (uint64_t which = 0; which < 3; which++) {
        struct itimerval value = {0};
        int64_t result = 0;
        wy_status status = wy_tracee_call_with(tracee, SYS_getitimer, (uint64_t[6]){which}, 1, &value, sizeof value, &result, error);
        if (status != WY_OK) {
            return status;
        }
        if (is_denied(result)) {
            return WY_OK;
        }
        if (result != 0 || value.it_value.tv_sec != 0 || value.it_value.tv_usec != 0) {
            return wy_fail(error, WY_DENIED, 0, "alarm", "an interval timer (%s) is set", names[which]);
        }
    }
    return WY_OK;
}

static wy_status check_timers(pid_t pid, wy_error *error) {
    char text[64];
    return read_proc(pid, "timers", text, sizeof text) > 0 ? refuse(error, "timers", "it has POSIX timers") : WY_OK;
}

static wy_status check_signal_stack(wy_tracee *tracee, wy_error *error) {
    stack_t now = {0};
    int64_t result = 0;
    wy_status status = wy_tracee_call_with(tracee, SYS_sigaltstack, (uint64_t[6]){0}, 1, &now, sizeof now, &result, error);
    if (status != WY_OK || is_denied(result)) {
        return status;
    }
    return result == 0 && (now.ss_flags & SS_DISABLE) != 0 ? WY_OK
                                                           : refuse(error, "sigaltstack", "it has an alternate signal stack");
}

static wy_status check_rseq(pid_t pid, wy_error *error) {
    rseq_configuration configuration = {0};
    long result = ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, (void *)sizeof configuration, &configuration);
    return result > 0 && configuration.pointer != 0 ? refuse(error, "rseq", "it has a restartable sequence area registered") : WY_OK;
}

wy_status wy_state_check(wy_tracee *tracee, const wy_state_facts *facts, const wy_vmas *vmas, const wy_state_rules *rules, wy_error *error) {
    pid_t pid = tracee->memory.pid;
    if (rules->confined && facts->seccomp != 2) {
        return refuse(error, "filter", "it runs without a filter: what it has in the kernel cannot be known");
    }
    wy_status status = check_family(pid, facts->threads, error);
    status = status == WY_OK ? check_descriptors(pid, rules->doorbell_fd, error) : status;
    status = status == WY_OK ? check_mappings(vmas, rules, error) : status;
    if (status == WY_OK && facts->waiting != 0) {
        status = refuse(error, "signal", "a signal waits for it");
    }
    if (status == WY_OK && facts->locked != 0) {
        status = refuse(error, "locked memory", "it has memory locked");
    }
    status = status == WY_OK ? check_timers(pid, error) : status;
    status = status == WY_OK ? check_rseq(pid, error) : status;
    status = status == WY_OK ? check_alarms(tracee, error) : status;
    return status == WY_OK ? check_signal_stack(tracee, error) : status;
}

/* Killing and removing a group with all below it. Used on what a killed predecessor left and at the end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "spawner/cgroup.h"

#define MAX_DEPTH 4
#define REMOVE_ATTEMPTS 500 /* of 2 ms: a killed process leaves its group when it is dead, not when it is signalled */

/* By pidfd, and only after looking again that it is still in the group: a pid read from a file may be reused by now. */
static bool signal_member(int group_fd, pid_t pid, int signal) {
    char line[32];
    bool member = false, sent = false;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        return false;
    }
    int fd = openat(group_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    while (file != NULL && !member && fgets(line, sizeof line, file) != NULL) {
        member = strtol(line, NULL, 10) == pid;
    }
    if (file != NULL) {
        fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
    if (member && pid != getpid()) {
        sent = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0;
    }
    close(pidfd);
    return sent;
}

unsigned wy_cgroup_signal(int group_fd, int signal) {
    char line[32];
    unsigned reached = 0;
    int fd = openat(group_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        if (pid > 0 && signal_member(group_fd, pid, signal)) {
            reached++;
        }
    }
    if (file != NULL) {
        fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
    return reached;
}

static bool write_state(int group_fd, const char *file, const char *text) {
    int fd = openat(group_fd, file, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) > 0;
    if (fd >= 0) {
        close(fd);
    }
    return written;
}

static void kill_group(int group_fd) {
    int fd = openat(group_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) { /* version 2: at once, with all below */
        ssize_t ignored = write(fd, "1", 1);
        (void)ignored;
        close(fd);
        return;
    }
    wy_cgroup_signal(group_fd, SIGKILL);
    write_state(group_fd, "freezer.state", "THAWED"); /* what is frozen dies when it goes on */
}

/* Is SIGKILL among the signals that wait for the process? */
static bool is_killed(pid_t pid) {
    char path[40], line[128];
    uint64_t pending = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "SigPnd:", 7) == 0 || strncmp(line, "ShdPnd:", 7) == 0) {
            pending |= strtoull(line + 7, NULL, 16);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return (pending >> (SIGKILL - 1) & 1) != 0;
}

static bool all_killed(int group_fd) {
    char line[32];
    bool any = false, all = true;
    int fd = openat(group_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    while (file != NULL && all && fgets(line, sizeof line, file) != NULL) {
        any = true;
        all = is_killed((pid_t)strtol(line, NULL, 10));
    }
    if (file != NULL) {
        fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
    return any && all;
}

void wy_cgroup_release_killed(int parent_fd, const char *instance) {
    int group_fd = openat(parent_fd, instance, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = group_fd >= 0 ? fdopendir(group_fd) : NULL;
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL; entry = readdir(dir)) {
        int one = entry->d_type == DT_DIR && entry->d_name[0] == 'g'
                      ? openat(group_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                      : -1;
        if (one >= 0 && all_killed(one)) {
            write_state(one, "freezer.state", "THAWED");
        }
        if (one >= 0) {
            close(one);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    } else if (group_fd >= 0) {
        close(group_fd);
    }
}

static wy_status remove_level(int dir_fd, const char *name, int depth, wy_error *error);

static wy_status remove_children(int group_fd, int depth, wy_error *error) {
    wy_status status = WY_OK;
    int copy = openat(group_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) {
        if (copy >= 0) {
            close(copy);
        }
        return wy_fail(error, WY_SYSTEM, errno, "cgroup", "a group cannot be listed");
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            wy_status one = remove_level(group_fd, entry->d_name, depth + 1, error);
            status = status == WY_OK ? one : status;
        }
    }
    closedir(dir);
    return status;
}

static wy_status remove_level(int dir_fd, const char *name, int depth, wy_error *error) {
    if (depth > MAX_DEPTH) {
        return wy_fail(error, WY_TOO_BIG, 0, "cgroup", "groups are nested deeper than %d", MAX_DEPTH);
    }
    int group_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (group_fd < 0) {
        return errno == ENOENT ? WY_OK : wy_fail(error, WY_SYSTEM, errno, "cgroup", "group %.100s cannot be opened", name);
    }
    wy_status status = WY_OK;
    for (int attempt = 0;; attempt++) {
        if (attempt % 50 == 0) {
            kill_group(group_fd);
            status = remove_children(group_fd, depth, error);
        }
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
            break;
        }
        if (errno != EBUSY || attempt >= REMOVE_ATTEMPTS) {
            status = wy_fail(error, WY_SYSTEM, errno, "cgroup", "group %.100s cannot be removed", name);
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    close(group_fd);
    return status;
}

wy_status wy_cgroup_remove_tree(int dir_fd, const char *name, wy_error *error) {
    return remove_level(dir_fd, name, 0, error);
}

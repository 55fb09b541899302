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
static void kill_member(int group_fd, pid_t pid) {
    char line[32];
    bool member = false;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        return;
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
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    }
    close(pidfd);
}

static void kill_group(int group_fd) {
    char line[32];
    int fd = openat(group_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) { /* version 2: at once, with all below */
        ssize_t ignored = write(fd, "1", 1);
        (void)ignored;
        close(fd);
        return;
    }
    fd = openat(group_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        if (pid > 0) {
            kill_member(group_fd, pid);
        }
    }
    if (file != NULL) {
        fclose(file);
    } else if (fd >= 0) {
        close(fd);
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

#include "zygote/lend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/mounts.h"
#include "sandbox/overlay.h"
#include "zygote/launch.h"

static int write_proc(pid_t pid, const char *file, const char *text) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t put = fd < 0 ? -1 : write(fd, text, strlen(text));
    int cause = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = cause;
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

static int map_ids(pid_t child, unsigned inside, unsigned uid, unsigned gid) {
    char uids[48], gids[48];
    (void)snprintf(uids, sizeof uids, "%u %u 1\n", inside, uid);
    (void)snprintf(gids, sizeof gids, "%u %u 1\n", inside, gid);
    return (geteuid() == 0 || write_proc(child, "setgroups", "deny") == 0) && write_proc(child, "uid_map", uids) == 0 &&
                   write_proc(child, "gid_map", gids) == 0
               ? 0
               : -1;
}

static int open_users(pid_t child) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* A child waits in a user namespace of its own until its ids are mapped, does `prove` and ends with its result. `users` may be
 * NULL, or gets the namespace. Returns the result, or the errno that kept it from being. */
static int in_namespace(uint64_t flags, unsigned inside, unsigned uid, unsigned gid, int (*prove)(void), int *users) {
    int go[2];
    char word = 'g';
    if (pipe2(go, O_CLOEXEC) != 0) {
        return errno;
    }
    pid_t child = wy_clone(CLONE_NEWUSER | flags, SIGCHLD, NULL);
    if (child == 0) {
        (void)close(go[1]);
        int result = read(go[0], &word, 1) != 1 ? EIO : prove == NULL ? 0 : prove();
        _exit(result > 0 && result < 256 ? result : result != 0);
    }
    int failed = child < 0 ? errno : map_ids(child, inside, uid, gid) != 0 ? errno : 0;
    if (failed == 0 && users != NULL && (*users = open_users(child)) < 0) {
        failed = errno;
    }
    if (failed == 0 && write(go[1], &word, 1) != 1) {
        failed = errno;
    }
    (void)close(go[0]);
    (void)close(go[1]);
    int status = 0;
    while (child > 0 && waitpid(child, &status, __WALL) < 0 && errno == EINTR) {
    }
    return failed != 0 ? failed : WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

int wy_mount_lend(const char *path, uid_t uid) {
    int users = -1, failed = in_namespace(0, 0, uid, uid, NULL, &users);
    int copy = failed != 0 ? -1 : wy_mount_copy_alone(path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (failed == 0 && copy < 0) {
        failed = errno;
    }
    /* Private: nothing that the host mounts below it later is seen, and nothing mounted here reaches the host. */
    struct mount_attr wanted = {.attr_set = MOUNT_ATTR_IDMAP, .propagation = MS_PRIVATE, .userns_fd = (uint64_t)(users >= 0 ? users : 0)};
    if (failed == 0 && mount_setattr(copy, "", AT_EMPTY_PATH, &wanted, sizeof wanted) != 0) {
        failed = errno;
    }
    if (users >= 0) {
        (void)close(users);
    }
    if (failed != 0 && copy >= 0) {
        (void)close(copy);
    }
    errno = failed;
    return failed != 0 ? -1 : copy;
}

int wy_overlay_try(void) {
    return in_namespace(CLONE_NEWNS, WY_SANDBOX_UID, geteuid(), getegid(), wy_overlay_prove, NULL);
}

#include "zygote/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

static wy_status holder_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "holder", "%s: %s", what, strerror(cause));
}

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t put = write(fd, text, strlen(text));
    int cause = errno;
    (void)close(fd);
    errno = cause;
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

/* `other` may be -1. */
static void keep_only(int kept, int other) {
    int first = other >= 0 && other < kept ? other : kept, second = other > kept ? other : kept;
    if (first > 0) {
        (void)syscall(SYS_close_range, 0, (unsigned)first - 1, 0);
    }
    if (second > first + 1) {
        (void)syscall(SYS_close_range, (unsigned)first + 1, (unsigned)second - 1, 0);
    }
    (void)syscall(SYS_close_range, (unsigned)second + 1, ~0u, 0);
}

static wy_status become_user(const wy_launch *launch, wy_error *error) {
    /* Unprivileged, setgroups is denied in the namespace: our groups stay, shown as nobody's, and grant nothing that
     * the user who started us has not. */
    if (launch->as_root && setgroups(0, NULL) != 0) {
        return holder_fail(error, "setgroups");
    }
    if (setresgid(WY_SANDBOX_UID, WY_SANDBOX_UID, WY_SANDBOX_UID) != 0 ||
        setresuid(WY_SANDBOX_UID, WY_SANDBOX_UID, WY_SANDBOX_UID) != 0) {
        return holder_fail(error, "setresuid");
    }
    return WY_OK;
}

/* A second user namespace around the finished root: all mounts are now locked as a whole, so that not even a zygote
 * with CAP_SYS_ADMIN can make one of them writable or look under one. */
static wy_status lock_root(wy_error *error) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        return holder_fail(error, "cannot lock the root in a second user namespace");
    }
    char map[32];
    (void)snprintf(map, sizeof map, "%u %u 1\n", WY_SANDBOX_UID, WY_SANDBOX_UID);
    if (write_text("/proc/self/setgroups", "deny") != 0 || write_text("/proc/self/uid_map", map) != 0 ||
        write_text("/proc/self/gid_map", map) != 0) {
        return holder_fail(error, "cannot write the maps of the second user namespace");
    }
    return WY_OK;
}

static wy_status set_up(const wy_launch *launch, int sync, wy_error *error) {
    /* 1. Alone: no descriptor and no signal state of the spawner, a session of our own. */
    wy_reset_signals();
    (void)signal(SIGCHLD, SIG_IGN); /* pid 1: orphans are reaped by the kernel */
    keep_only(sync, launch->lent_root_fd);
    if (setsid() < 0) {
        return holder_fail(error, "setsid");
    }
    /* 2. Wait until the spawner wrote both maps. */
    char go = 0;
    if (read(sync, &go, 1) != 1) {
        return holder_fail(error, "the spawner is gone");
    }
    /* 3. The namespace's only user. */
    wy_status status = become_user(launch, error);
    if (status != WY_OK) {
        return status;
    }
    /* 4. After the last change of credentials, which clears it: die with the spawner. A spawner that died before this
     * line shows as end-of-file in the last write. Dumpable, or the unprivileged helper may not enter. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
        return holder_fail(error, "prctl");
    }
    /* 5. The image's root, built once. 6. Locked. */
    status = wy_root_build(launch->profile, launch->lent_root_fd, error);
    if (status == WY_OK) {
        status = lock_root(error);
    }
    /* A change of credentials on the way (unshare) cleared both again. */
    if (status == WY_OK &&
        (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)) {
        status = holder_fail(error, "prctl");
    }
    return status;
}

_Noreturn void wy_holder_run(const wy_launch *launch, int sync) {
    wy_error error;
    memset(&error, 0, sizeof error);
    (void)prctl(PR_SET_NAME, "wayang-holder", 0, 0, 0);
    wy_status status = set_up(launch, sync, &error);
    ssize_t sent = send(sync, &error, sizeof error, MSG_NOSIGNAL);
    (void)close(sync);
    if (status != WY_OK || sent != (ssize_t)sizeof error) {
        _exit(1);
    }
    /* Its full capabilities in its own namespace stay: they are what keeps the zygote, of the same uid but with fewer,
     * from tracing it. */
    for (;;) {
        (void)pause();
    }
}

/* Launching a zygote, in the spawner. Numbered as in the design:
 *   1. holder: clone3 into new user, pid, mount, net, ipc and uts namespaces; idle pid 1, dies with us
 *   2. both maps are written from outside, the holder builds the image's root and locks it
 *   3. helper: enters the holder's namespaces, clones the zygote with CLONE_PARENT (our child), ends
 *   4. the zygote resets itself and executes wayang-zygote by descriptor */
#include "zygote/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/steady.h"
#include "spawner/protocol.h"
#include "zygote/config.h"

#define HOLDER_NAMESPACES                                                                                              \
    (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static wy_status launch_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "launch", "%s: %s", what, strerror(cause));
}

void wy_reset_signals(void) {
    for (int number = 1; number < NSIG; number++) {
        if (number != SIGKILL && number != SIGSTOP) {
            (void)signal(number, SIG_DFL); /* EINVAL for the two that libc keeps for itself */
        }
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int write_proc(pid_t pid, const char *file, const char *text) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
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

static wy_status write_maps(const wy_launch *launch, pid_t holder, wy_error *error) {
    char uids[48], gids[48];
    (void)snprintf(uids, sizeof uids, "1000 %u 1\n", (unsigned)launch->uid);
    (void)snprintf(gids, sizeof gids, "1000 %u 1\n", (unsigned)launch->gid);
    /* Unprivileged, the kernel wants setgroups denied before it takes a gid map. */
    if (!launch->as_root && write_proc(holder, "setgroups", "deny") != 0) {
        return launch_fail(error, "cannot deny setgroups");
    }
    if (write_proc(holder, "uid_map", uids) != 0 || write_proc(holder, "gid_map", gids) != 0) {
        return launch_fail(error, "cannot write the holder's uid and gid maps");
    }
    return WY_OK;
}

/* One datagram of exactly this size, or what the end of the peer means. */
static wy_status receive_exactly(int sync, void *out, size_t bytes, int *descriptor, wy_error *error) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } ancillary;
    struct iovec part = {out, bytes};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};
    ssize_t got = 0;
    do {
        got = recvmsg(sync, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)bytes) {
        return wy_fail(error, WY_CLOSED, got < 0 ? errno : 0, "launch", "a child ended before it said why");
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (descriptor != NULL) {
        *descriptor = -1;
        if (header != NULL && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int))) {
            memcpy(descriptor, CMSG_DATA(header), sizeof(int));
        }
    }
    return WY_OK;
}

static void end_child(pid_t pid, int pidfd) {
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {
        }
    }
    if (pidfd >= 0) {
        (void)close(pidfd);
    }
}

static wy_status start_holder(const wy_launch *launch, wy_zygote *out, wy_error *error) {
    int sync[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) != 0) {
        return launch_fail(error, "socketpair");
    }
    uint64_t network = launch->profile->network == WY_NETWORK_HOST ? 0 : CLONE_NEWNET;
    out->holder_pid = wy_clone(HOLDER_NAMESPACES | network | CLONE_PIDFD, SIGCHLD, &out->holder_pidfd);
    if (out->holder_pid == 0) {
        wy_holder_run(launch, sync[1]);
    }
    int cause = errno;
    (void)close(sync[1]);
    if (out->holder_pid < 0) {
        out->holder_pidfd = -1;
        (void)close(sync[0]);
        errno = cause;
        return launch_fail(error,
                           "cannot make user, pid, mount, net, ipc and uts namespaces (are user namespaces off?)");
    }
    wy_status status = write_maps(launch, out->holder_pid, error);
    wy_error told;
    if (status == WY_OK && send(sync[0], "g", 1, MSG_NOSIGNAL) != 1) {
        status = launch_fail(error, "the holder is gone");
    }
    if (status == WY_OK) {
        status = receive_exactly(sync[0], &told, sizeof told, NULL, error);
    }
    if (status == WY_OK && told.status != WY_OK) {
        status = wy_fail(error, (wy_status)told.status, told.sys_errno, told.where, "%s", told.message);
    }
    (void)close(sync[0]);
    return status;
}

/* The pidfd came from the helper, our own code before any foreign one: its host pid stands in our fdinfo. */
static pid_t pid_of(int pidfd) {
    char path[64], line[128];
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FILE *info = fopen(path, "re");
    pid_t pid = -1;
    while (info != NULL && fgets(line, sizeof line, info) != NULL) {
        if (strncmp(line, "Pid:", 4) == 0) {
            pid = (pid_t)strtol(line + 4, NULL, 10);
        }
    }
    if (info != NULL) {
        (void)fclose(info);
    }
    return pid;
}

static wy_status start_zygote(const wy_launch *launch, int control, int config, wy_zygote *out, wy_error *error) {
    int sync[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) != 0) {
        return launch_fail(error, "socketpair");
    }
    int helper_pidfd = -1;
    pid_t helper = wy_clone(CLONE_PIDFD, SIGCHLD, &helper_pidfd);
    if (helper == 0) {
        (void)close(sync[0]);
        wy_entry_run(launch, out->holder_pidfd, sync[1], control, config);
    }
    (void)close(sync[1]);
    wy_status status = helper < 0 ? launch_fail(error, "cannot start the helper") : WY_OK;
    wy_zygote_birth birth;
    if (status == WY_OK) {
        status = receive_exactly(sync[0], &birth, sizeof birth, &out->zygote_pidfd, error);
    }
    if (status == WY_OK && birth.error.status != WY_OK) {
        status = wy_fail(error, (wy_status)birth.error.status, birth.error.sys_errno, birth.error.where, "%s",
                         birth.error.message);
    }
    if (status == WY_OK) {
        out->zygote_pid = out->zygote_pidfd < 0 ? -1 : pid_of(out->zygote_pidfd);
        if (out->zygote_pid <= 0) {
            status = wy_fail(error, WY_SYSTEM, 0, "launch", "the zygote's pid cannot be learned");
        }
    }
    (void)close(sync[0]);
    end_child(helper, helper_pidfd);
    if (status == WY_OK && launch->migratable) {
        status = wy_steady_start(out->zygote_pid, launch->random, error);
        status = status == WY_CLOSED ? WY_OK : status; /* it ended, and says why on its control socket */
    }
    return status;
}

static wy_status check_launch(const wy_launch *launch, wy_error *error) {
    if (launch->uid == 0 || launch->gid == 0) {
        return wy_fail(error, WY_INVALID, 0, "launch", "an image never runs with host uid or gid 0");
    }
    if (!launch->as_root && (launch->uid != geteuid() || launch->gid != getegid())) {
        return wy_fail(error, WY_INVALID, 0, "launch", "unprivileged, the uid must be our own");
    }
    if (launch->image_kind == WY_IMAGE_COMMAND && !launch->profile->files) {
        return wy_fail(error, WY_DENIED, 0, "launch", "profile %s has no files: a command needs them",
                       launch->profile->name);
    }
    if (launch->image_kind != WY_IMAGE_COMMAND && launch->source_fd < 0) {
        return wy_fail(error, WY_INVALID, 0, "launch", "the image needs its source");
    }
    if (launch->image_kind == WY_IMAGE_PYTHON && launch->python_fd < 0) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "python",
                       "wayang_python.so is not installed: this runtime was built without Python (install libpython3-dev, then "
                       "./build.sh build)");
    }
    return launch->image_kind >= WY_IMAGE_COMMAND && launch->image_kind <= WY_IMAGE_PYTHON
               ? WY_OK
               : wy_fail(error, WY_INVALID, 0, "launch", "unknown kind of image %u", launch->image_kind);
}

wy_status wy_zygote_launch(const wy_launch *launch, wy_zygote *out, wy_error *error) {
    *out = (wy_zygote){.holder_pid = -1, .zygote_pid = -1, .holder_pidfd = -1, .zygote_pidfd = -1, .control_fd = -1};
    int control[2] = {-1, -1}, config = -1;
    wy_status status = check_launch(launch, error);
    if (status == WY_OK) {
        status = wy_zygote_config_make(launch->profile, launch->image_kind, launch->migratable, &config, error);
    }
    if (status == WY_OK && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
        status = launch_fail(error, "socketpair");
    }
    if (status == WY_OK) {
        status = start_holder(launch, out, error);
    }
    if (status == WY_OK) {
        status = start_zygote(launch, control[1], config, out, error);
    }
    if (status == WY_OK && fcntl(control[0], F_SETFL, O_NONBLOCK) != 0) {
        status = launch_fail(error, "fcntl");
    }
    if (config >= 0) {
        (void)close(config);
    }
    if (control[1] >= 0) {
        (void)close(control[1]);
    }
    if (status == WY_OK) {
        out->control_fd = control[0];
        return WY_OK;
    }
    if (control[0] >= 0) {
        (void)close(control[0]);
    }
    /* Zygote first: the holder, pid 1 of its namespace, is not gone before all in it have been reaped, by us. */
    end_child(out->zygote_pid, out->zygote_pidfd);
    end_child(out->holder_pid, out->holder_pidfd);
    *out = (wy_zygote){.holder_pid = -1, .zygote_pid = -1, .holder_pidfd = -1, .zygote_pidfd = -1, .control_fd = -1};
    return status;
}

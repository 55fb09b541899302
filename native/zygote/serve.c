#include "zygote/state.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spawner/protocol.h"
#include "zygote/launch.h"

#define WORKER_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

typedef union ancillary {
    char bytes[CMSG_SPACE(WY_MSG_MAX_FDS * sizeof(int))];
    struct cmsghdr aligned;
} ancillary;

typedef struct fork_message {
    wy_zygote_header header;
    wy_zygote_fork request;
} fork_message;

typedef struct failed_message {
    wy_zygote_header header;
    wy_error error;
} failed_message;

/* Bytes received, 0 at the end of the control socket. */
static ssize_t receive(fork_message *message, int *descriptors, uint32_t *count) {
    ancillary rights;
    struct iovec part = {message, sizeof *message};
    struct msghdr envelope = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes};
    ssize_t got = 0;
    *count = 0;
    do {
        got = recvmsg(WY_ZYGOTE_FD_CONTROL, &envelope, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&envelope) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *count = (uint32_t)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(descriptors, CMSG_DATA(header), *count * sizeof(int));
    }
    if (got > 0 && (envelope.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        message->header.length = 0; /* never equals what arrived: refused below */
    }
    return got;
}

static void answer_failure(uint64_t worker, const wy_error *error) {
    failed_message message;
    memset(&message, 0, sizeof message);
    message.header = (wy_zygote_header){.type = ZY_FORK_FAILED, .length = sizeof message, .worker_id = worker};
    message.error = *error;
    (void)send(WY_ZYGOTE_FD_CONTROL, &message, sizeof message, MSG_NOSIGNAL);
}

static void answer_forked(uint64_t worker, int pidfd) {
    ancillary rights;
    memset(&rights, 0, sizeof rights);
    wy_zygote_header message = {.type = ZY_FORKED, .length = sizeof message, .worker_id = worker};
    struct iovec part = {&message, sizeof message};
    struct msghdr envelope = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = CMSG_SPACE(sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&envelope);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pidfd, sizeof(int));
    (void)sendmsg(WY_ZYGOTE_FD_CONTROL, &envelope, MSG_NOSIGNAL);
}

static wy_status check_request(const wy_zygote_state *zygote, const fork_message *message, ssize_t got, uint32_t count,
                               wy_error *error) {
    uint32_t extras = message->request.extras & (WY_FORK_NETWORK | WY_FORK_SPACE), more = (extras & 1u) + (extras >> 1);
    int command = zygote->config.image_kind == WY_IMAGE_COMMAND;
    uint32_t wanted = !command ? WY_FORK_CALL_FDS : count == WY_FORK_FILES_FDS + more ? WY_FORK_FILES_FDS : WY_FORK_COMMAND_FDS;
    wanted += more;
    if (got != (ssize_t)sizeof *message || message->header.length != sizeof *message ||
        message->header.type != ZY_FORK || count != wanted) {
        return wy_fail(error, WY_CORRUPT, 0, "fork", "not a ZY_FORK with its %u descriptors", wanted);
    }
    return WY_OK;
}

static void fork_worker(const wy_zygote_state *zygote, const fork_message *message, const int *descriptors, uint32_t count) {
    uint64_t flags = WORKER_NAMESPACES | CLONE_PARENT | CLONE_PIDFD;
    flags |= zygote->config.own_network ? CLONE_NEWNET : 0;
    int pidfd = -1;
    /* CLONE_PARENT: the spawner's child, with the zygote's exit signal. */
    pid_t pid = wy_clone_worker(flags, zygote->thread_id, &pidfd);
    if (pid == 0) {
        if (zygote->config.migratable) {
            wy_child_leave(&message->request, descriptors, count);
        }
        wy_child_run(zygote, &message->request, descriptors, count);
    }
    if (pid < 0) {
        wy_error error;
        memset(&error, 0, sizeof error);
        int cause = errno;
        (void)wy_fail(&error, WY_SYSTEM, cause, "fork", "clone3: %s", strerror(cause));
        answer_failure(message->header.worker_id, &error);
        return;
    }
    answer_forked(message->header.worker_id, pidfd);
    (void)close(pidfd);
}

int wy_zygote_serve(const wy_zygote_state *zygote) {
    for (;;) {
        fork_message message;
        int descriptors[WY_MSG_MAX_FDS] = {0};
        uint32_t count = 0;
        memset(&message, 0, sizeof message);
        ssize_t got = receive(&message, descriptors, &count);
        if (got <= 0) {
            return got == 0 ? 0 : 1;
        }
        wy_error error;
        memset(&error, 0, sizeof error);
        if (check_request(zygote, &message, got, count, &error) == WY_OK) {
            fork_worker(zygote, &message, descriptors, count);
        } else {
            answer_failure(message.header.worker_id, &error);
        }
        for (uint32_t i = 0; i < count; i++) {
            (void)close(descriptors[i]);
        }
    }
}

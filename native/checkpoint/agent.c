#include "checkpoint/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel/layout.h"
#include "checkpoint/capture.h"
#include "checkpoint/restore.h"

static int64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int set_capabilities(uint32_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].permitted = data[0].effective = kept;
    return (int)syscall(SYS_capset, &header, data);
}

static int become(uid_t uid, gid_t gid) {
    return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
                   setresuid(uid, uid, uid) != 0 || set_capabilities(1u << CAP_SYS_PTRACE) != 0
               ? -1
               : 0;
}

wy_status wy_agent_confine(pid_t worker, wy_error *error) {
    char path[32];
    struct stat facts;
    (void)snprintf(path, sizeof path, "/proc/%d", (int)worker);
    if (stat(path, &facts) != 0) {
        return wy_fail(error, WY_CLOSED, errno, "agent", "process %d is not there", (int)worker);
    }
    if (geteuid() == 0 && facts.st_uid != 0 && become(facts.st_uid, facts.st_gid) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "agent", "cannot become the worker's user: %s", strerror(errno));
    }
    /* After the change of credentials, which clears it: the spawner's end is ours. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "agent", "prctl: %s", strerror(errno));
    }
    return WY_OK;
}

static void tell(wy_agent_word word, const wy_stream *stream, int64_t frozen_ns, const wy_error *error) {
    wy_agent_message message = {.word = (uint32_t)word,
                                .bytes = stream->bytes,
                                .pages = stream->pages,
                                .frozen_ns = (uint64_t)frozen_ns};
    if (error != NULL) {
        message.error = *error;
    }
    (void)send(WY_AGENT_FD_CONTROL, &message, sizeof message, MSG_NOSIGNAL);
}

/* 1: told to go. 0: the spawner hung up. -1: the worker has ended. */
static int wait_for_word(int pidfd) {
    for (;;) {
        struct pollfd both[2] = {{WY_AGENT_FD_CONTROL, POLLIN, 0}, {pidfd, POLLIN, 0}};
        if (poll(both, 2, -1) < 0) {
            continue;
        }
        if (both[1].revents != 0) {
            return -1;
        }
        wy_agent_message message;
        ssize_t got = recv(WY_AGENT_FD_CONTROL, &message, sizeof message, MSG_DONTWAIT);
        if (got == (ssize_t)sizeof message && message.word == WY_AGENT_GO) {
            return 1;
        }
        if (got >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return 0;
        }
    }
}

/* Pages in which the zygote that it goes to differs from its own. */
static wy_status find_differing(const wy_manifest *own, int has_peer, wy_runs *out, wy_error *error) {
    wy_manifest peer = {0};
    if (!has_peer) {
        return wy_manifest_compare(own, own, out, error);
    }
    (void)lseek(WY_AGENT_FD_PEER, 0, SEEK_SET);
    wy_status status = wy_manifest_read(WY_AGENT_FD_PEER, &peer, error);
    status = status == WY_OK ? wy_manifest_compare(own, &peer, out, error) : status;
    wy_manifest_free(&peer);
    return status;
}

/* Our own wait comes before its parent's. */
static void let_parent_reap(wy_tracee *tracee) {
    (void)waitpid(tracee->memory.pid, NULL, __WALL);
    tracee->stopped = 0;
}

static wy_status write_down(const wy_agent_task *task, wy_tracee *tracee, const wy_image_side *image, const wy_runs *always, wy_stream *stream,
                            wy_error *error) {
    static wy_snapshot snapshot;
    const wy_state_rules rules = {.confined = 1, .doorbell_fd = WY_WORKER_FD_DOORBELL};
    wy_status status = wy_snapshot_take(tracee, &rules, &snapshot, error);
    if (status == WY_OK) {
        const wy_capture capture = {.tracee = tracee, .snapshot = &snapshot, .image = image, .always = always, .whole = task->whole};
        status = wy_capture_write(&capture, stream, error);
        wy_snapshot_free(&snapshot);
    }
    return status;
}

static wy_status work(const wy_agent_task *task, wy_tracee *tracee, const wy_image_side *image, const wy_runs *always, wy_stream *stream,
                      wy_error *error) {
    if (!task->restore) {
        return write_down(task, tracee, image, always, stream, error);
    }
    wy_status status = wy_restore_prepare(tracee, error);
    return status == WY_OK ? wy_restore_read(tracee, image, stream, error) : status;
}

static void end_target(wy_tracee *tracee) {
    (void)kill(tracee->memory.pid, SIGKILL);
    let_parent_reap(tracee);
}

static wy_status freeze_and_work(const wy_agent_task *task, const wy_image_side *image, const wy_runs *always, int pidfd, wy_error *error) {
    static wy_tracee tracee;
    wy_stream stream = WY_STREAM_ON(WY_AGENT_FD_STREAM);
    int64_t begun = now_ns();
    wy_status status = wy_tracee_freeze(task->worker, image->manifest->syscall_at, task->restore, &tracee, error);
    if (status != WY_OK) {
        tell(WY_AGENT_FAILED, &stream, 0, error);
        return status;
    }
    status = work(task, &tracee, image, always, &stream, error);
    (void)close(WY_AGENT_FD_STREAM); /* whoever reads it sees its end */
    int64_t frozen = now_ns() - begun;
    int word = 0;
    if (status == WY_OK) {
        tell(WY_AGENT_DONE, &stream, frozen, NULL);
        word = wait_for_word(pidfd);
    } else if (task->restore) { /* before its end is seen */
        tell(WY_AGENT_FAILED, &stream, frozen, error);
    }
    wy_error ignored;
    if (word < 0) {
        let_parent_reap(&tracee);
    } else if (task->restore && word == 0) {
        end_target(&tracee);
    } else if (wy_tracee_go(&tracee, &ignored) == WY_CLOSED) {
        let_parent_reap(&tracee);
    }
    wy_tracee_close(&tracee);
    if (status != WY_OK && !task->restore) { /* once it goes on: another may ask at once */
        tell(WY_AGENT_FAILED, &stream, frozen, error);
    }
    return status;
}

wy_status wy_agent_run(const wy_agent_task *task) {
    static wy_manifest manifest;
    wy_image_side image = {.zygote = WY_NO_MEMORY_OPEN, .manifest = &manifest};
    wy_stream nothing = WY_STREAM_ON(-1);
    wy_runs always = {0};
    wy_error error = {0};
    int has_peer = fcntl(WY_AGENT_FD_PEER, F_GETFD) >= 0; /* before anything of ours takes that number */
    int pidfd = (int)syscall(SYS_pidfd_open, task->worker, 0);
    wy_status status = pidfd < 0 ? wy_fail(&error, WY_CLOSED, errno, "agent", "process %d is not there", (int)task->worker)
                                 : wy_agent_confine(task->worker, &error);
    status = status == WY_OK ? wy_manifest_make(task->zygote, &manifest, &error) : status; /* before anything stands still */
    status = status == WY_OK ? wy_memory_open(task->zygote, &image.zygote, &error) : status;
    if (status == WY_OK && task->describe) {
        status = wy_manifest_write(&manifest, WY_AGENT_FD_STREAM, &nothing.bytes, &error);
    } else if (status == WY_OK && !task->restore) {
        status = find_differing(&manifest, has_peer, &always, &error);
    }
    if (status != WY_OK) {
        tell(WY_AGENT_FAILED, &nothing, 0, &error);
    } else if (task->describe) {
        nothing.pages = manifest.page_count;
        tell(WY_AGENT_DONE, &nothing, 0, NULL);
    } else {
        status = freeze_and_work(task, &image, &always, pidfd, &error);
    }
    wy_runs_free(&always);
    wy_memory_close(&image.zygote);
    wy_manifest_free(&manifest);
    if (pidfd >= 0) {
        (void)close(pidfd);
    }
    return status;
}

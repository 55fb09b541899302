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
#include "checkpoint/live.h"
#include "checkpoint/restore.h"

#define ENDING_MS 1000
#define FREEZE_TRIES 32
#define FREEZE_PAUSE_NS 50000L
#define STILL_PIPE_BYTES (1 << 20) /* while the worker runs little may be under way; then nothing is gained by waiting for who reads */

static int64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int set_capabilities(uint32_t permitted, uint32_t effective) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].permitted = permitted;
    data[0].effective = effective;
    return (int)syscall(SYS_capset, &header, data);
}

static int become(uid_t uid, gid_t gid, uint32_t permitted) {
    return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
                   setresuid(uid, uid, uid) != 0 || set_capabilities(permitted, 1u << CAP_SYS_PTRACE) != 0
               ? -1
               : 0;
}

wy_status wy_agent_confine(pid_t worker, int live, wy_error *error) {
    uint32_t permitted = 1u << CAP_SYS_PTRACE | (live ? 1u << CAP_SYS_ADMIN : 0);
    char path[32];
    struct stat facts;
    (void)snprintf(path, sizeof path, "/proc/%d", (int)worker);
    if (stat(path, &facts) != 0) {
        return wy_fail(error, WY_CLOSED, errno, "agent", "process %d is not there", (int)worker);
    }
    if (geteuid() == 0 && facts.st_uid != 0 && become(facts.st_uid, facts.st_gid, permitted) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "agent", "cannot become the worker's user: %s", strerror(errno));
    }
    /* After the change of credentials, which clears it: the spawner's end is ours. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "agent", "prctl: %s", strerror(errno));
    }
    return WY_OK;
}

wy_status wy_agent_confine_more(wy_error *error) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[2];
    if (syscall(SYS_capget, &header, has) != 0 || set_capabilities(has[0].permitted & 1u << CAP_SYS_PTRACE, has[0].effective & 1u << CAP_SYS_PTRACE) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "agent", "capset: %s", strerror(errno));
    }
    return WY_OK;
}

/* What one agent works with, and what it tells. */
typedef struct working {
    const wy_agent_task *task;
    const wy_image_side *image;
    wy_runs always;
    int has_peer;
    wy_tracee tracee;
    wy_snapshot snapshot;
    wy_live live;
    wy_stream stream;
    int64_t begun; /* the request to freeze */
    uint64_t live_bytes;
} working;

static void tell(wy_agent_word word, const working *w, int64_t frozen_ns, const wy_error *error) {
    wy_agent_message message = {.word = (uint32_t)word,
                                .rounds = w->live.rounds,
                                .bytes = w->stream.bytes,
                                .pages = w->stream.pages,
                                .frozen_ns = (uint64_t)frozen_ns,
                                .live_bytes = w->live_bytes};
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

/* One that was just being handed a signal got it, and went on: it is stopped again in a moment, as a call that raises signals all the time is never asked at a
 * better one. */
static wy_status freeze(working *w, wy_error *error) {
    wy_status status = WY_DENIED;
    for (int tries = 0; tries < FREEZE_TRIES; tries++) {
        w->begun = now_ns();
        status = wy_tracee_freeze(w->task->worker, w->image->manifest->syscall_at, w->task->restore, &w->tracee, error);
        if (status != WY_DENIED || strcmp(error->where, "signal") != 0) {
            break;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = FREEZE_PAUSE_NS}, NULL);
    }
    return status;
}

static const wy_state_rules s_rules = {.confined = 1, .doorbell_fd = WY_WORKER_FD_DOORBELL};

static wy_status write_down(working *w, wy_error *error) {
    wy_capture capture = {.memory = &w->tracee.memory, .snapshot = &w->snapshot, .image = w->image, .always = &w->always, .whole = w->task->whole};
    wy_status status = wy_snapshot_take(&w->tracee, &s_rules, &w->snapshot, error);
    if (status == WY_OK) {
        status = w->live.ran ? wy_live_finish(&w->live, capture, &w->stream, error) : wy_capture_write(&capture, &w->stream, error);
        wy_snapshot_free(&w->snapshot);
    }
    return status;
}

/* All but the end of it while it runs. It stands still when this returns, if it returns WY_OK; where writes cannot be counted it has not moved. */
static wy_status run_ahead(working *w, wy_error *error) {
    wy_status begun = wy_live_begin(&w->live, &w->tracee, &s_rules, error);
    wy_status status = wy_agent_confine_more(error);
    if (status != WY_OK || (begun != WY_OK && begun != WY_UNSUPPORTED)) {
        return begun != WY_OK ? begun : status;
    }
    if (begun == WY_OK) {
        wy_tracee_close(&w->tracee);
    }
    if (w->has_peer) { /* somebody else's bytes: not read before that */
        status = find_differing(w->image->manifest, 1, &w->always, error);
    }
    if (status != WY_OK || begun != WY_OK) {
        return status;
    }
    const wy_capture how = {.image = w->image, .always = &w->always, .whole = w->task->whole};
    status = wy_live_run(&w->live, how, &w->stream, error);
    w->live_bytes = w->stream.bytes;
    status = status == WY_OK ? freeze(w, error) : status;
    (void)fcntl(WY_AGENT_FD_STREAM, F_SETPIPE_SZ, STILL_PIPE_BYTES); /* best effort; it may be a file */
    return status;
}

static wy_status work(working *w, wy_error *error) {
    if (w->task->restore) {
        wy_status status = wy_restore_prepare(&w->tracee, error);
        if (status == WY_OK) {
            tell(WY_AGENT_READY, w, 0, NULL);
            status = wy_restore_read(&w->tracee, w->image, &w->stream, error);
        }
        return status;
    }
    wy_status status = wy_written_sweep(&w->tracee, error);
    status = status == WY_OK && w->task->live ? run_ahead(w, error) : status;
    return status == WY_OK ? write_down(w, error) : status;
}

static void end_target(wy_tracee *tracee) {
    (void)kill(tracee->memory.pid, SIGKILL);
    let_parent_reap(tracee);
}

/* Whatever failed of a worker that ended meanwhile failed for that. Its memory goes a moment before its end is seen. */
static void name_its_end(const working *w, int pidfd, wy_error *error) {
    struct pollfd end = {pidfd, POLLIN, 0};
    if (!w->task->restore && poll(&end, 1, error->sys_errno == ESRCH ? ENDING_MS : 0) > 0) {
        (void)wy_fail(error, WY_CLOSED, ESRCH, "agent", "process %d has ended", (int)w->task->worker);
    }
}

static wy_status freeze_and_work(working *w, int pidfd, wy_error *error) {
    const wy_agent_task *task = w->task;
    wy_status status = freeze(w, error);
    if (status != WY_OK) {
        name_its_end(w, pidfd, error);
        tell(WY_AGENT_FAILED, w, 0, error);
        return status;
    }
    status = work(w, error);
    (void)close(WY_AGENT_FD_STREAM); /* whoever reads it sees its end */
    int64_t frozen = now_ns() - w->begun;
    int word = 0;
    if (status == WY_OK) {
        tell(WY_AGENT_DONE, w, frozen, NULL);
        word = wait_for_word(pidfd);
    } else if (task->restore) { /* before its end is seen */
        tell(WY_AGENT_FAILED, w, frozen, error);
    }
    wy_error ignored;
    if (word < 0) {
        let_parent_reap(&w->tracee);
    } else if (task->restore && word == 0) {
        end_target(&w->tracee);
    } else if (w->tracee.stopped && wy_tracee_go(&w->tracee, &ignored) == WY_CLOSED) {
        let_parent_reap(&w->tracee);
    }
    wy_tracee_close(&w->tracee);
    wy_live_close(&w->live);
    if (status != WY_OK && !task->restore) { /* once it goes on: another may ask at once */
        name_its_end(w, pidfd, error);
        tell(WY_AGENT_FAILED, w, frozen, error);
    }
    return status;
}

static wy_status run(working *w, wy_image_side *image, wy_manifest *manifest, int pidfd, wy_error *error) {
    const wy_agent_task *task = w->task;
    wy_status status = pidfd < 0 ? wy_fail(error, WY_CLOSED, errno, "agent", "process %d is not there", (int)task->worker)
                                 : wy_agent_confine(task->worker, task->live, error);
    status = status == WY_OK ? wy_manifest_make(task->zygote, manifest, error) : status; /* before anything stands still */
    status = status == WY_OK ? wy_memory_open(task->zygote, &image->zygote, error) : status;
    if (status == WY_OK && task->describe) {
        status = wy_manifest_write(manifest, WY_AGENT_FD_STREAM, &w->stream.bytes, error);
    } else if (status == WY_OK && !task->restore && !(task->live && w->has_peer)) {
        status = find_differing(manifest, w->has_peer, &w->always, error);
    }
    if (status != WY_OK) {
        tell(WY_AGENT_FAILED, w, 0, error);
    } else if (task->describe) {
        w->stream.pages = manifest->page_count;
        tell(WY_AGENT_DONE, w, 0, NULL);
    } else {
        status = freeze_and_work(w, pidfd, error);
    }
    wy_runs_free(&w->always);
    return status;
}

wy_status wy_agent_run(const wy_agent_task *task) {
    static wy_manifest manifest;
    static working w;
    wy_image_side image = {.zygote = WY_NO_MEMORY_OPEN, .manifest = &manifest};
    wy_error error = {0};
    w = (working){.task = task, .image = &image, .stream = WY_STREAM_ON(WY_AGENT_FD_STREAM)};
    w.tracee.memory = w.live.memory = WY_NO_MEMORY_OPEN;
    w.live.written = WY_NOTHING_WATCHED;
    w.has_peer = fcntl(WY_AGENT_FD_PEER, F_GETFD) >= 0; /* before anything of ours takes that number */
    int pidfd = (int)syscall(SYS_pidfd_open, task->worker, 0);
    wy_status status = run(&w, &image, &manifest, pidfd, &error);
    wy_memory_close(&image.zygote);
    wy_manifest_free(&manifest);
    if (pidfd >= 0) {
        (void)close(pidfd);
    }
    return status;
}

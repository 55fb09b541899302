/* Workers that are written down, and workers that continue what was written. The work is an agent's (checkpoint/agent.h), a process for each;
 * this is who may ask, and what is told.
 *
 *   capture:  RUNNING (live: for most of it), agent started -> DONE: CAPTURED, it stays frozen -> GO, or WORKER_SIGNAL SIGKILL
 *   restore:  BOOTING, ready, agent started instead of WY_BOOT_GO -> READY: PREPARED -> DONE: RESTORED, frozen -> GO: RUNNING, STARTED
 *
 * The daemon takes nothing of the one any more, then lets the other go: so a call never ends twice, and until then the source can go on. It may leave the one standing until the other goes, as its end
 * takes time; should its agent be lost meanwhile it runs unheard, until the daemon ends it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/agent.h"
#include "spawner/process.h"
#include "spawner/state.h"
#include "spawner/text.h"
#include "spawner/wire.h"
#include "zygote/launch.h"

#define HIGH_FD 64

/* In the agent-to-be; only failures return. */
static void execute(const wy_spawner *s, const char *what, const wy_worker_slot *worker, const int *passed) {
    char pid[16], zygote[16], name[] = "wayang-migrate-agent", verb[16];
    char *environment[] = {NULL}, *arguments[] = {name, verb, pid, zygote, NULL};
    snprintf(verb, sizeof verb, "%s", what);
    snprintf(pid, sizeof pid, "%d", (int)worker->pid);
    snprintf(zygote, sizeof zygote, "%d", (int)s->images[worker->image].zygote.zygote_pid);
    wy_reset_signals();
    const int from[] = {open("/dev/null", O_RDWR | O_CLOEXEC), passed[0], passed[1], passed[2]};
    static const int places[] = {0, WY_AGENT_FD_CONTROL, WY_AGENT_FD_STREAM, WY_AGENT_FD_PEER};
    int high[4], count = passed[2] >= 0 ? 4 : 3, binary = fcntl(s->agent_binary_fd, F_DUPFD_CLOEXEC, HIGH_FD);
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, HIGH_FD);
    }
    for (int i = 0; i < count; i++) {
        if (high[i] < 0 || dup2(high[i], places[i]) < 0) {
            return;
        }
    }
    if (binary < 0 || dup2(0, 1) < 0 || dup2(0, 2) < 0 ||
        syscall(SYS_close_range, count == 4 ? WY_AGENT_FD_PEER + 1 : WY_AGENT_FD_PEER, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */) != 0) {
        return;
    }
    syscall(SYS_execveat, binary, "", arguments, environment, 0x1000 /* AT_EMPTY_PATH */);
}

static wy_status start_agent(wy_spawner *s, wy_worker_slot *worker, const char *what, int stream, int manifest, wy_error *error) {
    int control[2];
    if (s->agent_binary_fd < 0) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "migration", "wayang-migrate-agent is not installed");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control) != 0) {
        return wy_fail(error, WY_SYSTEM, errno, "migration", "socketpair");
    }
    fcntl(control[1], F_SETFL, 0);
    pid_t pid = wy_clone(CLONE_PIDFD, SIGCHLD, &worker->agent.pidfd);
    if (pid == 0) {
        execute(s, what, worker, (const int[]){control[1], stream, manifest});
        _exit(127);
    }
    close(control[1]);
    uint32_t index = wy_worker_index(s, worker);
    worker->agent.pid = pid > 0 ? pid : 0;
    s->agents += pid > 0;
    worker->agent.control_fd = control[0];
    worker->agent.done = false;
    if (pid < 0) {
        worker->agent.pidfd = -1;
    }
    if (pid < 0 || wy_watch(s, worker->agent.control_fd, EPOLLIN, WY_SOURCE_AGENT, worker->generation, index) != WY_OK ||
        wy_watch(s, worker->agent.pidfd, EPOLLIN, WY_SOURCE_AGENT_END, worker->generation, index) != WY_OK) {
        int cause = errno;
        wy_agent_end(s, worker);
        return wy_fail(error, WY_SYSTEM, cause, "migration", "the agent cannot be started");
    }
    return WY_OK;
}

void wy_agent_end(wy_spawner *s, wy_worker_slot *worker) {
    wy_unwatch_close(s, &worker->agent.control_fd);
    if (worker->agent.pid > 0) {
        /* Ours, and it takes no time to end: it is killed, or its worker is gone. */
        wy_process_kill(worker->agent.pidfd, SIGKILL);
        while (waitpid(worker->agent.pid, NULL, 0) < 0 && errno == EINTR) {
        }
        worker->agent.pid = 0;
        s->agents--;
    }
    wy_unwatch_close(s, &worker->agent.pidfd);
    if (worker->agent.stream_fd >= 0) {
        close(worker->agent.stream_fd);
        worker->agent.stream_fd = -1;
    }
}

void wy_agent_lose(wy_spawner *s, wy_worker_slot *worker) {
    if (worker->agent.request_id != 0 && !worker->agent.restoring) { /* a restore is answered by its worker's end */
        wy_refuse(s, worker->agent.request_id, worker->start.worker_id, WY_CLOSED, 0, "the worker ended");
    }
    worker->agent.request_id = 0;
    wy_agent_end(s, worker);
}

static const char *why_not(const wy_spawner *s, const wy_worker_slot *worker) {
    return worker == NULL                                  ? "no such worker"
           : worker->command                               ? "commands cannot be moved"
           : !s->images[worker->image].migratable          ? "its image was not opened as migratable"
           : worker->agent.pid > 0                         ? "it is being moved already"
           : worker->state != WY_WORKER_RUNNING            ? "it does not run"
           : worker->frozen_by != 0                        ? "it is frozen: thaw it first"
                                                           : NULL;
}

void wy_worker_capture(wy_spawner *s, uint64_t request_id, const wy_msg_worker_capture *message, int stream, int manifest) {
    wy_worker_slot *worker = wy_worker_find(s, message->worker_id);
    wy_error error = {0};
    const char *refusal = why_not(s, worker);
    if (refusal != NULL) {
        /* An agent that just made it go on is gone in a moment: FULL says that it helps to ask again. */
        wy_refuse(s, request_id, message->worker_id, worker != NULL && worker->agent.pid > 0 ? WY_FULL : WY_INVALID, 0, "%s", refusal);
        return;
    }
    worker->agent.request_id = request_id;
    worker->agent.describes = (message->flags & WY_CAPTURE_MANIFEST) != 0;
    static const char *const whats[] = {"capture", "capture-whole", "live", "live-whole"};
    bool live = (message->flags & WY_CAPTURE_LIVE) != 0;
    const char *what = worker->agent.describes ? "describe" : whats[((message->flags & WY_CAPTURE_WHOLE) != 0) + 2 * live];
    worker->agent.counts |= live;
    wy_status status = start_agent(s, worker, what, stream, manifest, &error);
    if (status != WY_OK) {
        wy_refuse(s, request_id, message->worker_id, status, error.sys_errno, "%s: %s", error.where, error.message);
    }
}

void wy_worker_restore(wy_spawner *s, uint64_t request_id, const wy_msg_worker_start *message, int *fds) {
    const wy_image_slot *image = wy_image_find(s, message->image_id);
    if (image == NULL || !image->migratable || wy_worker_find(s, message->worker_id) != NULL) {
        wy_refuse(s, request_id, message->worker_id, WY_INVALID, 0,
                  image == NULL         ? "no such image"
                  : !image->migratable ? "the image was not opened as migratable"
                                       : "the worker id is in use");
        return;
    }
    wy_worker_start(s, request_id, message, false, fds, 3);
    wy_worker_slot *worker = wy_worker_find(s, message->worker_id);
    if (worker != NULL) { /* else it was refused, and told */
        worker->agent.restoring = true;
        worker->agent.request_id = request_id;
        worker->agent.stream_fd = fds[3];
        fds[3] = -1;
    }
}

void wy_agent_restore(wy_spawner *s, wy_worker_slot *worker) {
    wy_error error = {0};
    char text[sizeof worker->failure.text];
    worker->deadline_ms = wy_now_ms() + WY_RESTORE_TIMEOUT_MS;
    if (start_agent(s, worker, "restore", worker->agent.stream_fd, -1, &error) != WY_OK) {
        wy_text_of_error(&error, text, sizeof text);
        wy_worker_fail(worker, error.sys_errno, text);
        wy_worker_kill(worker);
        return;
    }
    close(worker->agent.stream_fd);
    worker->agent.stream_fd = -1;
}

void wy_worker_go(wy_spawner *s, uint64_t request_id, uint64_t worker_id) {
    wy_worker_slot *worker = wy_worker_find(s, worker_id);
    const wy_agent_message go = {.word = WY_AGENT_GO};
    if (worker == NULL || worker->agent.pid == 0 || !worker->agent.done ||
        wy_wire_send(worker->agent.control_fd, &go, sizeof go, NULL, 0) != WY_OK) {
        wy_refuse(s, request_id, worker_id, WY_INVALID, 0, "no worker of this id stands frozen by an agent");
        return;
    }
    worker->agent.done = false; /* once */
    if (worker->agent.restoring) {
        worker->agent.restoring = false;
        wy_boot_started(s, worker);
    }
}

static void failed(wy_spawner *s, wy_worker_slot *worker, const wy_error *error) {
    bool restoring = worker->agent.restoring;
    char text[sizeof worker->failure.text];
    wy_text_of_error(error, text, sizeof text);
    if (restoring) {
        wy_worker_fail(worker, error->sys_errno, text);
        wy_worker_kill(worker);
    } else {
        wy_refuse(s, worker->agent.request_id, worker->start.worker_id, (wy_status)error->status, error->sys_errno, "%s", text);
    }
}

static void told(wy_spawner *s, wy_worker_slot *worker, const wy_agent_message *message) {
    wy_msg_worker_moved moved = {.worker_id = worker->start.worker_id,
                                 .bytes = message->bytes,
                                 .pages = message->pages,
                                 .frozen_ns = message->frozen_ns,
                                 .live_bytes = message->live_bytes,
                                 .rounds = message->rounds};
    if (message->word == WY_AGENT_READY && worker->agent.restoring) {
        const wy_msg_worker_ref prepared = {.worker_id = worker->start.worker_id};
        wy_send_daemon(s, WY_MSG_WORKER_PREPARED, worker->agent.request_id, &prepared, sizeof prepared, NULL, 0);
        return;
    }
    if (message->word != WY_AGENT_DONE) {
        failed(s, worker, &message->error);
        worker->agent.request_id = 0;
        wy_agent_end(s, worker);
        return;
    }
    worker->agent.done = !worker->agent.describes;
    worker->deadline_ms = INT64_MAX; /* until the daemon says what becomes of it */
    if (worker->agent.describes) { /* nothing is frozen: another may come at once */
        wy_agent_end(s, worker);
    }
    wy_send_daemon(s, worker->agent.restoring ? WY_MSG_WORKER_RESTORED : WY_MSG_WORKER_CAPTURED, worker->agent.request_id, &moved,
                   sizeof moved, NULL, 0);
    worker->agent.request_id = 0;
}

void wy_agent_readable(wy_spawner *s, wy_worker_slot *worker) {
    wy_agent_message message;
    wy_datagram datagram;
    wy_status status = wy_wire_receive(worker->agent.control_fd, &message, sizeof message, &datagram);
    if (status == WY_EMPTY) {
        return;
    }
    bool good = status == WY_OK && datagram.length == sizeof message && datagram.fd_count == 0;
    wy_datagram_close(&datagram);
    if (!good) {
        wy_unwatch_close(s, &worker->agent.control_fd); /* its end comes through its pidfd */
    } else if (worker->agent.request_id != 0) {
        told(s, worker, &message);
    }
}

void wy_agent_reaped(wy_spawner *s, wy_worker_slot *worker) {
    const wy_error lost = {.status = WY_CLOSED, .where = "migration", .message = "its agent ended before it was done"};
    if (worker->agent.control_fd >= 0) { /* its last word */
        wy_agent_readable(s, worker);
    }
    if (worker->agent.request_id != 0 || worker->agent.restoring) {
        failed(s, worker, &lost);
        worker->agent.request_id = 0;
    }
    wy_agent_end(s, worker);
}

bool wy_agent_has_pid(const wy_spawner *s, pid_t pid) {
    for (uint32_t i = 0; i < s->policy.max_workers && s->agents > 0; i++) {
        if (s->workers[i].state != WY_WORKER_FREE && s->workers[i].agent.pid == pid) {
            return true;
        }
    }
    return false;
}

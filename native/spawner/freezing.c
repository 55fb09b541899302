/* Workers that stand still. The freezer of their group stops every process in it between two instructions: none sees it, none escapes
 * by forking. Where there is no freezer SIGSTOP does it: for a command its init sends it to all of its namespace at once, for a
 * call worker it goes to the worker and to what is found in its group. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "spawner/process.h"
#include "spawner/state.h"
#include "spawner/wire.h"

/* An init that does not come to read is told what was asked last as soon as it does. */
static wy_status stop_command(wy_spawner *s, wy_worker_slot *worker, int signal) {
    bool waited = worker->stop_owed != 0;
    wy_boot boot = {.type = WY_BOOT_SIGNAL, .value = signal};
    wy_status status = worker->boot_fd >= 0 ? wy_wire_send(worker->boot_fd, &boot, sizeof boot, NULL, 0) : WY_CLOSED;
    worker->stop_owed = status == WY_FULL ? signal : 0;
    if (waited != (worker->stop_owed != 0) && worker->boot_fd >= 0) {
        wy_rewatch(s, worker->boot_fd, worker->stop_owed != 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, WY_SOURCE_BOOT, worker->generation,
                   wy_worker_index(s, worker));
    }
    return status == WY_FULL || status == WY_CLOSED ? WY_OK : status; /* closed: it is ending anyway */
}

void wy_worker_settle_stop(wy_spawner *s, wy_worker_slot *worker) {
    if (worker->stop_owed != 0 && worker->boot_fd >= 0) {
        (void)stop_command(s, worker, worker->stop_owed);
    }
}

static wy_status stop_worker(const wy_spawner *s, const wy_worker_slot *worker, bool freeze) {
    int signal = freeze ? SIGSTOP : SIGCONT;
    int result = wy_process_kill(worker->pidfd, signal);
    if (worker->group != NULL) {
        wy_group_signal(&s->groups, worker->group, signal);
    }
    return result == 0 ? WY_OK : WY_SYSTEM;
}

static wy_status change(wy_spawner *s, wy_worker_slot *worker, bool freeze, uint32_t *how) {
    *how = freeze ? WY_FROZEN_BY_GROUP : worker->frozen_by;
    if (worker->group != NULL && *how == WY_FROZEN_BY_GROUP) {
        wy_status status = wy_group_freeze(&s->groups, worker->group, freeze);
        if (status != WY_UNSUPPORTED) {
            return status;
        }
    }
    *how = WY_FROZEN_BY_SIGNAL;
    return worker->command ? stop_command(s, worker, freeze ? SIGSTOP : SIGCONT) : stop_worker(s, worker, freeze);
}

void wy_worker_freeze(wy_spawner *s, uint64_t request_id, const wy_msg_worker_freeze *message) {
    wy_worker_slot *worker = wy_worker_find(s, message->worker_id);
    if (worker == NULL || worker->state != WY_WORKER_RUNNING || worker->kill_asked || worker->killed || worker->ended) {
        wy_decline(s, request_id, message->worker_id, "only a running worker can be frozen");
        return;
    }
    if (worker->agent.pid > 0) { /* its agent holds it by itself */
        wy_refuse(s, request_id, message->worker_id, WY_INVALID, 0, "the worker is being moved");
        return;
    }
    bool freeze = message->freeze != 0;
    uint32_t how = worker->frozen_by;
    if (freeze != (how != 0)) {
        wy_status status = change(s, worker, freeze, &how);
        if (status != WY_OK) {
            wy_refuse(s, request_id, message->worker_id, status, errno, "the worker cannot be %s", freeze ? "frozen" : "thawed");
            return;
        }
        worker->frozen_by = freeze ? how : 0;
    }
    wy_msg_worker_frozen answer = {.worker_id = message->worker_id, .frozen = message->freeze, .how = how};
    wy_send_daemon(s, WY_MSG_WORKER_FROZEN, request_id, &answer, sizeof answer, NULL, 0);
}

/* The boot socket of a worker: hostile as all that comes out of an image. A worker that says something else than zygote.h
 * allows at this moment is killed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "spawner/state.h"
#include "spawner/text.h"
#include "spawner/wire.h"

static void broke(wy_worker_slot *worker) {
    wy_worker_fail(worker, 0, "boot: the worker broke the protocol of its boot socket");
    wy_worker_kill(worker);
}

void wy_boot_started(wy_spawner *s, wy_worker_slot *worker) {
    wy_msg_worker_started message = {.worker_id = worker->start.worker_id, .pid = worker->pid};
    worker->state = WY_WORKER_RUNNING;
    s->transient--;
    worker->running_since_ms = wy_now_ms();
    wy_send_daemon(s, WY_MSG_WORKER_STARTED, 0, &message, sizeof message, NULL, 0);
}

/* Once it stands both in its group (ZY_FORKED) and in its sandbox (WY_BOOT_READY), in whichever order these came. */
void wy_boot_proceed(wy_spawner *s, wy_worker_slot *worker) {
    wy_error error = {0};
    if (worker->state != WY_WORKER_BOOTING || !worker->ready || worker->failed) {
        return;
    }
    bool is_native = s->images[worker->image].profile->runtime == WY_RUNTIME_NATIVE;
    wy_status status = is_native ? wy_listener_take(s, worker, &error) : WY_OK; /* an OCI runtime has the filter kill by itself */
    if (status != WY_OK) {
        char text[sizeof worker->failure.text];
        snprintf(text, sizeof text, "%s: %.90s", error.where, error.message);
        wy_worker_fail(worker, error.sys_errno, text);
        wy_worker_kill(worker);
        return;
    }
    if (worker->agent.restoring) {
        wy_agent_restore(s, worker);
        return;
    }
    wy_boot go = {.type = WY_BOOT_GO};
    if (wy_wire_send(worker->boot_fd, &go, sizeof go, NULL, 0) != WY_OK) {
        wy_worker_fail(worker, 0, "boot: the worker does not take its start word");
        wy_worker_kill(worker);
        return;
    }
    wy_boot_started(s, worker);
}

static void take(wy_spawner *s, wy_worker_slot *worker, const wy_boot *boot) {
    bool before_go = worker->state == WY_WORKER_FORKING || worker->state == WY_WORKER_BOOTING;
    switch (boot->type) {
    case WY_BOOT_READY:
        if (!before_go || worker->ready) {
            broke(worker);
            return;
        }
        worker->ready = true;
        wy_boot_proceed(s, worker);
        return;
    case WY_BOOT_FAILED: {
        char text[sizeof worker->failure.text];
        if (!before_go) {
            broke(worker);
            return;
        }
        wy_text_of_error(&boot->error, text, sizeof text);
        wy_worker_fail(worker, boot->error.sys_errno, text);
        wy_worker_kill(worker);
        return;
    }
    case WY_BOOT_ENDED:
        if (!worker->command || worker->state != WY_WORKER_RUNNING || worker->ended ||
            (boot->kind != 1 && boot->kind != 2) || (boot->kind == 1 && (boot->value < 0 || boot->value > 255)) ||
            (boot->kind == 2 && (boot->value < 1 || boot->value > 64))) {
            broke(worker);
            return;
        }
        worker->ended = true;
        worker->ended_kind = boot->kind;
        worker->ended_value = boot->value;
        if (boot->kind == 1 && boot->value > 128 && boot->value <= 128 + 64 && s->images[worker->image].profile->runtime != WY_RUNTIME_NATIVE) {
            worker->ended_kind = 2; /* an OCI runtime's way to tell a signal */
            worker->ended_value = boot->value - 128;
        }
        worker->disk_full = (boot->flags & WY_BOOT_DISK_FULL) != 0;
        return;
    default:
        broke(worker);
    }
}

/* Reads what is there. At the end of file the socket goes; the process's own end comes through its pidfd. */
void wy_boot_readable(wy_spawner *s, wy_worker_slot *worker) {
    wy_worker_settle_stop(s, worker);
    for (int turn = 0; turn < 4 && worker->boot_fd >= 0; turn++) {
        wy_boot boot;
        wy_datagram datagram;
        wy_status status = wy_wire_receive(worker->boot_fd, &boot, sizeof boot, &datagram);
        if (status == WY_EMPTY) {
            return;
        }
        if (status != WY_OK) {
            wy_unwatch_close(s, &worker->boot_fd);
            if (worker->state != WY_WORKER_RUNNING && worker->agent.pid == 0) { /* never got to its start word: nothing good can follow */
                wy_worker_fail(worker, 0, "boot: the worker hung up before it was ready");
                wy_worker_kill(worker);
            }
            return;
        }
        bool good = datagram.length == sizeof boot && datagram.fd_count == 0 && !datagram.truncated;
        wy_datagram_close(&datagram);
        if (!good) {
            broke(worker);
        } else {
            take(s, worker, &boot);
        }
    }
}

/* The end of a worker: reaped by its pidfd, its cause decided here and nowhere else, told exactly once. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "spawner/process.h"
#include "spawner/state.h"

static void set(wy_msg_worker_exited *out, wy_exit_kind kind, int32_t value, const char *text) {
    out->kind = (uint32_t)kind;
    out->value = value;
    snprintf(out->text, sizeof out->text, "%s", text);
}

/* What the process, or for a command the command inside, did by itself. */
static void set_own_end(const wy_worker_slot *worker, int code, int status, wy_msg_worker_exited *out) {
    if (worker->ended) {
        set(out, worker->ended_kind == 1 ? WY_EXIT_CODE : WY_EXIT_SIGNAL, worker->ended_value, "");
    } else if (code == CLD_EXITED && status == WY_WORKER_EXIT_ABORTED && !worker->command) {
        /* A call worker is pid 1 of its namespace, where its own SIGABRT does not reach it: abort() ends it by this code. */
        set(out, WY_EXIT_SIGNAL, SIGABRT, "");
    } else if (code == CLD_EXITED) {
        set(out, WY_EXIT_CODE, status, "");
    } else {
        set(out, WY_EXIT_SIGNAL, status, worker->failed ? worker->failure.text : "");
    }
}

/* SIGKILL, but not by us for the daemon: its image went down and took it along, or somebody outside did it. */
static bool is_lost(const wy_worker_slot *worker, bool image_ends, int code, int status) {
    bool started = worker->state == WY_WORKER_RUNNING, killed = code == CLD_KILLED && status == SIGKILL;
    return !worker->ended && (started ? killed : image_ends);
}

/* The call by its name, which is what a person looks up; the number travels beside it. */
static void set_violation(const wy_worker_slot *worker, wy_msg_worker_exited *out) {
    char text[sizeof out->text];
    const char *name = worker->violation_foreign ? NULL : wy_syscall_name(worker->violation);
    if (worker->scanned) {
        snprintf(text, sizeof text, "scan: %.121s", worker->failure.text);
    } else if (name != NULL) {
        snprintf(text, sizeof text, "%s", name);
    } else if (worker->violation < 0) {
        snprintf(text, sizeof text, "a system call whose notification the task's own code took away");
    } else if (worker->violation_foreign) {
        snprintf(text, sizeof text, "system call %d by another architecture's entry (int 0x80)", worker->violation);
    } else {
        snprintf(text, sizeof text, "system call %d, which has no name here", worker->violation);
    }
    set(out, WY_EXIT_VIOLATION, worker->violation_foreign ? -1 : worker->violation, text);
}

/* In this order: what the filter proved; what the kernel did for memory; what the daemon asked for; what took it away; what
 * kept it from starting; what it did itself. */
static void decide(const wy_worker_slot *worker, bool image_ends, bool oom, int code, int status,
                   wy_msg_worker_exited *out) {
    bool started = worker->state == WY_WORKER_RUNNING;
    if (worker->violated) {
        set_violation(worker, out);
        return;
    }
    set_own_end(worker, code, status, out);
    /* A command may survive the kernel's kill of one of its children and still succeed: then it succeeded. */
    if (oom && !(out->kind == WY_EXIT_CODE && out->value == 0 && started)) {
        set(out, WY_EXIT_OOM, 0, "the memory limit was reached");
    } else if (worker->kill_asked && (!started || (!worker->ended && code != CLD_EXITED))) {
        set(out, WY_EXIT_KILLED, SIGKILL, "killed as asked");
    } else if (is_lost(worker, image_ends, code, status)) {
        set(out, WY_EXIT_LOST, 0, worker->failed ? worker->failure.text : "killed from outside");
    } else if (!started) {
        set(out, WY_EXIT_NOT_STARTED, worker->failed ? worker->failure.sys_errno : ECHILD,
            worker->failed ? worker->failure.text : "the worker died before it was ready");
    }
}

void wy_worker_finish(wy_spawner *s, wy_worker_slot *worker, int wait_code, int wait_status, uint64_t cpu_microseconds) {
    wy_image_slot *image = &s->images[worker->image];
    wy_msg_worker_exited exited;
    uint64_t oom_kills = 0;
    memset(&exited, 0, sizeof exited);
    exited.worker_id = worker->start.worker_id;
    exited.cpu_microseconds = cpu_microseconds;
    exited.flags = worker->disk_full ? WY_EXIT_DISK_FULL : 0;
    if (worker->group != NULL) {
        uint64_t memory_now, group_time;
        wy_group_read(worker->group, &exited.peak_memory_bytes, &oom_kills);
        wy_group_usage(worker->group, &memory_now, &group_time); /* also of processes that nobody reaped for it */
        exited.cpu_microseconds = group_time > cpu_microseconds ? group_time : cpu_microseconds;
    }
    decide(worker, image->state == WY_IMAGE_DYING, oom_kills > 0, wait_code, wait_status, &exited);
    wy_agent_lose(s, worker);
    wy_unwatch_close(s, &worker->boot_fd);
    wy_unwatch_close(s, &worker->listener_fd);
    wy_unwatch_close(s, &worker->pidfd);
    wy_worker_close_passed(worker);
    wy_space_release(s, worker);
    wy_send_daemon(s, WY_MSG_WORKER_EXITED, 0, &exited, sizeof exited, NULL, 0);
    if (worker->group != NULL) { /* after the word is out: nobody waits for the group */
        wy_group_release(&s->groups, worker->group);
        worker->group = NULL;
    }
    s->transient -= worker->state != WY_WORKER_RUNNING ? 1 : 0;
    s->forking -= worker->state == WY_WORKER_FORKING ? 1 : 0;
    wy_worker_drop(s, worker);
    s->worker_count--;
    image->workers--;
    wy_image_settle(s, image);
}

void wy_worker_reaped(wy_spawner *s, wy_worker_slot *worker) {
    wy_end end = {0};
    wy_status status = wy_process_reap(worker->pidfd, &end);
    if (status == WY_EMPTY && worker->agent.pid > 0 && wy_process_has_ended(worker->pidfd)) {
        /* Its tracer's wait comes before ours, and that may be busy for as long as nobody reads its stream. */
        wy_agent_end(s, worker);
        status = wy_process_reap(worker->pidfd, &end);
    }
    if (status == WY_EMPTY) {
        return;
    }
    if (worker->boot_fd >= 0) { /* its last words: the command's end, or the step that failed */
        wy_boot_readable(s, worker);
    }
    wy_worker_finish(s, worker, end.code, end.status, end.cpu_microseconds);
}

/* The holder has been killed, and with it everything below. Workers that exist end through their pidfds. */
void wy_worker_gone_with_image(wy_spawner *s, wy_worker_slot *worker) {
    if (worker->state == WY_WORKER_QUEUED || worker->state == WY_WORKER_FORKING) {
        wy_worker_fail(worker, 0, "fork: the image ended before the worker existed");
        wy_worker_finish(s, worker, 0, 0, 0);
        return;
    }
    wy_worker_fail(worker, 0, "killed: its image ended");
    wy_worker_kill(worker);
}

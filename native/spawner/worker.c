/* Workers: from WORKER_START or COMMAND_START to WORKER_EXITED, which goes out exactly once.
 *
 *   FREE -> QUEUED -> FORKING -> BOOTING -> RUNNING -> FREE
 *
 * 1. check the message against image, profile and bounds      2. boot socket pair
 * 3. ZY_FORK to the zygote with the descriptors               4. ZY_FORKED brings a pidfd: is it a child of ours, and new?
 * 5. resource group, CPU weight                               6. WY_BOOT_READY: take the seccomp listener   (boot.c)
 * 7. WY_BOOT_GO, WORKER_STARTED                               8. the pidfd fires: reap, say the cause        (ending.c) */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/weight.h"
#include "spawner/group.h"
#include "spawner/process.h"
#include "spawner/state.h"
#include "spawner/wire.h"

uint32_t wy_worker_index(const wy_spawner *s, const wy_worker_slot *worker) {
    return (uint32_t)(worker - s->workers);
}

static wy_status check_cpu(const wy_spawner *s, const wy_profile *profile, wy_msg_worker_start *m, wy_error *error) {
    if ((profile->cpu_milli != 0 && m->cpu_milli > profile->cpu_milli) || m->cpu_weight > profile->cpu_weight) {
        return wy_fail(error, WY_TOO_BIG, 0, "limits", "profile \"%s\" allows %u thousandths of a processor (0: all) and %u %% of weight",
                       profile->name, profile->cpu_milli, profile->cpu_weight);
    }
    m->cpu_milli = m->cpu_milli != 0 ? m->cpu_milli : profile->cpu_milli;
    m->cpu_weight = m->cpu_weight != 0 ? m->cpu_weight : 100;
    return m->cpu_milli == 0 || s->groups.cpu_caps
               ? WY_OK
               : wy_fail(error, WY_UNSUPPORTED, 0, "limits", "this host gives no cap of CPU time (no cpu group, or no quotas in it)");
}

/* Takes the profile's where none was asked for. */
static bool over_rate(uint64_t most, uint64_t *asked) {
    bool over = most != 0 && *asked > most;
    *asked = *asked != 0 ? *asked : most;
    return over;
}

static wy_status check_io(const wy_spawner *s, const wy_profile *profile, wy_io_rates *io, wy_error *error) {
    uint64_t read_ops = io->read_ops, write_ops = io->write_ops;
    bool over = over_rate(profile->io.read_bytes, &io->read_bytes);
    over |= over_rate(profile->io.write_bytes, &io->write_bytes);
    over |= over_rate(profile->io.read_ops, &read_ops);
    over |= over_rate(profile->io.write_ops, &write_ops);
    io->read_ops = (uint32_t)read_ops;
    io->write_ops = (uint32_t)write_ops;
    if (over) {
        return wy_fail(error, WY_TOO_BIG, 0, "limits", "profile \"%s\" allows %llu bytes read and %llu written a second, in %u and %u operations (0: all)",
                       profile->name, (unsigned long long)profile->io.read_bytes, (unsigned long long)profile->io.write_bytes,
                       profile->io.read_ops, profile->io.write_ops);
    }
    return !wy_io_any(io) || s->groups.io_rates
               ? WY_OK
               : wy_fail(error, WY_UNSUPPORTED, 0, "limits", "this host gives no rates of disk I/O (no io or blkio group, or no disk)");
}

static wy_status check_disk(const wy_spawner *s, const wy_profile *profile, wy_msg_worker_start *m, wy_error *error) {
    if (m->disk_bytes == 0) {
        return WY_OK;
    }
    if (!s->spaces.usable) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "limits", "no writable space on the disk: %.150s", s->spaces.why_not);
    }
    if (!profile->files || m->tmpfs_bytes != 0 || m->disk_bytes < WY_SPACE_LEAST_BYTES) {
        return wy_fail(error, WY_INVALID, 0, "limits", "space on the disk is for profiles with files, without one in memory, of %llu bytes at least",
                       (unsigned long long)WY_SPACE_LEAST_BYTES);
    }
    if (m->disk_bytes > profile->disk_bytes) {
        return wy_fail(error, WY_TOO_BIG, 0, "limits", "profile \"%s\" allows %llu bytes of disk", profile->name, (unsigned long long)profile->disk_bytes);
    }
    m->disk_bytes = (m->disk_bytes + 4095) & ~UINT64_C(4095);
    return WY_OK;
}

/* What the message may ask of the profile: 0 means its limit, and no message raises one. */
static wy_status check_limits(const wy_spawner *s, const wy_profile *profile, wy_msg_worker_start *m, wy_error *error) {
    if (m->memory_bytes > profile->memory_bytes || m->tmpfs_bytes > profile->disk_bytes || m->pids > profile->pids) {
        return wy_fail(error, WY_TOO_BIG, 0, "limits",
                       "profile \"%s\" allows %llu bytes of memory, %llu of /tmp and %u processes", profile->name,
                       (unsigned long long)profile->memory_bytes, (unsigned long long)profile->disk_bytes, profile->pids);
    }
    m->memory_bytes = m->memory_bytes != 0 ? m->memory_bytes : profile->memory_bytes;
    if (m->tmpfs_bytes > m->memory_bytes || m->reserve_bytes > m->memory_bytes) {
        return wy_fail(error, WY_TOO_BIG, 0, "limits", "%s is more than its %llu bytes of memory",
                       m->tmpfs_bytes > m->memory_bytes ? "/tmp, which lies in memory," : "what is reserved",
                       (unsigned long long)m->memory_bytes);
    }
    uint64_t tmpfs = profile->tmpfs_bytes < m->memory_bytes ? profile->tmpfs_bytes : m->memory_bytes;
    m->pids = m->pids != 0 ? m->pids : profile->pids;
    wy_status status = check_disk(s, profile, m, error);
    m->tmpfs_bytes = m->tmpfs_bytes != 0 ? m->tmpfs_bytes : tmpfs;
    status = status == WY_OK ? check_io(s, profile, &m->io, error) : status;
    return status == WY_OK ? check_cpu(s, profile, m, error) : status;
}

static wy_status check_start(wy_spawner *s, wy_msg_worker_start *m, bool command, bool with_files, wy_image_slot **out, wy_error *error) {
    if (wy_worker_find(s, m->worker_id) != NULL) {
        return wy_fail(error, WY_INVALID, 0, "start", "the worker id is in use");
    }
    wy_image_slot *image = wy_image_find(s, m->image_id);
    if (image == NULL || image->state != WY_IMAGE_OPEN) {
        /* CLOSED: it was open a moment ago, as the daemon may still believe. */
        return wy_fail(error, image == NULL || image->state == WY_IMAGE_DYING ? WY_CLOSED : WY_INVALID, 0, "start", "image %llu is %s", (unsigned long long)m->image_id,
                       image == NULL ? "unknown" : "not ready");
    }
    if (command != (image->kind == WY_IMAGE_COMMAND)) {
        return wy_fail(error, WY_INVALID, 0, "start", "the image is of another kind");
    }
    if (image->profile->runtime != WY_RUNTIME_NATIVE && with_files) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "start", "inputs, artifacts and secrets are for isolation: native");
    }
    *out = image;
    return check_limits(s, image->profile, m, error);
}

void wy_worker_offer_network(wy_spawner *s, uint64_t worker_id, int channel) {
    if (s->offered.worker_id != 0) {
        close(s->offered.channel);
    }
    s->offered.worker_id = worker_id;
    s->offered.channel = channel;
}

/* -1 when none was offered to this worker. */
static int take_offered(wy_spawner *s, uint64_t worker_id) {
    if (s->offered.worker_id == 0 || s->offered.worker_id != worker_id) {
        return -1;
    }
    s->offered.worker_id = 0;
    return s->offered.channel;
}

static void close_offered(int channel) {
    if (channel >= 0) {
        close(channel);
    }
}

/* Whether its profile lets the worker have what was offered. */
static wy_status check_network(const wy_profile *profile, int channel, const wy_policy *policy, wy_error *error) {
    if (profile->network == WY_NETWORK_HOST && !policy->host_network) {
        return wy_fail(error, WY_DENIED, 0, "network", "profile \"%s\" has the host's network, which this policy does not allow (policy.conf: host_network 1)",
                       profile->name);
    }
    return channel >= 0 && profile->network != WY_NETWORK_GRANTED
               ? wy_fail(error, WY_DENIED, 0, "network", "profile \"%s\" grants no destinations", profile->name)
               : WY_OK;
}

void wy_worker_start(wy_spawner *s, uint64_t request_id, const wy_msg_worker_start *message, bool command, int *fds,
                     int fd_count) {
    wy_msg_worker_start start = *message;
    wy_image_slot *image = NULL;
    wy_error error = {0};
    int boot[2], channel = take_offered(s, start.worker_id);
    wy_status status = check_start(s, &start, command, command && fd_count > 4, &image, &error);
    if (status == WY_OK) {
        status = check_network(image->profile, channel, &s->policy, &error);
    }
    if (status != WY_OK) {
        close_offered(channel);
        wy_refuse(s, request_id, start.worker_id, status, 0, "%s: %s", error.where, error.message);
        return;
    }
    wy_worker_slot *worker = wy_worker_take(s, &start);
    if (worker == NULL) {
        close_offered(channel);
        wy_refuse(s, request_id, start.worker_id, WY_FULL, 0, "all %u workers of the policy (max_workers) exist",
                  s->policy.max_workers);
        return;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boot) != 0) {
        wy_refuse(s, request_id, start.worker_id, WY_SYSTEM, errno, "socketpair");
        close_offered(channel);
        wy_worker_drop(s, worker);
        return;
    }
    worker->boot_fd = boot[0];
    worker->pass_fds[worker->pass_count++] = boot[1];
    for (int i = 0; i < fd_count; i++) {
        worker->pass_fds[worker->pass_count++] = fds[i];
        fds[i] = -1;
    }
    if (channel >= 0) {
        worker->pass_fds[worker->pass_count++] = channel;
        worker->network = true;
    }
    worker->image = wy_image_index(s, image);
    worker->command = command;
    worker->state = WY_WORKER_QUEUED;
    worker->deadline_ms = wy_now_ms() + WY_BOOT_TIMEOUT_MS;
    image->workers++;
    s->worker_count++;
    s->transient++;
    if (wy_watch(s, worker->boot_fd, EPOLLIN, WY_SOURCE_BOOT, worker->generation, wy_worker_index(s, worker)) != WY_OK) {
        wy_worker_fail(worker, errno, "epoll: the boot socket cannot be watched");
        wy_worker_finish(s, worker, 0, 0, 0);
        return;
    }
    if (worker->start.disk_bytes > 0) {
        wy_space_ask(s, worker);
    } else if (!image->wants_write) { /* else behind those that wait already */
        wy_control_fork(s, image, worker);
    }
}

void wy_worker_close_passed(wy_worker_slot *worker) {
    for (int i = 0; i < worker->pass_count; i++) {
        close(worker->pass_fds[i]);
    }
    worker->pass_count = 0;
}

/* CPU weight of one process; its children inherit it. What somebody waits for wakes into a short slice. Best effort: an
 * unprivileged spawner can lower, not raise. */
static void apply_nice(pid_t pid, uint32_t nice_class) {
    static const int nices[] = {0, 10, 19, -5};
    static const uint64_t slices_ns[] = {500000, 0, 0, 100000};
    if (nice_class == 2) {
        const struct sched_param none = {.sched_priority = 0};
        sched_setscheduler(pid, SCHED_IDLE, &none);
        setpriority(PRIO_PROCESS, (id_t)pid, nices[nice_class]);
        return;
    }
    wy_weigh(pid, nices[nice_class], slices_ns[nice_class]);
}

void wy_worker_weigh(wy_spawner *s, const wy_msg_worker_class *message) {
    wy_worker_slot *worker = wy_worker_find(s, message->worker_id);
    if (worker == NULL || worker->start.nice_class == message->nice_class) {
        return;
    }
    worker->start.nice_class = message->nice_class; /* where it has no group yet, it gets it with this */
    if (worker->pidfd < 0) {
        return;
    }
    if (worker->group != NULL) {
        wy_group_weigh(&s->groups, worker->group, message->nice_class);
    }
    apply_nice(worker->pid, message->nice_class);
}

/* Without a memory group: what each process may allocate by itself. Children inherit it; it bounds no sum, but a call worker
 * of profile compute has no children. */
static wy_status limit_memory(pid_t pid, uint64_t bytes, wy_error *error) {
    const struct rlimit both = {bytes, bytes};
    return prlimit(pid, RLIMIT_DATA, &both, NULL) != 0
               ? wy_fail(error, WY_SYSTEM, errno, "limits", "prlimit: the worker's memory cannot be limited")
               : WY_OK;
}

/* Init; and the OCI runtime, which has children of its own for a moment. */
static uint32_t not_the_tasks(const wy_spawner *s, const wy_worker_slot *worker) {
    return s->images[worker->image].profile->runtime != WY_RUNTIME_NATIVE ? 5u : worker->command ? 1u : 0u;
}

static wy_status confine(wy_spawner *s, wy_worker_slot *worker, wy_error *error) {
    /* A call worker's class follows its calls: where it cannot change sides, its is that of those whom somebody may wait for. */
    bool to_stay = wy_low_for_good(&s->groups);
    wy_limits limits = {.memory_bytes = worker->start.memory_bytes,
                        .pids = worker->start.pids + not_the_tasks(s, worker),
                        .nice_class = to_stay && !worker->command ? 0 : worker->start.nice_class,
                        .reserve_bytes = worker->start.reserve_bytes,
                        .cpu_milli = worker->start.cpu_milli,
                        .cpu_weight = worker->start.cpu_weight,
                        .io = worker->start.io};
    wy_status status = wy_group_acquire(&s->groups, &limits, &worker->group, error);
    if (status == WY_OK && worker->group != NULL) {
        wy_group_weigh(&s->groups, worker->group, worker->start.nice_class);
        status = wy_group_attach(worker->group, worker->pid, error);
    }
    if (status == WY_OK && s->groups.base_fd[WY_CONTROLLER_MEMORY] < 0) {
        status = limit_memory(worker->pid, worker->start.memory_bytes, error);
    }
    apply_nice(worker->pid, worker->start.nice_class);
    return status;
}

void wy_worker_fail(wy_worker_slot *worker, int sys_errno, const char *text) {
    if (!worker->failed) { /* the first reason is the cause */
        worker->failed = true;
        worker->failure.sys_errno = sys_errno;
        snprintf(worker->failure.text, sizeof worker->failure.text, "%s", text);
    }
}

void wy_worker_kill(wy_worker_slot *worker) {
    worker->killed = true;
    if (worker->pidfd >= 0) {
        wy_process_kill(worker->pidfd, SIGKILL);
        if (worker->group != NULL) {
            wy_group_lift_io(worker->group);
            wy_group_thaw(worker->group); /* a frozen process of version 1 dies when it goes on; this was its last instruction */
        }
    }
}

/* The zygote claims: this is the worker that you asked for. Believed is only what the kernel says of the pidfd. */
void wy_worker_forked(wy_spawner *s, wy_worker_slot *worker, int pidfd) {
    wy_error error = {0};
    wy_image_slot *image = &s->images[worker->image];
    pid_t pid = wy_process_is_child(pidfd) == WY_OK ? wy_process_pid(pidfd) : -1;
    if (pid <= 0 || wy_child_known(s, pid)) {
        close(pidfd);
        wy_image_end(s, image, WY_CORRUPT, 0, "its zygote passed off something else as a worker");
        return;
    }
    wy_worker_set_pid(s, worker, pid);
    worker->pidfd = pidfd;
    worker->state = WY_WORKER_BOOTING;
    s->forking--;
    if (wy_watch(s, pidfd, EPOLLIN, WY_SOURCE_WORKER, worker->generation, wy_worker_index(s, worker)) != WY_OK) {
        wy_image_end(s, image, WY_SYSTEM, errno, "epoll: a worker cannot be watched");
        return;
    }
    wy_status status = confine(s, worker, &error);
    if (status != WY_OK) {
        char text[sizeof worker->failure.text];
        snprintf(text, sizeof text, "%s: %.90s", error.where, error.message);
        wy_worker_fail(worker, error.sys_errno, text);
    }
    if (worker->failed || worker->kill_asked) {
        wy_worker_kill(worker);
        return;
    }
    wy_boot_proceed(s, worker);
}

void wy_worker_signal(wy_spawner *s, uint64_t request_id, const wy_msg_worker_signal *message) {
    wy_worker_slot *worker = wy_worker_find(s, message->worker_id);
    if (worker == NULL) {
        wy_refuse(s, request_id, message->worker_id, WY_INVALID, 0, "no such worker");
        return;
    }
    if (message->signal == SIGKILL) {
        worker->kill_asked = true;
        if (worker->state == WY_WORKER_QUEUED) {
            wy_worker_finish(s, worker, 0, 0, 0);
        } else {
            wy_worker_kill(worker); /* FORKING: as soon as the pidfd comes */
        }
        return;
    }
    if (!worker->command || worker->state != WY_WORKER_RUNNING || worker->boot_fd < 0) {
        wy_refuse(s, request_id, message->worker_id, WY_INVALID, 0, "only a running command takes signal %d",
                  message->signal);
        return;
    }
    wy_boot boot = {.type = WY_BOOT_SIGNAL, .value = message->signal};
    wy_status status = wy_wire_send(worker->boot_fd, &boot, sizeof boot, NULL, 0);
    if (status != WY_OK && status != WY_CLOSED) { /* closed: it is ending anyway */
        wy_refuse(s, request_id, message->worker_id, status, errno, "the worker's init does not take signals now");
    }
}

void wy_workers_tick(wy_spawner *s, int64_t now_ms) {
    for (uint32_t i = 0; i < s->policy.max_workers; i++) {
        wy_worker_slot *worker = &s->workers[i];
        if (worker->state == WY_WORKER_FREE) {
            continue;
        }
        if (worker->pidfd >= 0 && (worker->failed || worker->kill_asked)) { /* also where its pidfd could not be watched */
            wy_worker_reaped(s, worker);
        }
        if (worker->state == WY_WORKER_FREE || worker->state == WY_WORKER_RUNNING || now_ms < worker->deadline_ms) {
            continue;
        }
        if (worker->state == WY_WORKER_BOOTING) {
            if (!worker->failed && !worker->kill_asked) {
                wy_worker_fail(worker, ETIMEDOUT, "boot: the worker did not stand in its sandbox in time");
            }
            wy_worker_kill(worker);
        } else if (worker->space_awaited) {
            wy_worker_fail(worker, ETIMEDOUT, "disk: its space was not made in time");
            wy_worker_finish(s, worker, 0, 0, 0);
        } else { /* not even the zygote's answer: nothing that comes from this image can be relied upon */
            wy_image_end(s, &s->images[worker->image], WY_TIMEOUT, 0, "its zygote did not fork in time");
        }
    }
}

/* From the daemon's socket to the room that acts on a message. */
#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/runtime.h"
#include "sandbox/derive.h"
#include "spawner/message.h"
#include "spawner/state.h"

static uint32_t read_features(const wy_spawner *s, uint32_t *landlock_abi) {
    static const uint32_t by_controller[] = {WY_FEATURE_MEMORY_GROUP, WY_FEATURE_PIDS_GROUP, WY_FEATURE_CPU_GROUP};
    uint32_t features = (s->root ? WY_FEATURE_ROOT : 0) | (s->python_fd >= 0 ? WY_FEATURE_PYTHON : 0);
    for (int i = 0; i < WY_CONTROLLER_CPUACCT; i++) {
        if (s->groups.base_fd[i] >= 0) {
            features |= by_controller[i] | (s->groups.unified[i] ? WY_FEATURE_CGROUP_V2 : WY_FEATURE_CGROUP_V1);
        }
    }
    features |= s->groups.base_fd[WY_CONTROLLER_FREEZER] >= 0 ? WY_FEATURE_FREEZER : 0;
    features |= s->groups.cpu_caps ? WY_FEATURE_CPU_CAP : 0;
    features |= s->groups.io_rates ? WY_FEATURE_IO : 0;
    features |= s->agent_binary_fd >= 0 ? WY_FEATURE_MIGRATION : 0;
    features |= s->spaces.usable ? WY_FEATURE_DISK : 0;
    features |= s->policy.overlays ? WY_FEATURE_OVERLAY : 0;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    *landlock_abi = abi > 0 ? (uint32_t)abi : 0;
    if (abi > 0) {
        features |= WY_FEATURE_LANDLOCK;
    }
    struct seccomp_notif_sizes sizes;
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0) {
        features |= WY_FEATURE_SECCOMP_NOTIFY;
    }
    return features;
}

/* Others are not told of: who names one is told which there are. */
static bool is_usable(const wy_spawner *s, const wy_profile *profile) {
    return profile->network != WY_NETWORK_HOST || s->policy.host_network;
}

void wy_send_welcome(wy_spawner *s, uint64_t request_id) {
    wy_msg_welcome welcome;
    memset(&welcome, 0, sizeof welcome);
    welcome.abi = WY_MSG_VERSION;
    welcome.features = read_features(s, &welcome.landlock_abi);
    welcome.max_workers = s->policy.max_workers;
    snprintf(welcome.note, sizeof welcome.note, "%s", s->groups.note);
    if (s->spaces.directory[0] != 0 && !s->spaces.usable) { /* wanted, and not to be had */
        size_t have = strlen(welcome.note);
        snprintf(welcome.note + have, sizeof welcome.note - have, "%sno space of tasks on the disk: %s", have > 0 ? "; " : "", s->spaces.why_not);
    }
    s->welcomed = true;
    wy_msg_profile profiles[WY_POLICY_MAX_PROFILES]; /* nothing is derived before HELLO */
    memset(profiles, 0, sizeof profiles);
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->policy.profile_count; i++) {
        const wy_profile *profile = &s->policy.profiles[i];
        if (!is_usable(s, profile)) {
            continue;
        }
        wy_msg_profile *told = &profiles[count++];
        memcpy(told->name, profile->name, sizeof told->name);
        told->flags = (profile->files ? WY_PROFILE_FILES : 0) | (profile->root[0] != 0 ? WY_PROFILE_OWN_ROOT : 0);
        told->pids = profile->pids;
        told->memory_bytes = profile->memory_bytes;
        told->disk_bytes = profile->files ? profile->disk_bytes : 0;
        told->tmpfs_bytes = profile->files ? profile->tmpfs_bytes : 0;
        told->cpu_milli = profile->cpu_milli;
        told->cpu_weight = profile->cpu_weight;
        told->io = profile->io;
    }
    wy_send_daemon(s, WY_MSG_WELCOME, request_id, &welcome, sizeof welcome, profiles,
                   count * sizeof profiles[0]);
}

/* From place `first` on, at most so many that nobody else waits for long. */
static void tell_usage(wy_spawner *s, uint64_t request_id, uint32_t first) {
    wy_worker_usage used[WY_USAGE_MOST];
    wy_msg_usage_of answer = {0};
    uint32_t place = first;
    for (; place < s->policy.max_workers && answer.count < WY_USAGE_MOST; place++) {
        const wy_worker_slot *worker = &s->workers[place];
        if (worker->state == WY_WORKER_RUNNING && worker->group != NULL) {
            wy_worker_usage *one = &used[answer.count++];
            one->worker_id = worker->start.worker_id;
            wy_group_usage(worker->group, &one->memory_bytes, &one->cpu_microseconds);
        }
    }
    answer.next = place < s->policy.max_workers ? place : 0;
    wy_send_daemon(s, WY_MSG_USAGE_OF, request_id, &answer, sizeof answer, used, answer.count * sizeof used[0]);
}

/* What tasks may be granted at most, and where the host's own network is there: told once, behind WELCOME. */
static void tell_networks(wy_spawner *s) {
    for (uint32_t i = 0; i < s->policy.profile_count; i++) {
        const wy_profile *profile = &s->policy.profiles[i];
        char tail[sizeof profile->destinations];
        size_t used = 0;
        if (profile->network == WY_NETWORK_NONE || !is_usable(s, profile)) {
            continue;
        }
        wy_msg_profile_network told = {.network = profile->network,
                                       .destination_count = profile->destination_count,
                                       .usable = 1};
        memcpy(told.name, profile->name, sizeof told.name);
        for (uint32_t k = 0; k < profile->destination_count; k++) {
            size_t length = strlen(profile->destinations[k]) + 1;
            memcpy(tail + used, profile->destinations[k], length);
            used += length;
        }
        wy_send_daemon(s, WY_MSG_PROFILE_NETWORK, 0, &told, sizeof told, tail, used);
    }
}

static void define_profile(wy_spawner *s, const wy_request *request) {
    const wy_msg_profile_define *m = &request->body.profile_define;
    const char *texts[WY_DERIVE_MAX_NAMES], *at = request->tail;
    for (uint32_t i = 0; i < m->path_count + m->denied_count; i++) {
        texts[i] = at;
        at += strlen(at) + 1;
    }
    const wy_derivation wish = {.name = m->name,
                                .base = m->base,
                                .memory_bytes = m->memory_bytes,
                                .tmpfs_bytes = m->tmpfs_bytes,
                                .file_bytes = m->file_bytes,
                                .pids = m->pids,
                                .open_files = m->open_files,
                                .network = m->network,
                                .no_files_written = m->no_files_written,
                                .path_count = m->path_count,
                                .paths = texts,
                                .denied_count = m->denied_count,
                                .denied = texts + m->path_count,
                                .root = m->root,
                                .runtime = m->runtime,
                                .overlay = m->overlay};
    wy_error error = {0};
    if (wy_runtime_check(m->runtime, &error) != WY_OK || wy_policy_derive(&s->policy, &wish, &error) != WY_OK) {
        wy_refuse(s, request->request_id, 0, error.status, 0, "profile \"%s\": %s", m->name, error.message);
    }
}

static void act(wy_spawner *s, const wy_request *request, wy_datagram *datagram) {
    uint64_t request_id = request->request_id;
    if (request->type == WY_MSG_HELLO ? s->welcomed : !s->welcomed) {
        wy_refuse(s, request_id, request->id, WY_INVALID, 0, "HELLO comes first, and once");
        return;
    }
    switch (request->type) {
    case WY_MSG_HELLO:
        wy_send_welcome(s, request_id);
        tell_networks(s);
        return;
    case WY_MSG_PROFILE_DEFINE:
        define_profile(s, request);
        return;
    case WY_MSG_WORKER_NETWORK:
        wy_worker_offer_network(s, request->id, datagram->fds[0]);
        datagram->fds[0] = -1;
        return;
    case WY_MSG_IMAGE_OPEN:
        wy_image_open(s, request_id, &request->body.image_open, datagram->fd_count == 1 ? datagram->fds[0] : -1);
        return;
    case WY_MSG_IMAGE_CLOSE: {
        wy_image_slot *image = wy_image_find(s, request->id);
        if (image == NULL || image->state == WY_IMAGE_DYING) {
            wy_refuse(s, request_id, request->id, WY_INVALID, 0, "no such image, or it is ending already");
            return;
        }
        for (uint32_t i = 0; i < s->policy.max_workers; i++) {
            if (s->workers[i].state != WY_WORKER_FREE && s->workers[i].image == wy_image_index(s, image)) {
                s->workers[i].kill_asked = true;
            }
        }
        wy_image_end(s, image, WY_OK, 0, "closed as asked");
        return;
    }
    case WY_MSG_WORKER_START:
    case WY_MSG_COMMAND_START: {
        wy_worker_start(s, request_id, &request->body.worker_start, request->type == WY_MSG_COMMAND_START, datagram->fds,
                        datagram->fd_count);
        return;
    }
    case WY_MSG_WORKER_CAPTURE:
        wy_worker_capture(s, request_id, &request->body.worker_capture, datagram->fds[0], datagram->fd_count == 2 ? datagram->fds[1] : -1);
        return;
    case WY_MSG_WORKER_RESTORE:
        wy_worker_restore(s, request_id, &request->body.worker_start, datagram->fds);
        return;
    case WY_MSG_WORKER_GO:
        wy_worker_go(s, request_id, request->id);
        return;
    case WY_MSG_WORKER_SIGNAL:
        wy_worker_signal(s, request_id, &request->body.worker_signal);
        return;
    case WY_MSG_WORKER_CLASS:
        wy_worker_weigh(s, &request->body.worker_class);
        return;
    case WY_MSG_WORKER_FREEZE:
        wy_worker_freeze(s, request_id, &request->body.worker_freeze);
        return;
    case WY_MSG_SCAN:
        wy_scan_begin(s, request_id);
        return;
    case WY_MSG_USAGE:
        tell_usage(s, request_id, request->body.usage.first);
        return;
    default: /* wy_message_parse lets nothing else through */
        return;
    }
}

void wy_daemon_readable(wy_spawner *s) {
    for (int turn = 0; turn < WY_TURN_MESSAGES && !s->daemon_paused && !s->outbox.broken; turn++) {
        wy_datagram datagram;
        wy_status status = wy_wire_receive(s->daemon_fd, s->receive, sizeof s->receive, &datagram);
        if (status == WY_EMPTY) {
            return;
        }
        if (status != WY_OK) {
            s->outbox.broken = true; /* hung up: the loop ends everything */
            return;
        }
        wy_request request;
        wy_error error;
        status = wy_message_parse(s->receive, &datagram, &request, &error);
        if (status != WY_OK) {
            wy_refuse(s, request.request_id, request.id, status, error.sys_errno, "%s: %s", error.where, error.message);
        } else {
            act(s, &request, &datagram);
        }
        wy_datagram_close(&datagram); /* what somebody kept is -1 by now */
    }
}

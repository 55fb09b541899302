/* From the daemon's socket to the room that acts on a message. */
#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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
    features |= s->groups.cpu_caps ? WY_FEATURE_CPU_CAP : 0;
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

void wy_send_welcome(wy_spawner *s, uint64_t request_id) {
    wy_msg_welcome welcome;
    memset(&welcome, 0, sizeof welcome);
    welcome.abi = WY_MSG_VERSION;
    welcome.features = read_features(s, &welcome.landlock_abi);
    welcome.max_workers = s->policy.max_workers;
    snprintf(welcome.note, sizeof welcome.note, "%s", s->groups.note);
    s->welcomed = true;
    wy_msg_profile profiles[sizeof s->policy.profiles / sizeof s->policy.profiles[0]];
    memset(profiles, 0, sizeof profiles);
    for (uint32_t i = 0; i < s->policy.profile_count; i++) {
        const wy_profile *profile = &s->policy.profiles[i];
        memcpy(profiles[i].name, profile->name, sizeof profiles[i].name);
        profiles[i].flags = (profile->files ? WY_PROFILE_FILES : 0) | (profile->root[0] != 0 ? WY_PROFILE_OWN_ROOT : 0);
        profiles[i].pids = profile->pids;
        profiles[i].memory_bytes = profile->memory_bytes;
        profiles[i].disk_bytes = profile->files ? profile->disk_bytes : 0;
        profiles[i].tmpfs_bytes = profile->files ? profile->tmpfs_bytes : 0;
        profiles[i].cpu_milli = profile->cpu_milli;
        profiles[i].cpu_weight = profile->cpu_weight;
    }
    wy_send_daemon(s, WY_MSG_WELCOME, request_id, &welcome, sizeof welcome, profiles,
                   s->policy.profile_count * sizeof profiles[0]);
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

static void act(wy_spawner *s, const wy_request *request, wy_datagram *datagram) {
    uint64_t request_id = request->request_id;
    if (request->type == WY_MSG_HELLO ? s->welcomed : !s->welcomed) {
        wy_refuse(s, request_id, request->id, WY_INVALID, 0, "HELLO comes first, and once");
        return;
    }
    switch (request->type) {
    case WY_MSG_HELLO:
        wy_send_welcome(s, request_id);
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
    case WY_MSG_WORKER_SIGNAL:
        wy_worker_signal(s, request_id, &request->body.worker_signal);
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

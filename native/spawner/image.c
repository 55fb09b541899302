/* Images: a holder, a zygote and the workers forked from it, from IMAGE_OPEN to IMAGE_GONE.
 *
 *   FREE -> LOADING -> OPEN -> DYING -> FREE
 *
 * DYING begins with a kill of the holder, which is pid 1 of the namespace in which all the others live. It ends when holder,
 * zygote and every worker are reaped; only then do IMAGE_GONE go out and the uid come free. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "spawner/process.h"
#include "spawner/state.h"
#include "zygote/lend.h"

#define ZYGOTE_SPARE_PIDS 64u /* forks in transit are counted in the zygote's group until they are moved */

uint32_t wy_image_index(const wy_spawner *s, const wy_image_slot *image) {
    return (uint32_t)(image - s->images);
}

wy_image_slot *wy_image_find(wy_spawner *s, uint64_t id) {
    for (uint32_t i = 0, seen = 0; i < s->policy.max_images && seen < s->image_count; i++) {
        if (s->images[i].state == WY_IMAGE_FREE) {
            continue;
        }
        if (s->images[i].id == id) {
            return &s->images[i];
        }
        seen++;
    }
    return NULL;
}

/* The next free slot after the last one given out, so that a uid rests as long as possible before it serves again. */
static wy_image_slot *take_slot(wy_spawner *s) {
    for (uint32_t i = 0; i < s->policy.max_images; i++) {
        uint32_t index = (s->next_image + i) % s->policy.max_images;
        if (s->images[index].state == WY_IMAGE_FREE) {
            s->next_image = index + 1;
            return &s->images[index];
        }
    }
    return NULL;
}

static wy_status launch(wy_spawner *s, wy_image_slot *image, int source_fd, wy_error *error) {
    uint32_t index = wy_image_index(s, image);
    uid_t uid = s->root ? (uid_t)(s->policy.uid_first + index) : geteuid();
    int lent = -1;
    if (s->root && image->profile->overlay && (lent = wy_mount_lend(image->profile->root, uid)) < 0) {
        wy_log_line(s, "image %s: its root %s cannot be shown as the worker's own (%s): it may write only what lies on top of it", image->name,
                    image->profile->root, strerror(errno));
    }
    wy_launch launch = {.profile = image->profile,
                        .image_kind = image->kind,
                        .name = image->name,
                        .source_fd = source_fd,
                        .zygote_binary_fd = s->zygote_binary_fd,
                        .python_fd = s->python_fd,
                        .lent_root_fd = lent,
                        .uid = uid,
                        .gid = s->root ? (gid_t)uid : getegid(),
                        .as_root = s->root,
                        .migratable = image->migratable};
    memcpy(launch.random, s->steady_random, sizeof launch.random);
    wy_status status = wy_zygote_launch(&launch, &image->zygote, error);
    if (lent >= 0) {
        close(lent);
    }
    if (status == WY_OK) {
        image->holder_alive = image->zygote_alive = true;
    }
    return status;
}

static wy_status watch_image(wy_spawner *s, wy_image_slot *image) {
    uint32_t index = wy_image_index(s, image), generation = image->generation;
    wy_status status = wy_watch(s, image->zygote.holder_pidfd, EPOLLIN, WY_SOURCE_HOLDER, generation, index);
    if (status == WY_OK) {
        status = wy_watch(s, image->zygote.zygote_pidfd, EPOLLIN, WY_SOURCE_ZYGOTE, generation, index);
    }
    return status == WY_OK ? wy_watch(s, image->zygote.control_fd, EPOLLIN, WY_SOURCE_CONTROL, generation, index) : status;
}

/* Holder and zygote stand in a group before the zygote may load anything foreign. */
static wy_status confine(wy_spawner *s, wy_image_slot *image, wy_error *error) {
    wy_limits limits = {.memory_bytes = image->profile->memory_bytes,
                        .cpu_weight = 100,
                        .pids = image->profile->pids + ZYGOTE_SPARE_PIDS,
                        .nice_class = 0};
    wy_status status = wy_group_acquire(&s->groups, &limits, &image->group, error);
    if (status != WY_OK || image->group == NULL) {
        return status;
    }
    status = wy_group_attach(image->group, image->zygote.holder_pid, error);
    return status == WY_OK ? wy_group_attach(image->group, image->zygote.zygote_pid, error) : status;
}

void wy_image_open(wy_spawner *s, uint64_t request_id, const wy_msg_image_open *message, int source_fd) {
    wy_error error = {0};
    if (wy_image_find(s, message->image_id) != NULL) {
        wy_refuse(s, request_id, message->image_id, WY_INVALID, 0, "the image id is in use");
        return;
    }
    const wy_profile *profile = wy_policy_find(&s->policy, message->profile);
    if (profile == NULL) {
        wy_refuse(s, request_id, message->image_id, WY_DENIED, 0, "the policy has no profile \"%s\"", message->profile);
        return;
    }
    if (profile->network == WY_NETWORK_HOST && !s->policy.host_network) {
        wy_refuse(s, request_id, message->image_id, WY_DENIED, 0,
                  "profile \"%s\" has the host's network, which this policy does not allow (policy.conf: host_network 1)", profile->name);
        return;
    }
    if ((message->flags & WY_IMAGE_MIGRATABLE) != 0 &&
        (message->kind == WY_IMAGE_COMMAND || profile->files || profile->network != WY_NETWORK_NONE || profile->pids != 1)) {
        wy_refuse(s, request_id, message->image_id, WY_DENIED, 0,
                  "only calls under a profile without files, network and further processes can be moved, not those of \"%s\"", message->profile);
        return;
    }
    wy_image_slot *image = take_slot(s);
    if (image == NULL) {
        wy_refuse(s, request_id, message->image_id, WY_FULL, 0, "all %u images of the policy (max_images) are open",
                  s->policy.max_images);
        return;
    }
    uint32_t generation = image->generation + 1;
    memset(image, 0, sizeof *image);
    image->generation = generation;
    image->id = message->image_id;
    image->kind = message->kind;
    image->profile = profile;
    image->migratable = (message->flags & WY_IMAGE_MIGRATABLE) != 0;
    memcpy(image->name, message->name, sizeof image->name);
    wy_status status = launch(s, image, source_fd, &error);
    if (status != WY_OK) { /* the slot is still FREE */
        wy_refuse(s, request_id, message->image_id, status, error.sys_errno, "%s: %s", error.where, error.message);
        return;
    }
    image->state = WY_IMAGE_LOADING;
    image->deadline_ms = wy_now_ms() + (image->kind == WY_IMAGE_PYTHON ? WY_PYTHON_TIMEOUT_MS : WY_BOOT_TIMEOUT_MS);
    s->image_count++;
    s->transient++;
    status = confine(s, image, &error);
    if (status == WY_OK) {
        status = watch_image(s, image);
    }
    if (status == WY_OK) {
        status = wy_control_load(image);
    }
    if (status != WY_OK) {
        wy_image_end(s, image, status, error.sys_errno, error.message[0] ? error.message : "cannot be set up");
    }
}

void wy_image_end(wy_spawner *s, wy_image_slot *image, wy_status code, int sys_errno, const char *text) {
    if (image->state == WY_IMAGE_DYING || image->state == WY_IMAGE_FREE) {
        return;
    }
    if (image->state == WY_IMAGE_OPEN) {
        s->transient++;
    }
    image->state = WY_IMAGE_DYING;
    image->gone.id = image->id;
    image->gone.code = (uint32_t)code;
    image->gone.sys_errno = sys_errno;
    snprintf(image->gone.text, sizeof image->gone.text, "%s", text);
    if (code != WY_OK) {
        wy_log_line(s, "image %llu (%s) ends: %s", (unsigned long long)image->id, image->name, text);
    }
    wy_unwatch_close(s, &image->zygote.control_fd);
    if (image->holder_alive) {
        wy_process_kill(image->zygote.holder_pidfd, SIGKILL);
    }
    uint32_t index = wy_image_index(s, image);
    for (uint32_t i = 0; i < s->policy.max_workers && image->workers > 0; i++) {
        wy_worker_slot *worker = &s->workers[i];
        if (worker->state != WY_WORKER_FREE && worker->image == index) {
            wy_worker_gone_with_image(s, worker);
        }
    }
    s->next_sweep_ms = 0; /* a child that nobody asked for would keep the holder from ending */
    wy_image_settle(s, image);
}

void wy_image_reaped(wy_spawner *s, wy_image_slot *image, bool holder) {
    wy_end end = {0};
    bool *alive = holder ? &image->holder_alive : &image->zygote_alive;
    int *pidfd = holder ? &image->zygote.holder_pidfd : &image->zygote.zygote_pidfd;
    if (image->state == WY_IMAGE_FREE || !*alive || wy_process_reap(*pidfd, &end) == WY_EMPTY) {
        return;
    }
    *alive = false;
    wy_unwatch_close(s, pidfd);
    if (image->state != WY_IMAGE_DYING) {
        /* ZY_FAILED may still stand in the socket: it says more than "ended". */
        if (!holder) {
            wy_control_ready(s, image, EPOLLIN);
        }
        char text[96];
        snprintf(text, sizeof text, "its %s ended (%s %d)", holder ? "holder" : "zygote",
                 end.code == CLD_EXITED ? "exit code" : "signal", end.status);
        wy_image_end(s, image, WY_CLOSED, 0, text);
    }
    wy_image_settle(s, image);
}

/* The end of an end: everything is reaped. */
void wy_image_settle(wy_spawner *s, wy_image_slot *image) {
    if (image->state != WY_IMAGE_DYING || image->holder_alive || image->zygote_alive || image->workers > 0) {
        return;
    }
    if (image->group != NULL) {
        wy_group_release(&s->groups, image->group);
        image->group = NULL;
    }
    image->state = WY_IMAGE_FREE;
    s->image_count--;
    s->transient--;
    wy_send_daemon(s, WY_MSG_IMAGE_GONE, 0, &image->gone, sizeof image->gone, image->detail, image->detail_bytes);
}

void wy_images_tick(wy_spawner *s, int64_t now_ms) {
    for (uint32_t i = 0; i < s->policy.max_images; i++) {
        wy_image_slot *image = &s->images[i];
        if (image->state == WY_IMAGE_LOADING && now_ms >= image->deadline_ms) {
            wy_image_end(s, image, WY_TIMEOUT, 0, "the image did not load in time");
        } else if (image->state == WY_IMAGE_DYING) { /* also where a pidfd could not be watched */
            wy_image_reaped(s, image, false);
            wy_image_reaped(s, image, true);
        }
    }
}

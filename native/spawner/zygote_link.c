/* The control socket of a zygote. It runs foreign constructors: whatever it says is judged like the daemon's words, and a
 * zygote that breaks the protocol ends, with its whole image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "spawner/state.h"
#include "spawner/text.h"
#include "spawner/wire.h"

#define MAX_FUNCTIONS 1024u

wy_status wy_control_load(wy_image_slot *image) {
    /* Also where the launcher made it blocking: no peer may ever hold up the loop. */
    fcntl(image->zygote.control_fd, F_SETFL, O_NONBLOCK);
    wy_zygote_header header = {.type = ZY_LOAD, .length = sizeof header};
    return wy_wire_send(image->zygote.control_fd, &header, sizeof header, NULL, 0);
}

static wy_status broke(const char **why, const char *text) {
    *why = text;
    return WY_CORRUPT;
}

/* function_count names in names_bytes bytes, each terminated and printable, none empty. */
static bool names_are_good(const uint8_t *names, uint32_t bytes, uint32_t count) {
    uint32_t seen = 0, length = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        if (names[i] == 0) {
            if (length == 0) {
                return false;
            }
            seen++;
            length = 0;
        } else if (names[i] <= 0x20 || names[i] >= 0x7f) {
            return false;
        } else {
            length++;
        }
    }
    return length == 0 && seen == count;
}

static wy_status on_ready(wy_spawner *s, wy_image_slot *image, const uint8_t *body, size_t bytes, const char **why) {
    uint32_t count, names_bytes;
    if (image->state != WY_IMAGE_LOADING || bytes < 8) {
        return broke(why, "READY out of order or too short");
    }
    memcpy(&count, body, 4);
    memcpy(&names_bytes, body + 4, 4);
    if (names_bytes != bytes - 8 || count > MAX_FUNCTIONS || !names_are_good(body + 8, names_bytes, count)) {
        return broke(why, "READY with a malformed list of functions");
    }
    wy_msg_image_ready ready = {
        .image_id = image->id, .zygote_pid = image->zygote.zygote_pid, .function_count = count};
    if (sizeof(wy_msg_header) + sizeof ready + names_bytes > WY_MSG_MAX_BYTES) {
        return broke(why, "its list of functions does not fit into a message");
    }
    if (wy_image_left_processes(image)) {
        wy_image_end(s, image, WY_DENIED, 0, "the image left a process behind: start processes inside a task");
        return WY_OK;
    }
    image->state = WY_IMAGE_OPEN;
    s->transient--;
    wy_send_daemon(s, WY_MSG_IMAGE_READY, 0, &ready, sizeof ready, body + 8, names_bytes);
    return WY_OK;
}

static wy_status on_failed(wy_spawner *s, wy_image_slot *image, const uint8_t *body, size_t bytes, const char **why) {
    wy_error error;
    char text[sizeof image->gone.text];
    if (image->state != WY_IMAGE_LOADING || bytes < sizeof error || bytes > sizeof error + WY_DETAIL_BYTES) {
        return broke(why, "FAILED out of order or of a wrong length");
    }
    memcpy(&error, body, sizeof error);
    image->detail_bytes = (uint32_t)(bytes - sizeof error);
    memcpy(image->detail, body + sizeof error, image->detail_bytes);
    wy_text_of_error(&error, text, sizeof text);
    wy_image_end(s, image, error.status > 0 && error.status <= WY_SYSTEM ? (wy_status)error.status : WY_CORRUPT,
                 error.sys_errno, text);
    return WY_OK;
}

/* ZY_FORKED and ZY_FORK_FAILED: only for a worker of this image whose fork was asked for. */
static wy_status on_fork(wy_spawner *s, wy_image_slot *image, const wy_zygote_header *header, const uint8_t *body,
                         size_t bytes, wy_datagram *datagram, const char **why) {
    wy_worker_slot *worker = wy_worker_find(s, header->worker_id);
    if (worker == NULL || worker->state != WY_WORKER_FORKING || worker->image != wy_image_index(s, image)) {
        return broke(why, "a fork that was not asked for");
    }
    if (header->type == ZY_FORK_FAILED) {
        wy_error error;
        char text[sizeof worker->failure.text];
        if (bytes != sizeof error) {
            return broke(why, "FORK_FAILED of a wrong length");
        }
        memcpy(&error, body, sizeof error);
        wy_text_of_error(&error, text, sizeof text);
        wy_worker_fail(worker, error.sys_errno, text);
        wy_worker_finish(s, worker, 0, 0, 0);
        return WY_OK;
    }
    if (bytes != 0 || datagram->fd_count != 1) {
        return broke(why, "FORKED without exactly one descriptor");
    }
    int pidfd = datagram->fds[0];
    datagram->fds[0] = -1;
    wy_worker_forked(s, worker, pidfd);
    return WY_OK;
}

static wy_status take(wy_spawner *s, wy_image_slot *image, wy_datagram *datagram, const char **why) {
    wy_zygote_header header;
    if (datagram->truncated || datagram->length < sizeof header) {
        return broke(why, "a message of a wrong length");
    }
    memcpy(&header, s->receive, sizeof header);
    if (header.length != datagram->length) {
        return broke(why, "a message of a wrong length");
    }
    const uint8_t *body = s->receive + sizeof header;
    size_t bytes = datagram->length - sizeof header;
    if (header.type != ZY_FORKED && datagram->fd_count != 0) {
        return broke(why, "descriptors where none belong");
    }
    switch (header.type) {
    case ZY_READY:
        return on_ready(s, image, body, bytes, why);
    case ZY_FAILED:
        return on_failed(s, image, body, bytes, why);
    case ZY_FORKED:
    case ZY_FORK_FAILED:
        return on_fork(s, image, &header, body, bytes, datagram, why);
    default:
        return broke(why, "a message of an unknown type");
    }
}

/* Sends the fork request, or leaves the worker QUEUED while the zygote's socket is full. */
void wy_control_fork(wy_spawner *s, wy_image_slot *image, wy_worker_slot *worker) {
    if (image->profile->runtime != WY_RUNTIME_NATIVE) {
        wy_oci_fork(s, image, worker);
        return;
    }
    struct {
        wy_zygote_header header;
        wy_zygote_fork fork;
    } message = {.header = {.type = ZY_FORK, .length = sizeof message, .worker_id = worker->start.worker_id},
                 .fork = {.extras = (worker->network ? WY_FORK_NETWORK : 0u) | (worker->space.bytes != 0 ? WY_FORK_SPACE : 0u),
                          .tmpfs_bytes = worker->start.tmpfs_bytes,
                          .pids = s->groups.base_fd[WY_CONTROLLER_PIDS] >= 0 ? 0 : worker->start.pids}};
    wy_status status =
        wy_wire_send(image->zygote.control_fd, &message, sizeof message, worker->pass_fds, worker->pass_count);
    if (status == WY_FULL) {
        if (!image->wants_write) {
            image->wants_write = true;
            wy_rewatch(s, image->zygote.control_fd, EPOLLIN | EPOLLOUT, WY_SOURCE_CONTROL, image->generation,
                       wy_image_index(s, image));
        }
        return;
    }
    if (status != WY_OK) {
        wy_image_end(s, image, WY_CLOSED, errno, "its zygote does not take messages any more");
        return;
    }
    wy_worker_close_passed(worker);
    worker->state = WY_WORKER_FORKING;
    s->forking++;
}

static void send_waiting(wy_spawner *s, wy_image_slot *image) {
    uint32_t index = wy_image_index(s, image);
    image->wants_write = false;
    for (uint32_t i = 0; i < s->policy.max_workers && image->state == WY_IMAGE_OPEN && !image->wants_write; i++) {
        if (s->workers[i].state == WY_WORKER_QUEUED && !s->workers[i].space_awaited && s->workers[i].image == index) {
            wy_control_fork(s, image, &s->workers[i]);
        }
    }
    if (image->state == WY_IMAGE_OPEN && !image->wants_write) {
        wy_rewatch(s, image->zygote.control_fd, EPOLLIN, WY_SOURCE_CONTROL, image->generation, index);
    }
}

void wy_control_ready(wy_spawner *s, wy_image_slot *image, uint32_t events) {
    if (image->state != WY_IMAGE_LOADING && image->state != WY_IMAGE_OPEN) {
        return;
    }
    if (events & EPOLLOUT) {
        send_waiting(s, image);
    }
    for (int turn = 0; turn < WY_TURN_MESSAGES && image->state != WY_IMAGE_DYING && image->state != WY_IMAGE_FREE; turn++) {
        wy_datagram datagram;
        const char *why = NULL;
        wy_status status = wy_wire_receive(image->zygote.control_fd, s->receive, sizeof s->receive, &datagram);
        if (status == WY_EMPTY) {
            return;
        }
        if (status != WY_OK) {
            if (image->zygote_alive) { /* else the caller has its exit status, which says more */
                wy_image_reaped(s, image, false);
                wy_image_end(s, image, WY_CLOSED, 0, "its zygote hung up");
            }
            return;
        }
        status = take(s, image, &datagram, &why);
        wy_datagram_close(&datagram);
        if (status != WY_OK) {
            char text[160];
            snprintf(text, sizeof text, "its zygote broke the protocol: %s", why);
            wy_image_end(s, image, WY_CORRUPT, 0, text);
            return;
        }
    }
}

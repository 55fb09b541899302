/* What is said to the daemon. It goes out at once when the socket has room; what does not fit waits here, in order.
 *
 * Bound: from WY_OUTBOX_HIGH waiting messages on the daemon is not read any more, so that no new work and no new refusal
 * arises; what can still come are at most two messages per worker and two per image that already exist. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "spawner/state.h"
#include "spawner/wire.h"

static void watch_daemon(wy_spawner *s) {
    bool pause = s->outbox.count >= WY_OUTBOX_HIGH;
    bool writes = s->outbox.count > 0;
    if (pause == s->daemon_paused && writes == s->daemon_writes) {
        return;
    }
    s->daemon_paused = pause;
    s->daemon_writes = writes;
    wy_rewatch(s, s->daemon_fd, (pause ? 0u : (uint32_t)EPOLLIN) | (writes ? (uint32_t)EPOLLOUT : 0u), WY_SOURCE_DAEMON, 0,
               0);
}

void wy_outbox_free(wy_outbox *outbox) {
    while (outbox->head != NULL) {
        wy_outbox_entry *next = outbox->head->next;
        free(outbox->head);
        outbox->head = next;
    }
    outbox->tail = NULL;
    outbox->count = 0;
}

void wy_outbox_flush(wy_spawner *s) {
    while (s->outbox.head != NULL) {
        wy_outbox_entry *entry = s->outbox.head;
        wy_status status = wy_wire_send(s->daemon_fd, entry->bytes, entry->length, NULL, 0);
        if (status == WY_FULL) {
            break;
        }
        if (status != WY_OK) {
            s->outbox.broken = true;
            wy_outbox_free(&s->outbox);
            return;
        }
        s->outbox.head = entry->next;
        if (s->outbox.head == NULL) {
            s->outbox.tail = NULL;
        }
        s->outbox.count--;
        free(entry);
    }
    watch_daemon(s);
}

static void keep(wy_spawner *s, const void *message, size_t length) {
    wy_outbox_entry *entry = malloc(sizeof *entry + length);
    if (entry == NULL) { /* a lost WORKER_EXITED would hang a task: better end, the keeper starts us again */
        s->outbox.broken = true;
        return;
    }
    entry->next = NULL;
    entry->length = (uint32_t)length;
    memcpy(entry->bytes, message, length);
    if (s->outbox.tail != NULL) {
        s->outbox.tail->next = entry;
    } else {
        s->outbox.head = entry;
    }
    s->outbox.tail = entry;
    s->outbox.count++;
    watch_daemon(s);
}

void wy_send_daemon(wy_spawner *s, wy_msg_type type, uint64_t request_id, const void *body, size_t body_bytes,
                    const void *tail, size_t tail_bytes) {
    uint8_t message[WY_MSG_MAX_BYTES];
    size_t length = sizeof(wy_msg_header) + body_bytes + tail_bytes;
    if (s->outbox.broken || length > sizeof message) {
        return;
    }
    wy_msg_header header = {.magic = WY_MSG_MAGIC,
                            .version = WY_MSG_VERSION,
                            .type = (uint16_t)type,
                            .length = (uint32_t)length,
                            .fds = 0,
                            .request_id = request_id};
    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header, body, body_bytes);
    if (tail_bytes > 0) {
        memcpy(message + sizeof header + body_bytes, tail, tail_bytes);
    }
    if (s->outbox.head != NULL) {
        keep(s, message, length);
        return;
    }
    switch (wy_wire_send(s->daemon_fd, message, length, NULL, 0)) {
    case WY_OK:
        return;
    case WY_FULL:
        keep(s, message, length);
        return;
    default:
        s->outbox.broken = true;
    }
}

void wy_refuse(wy_spawner *s, uint64_t request_id, uint64_t id, wy_status code, int sys_errno, const char *format, ...) {
    wy_msg_failure failure;
    memset(&failure, 0, sizeof failure);
    failure.id = id;
    failure.code = (uint32_t)code;
    failure.sys_errno = sys_errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure.text, sizeof failure.text, format, arguments);
    va_end(arguments);
    wy_log_line(s, "refused request %llu (id %llu): %s%s%s", (unsigned long long)request_id, (unsigned long long)id,
                failure.text, sys_errno != 0 ? ": " : "", sys_errno != 0 ? strerror(sys_errno) : "");
    wy_send_daemon(s, WY_MSG_REFUSED, request_id, &failure, sizeof failure, NULL, 0);
}

void wy_decline(wy_spawner *s, uint64_t request_id, uint64_t id, const char *why) {
    wy_msg_failure failure;
    memset(&failure, 0, sizeof failure);
    failure.id = id;
    failure.code = WY_INVALID;
    snprintf(failure.text, sizeof failure.text, "%s", why);
    wy_send_daemon(s, WY_MSG_REFUSED, request_id, &failure, sizeof failure, NULL, 0);
}

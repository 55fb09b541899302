/* The loop: one epoll set, level-triggered, a bounded turn for each source. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "spawner/process.h"
#include "spawner/state.h"

#define EVENTS_PER_TURN 64

int64_t wy_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t key_of(wy_source source, uint32_t generation, uint32_t index) {
    return (uint64_t)source << 56 | (uint64_t)(generation & 0xffffffu) << 32 | index;
}

wy_status wy_watch(wy_spawner *s, int fd, uint32_t events, wy_source source, uint32_t generation, uint32_t index) {
    struct epoll_event event = {.events = events, .data.u64 = key_of(source, generation, index)};
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? WY_OK : WY_SYSTEM;
}

void wy_rewatch(wy_spawner *s, int fd, uint32_t events, wy_source source, uint32_t generation, uint32_t index) {
    struct epoll_event event = {.events = events, .data.u64 = key_of(source, generation, index)};
    epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

void wy_unwatch_close(wy_spawner *s, int *fd) {
    if (*fd >= 0) {
        /* Explicitly: a descriptor that a forked process still holds would stay in the set after close. */
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
        close(*fd);
        *fd = -1;
    }
}

static void on_listener(wy_spawner *s, wy_worker_slot *worker, uint32_t events) {
    if (events & EPOLLIN) {
        wy_listener_readable(s, worker);
    } else { /* nobody lives under this filter any more */
        wy_unwatch_close(s, &worker->listener_fd);
    }
}

static void on_worker_event(wy_spawner *s, wy_source source, uint32_t generation, uint32_t index, uint32_t events) {
    wy_worker_slot *worker = index < s->policy.max_workers ? &s->workers[index] : NULL;
    if (worker == NULL || worker->state == WY_WORKER_FREE || (worker->generation & 0xffffffu) != generation) {
        return;
    }
    if (source == WY_SOURCE_WORKER) {
        wy_worker_reaped(s, worker);
    } else if (source == WY_SOURCE_AGENT) {
        wy_agent_readable(s, worker);
    } else if (source == WY_SOURCE_AGENT_END) {
        wy_agent_reaped(s, worker);
    } else if (source == WY_SOURCE_BOOT) {
        wy_boot_readable(s, worker);
    } else {
        on_listener(s, worker, events);
    }
}

static void on_image_event(wy_spawner *s, wy_source source, uint32_t generation, uint32_t index, uint32_t events) {
    wy_image_slot *image = index < s->policy.max_images ? &s->images[index] : NULL;
    if (image == NULL || image->state == WY_IMAGE_FREE || (image->generation & 0xffffffu) != generation) {
        return;
    }
    if (source == WY_SOURCE_CONTROL) {
        wy_control_ready(s, image, events);
    } else {
        wy_image_reaped(s, image, source == WY_SOURCE_HOLDER);
    }
}

static void on_event(wy_spawner *s, const struct epoll_event *event) {
    wy_source source = (wy_source)(event->data.u64 >> 56);
    uint32_t generation = (uint32_t)(event->data.u64 >> 32) & 0xffffffu, index = (uint32_t)event->data.u64;
    switch (source) {
    case WY_SOURCE_DAEMON:
        if (event->events & EPOLLOUT) {
            wy_outbox_flush(s);
        }
        if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            s->outbox.broken |= (event->events & EPOLLIN) == 0; /* gone, and nothing left to read */
            wy_daemon_readable(s);
        }
        return;
    case WY_SOURCE_SIGNAL: {
        struct signalfd_siginfo info;
        s->ending |= read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info;
        return;
    }
    case WY_SOURCE_SPACE:
        wy_space_readable(s);
        return;
    case WY_SOURCE_HOLDER:
    case WY_SOURCE_ZYGOTE:
    case WY_SOURCE_CONTROL:
        on_image_event(s, source, generation, index, event->events);
        return;
    case WY_SOURCE_WORKER:
    case WY_SOURCE_BOOT:
    case WY_SOURCE_LISTENER:
    case WY_SOURCE_AGENT:
    case WY_SOURCE_AGENT_END:
        on_worker_event(s, source, generation, index, event->events);
        return;
    }
}

/* Waits for events and handles them, then what is due by time. */
static wy_status turn(wy_spawner *s, wy_error *error) {
    struct epoll_event events[EVENTS_PER_TURN];
    int64_t wait = -1, now = wy_now_ms();
    if (s->image_count > 0) {
        wait = s->next_sweep_ms > now ? s->next_sweep_ms - now : 0;
    }
    if (s->transient > 0 && (wait < 0 || wait > WY_TICK_MS)) {
        wait = WY_TICK_MS;
    }
    if (s->scan.active) {
        wait = 0;
    }
    int count = epoll_wait(s->epoll_fd, events, EVENTS_PER_TURN, (int)wait);
    if (count < 0 && errno != EINTR) {
        return wy_fail(error, WY_SYSTEM, errno, "epoll_wait", "the loop cannot go on");
    }
    for (int i = 0; i < count; i++) {
        on_event(s, &events[i]);
    }
    if (s->scan.active) {
        wy_scan_step(s);
    }
    now = wy_now_ms();
    if (s->image_count > 0 && now >= s->next_sweep_ms) {
        wy_children_sweep(s, now);
    }
    if (s->transient > 0 && now >= s->next_tick_ms) {
        s->next_tick_ms = now + WY_TICK_MS;
        wy_workers_tick(s, now);
        wy_images_tick(s, now);
    }
    return WY_OK;
}

static wy_status end_everything(wy_spawner *s, wy_error *error) {
    int64_t deadline = wy_now_ms() + WY_END_TIMEOUT_MS;
    if (s->daemon_fd >= 0) {
        wy_unwatch_close(s, &s->daemon_fd); /* nothing is taken from it or told to it any more */
        wy_outbox_free(&s->outbox);
        s->outbox.broken = true;
    }
    for (uint32_t i = 0; i < s->policy.max_images; i++) {
        if (s->images[i].state != WY_IMAGE_FREE) {
            wy_image_end(s, &s->images[i], WY_OK, 0, "the spawner ends");
        }
    }
    while (s->image_count > 0 && wy_now_ms() < deadline) {
        wy_status status = turn(s, error);
        if (status != WY_OK) {
            return status;
        }
    }
    if (s->image_count > 0) {
        return wy_fail(error, WY_TIMEOUT, 0, "end", "%u images did not end in %d ms", s->image_count, WY_END_TIMEOUT_MS);
    }
    return WY_OK;
}

wy_status wy_spawner_run(wy_spawner *s, wy_error *error) {
    wy_status status = WY_OK;
    while (status == WY_OK && !s->ending && !s->outbox.broken) {
        status = turn(s, error);
    }
    wy_status end = end_everything(s, error);
    wy_log_flush(s);
    return status != WY_OK ? status : end;
}

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "interop/interop.h"

#define EVENTS_PER_CALL 256

int32_t wayang_epoll_create(int32_t *fd, wayang_error *error) {
    *fd = epoll_create1(EPOLL_CLOEXEC);
    return *fd >= 0 ? WY_OK : (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "epoll_create1", "no epoll set");
}

int32_t wayang_epoll_add(int32_t epoll, int32_t fd, uint64_t token, uint32_t events, wayang_error *error) {
    struct epoll_event event;
    memset(&event, 0, sizeof(event));
    event.data.u64 = token;
    event.events = ((events & WAYANG_POLL_READABLE) != 0 ? EPOLLIN | EPOLLRDHUP : 0u) |
                   ((events & WAYANG_POLL_WRITABLE) != 0 ? EPOLLOUT : 0u) |
                   ((events & WAYANG_POLL_EDGE) != 0 ? EPOLLET : 0u);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "epoll_ctl", "cannot watch descriptor %d", fd);
    }
    return WY_OK;
}

int32_t wayang_epoll_remove(int32_t epoll, int32_t fd, wayang_error *error) {
    if (epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) != 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "epoll_ctl", "descriptor %d is not watched", fd);
    }
    return WY_OK;
}

/* Whole milliseconds, rounded up, where the kernel (before 5.11) or a filter around this process knows no finer. */
static int wait_for(int epoll, struct epoll_event *ready, int capacity, int64_t timeout_us) {
    static atomic_int coarse;
    if (timeout_us > 0 && atomic_load_explicit(&coarse, memory_order_relaxed) == 0) {
        const struct timespec time = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
        int found = epoll_pwait2(epoll, ready, capacity, &time, NULL);
        if (found >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return found;
        }
        atomic_store_explicit(&coarse, 1, memory_order_relaxed);
    }
    int64_t most = INT32_MAX, whole = timeout_us < 0 ? -1 : timeout_us / 1000 + (timeout_us % 1000 != 0);
    return epoll_wait(epoll, ready, capacity, (int)(whole < most ? whole : most));
}

int32_t wayang_epoll_wait(int32_t epoll, wayang_poll_event *events, int32_t capacity, int64_t timeout_us,
                          int32_t *count, wayang_error *error) {
    struct epoll_event ready[EVENTS_PER_CALL];
    *count = 0;
    if (capacity <= 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_INVALID, 0, "epoll_wait", "room for at least one event is needed");
    }
    int found = wait_for(epoll, ready, capacity < EVENTS_PER_CALL ? capacity : EVENTS_PER_CALL, timeout_us);
    if (found < 0) {
        return errno == EINTR ? WY_OK
                              : (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "epoll_wait", "cannot wait");
    }
    for (int i = 0; i < found; i++) {
        uint32_t bits = ready[i].events;
        events[i].token = ready[i].data.u64;
        events[i].events = ((bits & EPOLLIN) != 0 ? WAYANG_POLL_READABLE : 0u) |
                           ((bits & EPOLLOUT) != 0 ? WAYANG_POLL_WRITABLE : 0u) |
                           ((bits & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0 ? WAYANG_POLL_HANGUP : 0u);
        events[i].reserved = 0;
    }
    *count = found;
    return WY_OK;
}

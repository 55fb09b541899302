#include "base/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

wy_status wy_futex_wait(const uint32_t *word, uint32_t expected, int timeout_ms) {
    struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000L};
    /* Not FUTEX_PRIVATE: the word lies in memory that two processes share. */
    long result = syscall(SYS_futex, word, FUTEX_WAIT, expected, &timeout, NULL, 0);
    if (result == 0 || errno == EAGAIN || errno == EINTR) {
        return WY_OK;
    }
    return errno == ETIMEDOUT ? WY_TIMEOUT : WY_SYSTEM;
}

int wy_futex_wake(const uint32_t *word, int count) {
    long result = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    return result >= 0 ? (int)result : -errno;
}

void wy_eventfd_ring(int fd) {
    const uint64_t one = 1;
    ssize_t written;
    do {
        written = write(fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
}

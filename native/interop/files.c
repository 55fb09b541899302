#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "interop/interop.h"

#define LARGE_PIPE (1 << 20)

int32_t wayang_pipe(uint32_t flags, int32_t *fds, wayang_error *error) {
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "pipe2", "no pipe");
    }
    /* The flag sits on each end's own file description: one end may block while the other does not. */
    int result = (flags & WAYANG_PIPE_NONBLOCK_READ) != 0 ? fcntl(fds[0], F_SETFL, O_RDONLY | O_NONBLOCK) : 0;
    if (result == 0 && (flags & WAYANG_PIPE_NONBLOCK_WRITE) != 0) {
        result = fcntl(fds[1], F_SETFL, O_WRONLY | O_NONBLOCK);
    }
    if (result != 0) {
        int reason = errno;
        (void)close(fds[0]);
        (void)close(fds[1]);
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, reason, "fcntl", "cannot make a pipe non-blocking");
    }
    if ((flags & WAYANG_PIPE_LARGE) != 0) {
        (void)fcntl(fds[1], F_SETPIPE_SZ, LARGE_PIPE); /* above /proc/sys/fs/pipe-max-size, or beyond the user's share, it stays as it is */
    }
    return WY_OK;
}

static int fill(int fd, const char *bytes, int64_t length) {
    for (int64_t done = 0; done < length;) {
        ssize_t written = write(fd, bytes + done, (size_t)(length - done));
        if (written < 0 && errno != EINTR) {
            return -1;
        }
        done += written > 0 ? written : 0;
    }
    return lseek(fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

int32_t wayang_sealed_memory(const char *name, const void *bytes, int64_t length, int32_t *fd, wayang_error *error) {
    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "memfd_create", "no memory file");
    }
    if (fill(*fd, bytes, length) != 0 ||
        fcntl(*fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int reason = errno;
        (void)close(*fd);
        *fd = -1;
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, reason, "memfd", "cannot fill and seal %lld bytes",
                                (long long)length);
    }
    return WY_OK;
}

int32_t wayang_sync_directory(const char *path, wayang_error *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "open", "cannot open directory %s", path);
    }
    int result = fsync(fd), reason = errno;
    (void)close(fd);
    return result == 0 ? WY_OK : (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, reason, "fsync", "cannot write directory %s to its disk", path);
}

int64_t wayang_next_data(int32_t fd, int64_t from, int64_t *begin, int64_t *end) {
    off_t data = lseek(fd, from, SEEK_DATA);
    off_t hole = data < 0 ? data : lseek(fd, data, SEEK_HOLE);
    if (hole < 0) {
        return errno == ENXIO ? 0 : -errno;
    }
    *begin = data;
    *end = hole;
    return 1;
}

int64_t wayang_read(int32_t fd, void *buffer, int64_t length) {
    ssize_t result;
    do {
        result = read(fd, buffer, (size_t)length);
    } while (result < 0 && errno == EINTR);
    return result >= 0 ? result : -errno;
}

int64_t wayang_write(int32_t fd, const void *buffer, int64_t length) {
    ssize_t result;
    do {
        result = write(fd, buffer, (size_t)length);
    } while (result < 0 && errno == EINTR);
    return result >= 0 ? result : -errno;
}

void wayang_close(int32_t fd) {
    (void)close(fd); /* on Linux the number is free again even after EINTR */
}

int32_t wayang_duplicate(int32_t fd, int32_t *copy, wayang_error *error) {
    *copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return *copy >= 0 ? WY_OK : (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "dup", "no duplicate of descriptor %d", fd);
}

int32_t wayang_set_inheritable(int32_t fd, int32_t on, wayang_error *error) {
    if (fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC) != 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "fcntl", "descriptor %d", fd);
    }
    return WY_OK;
}

int32_t wayang_pin_thread(int32_t cpu, wayang_error *error) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu < 0 || cpu >= CPU_SETSIZE) {
        return (int32_t)wy_fail(wy_error_of(error), WY_INVALID, 0, "sched_setaffinity", "no processor %d", cpu);
    }
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "sched_setaffinity", "cannot use processor %d", cpu);
    }
    return WY_OK;
}

int32_t wayang_current_cpu(void) {
    return sched_getcpu();
}

int32_t wayang_name_thread(const char *name, wayang_error *error) {
    if (prctl(PR_SET_NAME, name, 0, 0, 0) != 0) {
        return (int32_t)wy_fail(wy_error_of(error), WY_SYSTEM, errno, "prctl", "cannot name the thread");
    }
    return WY_OK;
}

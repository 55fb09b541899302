#include "checkpoint/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int open_part(pid_t pid, const char *part, int flags) {
    char path[48];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, part);
    return open(path, flags | O_CLOEXEC);
}

wy_status wy_memory_open(pid_t pid, wy_memory *out, wy_error *error) {
    *out = WY_NO_MEMORY_OPEN;
    out->pid = pid;
    out->mem_fd = open_part(pid, "mem", O_RDWR);
    out->pagemap_fd = out->mem_fd < 0 ? -1 : open_part(pid, "pagemap", O_RDONLY);
    if (out->pagemap_fd < 0) {
        int cause = errno;
        wy_memory_close(out);
        return wy_fail(error, cause == ENOENT ? WY_CLOSED : WY_SYSTEM, cause, "memory", "cannot open the memory of process %d: %s",
                       (int)pid, strerror(cause));
    }
    return WY_OK;
}

void wy_memory_close(wy_memory *memory) {
    if (memory->mem_fd >= 0) {
        (void)close(memory->mem_fd);
    }
    if (memory->pagemap_fd >= 0) {
        (void)close(memory->pagemap_fd);
    }
    *memory = WY_NO_MEMORY_OPEN;
}

/* Nobody has page 0: where that is all that stands against it, other addresses can be copied. Whoever may not is told so first. */
void wy_memory_hold(wy_memory *memory) {
    char byte;
    struct iovec here = {&byte, 1}, there = {NULL, 1};
    memory->direct = process_vm_readv(memory->pid, &here, 1, &there, 1, 0) < 0 && errno == EFAULT;
}

/* How much of it was copied; what this cannot (pages that their owner may not read or write, an end) is left to /proc/PID/mem. */
static size_t read_directly(const wy_memory *memory, uint64_t address, void *out, size_t bytes) {
    struct iovec here = {out, bytes}, there = {(void *)(uintptr_t)address, bytes};
    ssize_t got = memory->direct && bytes >= WY_MEMORY_DIRECT_BYTES ? process_vm_readv(memory->pid, &here, 1, &there, 1, 0) : 0;
    return got > 0 ? (size_t)got : 0;
}

static size_t write_directly(const wy_memory *memory, uint64_t address, const void *bytes, size_t length) {
    struct iovec here = {(void *)(uintptr_t)bytes, length}, there = {(void *)(uintptr_t)address, length};
    ssize_t put = memory->direct && length >= WY_MEMORY_DIRECT_BYTES ? process_vm_writev(memory->pid, &here, 1, &there, 1, 0) : 0;
    return put > 0 ? (size_t)put : 0;
}

static wy_status access_failed(const wy_memory *memory, const char *what, uint64_t address, ssize_t moved, wy_error *error) {
    int cause = moved < 0 ? errno : 0;
    return wy_fail(error, moved == 0 ? WY_CLOSED : WY_SYSTEM, cause, "memory", "cannot %s %" PRIx64 " of process %d: %s", what, address,
                   (int)memory->pid, moved == 0 ? "it has ended" : strerror(cause));
}

wy_status wy_memory_read(const wy_memory *memory, uint64_t address, void *out, size_t bytes, wy_error *error) {
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(memory->mem_fd, (char *)out + done, bytes - done, (off_t)(address + done));
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return access_failed(memory, "read", address + done, got, error);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return WY_OK;
}

wy_status wy_memory_read_exclusive(const wy_memory *memory, uint64_t address, void *out, size_t bytes, wy_error *error) {
    size_t done = read_directly(memory, address, out, bytes);
    return wy_memory_read(memory, address + done, (char *)out + done, bytes - done, error);
}

wy_status wy_memory_write(const wy_memory *memory, uint64_t address, const void *bytes, size_t length, wy_error *error) {
    for (size_t done = write_directly(memory, address, bytes, length); done < length;) {
        ssize_t put = pwrite(memory->mem_fd, (const char *)bytes + done, length - done, (off_t)(address + done));
        if (put <= 0 && !(put < 0 && errno == EINTR)) {
            return access_failed(memory, "write", address + done, put, error);
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return WY_OK;
}

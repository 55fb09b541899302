/* The memory of another process, by /proc/PID/mem and /proc/PID/pagemap. Reading needs no stop; writing into what its owner may
 * not write needs a tracer. */
#ifndef WAYANG_CHECKPOINT_MEMORY_H
#define WAYANG_CHECKPOINT_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

typedef struct wy_memory {
    pid_t pid;
    int mem_fd, pagemap_fd;
} wy_memory;

#define WY_NO_MEMORY_OPEN ((wy_memory){.pid = -1, .mem_fd = -1, .pagemap_fd = -1})

wy_status wy_memory_open(pid_t pid, wy_memory *out, wy_error *error);
void wy_memory_close(wy_memory *memory);

/* The whole range, or WY_CLOSED (the process is gone), WY_SYSTEM. */
wy_status wy_memory_read(const wy_memory *memory, uint64_t address, void *out, size_t bytes, wy_error *error);
wy_status wy_memory_write(const wy_memory *memory, uint64_t address, const void *bytes, size_t length, wy_error *error);

#endif

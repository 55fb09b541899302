/* The memory of another process, by /proc/PID/mem and /proc/PID/pagemap. Reading needs no stop; writing into what its owner may
 * not write needs a tracer.
 *
 * /proc/PID/mem copies by way of a page of the kernel's; process_vm_readv and process_vm_writev do not, and take a half to a third of the time.
 * But they name a process by its number, which is another's once it has ended and was reaped, and reading by them gives the process copies of
 * its own of the pages that it shares. So they are used for what our thread traces alone (a number that is traced is not given away before its
 * tracer has waited for it), and for reading only where the caller knows that no page is shared. */
#ifndef WAYANG_CHECKPOINT_MEMORY_H
#define WAYANG_CHECKPOINT_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

typedef struct wy_memory {
    pid_t pid;
    int mem_fd, pagemap_fd;
    int direct; /* traced by us, and the kernel lets us (wy_memory_hold) */
} wy_memory;

#define WY_MEMORY_DIRECT_BYTES 16384u /* below, to begin such a copy takes more time than it saves */
#define WY_NO_MEMORY_OPEN ((wy_memory){.pid = -1, .mem_fd = -1, .pagemap_fd = -1})

wy_status wy_memory_open(pid_t pid, wy_memory *out, wy_error *error);
void wy_memory_close(wy_memory *memory);

/* By who has just stopped the process as its tracer, and closes the memory before it waits for the process's end. */
void wy_memory_hold(wy_memory *memory);

/* The whole range, or WY_CLOSED (the process is gone), WY_SYSTEM. `_exclusive`: of pages that no other process maps. */
wy_status wy_memory_read(const wy_memory *memory, uint64_t address, void *out, size_t bytes, wy_error *error);
wy_status wy_memory_read_exclusive(const wy_memory *memory, uint64_t address, void *out, size_t bytes, wy_error *error);
wy_status wy_memory_write(const wy_memory *memory, uint64_t address, const void *bytes, size_t length, wy_error *error);

#endif

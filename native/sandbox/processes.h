/* The bound of a worker's processes where no pids group counts them. */
#ifndef WAYANG_SANDBOX_PROCESSES_H
#define WAYANG_SANDBOX_PROCESSES_H

#include <stdint.h>

#include "base/status.h"

/* In a worker that has files, before its capabilities are given up: bounds its processes and threads to `most` by RLIMIT_NPROC, counted in a user
 * namespace of its own, so that those of other workers of the image's user do not count. Where no further namespace may be made, or
 * the kernel is older than 5.14 and counts by the host's user alone, all workers of that user share the bound. */
wy_status wy_processes_bound(uint32_t most, wy_error *error);

/* Empties the bounding and ambient sets and locks the securebits. A new user namespace undoes all three. */
wy_status wy_capabilities_lock(wy_error *error);

#endif

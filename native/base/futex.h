/* Raw system calls of the worker: they work in a process whose libc was never told that it was forked. */
#ifndef WAYANG_BASE_FUTEX_H
#define WAYANG_BASE_FUTEX_H

#include <stdint.h>

#include "base/status.h"

/* Sleeps while *word == expected, at most timeout_ms (>= 0). WY_OK: woken, the word differed, or a signal came; the
 * caller looks again in any case. WY_TIMEOUT; WY_SYSTEM. Works on read-only mappings. */
wy_status wy_futex_wait(const uint32_t *word, uint32_t expected, int timeout_ms);

/* Wakes up to `count` sleepers of any process; returns how many, or -errno. */
int wy_futex_wake(const uint32_t *word, int count);

/* Adds one to an eventfd. A full counter or a closed descriptor is not our trouble: the peer is awake, or gone. */
void wy_eventfd_ring(int fd);

#endif

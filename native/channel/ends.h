/* The two ends of a channel: rings plus the protocol by which one side sleeps and the other wakes it.
 *
 *   sleeper: number = a new one; value = doorbell; sleeping = number; FENCE; look at the ring again; sleep on (doorbell, value)
 *   waker:   publish; FENCE; if sleeping != 0 and was not rung for this number: change the doorbell, wake
 *
 * With both fences at least one of the two sees the other: the sleeper the slot, or the waker the number. tests/native/
 * channel/model.c walks all interleavings, also without the fences, where wake-ups are lost. Timeouts are a second line.
 *
 * The daemon in production is managed (RequestWriter, CompletionReader); wy_daemon_end is the same for native tests and
 * reference programs. */
#ifndef WAYANG_CHANNEL_ENDS_H
#define WAYANG_CHANNEL_ENDS_H

#include "channel/ring.h"

#define WY_SPIN_FOREVER UINT32_MAX
#define WY_SLEEP_TIMEOUT_MS 2000

typedef struct wy_worker_end {
    const wy_channel_header *d;
    wy_channel_header *w;
    wy_reader requests;
    wy_writer completions;
    int doorbell_fd;
    uint32_t spin;
    uint32_t number;   /* of our last sleep or wait */
    uint32_t rung_for; /* the daemon's sleep that we rang for */
} wy_worker_end;

/* `arena_end`: room for w->slots numbers. */
void wy_worker_end_init(wy_worker_end *end, const wy_channel_header *d, wy_channel_header *w, int doorbell_fd,
                        uint64_t *arena_end);

/* After committing or advancing: publishes the head (when `all`, or when enough is behind it) and rings the daemon when it
 * sleeps, or when it waits for space that was just freed. One fence; a system call only when the daemon sleeps. */
void wy_flush(wy_worker_end *end, int all);

/* Spins, then sleeps, until a request may be there or WY_SLEEP_TIMEOUT_MS passed. Flush before. */
void wy_wait_requests(wy_worker_end *end);

/* wy_writer_claim that waits while the ring is full. WY_TOO_BIG, WY_CORRUPT. */
wy_status wy_claim_wait(wy_worker_end *end, uint32_t length, int whole, wy_claim *claim);

/* Whether the daemon asks the task of this ticket to stop. */
int wy_cancelled(const wy_worker_end *end, uint32_t ticket);

/* Whether the daemon asks the task of this ticket to save its state and to yield. */
int wy_save_wanted(const wy_worker_end *end, uint32_t ticket);

typedef struct wy_daemon_end {
    wy_channel_header *d;
    const wy_channel_header *w;
    wy_writer requests;
    wy_reader completions;
    uint32_t number;
    uint32_t rung_for_sleep, rung_for_space;
} wy_daemon_end;

void wy_daemon_end_init(wy_daemon_end *end, wy_channel_header *d, const wy_channel_header *w, uint64_t *arena_end);

/* After committing requests. 1 when the worker was woken. */
int wy_daemon_publish(wy_daemon_end *end);

/* After reading completions. */
void wy_daemon_publish_head(wy_daemon_end *end);

/* Announces a sleep; 1 when a completion is there already. wy_daemon_awake ends it. */
int wy_daemon_prepare_sleep(wy_daemon_end *end);
void wy_daemon_awake(wy_daemon_end *end);

#endif

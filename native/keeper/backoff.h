/* When a process that ended is started again. Pure: the caller brings the clock. */
#ifndef WAYANG_KEEPER_BACKOFF_H
#define WAYANG_KEEPER_BACKOFF_H

#include <stdint.h>

#define WY_BACKOFF_FIRST_MS 100
#define WY_BACKOFF_MOST_MS 5000
#define WY_BACKOFF_SETTLED_MS 10000 /* who ran so long had started well: the next delay is the first one again */
#define WY_RESTARTS_PER_MINUTE 10

/* Zeroed: nothing ended yet. */
typedef struct wy_backoff {
    int64_t ends_ms[WY_RESTARTS_PER_MINUTE]; /* when the last ones ended */
    uint32_t count;
    int64_t delay_ms;
    int64_t start_at_ms;
} wy_backoff;

/* Something ended at `now_ms`. Returns when it is started again (also in `start_at_ms`): delays double from the first to the
 * most while starts fail soon after each other. -1: it ended more than WY_RESTARTS_PER_MINUTE times within a minute. */
int64_t wy_backoff_next(wy_backoff *backoff, int64_t now_ms);

#endif

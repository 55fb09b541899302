#include "keeper/backoff.h"

#include <stdbool.h>

int64_t wy_backoff_next(wy_backoff *backoff, int64_t now_ms) {
    int64_t *slot = &backoff->ends_ms[backoff->count % WY_RESTARTS_PER_MINUTE];
    if (backoff->count >= WY_RESTARTS_PER_MINUTE && now_ms - *slot < 60000) {
        return -1;
    }
    bool settled = backoff->count == 0 || now_ms - backoff->start_at_ms >= WY_BACKOFF_SETTLED_MS;
    int64_t doubled = backoff->delay_ms * 2;
    backoff->delay_ms = settled ? WY_BACKOFF_FIRST_MS : doubled > WY_BACKOFF_MOST_MS ? WY_BACKOFF_MOST_MS : doubled;
    *slot = now_ms;
    backoff->count++;
    backoff->start_at_ms = now_ms + backoff->delay_ms;
    return backoff->start_at_ms;
}

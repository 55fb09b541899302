#include "checkpoint/live.h"

#include <string.h>

wy_status wy_live_begin(wy_live *live, wy_tracee *tracee, const wy_state_rules *rules, wy_error *error) {
    memset(live, 0, sizeof *live);
    live->written = WY_NOTHING_WATCHED;
    live->memory = WY_NO_MEMORY_OPEN;
    wy_status status = wy_snapshot_take(tracee, rules, &live->first, error);
    status = status == WY_OK ? wy_written_open(tracee, &live->written, error) : status;
    status = status == WY_OK ? wy_written_watch(&live->written, &live->first.vmas, error) : status;
    status = status == WY_OK ? wy_memory_open(tracee->memory.pid, &live->memory, error) : status;
    if (status != WY_OK) {
        wy_live_close(live);
    }
    return status;
}

/* What was written since the last one is told, and watched again from before it is read. */
static wy_status tell_round(wy_live *live, const wy_capture *how, wy_stream *stream, uint64_t *pages, wy_error *error) {
    wy_runs written = {0}, lost = {0}, missed = {0};
    wy_status status = wy_written_find(&live->written, &live->memory, &written, &lost, error);
    *pages = wy_runs_pages(&written);
    if (status == WY_OK && *pages > 0 && live->rounds > 0) {
        status = wy_stream_write_round(stream, error);
    }
    status = status == WY_OK ? wy_capture_round(how, &written, stream, &missed, error) : status;
    status = status == WY_OK ? wy_runs_join(&live->known, &written, error) : status;
    status = status == WY_OK ? wy_runs_join(&live->owed, &lost, error) : status;
    status = status == WY_OK ? wy_runs_join(&live->owed, &missed, error) : status;
    wy_runs_free(&written);
    wy_runs_free(&lost);
    wy_runs_free(&missed);
    return status;
}

wy_status wy_live_run(wy_live *live, wy_capture how, wy_stream *stream, wy_error *error) {
    uint64_t first = 0, last = 0, sum = 0;
    how.memory = &live->memory;
    how.snapshot = &live->first;
    how.known = &live->known;
    how.clean = NULL;
    wy_status status = wy_stream_write_head(stream, how.snapshot, how.image->manifest, how.whole, 1, error);
    while (status == WY_OK && live->rounds < WY_LIVE_ROUNDS) {
        uint64_t pages = 0;
        status = tell_round(live, &how, stream, &pages, error);
        live->rounds++;
        sum += pages;
        first = live->rounds == 1 ? pages : first;
        if (pages <= WY_LIVE_FEW_PAGES || (live->rounds > 1 && pages > last / 4 * 3) || sum > WY_LIVE_TIMES * first) {
            break;
        }
        last = pages;
    }
    live->pages = stream->pages;
    return status;
}

wy_status wy_live_finish(wy_live *live, wy_capture how, wy_stream *stream, wy_error *error) {
    wy_runs dirty = {0};
    wy_status status = wy_written_find(&live->written, how.memory, &dirty, NULL, error);
    status = status == WY_OK ? wy_runs_join(&dirty, &live->owed, error) : status;
    status = status == WY_OK ? wy_runs_less(&live->known, &dirty, &live->clean, error) : status;
    wy_runs_free(&dirty);
    how.known = &live->known;
    how.clean = &live->clean;
    return status == WY_OK ? wy_capture_write(&how, stream, error) : status;
}

void wy_live_close(wy_live *live) {
    wy_written_close(&live->written);
    wy_memory_close(&live->memory);
    wy_snapshot_free(&live->first);
    wy_runs_free(&live->known);
    wy_runs_free(&live->owed);
    wy_runs_free(&live->clean);
}

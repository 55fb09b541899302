#include "checkpoint/live.h"

#include <string.h>
#include <time.h>

#include "checkpoint/layout.h"

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

/* So that what it writes all the time shows as that: it is left for the end, and travels once. */
static void watch_a_while(void) {
    (void)nanosleep(&(struct timespec){.tv_nsec = WY_LIVE_WINDOW_NS}, NULL);
}

/* Of what was written before, what was not written again is told, each page behind the mark that shows when it is. */
static wy_status tell_settled(wy_live *live, const wy_capture *how, const wy_runs *settled, wy_stream *stream, wy_error *error) {
    wy_runs missed = {0};
    wy_status status = live->rounds > 0 ? wy_stream_write_round(stream, error) : WY_OK;
    status = status == WY_OK ? wy_capture_round(how, settled, stream, &missed, error) : status;
    status = status == WY_OK ? wy_stream_flush(stream, error) : status; /* who fills the target need not wait for the next one */
    status = status == WY_OK ? wy_runs_join(&live->known, settled, error) : status;
    status = status == WY_OK ? wy_runs_join(&live->owed, &missed, error) : status;
    wy_runs_free(&missed);
    live->rounds++;
    return status;
}

/* Marks what was written since the last mark: *pending becomes that; what of the former is not in it has settled. */
static wy_status mark(wy_live *live, wy_runs *pending, wy_runs *settled, wy_error *error) {
    wy_runs written = {0}, lost = {0};
    wy_status status = wy_written_find(&live->written, &live->memory, &written, &lost, error);
    status = status == WY_OK ? wy_runs_join(&live->owed, &lost, error) : status;
    status = status == WY_OK ? wy_runs_less(pending, &written, settled, error) : status;
    wy_runs_free(&lost);
    wy_runs_free(pending);
    *pending = written;
    return status;
}

static wy_status run_rounds(wy_live *live, const wy_capture *how, wy_runs *pending, wy_stream *stream, wy_error *error) {
    wy_runs settled = {0};
    wy_status status = mark(live, pending, &settled, error);
    uint64_t first = wy_runs_pages(pending), sum = 0;
    while (status == WY_OK && live->rounds < WY_LIVE_ROUNDS && sum < WY_LIVE_TIMES * first) {
        watch_a_while();
        settled.count = 0;
        status = mark(live, pending, &settled, error);
        uint64_t pages = wy_runs_pages(&settled);
        if (status != WY_OK || pages <= (live->rounds > 0 ? WY_LIVE_FEW_PAGES : 0)) {
            status = status == WY_OK ? wy_runs_join(&live->owed, &settled, error) : status;
            break; /* the rest is little, or written all the time */
        }
        sum += pages;
        status = tell_settled(live, how, &settled, stream, error);
    }
    status = status == WY_OK ? wy_runs_join(&live->owed, pending, error) : status; /* marked, and not told as they are */
    wy_runs_free(&settled);
    return status;
}

wy_status wy_live_run(wy_live *live, wy_capture how, wy_stream *stream, wy_error *error) {
    wy_runs pending = {0};
    how.memory = &live->memory;
    how.snapshot = &live->first;
    how.known = &live->known;
    how.clean = NULL;
    wy_status status = wy_stream_write_head(stream, how.snapshot, how.image->manifest, how.whole, 1, error);
    status = status == WY_OK ? wy_stream_flush(stream, error) : status;
    status = status == WY_OK ? run_rounds(live, &how, &pending, stream, error) : status;
    live->ran = status == WY_OK;
    live->pages = stream->pages;
    wy_runs_free(&pending);
    return status;
}

wy_status wy_live_finish(wy_live *live, wy_capture how, wy_stream *stream, wy_error *error) {
    wy_runs dirty = {0};
    wy_status status = wy_layout_remade(&live->first, &how.snapshot->vmas, &how.image->manifest->vmas, &dirty, error);
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

/* Writing down a worker while it runs: round by round what it wrote before and has not written again since, and, once little of that is left, the rest
 * while it stands still. What it does meanwhile costs pages that come twice, never one that is missing. */
#ifndef WAYANG_CHECKPOINT_LIVE_H
#define WAYANG_CHECKPOINT_LIVE_H

#include "checkpoint/capture.h"
#include "checkpoint/written.h"

#define WY_LIVE_ROUNDS 8u       /* at most, while it runs */
#define WY_LIVE_FEW_PAGES 64u   /* for no more than that there is another round */
#define WY_LIVE_WINDOW_NS 2000000L /* what is written again within it waits for the end */
#define WY_LIVE_TIMES 3u        /* rounds bring at most that many times what it had at first */

_Static_assert(WY_LIVE_ROUNDS <= WY_STREAM_ROUNDS, "live");

typedef struct wy_live {
    wy_written written;
    wy_memory memory;
    wy_snapshot first; /* as it was when it was begun */
    wy_runs known;     /* what the rounds told, or found to be the image's */
    wy_runs owed;      /* what they could not read, or may have missed */
    wy_runs clean;     /* of `known`, what is as it was told unless it was written, once it stands still */
    int ran;         /* the stream's live part is complete */
    uint32_t rounds; /* in which pages were told */
    uint64_t pages;  /* told in them */
} wy_live;

/* Of a frozen tracee, which may go on then. WY_UNSUPPORTED: here it cannot be seen what is written, and nothing was changed; other failures are
 * those of wy_snapshot_take. Needs CAP_SYS_ADMIN in the permitted set. */
wy_status wy_live_begin(wy_live *live, wy_tracee *tracee, const wy_state_rules *rules, wy_error *error);

/* While it runs: `how` without memory, snapshot, known and clean. */
wy_status wy_live_run(wy_live *live, wy_capture how, wy_stream *stream, wy_error *error);

/* Frozen again: the rest, to the end of the stream. `how` without known and clean. */
wy_status wy_live_finish(wy_live *live, wy_capture how, wy_stream *stream, wy_error *error);

void wy_live_close(wy_live *live);

#endif

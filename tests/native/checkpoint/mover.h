/* Two zygotes of one image that stand for two nodes, and a call that is moved between them. */
#ifndef WAYANG_TESTS_MOVER_H
#define WAYANG_TESTS_MOVER_H

#include "channel/ends.h"
#include "channel/memory.h"
#include "checkpoint/capture.h"
#include "harness.h"

typedef struct mover_side {
    wy_zygote zygote;
    wy_manifest manifest;
    wy_image_side image;
} mover_side;

typedef struct mover {
    mover_side sides[2];
    wy_runs differing;
    int as_root;
    /* What happened. */
    uint64_t moved, verified, verified_bytes, again, failed, shipped_pages, shipped_bytes;
    uint64_t tried, live, live_rounds, verified_live, unsupported; /* live: most of it was written down while it ran */
    int64_t pause_ns_most, pause_ns_sum, live_frozen_ns;
} mover;

typedef struct mover_process {
    int side, boot, pidfd, listener;
    pid_t pid;
} mover_process;

/* The call's channel stays the same wherever its process is. */
typedef struct mover_call {
    wy_channel_memory memory;
    wy_daemon_end end;
    uint64_t arena_end[WY_CHANNEL_MAX_SLOTS];
    mover_process process;
    uint32_t generation;
    uint64_t log_bytes;
} mover_call;

void mover_open(mover *m, const test_setup *setup, uint32_t kind, const void *source, size_t bytes);
void mover_close(mover *m);

void mover_start(mover *m, mover_call *call, int side);
void mover_stop(mover_call *call);

/* One process of the call ends and another is forked (ready, not told to go); its channel stays. */
void mover_end_process(mover_call *call);
void mover_fork_process(const mover *m, mover_call *call, int side);

/* Waits for the process's end; the signal that ended it. */
int mover_reap(mover_call *call);

/* Begins a function; then looks for its end: 1 when there is an output of 8 bytes, or an error (told and counted as a failure). */
void mover_ask(mover_call *call, uint16_t function, const char *input);
int mover_answer(mover_call *call, uint64_t *out);

/* To the other side. WY_OK; else the call goes on where it was, and *error says why. */
wy_status mover_move(mover *m, mover_call *call, int verify, wy_error *error);

int64_t mover_now_ns(void);

#endif

/* Writing down what makes a frozen worker differ from its sealed image. */
#ifndef WAYANG_CHECKPOINT_CAPTURE_H
#define WAYANG_CHECKPOINT_CAPTURE_H

#include "checkpoint/stream.h"

typedef struct wy_image_side {
    wy_memory zygote; /* the sealed one that the worker was forked from */
    const wy_manifest *manifest;
} wy_image_side;

typedef struct wy_capture {
    wy_tracee *tracee; /* frozen */
    const wy_snapshot *snapshot;
    const wy_image_side *image;
    const wy_runs *always; /* pages in which the target's zygote differs (wy_manifest_compare); NULL: none */
    int whole;             /* all of its own pages: for a target that is not known yet (a file) */
} wy_capture;

/* The worker stays frozen, and is unchanged. `stream` counts pages and bytes. */
wy_status wy_capture_write(const wy_capture *capture, wy_stream *stream, wy_error *error);

#endif

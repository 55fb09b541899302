/* Writing down what makes a frozen worker differ from its sealed image. */
#ifndef WAYANG_CHECKPOINT_CAPTURE_H
#define WAYANG_CHECKPOINT_CAPTURE_H

#include "checkpoint/stream.h"

typedef struct wy_image_side {
    wy_memory zygote; /* the sealed one that the worker was forked from */
    const wy_manifest *manifest;
} wy_image_side;

typedef struct wy_capture {
    const wy_memory *memory; /* of one that is frozen */
    const wy_snapshot *snapshot;
    const wy_image_side *image;
    const wy_runs *always; /* pages in which the target's zygote differs (wy_manifest_compare); NULL: none */
    int whole;             /* all of its own pages: for a target that is not known yet (a file) */
    const wy_runs *known;  /* what the stream spoke of before, and what it need not speak of as it was the image's; NULL: nothing */
    const wy_runs *clean;  /* of these, those that are as they were then unless the kernel's marks say that they were written; NULL: there are none */
} wy_capture;

/* Pages of a worker that runs: of `written`, what differs from the image and is there to be read; `missed` gets the others. No head, no end. */
wy_status wy_capture_round(const wy_capture *capture, const wy_runs *written, wy_stream *stream, wy_runs *missed, wy_error *error);

/* The worker stays frozen, and is unchanged. `stream` counts pages and bytes. */
wy_status wy_capture_write(const wy_capture *capture, wy_stream *stream, wy_error *error);

#endif

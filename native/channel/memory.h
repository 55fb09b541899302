/* Making a channel's two memory files (in the daemon, or in a native test). */
#ifndef WAYANG_CHANNEL_MEMORY_H
#define WAYANG_CHANNEL_MEMORY_H

#include "base/status.h"
#include "channel/layout.h"

typedef struct wy_geometry {
    uint32_t request_slots, request_arena_bytes;
    uint32_t completion_slots, completion_arena_bytes;
    uint32_t worker_spin;
    uint64_t max_payload, epoch;
} wy_geometry;

typedef struct wy_channel_memory {
    wy_channel_header *d;       /* read-write */
    const wy_channel_header *w; /* read-only */
    uint64_t d_bytes, w_bytes;
    int d_fd, w_fd, doorbell_fd; /* all close-on-exec */
} wy_channel_memory;

/* Creates, maps and seals. Nothing is left behind on failure. */
wy_status wy_channel_create(const wy_geometry *geometry, wy_channel_memory *out, wy_error *error);

/* Unmaps; closes the descriptors that are not -1. */
void wy_channel_destroy(wy_channel_memory *memory);

/* Checks a pair of headers against the sizes of their mappings, as the worker does at open. */
wy_status wy_channel_check(const wy_channel_header *d, uint64_t d_bytes, const wy_channel_header *w, uint64_t w_bytes,
                           wy_error *error);

#endif

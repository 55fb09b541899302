/* What image, call and loop of a worker share. One worker per process: `wy_worker` is a single object, because stdout has to
 * find it. */
#ifndef WAYANG_WORKER_STATE_H
#define WAYANG_WORKER_STATE_H

#include "channel/ends.h"
#include "wayang_plugin.h"
#include "worker/worker.h"

#define WY_FUNCTION_NAME_BYTES 64u
#define WY_LOG_MAX_BYTES (4u * 1024u * 1024u) /* of one call */
#define WY_ERROR_CODE_BYTES 64u
#define WY_ERROR_MESSAGE_BYTES 4000u
#define WY_KEPT_BUFFER_BYTES (1024u * 1024u) /* larger buffers are given back after their call */

typedef struct wy_function {
    wayang_function run;
    void *state;
    char name[WY_FUNCTION_NAME_BYTES];
} wy_function;

struct wy_image {
    void *library;
    uint32_t count;
    wy_function functions[WY_IMAGE_MAX_FUNCTIONS];
};

typedef struct wy_buffer {
    uint8_t *bytes;
    size_t length, capacity;
} wy_buffer;

typedef struct wy_worker {
    wayang_call call; /* first: the plugin's pointer is ours */
    wayang_host host;
    wy_worker_end end;
    const wy_image *image;
    int in_call; /* output of a call may be written */
    uint32_t ticket;
    uint64_t max_payload;
    wy_buffer output;
    size_t error_length; /* code, NUL, message; 0 = none */
    char error[WY_ERROR_CODE_BYTES + WY_ERROR_MESSAGE_BYTES];
    uint64_t log_bytes, log_dropped;
    /* The request being put together from chunks. */
    wy_buffer input;
    uint64_t input_total;
    uint16_t function;
    int assembling, discarding;
    uint64_t arena_end[WY_CHANNEL_MAX_SLOTS];
} wy_worker;

extern wy_worker wy_the_worker;

/* The table that plugins get. */
void wy_host_init(wayang_host *host);

/* Replaces stdout and stderr by streams into the log. Once, before foreign code is loaded. */
wy_status wy_stdio_route(wy_error *error);

/* The calling thread becomes the one that may use the rings. */
void wy_call_thread_set(void);

/* Begins and ends a call: flushes stdout and stderr and tells what was cut of the log. */
void wy_call_begin(wy_worker *worker);
void wy_call_end(wy_worker *worker);

/* Room for `capacity` bytes in all; keeps `length` bytes. 0 when memory is out. */
int wy_buffer_grow(wy_buffer *buffer, size_t capacity);
void wy_buffer_release(wy_buffer *buffer);

/* Writes a payload as one slot or in chunks and rings. WY_OK, WY_CORRUPT. */
wy_status wy_emit(wy_worker *worker, uint8_t kind, const uint8_t *bytes, size_t length);

#endif

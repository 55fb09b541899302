/* What image, call and loop of a worker share. One worker per process: `wy_worker` is a single object, because stdout has to
 * find it. */
#ifndef WAYANG_WORKER_STATE_H
#define WAYANG_WORKER_STATE_H

#include "channel/ends.h"
#include "wayang_plugin.h"
#include "worker/worker.h"

#define WY_FUNCTION_NAME_BYTES 64u
#define WY_LOG_MAX_BYTES (4u * 1024u * 1024u) /* of one call */
#define WY_KEPT_BUFFER_BYTES (1024u * 1024u) /* larger buffers are given back after their call */

typedef struct wy_function {
    wayang_function run;
    void *state;
    char name[WY_FUNCTION_NAME_BYTES];
} wy_function;

struct wy_image {
    void *library;
    void (*started)(void); /* in a fresh worker, before it says READY; NULL: nothing to do */
    void (*after)(void);   /* after each call, when its answer is out; NULL: nothing to do */
    uint32_t count;
    wy_function functions[WY_IMAGE_MAX_FUNCTIONS];
};

/* At most WY_PROGRESS_BURST reports a WY_PROGRESS_WINDOW_MS go out; one that is held back goes out with the end of its call,
 * unless a later one took its place. */
#define WY_PROGRESS_BURST 16u
#define WY_PROGRESS_WINDOW_MS 100

typedef struct wy_progress {
    int64_t window_ms;
    uint32_t sent; /* in this window */
    uint32_t held; /* bytes of `report` that wait; 0 = none */
    uint8_t report[1 + WY_PROGRESS_TEXT_BYTES];
} wy_progress;

typedef struct wy_buffer {
    uint8_t *bytes;
    size_t length, capacity;
} wy_buffer;

/* What an earlier attempt saved, on its way to the next call or at hand for the one that runs. */
typedef struct wy_saved {
    wy_buffer bytes;
    uint32_t ticket; /* whose; 0 = nobody's */
    int lost;        /* there was no memory for it */
} wy_saved;

typedef struct wy_worker {
    wayang_call call; /* first: the plugin's pointer is ours */
    wayang_host host;
    wy_worker_end end;
    const wy_image *image;
    int in_call; /* output of a call may be written */
    int measures; /* what each call cost is told */
    uint32_t ticket;
    uint64_t max_payload;
    wy_buffer output;
    size_t error_length; /* code, NUL, message; 0 = none */
    char error[WY_ERROR_MAX_BYTES];
    uint64_t log_bytes, log_dropped;
    wy_progress progress;
    /* The request being put together from chunks. */
    wy_buffer input;
    uint64_t input_total;
    uint16_t function;
    uint8_t assembling; /* WY_SLOT_CALL or WY_SLOT_STATE; 0 = nothing */
    int discarding;
    wy_saved saved;
    uint64_t arena_end[WY_CHANNEL_MAX_SLOTS];
} wy_worker;

extern wy_worker wy_the_worker;

/* The registry that code of an image registers its functions at, with our side behind it. */
typedef struct wy_registry {
    wayang_registry shown; /* first: the image's pointer is ours */
    wy_image *image;
    const char *refused; /* why the last add was refused */
} wy_registry;
void wy_registry_init(wy_registry *registry, wy_image *image);

/* Threads of this process; 0 when it cannot be told. */
int wy_thread_count(void);
wy_status wy_threads_check(int before, const char *what, wy_error *error);

/* The table that plugins get. */
void wy_host_init(wayang_host *host);

/* Replaces stdout and stderr by streams into the log. Once, before foreign code is loaded. */
wy_status wy_stdio_route(wy_error *error);

/* The calling thread becomes the one that may use the rings. */
void wy_call_thread_set(void);

/* For code that keeps its threads from writing at once (Python's lock): lets the calling one write; returns what was. */
int wy_call_thread_speak(int on);

/* Begins and ends a call: flushes stdout and stderr and tells what was cut of the log. */
void wy_call_begin(wy_worker *worker);
void wy_call_end(wy_worker *worker);

/* Processor time of this process so far, its threads' included; -1: the system does not say. */
int64_t wy_call_cpu(void);

/* Tells what the call cost since `before`; nothing where that is negative, or lies ahead: a call that was continued elsewhere
 * has a clock that began anew. */
void wy_call_cost_tell(wy_worker *worker, int64_t before);

/* Appends a traceback to the error that this call has recorded. */
void wy_call_trace(const char *trace, size_t length);

/* What the daemon told of the call that runs; 0 when it told nothing. */
int wy_call_facts_read(wy_call_facts *out);

/* Room for `capacity` bytes in all; keeps `length` bytes. 0 when memory is out. */
int wy_buffer_grow(wy_buffer *buffer, size_t capacity);
void wy_buffer_release(wy_buffer *buffer);

/* Writes a payload as one slot or in chunks and rings. WY_OK, WY_CORRUPT. */
wy_status wy_emit(wy_worker *worker, uint8_t kind, const uint8_t *bytes, size_t length);

#endif

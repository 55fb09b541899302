#include <stddef.h>
#include <string.h>

#include "base/copy.h"
#include "channel/memory.h"
#include "worker/state.h"

#define EXIT_CORRUPT 70 /* the daemon's ring made no sense: it is another version, or its memory is broken */

static const char no_code[] = "function_failed";

wy_status wy_worker_open(const wy_channel_header *d, uint64_t d_bytes, wy_channel_header *w, uint64_t w_bytes,
                         wy_error *error) {
    return wy_channel_check(d, d_bytes, w, w_bytes, error);
}

wy_status wy_emit(wy_worker *worker, uint8_t kind, const uint8_t *bytes, size_t length) {
    wy_writer *writer = &worker->end.completions;
    int whole = length <= writer->chunk_limit;
    size_t at = 0;
    do {
        size_t left = length - at;
        uint32_t part = left < writer->chunk_limit ? (uint32_t)left : writer->chunk_limit;
        uint8_t flags = (uint8_t)((at == 0 ? WY_SLOT_FIRST : 0u) | (part == left ? WY_SLOT_LAST : 0u));
        wy_claim claim;
        wy_status status = wy_claim_wait(&worker->end, part, whole, &claim);
        if (status != WY_OK) {
            return status;
        }
        if (part != 0) {
            wy_copy(claim.payload, bytes + at, part);
        }
        wy_writer_commit(writer, &claim, worker->ticket, 0, (uint8_t)(kind | flags), length);
        wy_flush(&worker->end, 0);
        at += part;
    } while (at < length);
    return WY_OK;
}

static wy_status emit_error(wy_worker *worker, const char *code, size_t length) {
    return wy_emit(worker, WY_SLOT_ERROR, (const uint8_t *)code, length);
}

/* Runs the function on a complete input and answers. */
static wy_status answer_call(wy_worker *worker, uint16_t index, const void *input, size_t length) {
    if (index >= worker->image->count) {
        static const char text[] = "no_such_function\0the image has no function of this index";
        return emit_error(worker, text, sizeof(text) - 1);
    }
    const wy_function *function = &worker->image->functions[index];
    worker->call.state = function->state;
    if (worker->saved.lost) {
        static const char text[] = "out_of_memory\0no memory for the saved state";
        return emit_error(worker, text, sizeof(text) - 1);
    }
    int64_t before = worker->measures ? wy_call_cpu() : -1;
    wy_call_begin(worker);
    int result = function->run(&worker->call, input, length);
    wy_call_end(worker);
    if (worker->measures) {
        wy_call_cost_tell(worker, before);
    }
    wy_status status;
    if (worker->error_length != 0) {
        status = emit_error(worker, worker->error, worker->error_length);
    } else if (result == WAYANG_YIELD) {
        status = wy_emit(worker, WY_SLOT_YIELDED, NULL, 0);
    } else if (result != 0) {
        status = emit_error(worker, no_code, sizeof(no_code));
    } else {
        status = wy_emit(worker, WY_SLOT_OUTPUT, worker->output.bytes, worker->output.length);
    }
    wy_buffer_release(&worker->output);
    if (worker->image->after != NULL) {
        worker->image->after();
    }
    return status;
}

static wy_status run_call(wy_worker *worker, uint16_t index, const void *input, size_t length) {
    wy_status status = answer_call(worker, index, input, length);
    if (worker->saved.ticket != 0) {
        worker->saved.ticket = 0;
        worker->saved.lost = 0;
        wy_buffer_release(&worker->saved.bytes);
    }
    return status;
}

/* Our own copy of a slot, with room for the NUL that follows an input. */
typedef struct own_slot {
    _Alignas(64) wy_slot slot;
    uint8_t end[16];
} own_slot;

/* The common case: the whole input stands in the slot. */
static wy_status run_inline(wy_worker *worker, own_slot *own) {
    uint8_t *input = (uint8_t *)own + offsetof(wy_slot, payload);
    input[own->slot.length] = 0;
    return run_call(worker, own->slot.function, input, own->slot.length);
}

static wy_buffer *assembled(wy_worker *worker) {
    return worker->assembling == WY_SLOT_STATE ? &worker->saved.bytes : &worker->input;
}

static wy_status begin_assembly(wy_worker *worker, const wy_slot *slot, uint64_t total) {
    if (total > worker->max_payload) {
        return WY_CORRUPT;
    }
    worker->assembling = slot->kind & WY_SLOT_KIND_MASK;
    worker->function = slot->function;
    worker->input_total = total;
    wy_buffer *into = assembled(worker);
    into->length = 0;
    /* Out of memory is the task's trouble, not the channel's: its chunks are still taken, then it fails. */
    worker->discarding = !wy_buffer_grow(into, (size_t)total + 1);
    return WY_OK;
}

/* What an earlier attempt saved is whole: the call of its ticket comes next. */
static wy_status end_state(wy_worker *worker) {
    worker->assembling = 0;
    worker->saved.ticket = worker->ticket;
    worker->saved.lost = worker->discarding;
    return WY_OK;
}

static wy_status end_assembly(wy_worker *worker, int aborted) {
    static const char abort_text[] = "aborted\0the input was given up before it was complete";
    static const char memory_text[] = "out_of_memory\0no memory for the input";
    wy_status status;
    worker->assembling = 0;
    if (aborted) {
        status = emit_error(worker, abort_text, sizeof(abort_text) - 1);
    } else if (worker->discarding) {
        status = emit_error(worker, memory_text, sizeof(memory_text) - 1);
    } else {
        worker->input.bytes[worker->input.length] = 0;
        status = run_call(worker, worker->function, worker->input.bytes, worker->input.length);
    }
    wy_buffer_release(&worker->input);
    return status;
}

/* One slot of a payload in the arena. Copies, then gives the slot back, then runs when it was the last. */
static wy_status take_chunk(wy_worker *worker, const wy_slot *slot) {
    wy_reader *requests = &worker->end.requests;
    uint32_t length;
    uint64_t total;
    const uint8_t *bytes = wy_reader_payload(requests, slot, &length, &total);
    uint8_t kind = slot->kind & WY_SLOT_KIND_MASK;
    int first = (slot->kind & WY_SLOT_FIRST) != 0;
    int last = (slot->kind & WY_SLOT_LAST) != 0;
    if (first == (worker->assembling != 0) || (!first && slot->ticket != worker->ticket)) {
        return WY_CORRUPT;
    }
    worker->ticket = slot->ticket;
    if (!first && last && length == 0) {
        wy_reader_advance(requests, slot);
        return end_assembly(worker, 1);
    }
    if (first && begin_assembly(worker, slot, total) != WY_OK) {
        return WY_CORRUPT;
    }
    wy_buffer *into = assembled(worker);
    uint64_t done = into->length + (uint64_t)length;
    int inside = slot->length == WY_CHANNEL_INLINE_REFERENCE || (kind == WY_SLOT_STATE && first && last);
    if (!inside || kind != worker->assembling || total != worker->input_total || done > total || last != (done == total)) {
        return WY_CORRUPT;
    }
    if (!worker->discarding) {
        memcpy(into->bytes + into->length, bytes, length);
    }
    into->length = (size_t)done;
    wy_reader_advance(requests, slot);
    wy_flush(&worker->end, last); /* a long function must not hold the space of its input */
    return !last ? WY_OK : kind == WY_SLOT_STATE ? end_state(worker) : end_assembly(worker, 0);
}

static wy_status serve(wy_worker *worker, own_slot *own) {
    const wy_slot *slot = &own->slot;
    const uint8_t whole = WY_SLOT_CALL | WY_SLOT_FIRST | WY_SLOT_LAST;
    if (slot->kind == whole && slot->length <= WY_CHANNEL_INLINE_BYTES) {
        if (worker->assembling) {
            return WY_CORRUPT;
        }
        wy_writer_prepare(&worker->end.completions); /* while the function runs; the daemon looks at it a little later */
        wy_reader_advance(&worker->end.requests, slot);
        worker->ticket = slot->ticket;
        return run_inline(worker, own);
    }
    switch (slot->kind & WY_SLOT_KIND_MASK) {
    case WY_SLOT_CALL:
    case WY_SLOT_STATE:
        return take_chunk(worker, slot);
    case WY_SLOT_STOP:
        wy_reader_advance(&worker->end.requests, slot);
        return WY_CLOSED;
    default:
        return WY_CORRUPT;
    }
}

int wy_worker_run(wy_image *image, const wy_channel_header *d, wy_channel_header *w) {
    wy_worker *worker = &wy_the_worker;
    worker->image = image;
    worker->max_payload = d->max_payload;
    worker->measures = d->measures != 0;
    wy_host_init(&worker->host);
    worker->host.max_payload = d->max_payload;
    worker->call.host = &worker->host;
    wy_worker_end_init(&worker->end, d, w, WY_WORKER_FD_DOORBELL, worker->arena_end);
    wy_call_thread_set();

    worker->ticket = 0;
    if (image->started != NULL) {
        image->started();
    }
    wy_status status = wy_emit(worker, WY_SLOT_READY, NULL, 0);
    while (status == WY_OK) {
        own_slot own;
        status = wy_reader_read(&worker->end.requests, &own.slot);
        if (status == WY_OK) {
            status = serve(worker, &own);
        } else if (status == WY_EMPTY) {
            wy_wait_requests(&worker->end);
            status = WY_OK;
        }
    }
    wy_flush(&worker->end, 1);
    return status == WY_CLOSED ? 0 : EXIT_CORRUPT;
}

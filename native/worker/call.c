#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/copy.h"
#include "worker/state.h"

wy_worker wy_the_worker;

/* The rings have one producer: only the loop's thread may write to them. */
static _Thread_local int on_call_thread;

void wy_call_thread_set(void) {
    on_call_thread = 1;
}

int wy_call_thread_speak(int on) {
    int before = on_call_thread;
    on_call_thread = on;
    return before;
}

static wy_worker *worker_of(const wayang_call *call) {
    wy_worker *worker = &wy_the_worker;
    return call == &worker->call && worker->in_call && on_call_thread ? worker : NULL;
}

int wy_buffer_grow(wy_buffer *buffer, size_t capacity) {
    if (capacity <= buffer->capacity) {
        return 1;
    }
    uint8_t *grown = realloc(buffer->bytes, capacity);
    if (grown == NULL) {
        return 0;
    }
    buffer->bytes = grown;
    buffer->capacity = capacity;
    return 1;
}

void wy_buffer_release(wy_buffer *buffer) {
    buffer->length = 0;
    if (buffer->capacity > WY_KEPT_BUFFER_BYTES) {
        free(buffer->bytes);
        buffer->bytes = NULL;
        buffer->capacity = 0;
    }
}

static int host_fail(wayang_call *call, const char *code, const char *message) {
    wy_worker *worker = worker_of(call);
    if (worker == NULL || worker->error_length != 0) {
        return 1;
    }
    size_t code_length = code == NULL ? 0 : strnlen(code, WY_ERROR_CODE_BYTES - 1);
    size_t message_length = message == NULL ? 0 : strnlen(message, WY_ERROR_MESSAGE_BYTES);
    memcpy(worker->error, code_length == 0 ? "" : code, code_length);
    worker->error[code_length] = '\0';
    memcpy(worker->error + code_length + 1, message_length == 0 ? "" : message, message_length);
    worker->error_length = code_length + 1 + message_length;
    return 1;
}

static void *host_reserve(wayang_call *call, size_t length) {
    wy_worker *worker = worker_of(call);
    if (worker == NULL) {
        return NULL;
    }
    wy_buffer *output = &worker->output;
    if (length > worker->max_payload - output->length) {
        (void)host_fail(call, "output_too_large", "the output is over the largest payload of the channel");
        return NULL;
    }
    size_t needed = output->length + length;
    if (needed > output->capacity) {
        size_t doubled = output->capacity < 4096 ? 4096 : output->capacity * 2;
        if (!wy_buffer_grow(output, needed > doubled ? needed : doubled)) {
            (void)host_fail(call, "out_of_memory", "no memory for the output");
            return NULL;
        }
    }
    uint8_t *room = output->bytes + output->length;
    output->length = needed;
    return room;
}

static int host_append(wayang_call *call, const void *bytes, size_t length) {
    if (length == 0) {
        return 0;
    }
    void *room = host_reserve(call, length);
    if (room == NULL) {
        return 1;
    }
    wy_copy(room, bytes, length);
    return 0;
}

/* The longest start of `text` that fits and does not cut a character of UTF-8. */
static size_t cut_text(const char *text, size_t length, size_t most) {
    if (length <= most) {
        return length;
    }
    size_t kept = most;
    while (kept > 0 && ((unsigned char)text[kept] & 0xc0u) == 0x80u) {
        kept--;
    }
    return kept;
}

/* Cuts text into slots; each starts with its stream. A record of the log that is longer than a slot becomes several, none of
 * which ends inside a character. */
static void write_log(wy_worker *worker, uint8_t stream, const char *text, size_t length) {
    uint64_t room = WY_LOG_MAX_BYTES - worker->log_bytes;
    size_t kept = length < room ? length : (size_t)room;
    worker->log_bytes += kept;
    worker->log_dropped += length - kept;
    wy_writer *writer = &worker->end.completions;
    for (size_t at = 0; at < kept;) {
        size_t left = kept - at;
        uint32_t part = left < writer->chunk_limit - 1u ? (uint32_t)left : writer->chunk_limit - 1u;
        if (stream >= WY_LOG_DEBUG && part < left) {
            size_t whole = cut_text(text + at, left, part);
            part = whole > 0 ? (uint32_t)whole : part;
        }
        wy_claim claim;
        if (wy_claim_wait(&worker->end, part + 1u, 1, &claim) != WY_OK) {
            return;
        }
        claim.payload[0] = stream;
        memcpy(claim.payload + 1, text + at, part);
        wy_writer_commit(writer, &claim, worker->ticket, 0, WY_SLOT_LOG | WY_SLOT_FIRST | WY_SLOT_LAST, part + 1u);
        wy_flush(&worker->end, 0);
        at += part;
    }
}

static void host_log(wayang_call *call, wayang_log_level level, const char *text, size_t length) {
    wy_worker *worker = worker_of(call);
    if (worker != NULL && text != NULL && level >= WAYANG_LOG_DEBUG && level <= WAYANG_LOG_ERROR) {
        write_log(worker, (uint8_t)level, text, length);
    }
}

static int host_cancelled(const wayang_call *call) {
    const wy_worker *worker = &wy_the_worker; /* any thread: it only reads */
    return call == &worker->call && worker->in_call ? wy_cancelled(&worker->end, worker->ticket) : 1;
}

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void send_progress(wy_worker *worker) {
    wy_progress *progress = &worker->progress;
    wy_claim claim;
    uint32_t length = progress->held;
    progress->held = 0;
    if (length == 0 || wy_claim_wait(&worker->end, length, 1, &claim) != WY_OK) {
        return;
    }
    memcpy(claim.payload, progress->report, length);
    wy_writer_commit(&worker->end.completions, &claim, worker->ticket, 0,
                     WY_SLOT_PROGRESS | WY_SLOT_FIRST | WY_SLOT_LAST, length);
    wy_flush(&worker->end, 0);
    progress->sent++;
}

static void host_progress(wayang_call *call, uint32_t percent, const char *text, size_t length) {
    wy_worker *worker = worker_of(call);
    if (worker == NULL) {
        return;
    }
    wy_progress *progress = &worker->progress;
    size_t kept = text == NULL ? 0 : cut_text(text, length, WY_PROGRESS_TEXT_BYTES);
    progress->report[0] = (uint8_t)(percent <= 100 ? percent : WY_PROGRESS_UNKNOWN);
    memcpy(progress->report + 1, kept == 0 ? "" : text, kept);
    progress->held = (uint32_t)kept + 1u;
    int64_t now = now_ms();
    if (now - progress->window_ms >= WY_PROGRESS_WINDOW_MS) {
        progress->window_ms = now;
        progress->sent = 0;
    }
    if (progress->sent < WY_PROGRESS_BURST) {
        send_progress(worker);
    }
}

static int host_save(wayang_call *call, const void *bytes, size_t length) {
    wy_worker *worker = worker_of(call);
    if (worker == NULL || (bytes == NULL && length != 0)) {
        return WAYANG_SAVE_UNSUPPORTED;
    }
    uint64_t most = worker->end.d->state_bytes;
    if (most == 0 || length > most || length > worker->max_payload) {
        return most == 0 ? WAYANG_SAVE_UNSUPPORTED : WAYANG_SAVE_TOO_LARGE;
    }
    return wy_emit(worker, WY_SLOT_SAVED, bytes, length) == WY_OK ? WAYANG_SAVE_KEPT : WAYANG_SAVE_UNSUPPORTED;
}

static const void *host_saved(const wayang_call *call, size_t *length) {
    const wy_worker *worker = &wy_the_worker; /* any thread: it only reads */
    int there = call == &worker->call && worker->in_call && worker->saved.ticket == worker->ticket;
    *length = there ? worker->saved.bytes.length : 0;
    return there ? worker->saved.bytes.bytes : NULL;
}

static int host_save_wanted(const wayang_call *call) {
    const wy_worker *worker = &wy_the_worker; /* any thread: it only reads */
    return call == &worker->call && worker->in_call ? wy_save_wanted(&worker->end, worker->ticket) : 0;
}

void wy_call_trace(const char *trace, size_t length) {
    wy_worker *worker = &wy_the_worker;
    if (!worker->in_call || worker->error_length == 0 || length == 0) {
        return;
    }
    size_t kept = cut_text(trace, length, WY_ERROR_TRACE_BYTES);
    worker->error[worker->error_length] = '\0';
    memcpy(worker->error + worker->error_length + 1, trace, kept);
    worker->error_length += 1 + kept;
}

int wy_call_facts_read(wy_call_facts *out) {
    wy_worker *worker = &wy_the_worker;
    uint32_t index = worker->ticket % WY_CHANNEL_MAX_IN_FLIGHT;
    if (!worker->in_call || index >= WY_CHANNEL_MAX_FACTS) {
        return 0;
    }
    *out = worker->end.d->facts[index];
    return out->ticket == worker->ticket;
}

int64_t wy_call_cpu(void) {
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) {
        return -1;
    }
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

void wy_call_cost_tell(wy_worker *worker, int64_t before) {
    uint32_t index = worker->ticket % WY_CHANNEL_MAX_IN_FLIGHT;
    int64_t now = before < 0 || index >= WY_CHANNEL_MAX_FACTS ? -1 : wy_call_cpu();
    if (now >= before && now >= 0) {
        worker->end.w->costs[index] = (wy_call_cost){.cpu_ns = (uint64_t)(now - before), .ticket = worker->ticket};
    }
}

void wy_host_init(wayang_host *host) {
    *host = (wayang_host){
        .size = sizeof(*host),
        .abi = WAYANG_PLUGIN_ABI,
        .append = host_append,
        .reserve = host_reserve,
        .fail = host_fail,
        .log = host_log,
        .cancelled = host_cancelled,
        .progress = host_progress,
        .save = host_save,
        .saved = host_saved,
        .save_wanted = host_save_wanted,
    };
}

/* Outside a call, and on threads of the plugin's own, output has no task to go to: it is dropped. */
static ssize_t stream_write(void *cookie, const char *bytes, size_t length) {
    wy_worker *worker = &wy_the_worker;
    if (worker->in_call && on_call_thread) {
        write_log(worker, (uint8_t)(uintptr_t)cookie, bytes, length);
    }
    return (ssize_t)length;
}

static FILE *open_stream(wy_log_stream stream) {
    const cookie_io_functions_t functions = {.write = stream_write};
    FILE *file = fopencookie((void *)(uintptr_t)stream, "w", functions);
    if (file != NULL && setvbuf(file, NULL, _IOLBF, BUFSIZ) != 0) {
        (void)fclose(file);
        file = NULL;
    }
    return file;
}

wy_status wy_stdio_route(wy_error *error) {
    static int routed;
    if (routed) {
        return WY_OK;
    }
    FILE *out = open_stream(WY_LOG_STDOUT);
    FILE *problems = open_stream(WY_LOG_STDERR);
    if (out == NULL || problems == NULL) {
        return wy_fail(error, WY_NO_MEMORY, errno, "stdio", "cannot route stdout and stderr to the log");
    }
    (void)fflush(NULL); /* what stands in the old buffers belongs to the old streams */
    stdout = out;
    stderr = problems;
    routed = 1;
    return WY_OK;
}

void wy_call_begin(wy_worker *worker) {
    worker->output.length = 0;
    worker->error_length = 0;
    worker->log_bytes = 0;
    worker->log_dropped = 0;
    worker->progress.held = 0;
    worker->in_call = 1;
}

void wy_call_end(wy_worker *worker) {
    if (__fpending(stdout) != 0) {
        (void)fflush(stdout);
    }
    if (__fpending(stderr) != 0) {
        (void)fflush(stderr);
    }
    if (worker->progress.held != 0) {
        send_progress(worker);
    }
    if (worker->log_dropped != 0) {
        char note[64];
        int length = snprintf(note, sizeof(note), "[%llu bytes of log were dropped]\n",
                              (unsigned long long)worker->log_dropped);
        worker->log_bytes = 0;
        write_log(worker, WY_LOG_STDERR, note, (size_t)length);
    }
    worker->in_call = 0;
}

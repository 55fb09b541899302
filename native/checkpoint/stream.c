#include "checkpoint/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "checkpoint/hash.h"

#define MAX_BODY (sizeof(struct user_regs_struct) + WY_SIGNALS * sizeof(wy_action) + WY_MAX_XSAVE_BYTES + WY_MAX_VMAS * sizeof(wy_vma))

/* What is held back, then these. */
static wy_status write_out(wy_stream *stream, const void *bytes, size_t length, wy_error *error) {
    size_t all = stream->held_bytes + length;
    for (size_t done = 0; done < all;) {
        size_t held = done < stream->held_bytes ? stream->held_bytes - done : 0, rest = held > 0 ? 0 : done - stream->held_bytes;
        const struct iovec both[2] = {{stream->held + stream->held_bytes - held, held}, {(char *)(uintptr_t)bytes + rest, length - rest}};
        ssize_t one = writev(stream->fd, both, 2);
        if (one < 0 && errno != EINTR) {
            return wy_fail(error, errno == EPIPE ? WY_CLOSED : WY_SYSTEM, errno, "stream", "cannot write: %s", strerror(errno));
        }
        done += one > 0 ? (size_t)one : 0;
    }
    stream->held_bytes = 0;
    return WY_OK;
}

/* Little is held back: each write wakes who reads it, who sends it on as it is. */
static wy_status put(wy_stream *stream, const void *bytes, size_t length, wy_error *error) {
    stream->bytes += length;
    if (length > sizeof stream->held - stream->held_bytes) {
        return write_out(stream, bytes, length, error);
    }
    memcpy(stream->held + stream->held_bytes, bytes, length);
    stream->held_bytes += (uint32_t)length;
    return WY_OK;
}

wy_status wy_stream_flush(wy_stream *stream, wy_error *error) {
    return write_out(stream, NULL, 0, error);
}

static wy_status take(wy_stream *stream, void *bytes, size_t length, wy_error *error) {
    for (size_t done = 0; done < length;) {
        ssize_t one = read(stream->fd, (char *)bytes + done, length - done);
        if (one == 0) {
            return wy_fail(error, WY_CLOSED, 0, "stream", "it broke off after %llu bytes", (unsigned long long)(stream->bytes + done));
        }
        if (one < 0 && errno != EINTR) {
            return wy_fail(error, WY_SYSTEM, errno, "stream", "cannot read: %s", strerror(errno));
        }
        done += one > 0 ? (size_t)one : 0;
    }
    stream->bytes += length;
    return WY_OK;
}

static wy_status corrupt(wy_error *error, const char *what) {
    return wy_fail(error, WY_CORRUPT, 0, "stream", "%s", what);
}

static uint64_t head_hash(const wy_stream_head *head) {
    wy_stream_head own = *head;
    own.head_hash = 0;
    return wy_hash64(&own, sizeof own, 2);
}

static size_t body_bytes(const wy_stream_head *head) {
    return sizeof(struct user_regs_struct) + (size_t)__builtin_popcountll(head->handled) * sizeof(wy_action) +
           head->vma_count * sizeof(wy_vma) + head->xsave_bytes;
}

static uint8_t *lay(uint8_t *at, const void *bytes, size_t length) {
    memcpy(at, bytes, length);
    return at + length;
}

static wy_status put_record(wy_stream *stream, wy_record *record, wy_error *error) {
    if (record->kind != WY_RECORD_PAGES) {
        record->hash = record->kind == WY_RECORD_END ? stream->sum : wy_hash64(record, 16, 4);
    }
    stream->sum = wy_hash64(record, sizeof *record, stream->sum);
    return put(stream, record, sizeof *record, error);
}

/* The second head is part of the sum of all. */
static void take_in(wy_stream *stream, const wy_stream_head *head) {
    stream->sum = wy_hash64(&head->head_hash, sizeof head->head_hash, stream->sum);
    stream->live = (int)head->live;
    stream->head_next = 0;
}

wy_status wy_stream_write_head(wy_stream *stream, const wy_snapshot *snapshot, const wy_manifest *image, int whole, int live, wy_error *error) {
    const wy_registers *registers = &snapshot->registers;
    wy_stream_head head = {.magic = WY_STREAM_MAGIC,
                           .version = WY_STREAM_VERSION,
                           .image_hash = image->image_hash,
                           .cpu_hash = image->cpu_hash,
                           .heap_end = snapshot->heap_end,
                           .handled = snapshot->handled,
                           .signal_mask = registers->signal_mask,
                           .xsave_bytes = registers->xsave_bytes,
                           .vma_count = snapshot->vmas.count,
                           .whole = whole != 0,
                           .live = live != 0};
    head.bytes = (uint32_t)body_bytes(&head);
    uint8_t *body = malloc(head.bytes), *at = body;
    if (body == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "stream", "no memory for %u bytes", head.bytes);
    }
    wy_record second = {.kind = WY_RECORD_HEAD};
    wy_status status = stream->live ? put_record(stream, &second, error) : WY_OK;
    at = lay(at, &registers->general, sizeof registers->general);
    for (uint32_t i = 0; i < WY_SIGNALS; i++) {
        if ((snapshot->handled >> i & 1) != 0) {
            at = lay(at, &snapshot->actions[i], sizeof snapshot->actions[i]);
        }
    }
    at = lay(at, snapshot->vmas.items, snapshot->vmas.count * sizeof(wy_vma));
    (void)lay(at, registers->xsave, registers->xsave_bytes);
    head.body_hash = wy_hash64(body, head.bytes, 3);
    head.head_hash = head_hash(&head);
    take_in(stream, &head);
    status = status == WY_OK ? put(stream, &head, sizeof head, error) : status;
    status = status == WY_OK ? put(stream, body, head.bytes, error) : status;
    free(body);
    return status;
}

wy_status wy_stream_write_pages(wy_stream *stream, uint64_t address, const void *pages, uint32_t count, wy_error *error) {
    size_t length = (size_t)count * WY_PAGE;
    wy_record record = {.address = address, .kind = WY_RECORD_PAGES, .pages = count, .hash = wy_hash64(pages, length, address)};
    wy_status status = put_record(stream, &record, error);
    stream->pages += count;
    return status == WY_OK ? put(stream, pages, length, error) : status;
}

wy_status wy_stream_write_empty(wy_stream *stream, uint64_t address, uint32_t count, wy_error *error) {
    wy_record record = {.address = address, .kind = WY_RECORD_EMPTY, .pages = count};
    return put_record(stream, &record, error);
}

wy_status wy_stream_write_round(wy_stream *stream, wy_error *error) {
    wy_record record = {.address = ++stream->round + 1, .kind = WY_RECORD_ROUND};
    return put_record(stream, &record, error);
}

wy_status wy_stream_write_end(wy_stream *stream, wy_error *error) {
    wy_record record = {.address = stream->pages, .kind = WY_RECORD_END};
    wy_status status = put_record(stream, &record, error);
    return status == WY_OK ? wy_stream_flush(stream, error) : status;
}

static void unlay(const uint8_t **at, void *out, size_t length) {
    memcpy(out, *at, length);
    *at += length;
}

static wy_status open_body(const wy_stream_head *head, const uint8_t *body, wy_snapshot *out, wy_error *error) {
    const uint8_t *at = body;
    memset(out, 0, sizeof *out);
    out->heap_end = head->heap_end;
    out->handled = head->handled;
    out->registers.signal_mask = head->signal_mask;
    out->registers.xsave_bytes = head->xsave_bytes;
    unlay(&at, &out->registers.general, sizeof out->registers.general);
    for (uint32_t i = 0; i < WY_SIGNALS; i++) {
        if ((head->handled >> i & 1) != 0) {
            unlay(&at, &out->actions[i], sizeof out->actions[i]);
        }
    }
    out->vmas.items = calloc(head->vma_count, sizeof(wy_vma));
    out->vmas.count = head->vma_count;
    if (out->vmas.items == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "stream", "no memory for %u mappings", head->vma_count);
    }
    unlay(&at, out->vmas.items, head->vma_count * sizeof(wy_vma));
    unlay(&at, out->registers.xsave, head->xsave_bytes);
    out->registers.general.orig_rax = (unsigned long long)-1; /* never inside a call of somebody else's making */
    return wy_vmas_check(&out->vmas, error);
}

wy_status wy_stream_read_head(wy_stream *stream, wy_stream_head *head, wy_snapshot *out, wy_error *error) {
    memset(out, 0, sizeof *out);
    wy_status status = take(stream, head, sizeof *head, error);
    if (status != WY_OK) {
        return status;
    }
    if (head->magic != WY_STREAM_MAGIC || head->version != WY_STREAM_VERSION) {
        return corrupt(error, "these are no captured worker's bytes, or another version's");
    }
    if (head->head_hash != head_hash(head) || head->vma_count == 0 || head->vma_count > WY_MAX_VMAS ||
        head->xsave_bytes < 576 || head->xsave_bytes >= WY_MAX_XSAVE_BYTES || head->whole > 1 || head->live > (stream->head_next ? 0u : 1u) ||
        head->bytes > MAX_BODY || head->bytes != body_bytes(head)) {
        return corrupt(error, "the head is damaged");
    }
    uint8_t *body = malloc(head->bytes);
    if (body == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "stream", "no memory for %u bytes", head->bytes);
    }
    status = take(stream, body, head->bytes, error);
    if (status == WY_OK) {
        status = wy_hash64(body, head->bytes, 3) == head->body_hash ? open_body(head, body, out, error)
                                                                    : corrupt(error, "the registers or mappings are damaged");
    }
    free(body);
    if (status != WY_OK) {
        wy_snapshot_free(out);
    } else {
        take_in(stream, head);
    }
    return status;
}

/* What only a stream has that was written while the worker ran. */
static wy_status check_turn(const wy_stream *stream, const wy_record *record, wy_error *error) {
    int round = record->kind == WY_RECORD_ROUND && record->address == stream->round + 2 && record->address <= WY_STREAM_ROUNDS;
    int head = record->kind == WY_RECORD_HEAD && record->address == 0;
    return stream->live && (round || head) && record->pages == 0 && record->hash == wy_hash64(record, 16, 4)
               ? WY_OK
               : corrupt(error, "a round is malformed, out of order or one too many");
}

static wy_status check_record(const wy_stream *stream, const wy_record *record, wy_error *error) {
    uint64_t most = record->kind == WY_RECORD_PAGES ? WY_BATCH_PAGES : WY_MAX_MANIFEST_PAGES;
    if (record->kind == WY_RECORD_ROUND || record->kind == WY_RECORD_HEAD) {
        return check_turn(stream, record, error);
    }
    if (record->kind == WY_RECORD_END) {
        return !stream->live && record->pages == 0 && record->address == stream->pages && record->hash == stream->sum
                   ? WY_OK
                   : corrupt(error, "its end does not match what came before");
    }
    if ((record->kind != WY_RECORD_PAGES && record->kind != WY_RECORD_EMPTY) || record->pages == 0 || record->pages > most ||
        record->address % WY_PAGE != 0 || record->address < stream->next || record->address >= WY_ADDRESS_END ||
        record->pages > (WY_ADDRESS_END - record->address) / WY_PAGE) {
        return corrupt(error, "a record is malformed or out of order");
    }
    return record->kind == WY_RECORD_PAGES || record->hash == wy_hash64(record, 16, 4) ? WY_OK : corrupt(error, "a record is damaged");
}

wy_status wy_stream_read(wy_stream *stream, wy_record *record, void *pages, wy_error *error) {
    wy_status status = stream->ended || stream->head_next ? corrupt(error, "nothing follows its end") : take(stream, record, sizeof *record, error);
    status = status == WY_OK ? check_record(stream, record, error) : status;
    if (status != WY_OK) {
        return status;
    }
    stream->sum = wy_hash64(record, sizeof *record, stream->sum);
    if (record->kind == WY_RECORD_END) {
        stream->ended = 1;
        return WY_OK;
    }
    if (record->kind == WY_RECORD_ROUND || record->kind == WY_RECORD_HEAD) {
        stream->round += record->kind == WY_RECORD_ROUND;
        stream->head_next = record->kind == WY_RECORD_HEAD;
        stream->next = 0;
        return WY_OK;
    }
    size_t length = (size_t)record->pages * WY_PAGE;
    stream->next = record->address + length;
    if (record->kind == WY_RECORD_PAGES) {
        status = take(stream, pages, length, error);
        if (status == WY_OK && wy_hash64(pages, length, record->address) != record->hash) {
            status = corrupt(error, "a page is damaged");
        }
        stream->pages += record->pages;
    }
    return status;
}

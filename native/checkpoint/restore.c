#include "checkpoint/restore.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include "channel/layout.h"
#include "checkpoint/layout.h"

#define AHEAD_PAGES 16u /* at a time: so long the second head may wait */

typedef struct filling {
    wy_tracee *target;
    const wy_image_side *image;
    wy_snapshot wanted; /* by the last head */
    int whole;
    wy_runs own;   /* the target's own pages before anything was put there; then those of which the stream is silent */
    wy_runs told;  /* what the stream spoke of */
    wy_runs round; /* in the round that is read */
    wy_runs was_reset; /* where the image was made to show again ahead of the second head, for as long as the stream says nothing else */
    wy_runs ahead;     /* where that is to be done yet, from item `ahead_next` on; `spoken`: it is to be found out anew */
    uint32_t ahead_next;
    int spoken;
    int live;          /* there are two heads */
    wy_snapshot given; /* with the first head's handlers, which the target has */
    uint8_t pages[WY_BATCH_PAGES * WY_PAGE];
} filling;

wy_status wy_restore_prepare(wy_tracee *target, wy_error *error) {
    static const int closed[] = {0, 1, 2, WY_WORKER_FD_SECCOMP_LISTENER, WY_WORKER_FD_BOOT};
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        int64_t result = 0;
        wy_status status = wy_tracee_call(target, SYS_close, (uint64_t[6]){(uint64_t)closed[i]}, &result, error);
        if (status != WY_OK) {
            return status;
        }
    }
    return WY_OK;
}

static wy_status check_head(const filling *f, const wy_stream_head *head, wy_error *error) {
    if (head->image_hash != f->image->manifest->image_hash) {
        return wy_fail(error, WY_DENIED, 0, "image", "it was captured from another image (%016" PRIx64 ", here %016" PRIx64 ")",
                       head->image_hash, f->image->manifest->image_hash);
    }
    if (head->cpu_hash != f->image->manifest->cpu_hash || f->wanted.registers.xsave_bytes != f->target->registers.xsave_bytes) {
        return wy_fail(error, WY_DENIED, 0, "processor", "it was captured on a processor that offers programs other things");
    }
    return WY_OK;
}

/* All of [start, end) is mapped in what was captured. */
static int is_mapped(const wy_vmas *vmas, uint64_t start, uint64_t end) {
    while (start < end) {
        const wy_vma *vma = wy_vmas_find(vmas, start);
        if (vma == NULL || vma->start > start) {
            return 0;
        }
        start = vma->end;
    }
    return 1;
}

static wy_status put_pages(filling *f, const wy_record *record, wy_error *error) {
    static const uint8_t nothing[WY_PAGE];
    const wy_memory *memory = &f->target->memory;
    wy_status status = WY_OK;
    uint64_t length = (uint64_t)record->pages * WY_PAGE;
    if (!is_mapped(&f->wanted.vmas, record->address, record->address + length)) {
        return wy_fail(error, WY_CORRUPT, 0, "stream", "pages at %" PRIx64 ", where nothing is mapped", record->address);
    }
    if (record->kind == WY_RECORD_PAGES) {
        status = wy_memory_write(memory, record->address, f->pages, length, error);
    }
    for (uint32_t i = 0; record->kind == WY_RECORD_EMPTY && i < record->pages && status == WY_OK; i++) {
        status = wy_memory_write(memory, record->address + (uint64_t)i * WY_PAGE, nothing, WY_PAGE, error);
    }
    f->spoken = 1;
    return status == WY_OK ? wy_runs_add(&f->round, record->address, record->address + length, error) : status;
}

static wy_status end_round(filling *f, wy_error *error) {
    wy_status status = wy_runs_join(&f->told, &f->round, error);
    f->round.count = 0;
    return status;
}

/* A page of the target's own that the stream said nothing of: it is the image's, or was never touched. */
static wy_status reset_page(const filling *f, uint64_t address, int inherited, wy_error *error) {
    uint8_t wanted[WY_PAGE] = {0}, now[WY_PAGE];
    wy_status status = inherited ? wy_memory_read(&f->image->zygote, address, wanted, WY_PAGE, error) : WY_OK;
    status = status == WY_OK ? wy_memory_read(&f->target->memory, address, now, WY_PAGE, error) : status;
    return status == WY_OK && memcmp(wanted, now, WY_PAGE) != 0 ? wy_memory_write(&f->target->memory, address, wanted, WY_PAGE, error)
                                                                : status;
}

/* A whole capture does not know this zygote: what it is silent of was empty, or a file's page. */
static wy_status check_silence(const filling *f, uint64_t address, wy_error *error) {
    const wy_manifest *m = f->image->manifest;
    uint32_t low = 0, high = m->page_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (WY_PAGE_ADDRESS(&m->pages[middle]) < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    int own = low < m->page_count && m->pages[low].address == (address | WY_PAGE_OWN);
    return own ? wy_fail(error, WY_DENIED, 0, "image", "this zygote has changed page %" PRIx64 " of a file, that of the capture has not", address)
               : WY_OK;
}

static wy_status reset_run(const filling *f, const wy_run *run, int inherited, wy_error *error) {
    wy_status status = WY_OK;
    uint32_t told = wy_runs_seek(&f->told, run->start);
    for (uint64_t at = run->start; at < run->end && status == WY_OK; at += (uint64_t)WY_BATCH_PAGES * WY_PAGE) {
        uint64_t same = 0, left = (run->end - at) / WY_PAGE;
        uint32_t count = left < WY_BATCH_PAGES ? (uint32_t)left : WY_BATCH_PAGES;
        int numbers = 0;
        if (inherited && !f->whole) {
            status = wy_pages_shared(&f->target->memory, &f->image->zygote, at, count, &same, &numbers, error);
            if (status == WY_OK && !numbers) { /* else, or where it fails, page by page */
                (void)wy_pages_compare(&f->target->memory, &f->image->zygote, at, count, &same);
            }
        }
        for (uint32_t i = 0; i < count && status == WY_OK; i++) {
            uint64_t address = at + (uint64_t)i * WY_PAGE;
            if ((same >> i & 1) == 0 && !wy_runs_hold(&f->told, &told, address)) {
                status = f->whole && inherited ? check_silence(f, address, error) : WY_OK;
                status = status == WY_OK ? reset_page(f, address, inherited, error) : status;
            }
        }
    }
    return status;
}

/* Looked for while the captured one still runs: it takes a walk through all of the memory. Later ones are put there, or the one that growing the stack touches. */
static wy_status find_own(filling *f, wy_error *error) {
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < f->wanted.vmas.count && status == WY_OK; i++) {
        const wy_vma *vma = &f->wanted.vmas.items[i];
        status = wy_pages_own(&f->target->memory, vma, vma->start, vma->end, &f->own, NULL, error);
    }
    return status;
}

static wy_status leave_silent(filling *f, wy_error *error) {
    wy_runs touched = {0}, silent = {0};
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < f->wanted.vmas.count && status == WY_OK; i++) {
        const wy_vma *vma = &f->wanted.vmas.items[i];
        status = (vma->flags & WY_VMA_STACK) != 0 ? wy_runs_add(&touched, vma->start, vma->start + WY_PAGE, error) : WY_OK;
    }
    status = status == WY_OK ? wy_runs_join(&f->own, &touched, error) : status;
    status = status == WY_OK ? wy_runs_join(&f->told, &f->was_reset, error) : status;
    status = status == WY_OK ? wy_runs_less(&f->own, &f->told, &silent, error) : status;
    wy_runs_free(&touched);
    wy_runs_free(&f->own);
    f->own = silent;
    return status;
}

/* Undoes what the target did before it was frozen: where the stream is silent the image shows again. */
static wy_status reset(const filling *f, uint64_t start, uint64_t end, wy_error *error) {
    const wy_vmas *vmas = &f->wanted.vmas, *images = &f->image->manifest->vmas;
    wy_status status = WY_OK;
    for (uint64_t at = start, stop = at; at < end && status == WY_OK; at = stop) {
        const wy_vma *vma = wy_vmas_find(vmas, at), *image = wy_vmas_find(images, at);
        int mapped = vma != NULL && vma->start <= at, covers = image != NULL && image->start <= at;
        uint64_t first = vma == NULL ? end : mapped ? vma->end : vma->start, second = image == NULL ? end : covers ? image->end : image->start;
        stop = first < end ? first : end;
        stop = second < stop ? second : stop;
        if (mapped) {
            int inherited = covers && wy_vma_same_kind(vma, image) && !(f->whole && (vma->flags & WY_VMA_FILE) == 0);
            status = reset_run(f, &(wy_run){at, stop}, inherited, error);
        }
    }
    return status;
}

/* Of the target's own pages, what neither the stream spoke of so far nor was reset ahead. */
static wy_status find_ahead(filling *f, wy_error *error) {
    wy_runs untold = {0}, unread = {0};
    f->ahead.count = f->ahead_next = 0;
    wy_status status = wy_runs_less(&f->own, &f->told, &untold, error);
    status = status == WY_OK ? wy_runs_less(&untold, &f->round, &unread, error) : status;
    status = status == WY_OK ? wy_runs_less(&unread, &f->was_reset, &f->ahead, error) : status;
    wy_runs_free(&untold);
    wy_runs_free(&unread);
    f->spoken = 0;
    return status;
}

/* A few pages of what is reset at the end unless the stream still speaks of them, *more: there were any. The bytes of every page that the image has
 * are compared for it, which takes longer than all that comes behind the second head. */
static wy_status reset_ahead(filling *f, int *more, wy_error *error) {
    wy_status status = f->spoken ? find_ahead(f, error) : WY_OK;
    *more = status == WY_OK && f->ahead_next < f->ahead.count;
    if (!*more) {
        return status;
    }
    wy_run *run = &f->ahead.items[f->ahead_next], part = {run->start, run->end};
    if ((part.end - part.start) / WY_PAGE > AHEAD_PAGES) {
        part.end = part.start + (uint64_t)AHEAD_PAGES * WY_PAGE;
        run->start = part.end;
    } else {
        f->ahead_next++;
    }
    const wy_runs one = {.items = &part, .count = 1};
    status = reset(f, part.start, part.end, error);
    return status == WY_OK ? wy_runs_join(&f->was_reset, &one, error) : status;
}

/* The second head is still to come, and nothing is there to be read: a file's stream always is. */
static int is_idle(const filling *f, const wy_stream *stream) {
    struct pollfd one = {stream->fd, POLLIN, 0};
    return stream->live && !f->whole && poll(&one, 1, 0) == 0;
}

/* Up to the end, or to the second head. */
static wy_status fill(filling *f, wy_stream *stream, wy_error *error) {
    wy_status status = WY_OK;
    while (status == WY_OK && !stream->ended && !stream->head_next) {
        wy_record record;
        for (int more = 1; more && status == WY_OK && is_idle(f, stream);) {
            status = reset_ahead(f, &more, error);
        }
        status = status == WY_OK ? wy_stream_read(stream, &record, f->pages, error) : status;
        int is_pages = status == WY_OK && (record.kind == WY_RECORD_PAGES || record.kind == WY_RECORD_EMPTY);
        status = status != WY_OK ? status : is_pages ? put_pages(f, &record, error) : end_round(f, error);
    }
    return status;
}

static wy_status lay_out(filling *f, wy_error *error) {
    wy_vmas was = {0};
    wy_status status = wy_layout_apply(f->target, &f->wanted, &was, error);
    wy_vmas_free(&was);
    return status;
}

/* What the worker was when it stood still, after what it was when it was begun to be written down. */
static wy_status second_head(filling *f, wy_stream *stream, wy_error *error) {
    static wy_snapshot last;
    wy_stream_head head;
    wy_status status = wy_stream_read_head(stream, &head, &last, error);
    if (status != WY_OK) {
        return status;
    }
    int same = last.heap_end == f->wanted.heap_end && wy_vmas_equal(&last.vmas, &f->wanted.vmas, NULL) == WY_OK;
    wy_runs remade = {0};
    status = same ? WY_OK : wy_layout_remade(&f->wanted, &last.vmas, &f->image->manifest->vmas, &remade, error);
    status = status == WY_OK ? wy_layout_forget(f->target, &remade, error) : status;
    wy_runs_free(&remade);
    wy_snapshot_free(&f->wanted);
    f->wanted = last;
    f->was_reset.count = same ? f->was_reset.count : 0; /* the image may not be what shows there now */
    if (status != WY_OK) {
        return status;
    }
    status = (int)head.whole == f->whole ? check_head(f, &head, error)
                                         : wy_fail(error, WY_CORRUPT, 0, "stream", "its two heads are of two captures");
    return status == WY_OK && !same ? lay_out(f, error) : status;
}

static wy_status restore(filling *f, wy_stream *stream, wy_error *error) {
    wy_status status = lay_out(f, error);
    status = status == WY_OK ? find_own(f, error) : status;
    if (status == WY_OK && stream->live) { /* most often those that it has at the end too */
        f->live = f->spoken = 1;
        f->given = f->wanted;
        status = wy_snapshot_set_actions(f->target, NULL, &f->given, error);
    }
    status = status == WY_OK ? fill(f, stream, error) : status;
    while (status == WY_OK && stream->head_next) {
        status = second_head(f, stream, error);
        status = status == WY_OK ? fill(f, stream, error) : status;
    }
    status = status == WY_OK ? wy_snapshot_set_actions(f->target, f->live ? &f->given : NULL, &f->wanted, error) : status;
    status = status == WY_OK ? leave_silent(f, error) : status;
    for (uint32_t i = 0; i < f->own.count && status == WY_OK; i++) {
        status = reset(f, f->own.items[i].start, f->own.items[i].end, error);
    }
    if (status == WY_OK) {
        f->target->registers = f->wanted.registers;
    }
    return status;
}

wy_status wy_restore_read(wy_tracee *target, const wy_image_side *image, wy_stream *stream, wy_error *error) {
    static filling f;
    wy_stream_head head;
    memset(&f, 0, sizeof f);
    wy_status status = wy_stream_read_head(stream, &head, &f.wanted, error);
    if (status != WY_OK) {
        return status;
    }
    f.target = target;
    f.image = image;
    f.whole = (int)head.whole;
    status = check_head(&f, &head, error);
    status = status == WY_OK ? restore(&f, stream, error) : status;
    wy_runs_free(&f.own);
    wy_runs_free(&f.told);
    wy_runs_free(&f.round);
    wy_runs_free(&f.was_reset);
    wy_runs_free(&f.ahead);
    wy_snapshot_free(&f.wanted);
    return status;
}

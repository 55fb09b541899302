/* For each page of the worker's, in order of address:
 *   of its own, and the image has nothing of its own there      -> it travels
 *   of its own, and the image has too                           -> it travels, unless it is certainly the same page or the same bytes
 *   not its own, and the image has one of its own there         -> its emptiness travels (or the file's page that shows again)
 * "The image" is what every zygote of it shows: pages in which two zygotes differ count as different from both. */
#include "checkpoint/capture.h"

#include <string.h>

typedef struct walk {
    const wy_capture *capture;
    wy_stream *stream;
    uint64_t start; /* pages [start, start + count) are to travel and were not told yet */
    uint32_t count;
    uint32_t empty; /* 1: these are emptiness */
    uint8_t pages[WY_BATCH_PAGES * WY_PAGE];
} walk;

static wy_status tell(walk *w, wy_error *error) {
    uint32_t count = w->count;
    w->count = 0;
    if (count == 0) {
        return WY_OK;
    }
    if (w->empty) {
        return wy_stream_write_empty(w->stream, w->start, count, error);
    }
    wy_status status = wy_memory_read(&w->capture->tracee->memory, w->start, w->pages, (size_t)count * WY_PAGE, error);
    return status == WY_OK ? wy_stream_write_pages(w->stream, w->start, w->pages, count, error) : status;
}

static wy_status add(walk *w, uint64_t address, uint32_t count, uint32_t empty, wy_error *error) {
    while (count > 0) {
        if (w->count > 0 &&
            (w->empty != empty || w->start + (uint64_t)w->count * WY_PAGE != address || w->count == WY_BATCH_PAGES)) {
            wy_status status = tell(w, error);
            if (status != WY_OK) {
                return status;
            }
        }
        if (w->count == 0) {
            w->start = address;
            w->empty = empty;
        }
        uint32_t room = WY_BATCH_PAGES - w->count, part = count < room ? count : room;
        w->count += part;
        address += (uint64_t)part * WY_PAGE;
        count -= part;
    }
    return WY_OK;
}

/* Whether the worker's page has the bytes that the zygote's has. */
static wy_status compare(const walk *w, uint64_t address, int *same, wy_error *error) {
    uint8_t ours[WY_PAGE], theirs[WY_PAGE];
    wy_status status = wy_memory_read(&w->capture->tracee->memory, address, ours, WY_PAGE, error);
    status = status == WY_OK ? wy_memory_read(&w->capture->image->zygote, address, theirs, WY_PAGE, error) : status;
    *same = status == WY_OK && memcmp(ours, theirs, WY_PAGE) == 0;
    return status;
}

/* A page that both have as their own, or may have: a batch at a time. */
static wy_status add_changed(walk *w, uint64_t address, uint32_t count, wy_error *error) {
    uint64_t same = 0;
    uint32_t at = 0;
    int told = 0;
    wy_status status = wy_pages_shared(&w->capture->tracee->memory, &w->capture->image->zygote, address, count, &same, &told, error);
    if (status == WY_OK && !told) {
        told = wy_pages_compare(&w->capture->tracee->memory, &w->capture->image->zygote, address, count, &same) == WY_OK;
    }
    for (uint32_t i = 0; i < count && status == WY_OK; i++) {
        uint64_t page = address + (uint64_t)i * WY_PAGE;
        int equal = (int)(same >> i & 1);
        if (w->capture->always != NULL && wy_runs_hold(w->capture->always, &at, page)) {
            equal = 0;
        } else if (!equal && !told) {
            status = compare(w, page, &equal, error);
        }
        if (status == WY_OK && !equal) {
            status = add(w, page, 1, 0, error);
        }
    }
    return status;
}

/* Addresses at which the image, or one of two zygotes, has a page of its own. */
typedef struct expected {
    const wy_manifest *manifest;
    const wy_runs *always;
    uint32_t page, run;
} expected;

static void seek(expected *e, uint64_t address) {
    uint32_t low = 0, high = e->manifest->page_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (WY_PAGE_ADDRESS(&e->manifest->pages[middle]) < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    e->page = low;
    e->run = 0;
}

/* The first one from `address` on; UINT64_MAX behind the last. Asked by rising addresses. */
static uint64_t next_expected(expected *e, uint64_t address) {
    const wy_manifest *m = e->manifest;
    while (e->page < m->page_count &&
           (WY_PAGE_ADDRESS(&m->pages[e->page]) < address || (m->pages[e->page].address & WY_PAGE_OWN) == 0)) {
        e->page++;
    }
    uint64_t own = e->page < m->page_count ? WY_PAGE_ADDRESS(&m->pages[e->page]) : UINT64_MAX;
    if (e->always == NULL || wy_runs_hold(e->always, &e->run, address)) {
        return e->always == NULL ? own : address;
    }
    uint64_t differs = e->run < e->always->count ? e->always->items[e->run].start : UINT64_MAX;
    return own < differs ? own : differs;
}

/* What the image has and the worker has not, in [start, end). */
static wy_status add_missing(walk *w, expected *e, uint64_t start, uint64_t end, int file, wy_error *error) {
    wy_status status = WY_OK;
    for (uint64_t at = next_expected(e, start); at < end && status == WY_OK; at = next_expected(e, at + WY_PAGE)) {
        status = add(w, at, 1, file ? 0 : 1, error);
    }
    return status;
}

/* A run of the worker's own pages inside of a mapping that it has from its image. */
static wy_status add_run(walk *w, expected *e, const wy_run *run, int file, wy_error *error) {
    uint64_t at = run->start;
    wy_status status = WY_OK;
    while (at < run->end && status == WY_OK) {
        uint64_t known = next_expected(e, at);
        if (!file && !w->capture->whole && known > at) {
            uint64_t stop = known < run->end ? known : run->end;
            status = add(w, at, (uint32_t)((stop - at) / WY_PAGE), 0, error); /* new memory */
            at = stop;
            continue;
        }
        uint64_t left = (run->end - at) / WY_PAGE;
        uint32_t count = left < WY_BATCH_PAGES ? (uint32_t)left : WY_BATCH_PAGES;
        status = w->capture->whole ? add(w, at, count, 0, error) : add_changed(w, at, count, error);
        at += (uint64_t)count * WY_PAGE;
    }
    return status;
}

/* [start, end) lies in one mapping of the worker's; `inherited`: the image has it too, of the same kind. */
static wy_status add_part(walk *w, const wy_vma *vma, uint64_t start, uint64_t end, int inherited, wy_error *error) {
    int file = (vma->flags & WY_VMA_FILE) != 0;
    expected e = {.manifest = w->capture->image->manifest, .always = w->capture->always};
    wy_runs own = {0};
    uint64_t at = start;
    wy_status status = wy_pages_own(&w->capture->tracee->memory, start, end, &own, error);
    seek(&e, start);
    for (uint32_t i = 0; i < own.count && status == WY_OK; i++) {
        const wy_run *run = &own.items[i];
        if (!inherited) {
            status = add(w, run->start, (uint32_t)((run->end - run->start) / WY_PAGE), 0, error);
            continue;
        }
        status = add_missing(w, &e, at, run->start, file, error);
        status = status == WY_OK ? add_run(w, &e, run, file, error) : status;
        at = run->end;
    }
    if (status == WY_OK && inherited) {
        status = add_missing(w, &e, at, end, file, error);
    }
    wy_runs_free(&own);
    return status;
}

static wy_status add_vma(walk *w, const wy_vma *vma, wy_error *error) {
    uint64_t at = vma->start;
    wy_status status = WY_OK;
    while (at < vma->end && status == WY_OK) {
        const wy_vma *image = wy_vmas_find(&w->capture->image->manifest->vmas, at);
        int covers = image != NULL && image->start <= at;
        uint64_t end = image == NULL ? vma->end : covers ? image->end : image->start;
        end = end < vma->end ? end : vma->end;
        status = add_part(w, vma, at, end, covers && wy_vma_same_kind(vma, image), error);
        at = end;
    }
    return status;
}

wy_status wy_capture_write(const wy_capture *capture, wy_stream *stream, wy_error *error) {
    walk w = {.capture = capture, .stream = stream};
    const wy_vmas *vmas = &capture->snapshot->vmas;
    wy_status status = wy_stream_write_head(stream, capture->snapshot, capture->image->manifest, capture->whole, error);
    for (uint32_t i = 0; i < vmas->count && status == WY_OK; i++) {
        status = add_vma(&w, &vmas->items[i], error);
    }
    status = status == WY_OK ? tell(&w, error) : status;
    return status == WY_OK ? wy_stream_write_end(stream, error) : status;
}

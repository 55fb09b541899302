/* For each page of the worker's, in order of address:
 *   of its own, and the image has nothing of its own there      -> it travels
 *   of its own, and the image has too                           -> it travels, unless it is certainly the same page or the same bytes
 *   not its own, and the image has one of its own there         -> its emptiness travels (or the file's page that shows again)
 * Where pages were told while it ran (`known`), of its own and unchanged since (`clean`, and not written) is not told again; otherwise what is known is always told,
 * its emptiness too.
 * "The image" is what every zygote of it shows: pages in which two zygotes differ count as different from both. */
#include "checkpoint/capture.h"

#include <stdlib.h>
#include <string.h>

typedef struct walk {
    const wy_capture *capture;
    wy_stream *stream;
    uint64_t start; /* pages [start, start + count) are to travel and were not told yet */
    uint32_t count;
    uint32_t empty; /* 1: these are emptiness */
    wy_runs *missed; /* of a worker that runs: what could not be read; NULL: that is a failure */
    uint8_t pages[WY_BATCH_PAGES * WY_PAGE];
} walk;

/* The quick way where it costs the worker no memory. */
static wy_status read_pages(const wy_memory *memory, uint64_t start, void *out, uint32_t count, wy_error *error) {
    size_t bytes = (size_t)count * WY_PAGE;
    int exclusive = memory->direct && bytes >= WY_MEMORY_DIRECT_BYTES && wy_pages_exclusive(memory, start, count);
    return exclusive ? wy_memory_read_exclusive(memory, start, out, bytes, error) : wy_memory_read(memory, start, out, bytes, error);
}

static wy_status tell(walk *w, wy_error *error) {
    uint32_t count = w->count;
    w->count = 0;
    if (count == 0) {
        return WY_OK;
    }
    if (w->empty) {
        return wy_stream_write_empty(w->stream, w->start, count, error);
    }
    wy_status status = read_pages(w->capture->memory, w->start, w->pages, count, error);
    if (status == WY_SYSTEM && w->missed != NULL) {
        return wy_runs_add(w->missed, w->start, w->start + (uint64_t)count * WY_PAGE, error);
    }
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
    *same = 0;
    wy_status status = wy_memory_read(w->capture->memory, address, ours, WY_PAGE, error);
    if (status == WY_SYSTEM && w->missed != NULL) {
        return WY_OK; /* it is seen again when it is told */
    }
    status = status == WY_OK ? wy_memory_read(&w->capture->image->zygote, address, theirs, WY_PAGE, error) : status;
    *same = status == WY_OK && memcmp(ours, theirs, WY_PAGE) == 0;
    return status;
}

/* A page that both have as their own, or may have: a batch at a time. */
static wy_status add_changed(walk *w, uint64_t address, uint32_t count, wy_error *error) {
    uint64_t same = 0;
    uint32_t at = 0, seen = w->capture->known == NULL ? 0 : wy_runs_seek(w->capture->known, address);
    int told = 0;
    wy_status status = w->missed != NULL ? WY_OK : wy_pages_shared(w->capture->memory, &w->capture->image->zygote, address, count, &same, &told, error);
    if (status == WY_OK && !told) {
        told = wy_pages_compare(w->capture->memory, &w->capture->image->zygote, address, count, &same) == WY_OK;
    }
    for (uint32_t i = 0; i < count && status == WY_OK; i++) {
        uint64_t page = address + (uint64_t)i * WY_PAGE;
        int equal = (int)(same >> i & 1);
        if ((w->capture->always != NULL && wy_runs_hold(w->capture->always, &at, page)) ||
            (w->capture->known != NULL && wy_runs_hold(w->capture->known, &seen, page))) {
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

/* Addresses at which the target may have a page of its own: where the image has one, or one of two zygotes, or where one was told. */
typedef struct expected {
    const wy_manifest *manifest; /* NULL: the image has no such mapping */
    const wy_runs *sets[2];      /* always, known; NULL: none */
    uint32_t page, run[2];
} expected;

static void seek(expected *e, uint64_t address) {
    uint32_t low = 0, high = e->manifest == NULL ? 0 : e->manifest->page_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (WY_PAGE_ADDRESS(&e->manifest->pages[middle]) < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    e->page = low;
    for (int i = 0; i < 2; i++) {
        e->run[i] = e->sets[i] == NULL ? 0 : wy_runs_seek(e->sets[i], address);
    }
}

/* The first one from `address` on; UINT64_MAX behind the last. Asked by rising addresses. */
static uint64_t next_expected(expected *e, uint64_t address) {
    const wy_manifest *m = e->manifest;
    uint64_t next = UINT64_MAX;
    if (m != NULL) {
        while (e->page < m->page_count &&
               (WY_PAGE_ADDRESS(&m->pages[e->page]) < address || (m->pages[e->page].address & WY_PAGE_OWN) == 0)) {
            e->page++;
        }
        next = e->page < m->page_count ? WY_PAGE_ADDRESS(&m->pages[e->page]) : UINT64_MAX;
    }
    for (int i = 0; i < 2; i++) {
        const wy_runs *set = e->sets[i];
        if (set != NULL && wy_runs_hold(set, &e->run[i], address)) {
            return address;
        }
        uint64_t start = set != NULL && e->run[i] < set->count ? set->items[e->run[i]].start : UINT64_MAX;
        next = start < next ? start : next;
    }
    return next;
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

/* Its own pages in [start, end), and in `left` those that the stream has not told as they are. */
static wy_status find_own(const wy_capture *capture, const wy_vma *vma, uint64_t start, uint64_t end, wy_runs *own, wy_runs *left, wy_error *error) {
    const wy_runs none = {0}, *clean = capture->clean;
    wy_runs written = {0};
    wy_status status = wy_pages_own(capture->memory, vma, start, end, own, clean != NULL ? &written : NULL, error);
    status = status == WY_OK ? wy_runs_less(own, clean != NULL ? clean : &none, left, error) : status;
    status = status == WY_OK ? wy_runs_join(left, &written, error) : status;
    wy_runs_free(&written);
    return status;
}

/* [start, end) lies in one mapping of the worker's; `inherited`: the image has it too, of the same kind. */
static wy_status add_part(walk *w, const wy_vma *vma, uint64_t start, uint64_t end, int inherited, wy_error *error) {
    int file = (vma->flags & WY_VMA_FILE) != 0;
    expected missing = {.manifest = inherited ? w->capture->image->manifest : NULL,
                        .sets = {inherited ? w->capture->always : NULL, w->capture->known}};
    wy_runs own = {0}, left = {0};
    uint64_t at = start;
    wy_status status = find_own(w->capture, vma, start, end, &own, &left, error);
    seek(&missing, start);
    expected e = missing;
    for (uint32_t i = 0, k = 0; i < own.count && status == WY_OK; i++) {
        const wy_run *run = &own.items[i];
        status = add_missing(w, &missing, at, run->start, file, error);
        for (; k < left.count && left.items[k].start < run->end && status == WY_OK; k++) { /* each lies in one of its own */
            const wy_run *part = &left.items[k];
            status = inherited ? add_run(w, &e, part, file, error) : add(w, part->start, (uint32_t)((part->end - part->start) / WY_PAGE), 0, error);
        }
        at = run->end;
    }
    status = status == WY_OK ? add_missing(w, &missing, at, end, file, error) : status;
    wy_runs_free(&own);
    wy_runs_free(&left);
    return status;
}

/* The same of a worker that runs: of what it wrote. What it has dropped is told when it stands still. */
static wy_status add_written(walk *w, uint64_t start, uint64_t end, const wy_vma *vma, int inherited, wy_error *error) {
    expected e = {.manifest = inherited ? w->capture->image->manifest : NULL, .sets = {inherited ? w->capture->always : NULL, w->capture->known}};
    const wy_run run = {start, end};
    seek(&e, start);
    return inherited ? add_run(w, &e, &run, (vma->flags & WY_VMA_FILE) != 0, error)
                     : add(w, start, (uint32_t)((end - start) / WY_PAGE), 0, error);
}

/* Cuts a run where mappings of the worker's, as they were, and of the image begin and end. */
static wy_status add_written_run(walk *w, const wy_run *run, wy_error *error) {
    const wy_vmas *own = &w->capture->snapshot->vmas, *images = &w->capture->image->manifest->vmas;
    wy_status status = WY_OK;
    for (uint64_t at = run->start; at < run->end && status == WY_OK;) {
        const wy_vma *vma = wy_vmas_find(own, at), *image = wy_vmas_find(images, at);
        int mine = vma != NULL && vma->start <= at, covers = image != NULL && image->start <= at;
        uint64_t end = run->end, first = vma == NULL ? end : mine ? vma->end : vma->start, second = image == NULL ? end : covers ? image->end : image->start;
        end = first < end ? first : end;
        end = second < end ? second : end;
        status = mine ? add_written(w, at, end, vma, covers && wy_vma_same_kind(vma, image), error) : tell(w, error);
        status = status == WY_OK && !mine ? wy_runs_add(w->missed, at, end, error) : status;
        at = end;
    }
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

wy_status wy_capture_round(const wy_capture *capture, const wy_runs *written, wy_stream *stream, wy_runs *missed, wy_error *error) {
    walk *w = malloc(sizeof *w);
    if (w == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "capture", "no memory");
    }
    *w = (walk){.capture = capture, .stream = stream, .missed = missed};
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < written->count && status == WY_OK; i++) {
        status = add_written_run(w, &written->items[i], error);
    }
    status = status == WY_OK ? tell(w, error) : status;
    free(w);
    return status;
}

wy_status wy_capture_write(const wy_capture *capture, wy_stream *stream, wy_error *error) {
    walk *w = malloc(sizeof *w);
    const wy_vmas *vmas = &capture->snapshot->vmas;
    if (w == NULL) {
        return wy_fail(error, WY_NO_MEMORY, 0, "capture", "no memory");
    }
    *w = (walk){.capture = capture, .stream = stream};
    wy_status status = wy_stream_write_head(stream, capture->snapshot, capture->image->manifest, capture->whole, 0, error);
    for (uint32_t i = 0; i < vmas->count && status == WY_OK; i++) {
        status = add_vma(w, &vmas->items[i], error);
    }
    status = status == WY_OK ? tell(w, error) : status;
    status = status == WY_OK ? wy_stream_write_end(stream, error) : status;
    free(w);
    return status;
}

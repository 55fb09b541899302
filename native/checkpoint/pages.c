#include "checkpoint/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "checkpoint/pagemap.h"

#define SCAN_GUARD (1u << 8) /* Linux 6.15 */

#define ENTRY_FRAME ((UINT64_C(1) << 55) - 1)
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)
#define ENTRY_GUARD (UINT64_C(1) << 58)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define READ_ENTRIES 512u
#define READ_MOST (UINT64_C(256) << 30)

wy_status wy_runs_add(wy_runs *runs, uint64_t start, uint64_t end, wy_error *error) {
    if (runs->count > 0 && runs->items[runs->count - 1].end == start) {
        runs->items[runs->count - 1].end = end;
        return WY_OK;
    }
    if (runs->count == runs->room) {
        uint32_t room = runs->room == 0 ? 256 : runs->room * 2;
        wy_run *grown = room > WY_MAX_RUNS ? NULL : realloc(runs->items, room * sizeof *grown);
        if (grown == NULL) {
            return wy_fail(error, room > WY_MAX_RUNS ? WY_TOO_BIG : WY_NO_MEMORY, 0, "pages", "over %u runs of pages", runs->count);
        }
        runs->items = grown;
        runs->room = room;
    }
    runs->items[runs->count++] = (wy_run){start, end};
    return WY_OK;
}

void wy_runs_free(wy_runs *runs) {
    free(runs->items);
    *runs = (wy_runs){0};
}

int wy_runs_hold(const wy_runs *runs, uint32_t *at, uint64_t address) {
    while (*at < runs->count && runs->items[*at].end <= address) {
        (*at)++;
    }
    return *at < runs->count && runs->items[*at].start <= address;
}

static wy_status refuse_guard(uint64_t address, wy_error *error) {
    return wy_fail(error, WY_DENIED, 0, "guard", "page %" PRIx64 " is a guard page (MADV_GUARD_INSTALL)", address);
}

/* What is looked for in one mapping. */
typedef struct look {
    const wy_memory *memory;
    uint32_t file;  /* SCAN_FILE where a page can be a file's */
    uint32_t guard; /* SCAN_GUARD where the kernel knows it */
    wy_runs *own, *written; /* written: NULL: not asked */
} look;

static wy_status add_region(const look *l, const scan_region *region, wy_error *error) {
    uint64_t is = region->categories;
    if ((is & l->guard) != 0) {
        return refuse_guard(region->start, error);
    }
    if ((is & (SCAN_PRESENT | SCAN_SWAPPED)) == 0 || (is & (SCAN_FILE | SCAN_ZERO)) != 0) {
        return WY_OK;
    }
    /* A changed page of a file's mapping that was thrown out with its mark on leaves the mark, which looks like a page that is swapped out and was not written. */
    int written = (is & SCAN_WRITTEN) != 0 || (is & SCAN_WATCHED) == 0 || (l->file != 0 && (is & SCAN_SWAPPED) != 0);
    wy_status status = wy_runs_add(l->own, region->start, region->end, error);
    return status == WY_OK && l->written != NULL && written ? wy_runs_add(l->written, region->start, region->end, error) : status;
}

/* The kernel is asked for all but what most pages are, in memory and the process's own (and, where it is asked, as marked): to pass a page takes it a
 * quarter of the time that telling one takes. What lies between its regions is that. */
static wy_status scan(const look *l, uint64_t start, uint64_t end, wy_error *error) {
    scan_region regions[SCAN_REGIONS];
    uint32_t watched = l->written != NULL ? SCAN_WATCHED : 0, written = l->written != NULL ? SCAN_WRITTEN : 0;
    while (start < end) {
        scan_request request = {.size = sizeof request,
                                .start = start,
                                .end = end,
                                .vec = (uint64_t)(uintptr_t)regions,
                                .vec_len = SCAN_REGIONS,
                                .category_inverted = SCAN_PRESENT | watched,
                                .category_anyof_mask = SCAN_PRESENT | SCAN_ZERO | l->file | watched | written,
                                .return_mask = SCAN_PRESENT | SCAN_SWAPPED | SCAN_ZERO | l->file | watched | written | l->guard};
        int count = ioctl(l->memory->pagemap_fd, SCAN_IOCTL, &request);
        if (count < 0) {
            return errno == ENOTTY || errno == EINVAL ? WY_UNSUPPORTED
                                                      : wy_fail(error, WY_SYSTEM, errno, "pages", "PAGEMAP_SCAN: %s", strerror(errno));
        }
        /* Behind the last region, whatever the call says of where it ended. */
        uint64_t stop = (uint32_t)count == SCAN_REGIONS ? regions[count - 1].end : end;
        for (int i = 0; i < count; i++) {
            wy_status status = regions[i].start > start ? wy_runs_add(l->own, start, regions[i].start, error) : WY_OK;
            status = status == WY_OK ? add_region(l, &regions[i], error) : status;
            if (status != WY_OK) {
                return status;
            }
            start = regions[i].end;
        }
        wy_status status = start < stop ? wy_runs_add(l->own, start, stop, error) : WY_OK;
        if (status != WY_OK) {
            return status;
        }
        start = stop;
    }
    return WY_OK;
}

static wy_status read_entries(const wy_memory *memory, uint64_t start, uint32_t count, uint64_t *out, wy_error *error) {
    ssize_t wanted = (ssize_t)(count * sizeof *out);
    ssize_t got = pread(memory->pagemap_fd, out, (size_t)wanted, (off_t)(start / WY_PAGE * sizeof *out));
    return got == wanted ? WY_OK
                         : wy_fail(error, got == 0 ? WY_CLOSED : WY_SYSTEM, got < 0 ? errno : 0, "pages",
                                   "cannot read the page map of process %d", (int)memory->pid);
}

static wy_status walk(const wy_memory *memory, uint64_t start, uint64_t end, wy_runs *out, wy_error *error) {
    uint64_t entries[READ_ENTRIES];
    if (end - start > READ_MOST) {
        return wy_fail(error, WY_TOO_BIG, 0, "pages", "a mapping of %" PRIu64 " GiB: this kernel has no PAGEMAP_SCAN to pass its holes",
                       (end - start) >> 30);
    }
    while (start < end) {
        uint64_t left = (end - start) / WY_PAGE;
        uint32_t count = left < READ_ENTRIES ? (uint32_t)left : READ_ENTRIES;
        wy_status status = read_entries(memory, start, count, entries, error);
        for (uint32_t i = 0; i < count && status == WY_OK; i++) {
            if ((entries[i] & ENTRY_GUARD) != 0) {
                return refuse_guard(start + (uint64_t)i * WY_PAGE, error);
            }
            int own = (entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED)) != 0 && (entries[i] & ENTRY_FILE) == 0;
            status = own ? wy_runs_add(out, start + (uint64_t)i * WY_PAGE, start + (uint64_t)(i + 1) * WY_PAGE, error) : WY_OK;
        }
        if (status != WY_OK) {
            return status;
        }
        start += (uint64_t)count * WY_PAGE;
    }
    return WY_OK;
}

wy_status wy_pages_own(const wy_memory *memory, const wy_vma *vma, uint64_t start, uint64_t end, wy_runs *own, wy_runs *written, wy_error *error) {
    look l = {.memory = memory, .file = (vma->flags & WY_VMA_FILE) != 0 ? SCAN_FILE : 0, .guard = SCAN_GUARD, .own = own, .written = written};
    wy_status status = scan(&l, start, end, error);
    if (status == WY_UNSUPPORTED) { /* at its first call: nothing was added */
        l.guard = 0;
        status = scan(&l, start, end, error);
    }
    if (status == WY_UNSUPPORTED) {
        status = walk(memory, start, end, own, error);
        status = status == WY_OK && written != NULL ? wy_runs_join(written, own, error) : status;
    }
    return status;
}

wy_status wy_pages_shared(const wy_memory *worker, const wy_memory *zygote, uint64_t start, uint32_t count, uint64_t *same, int *told,
                          wy_error *error) {
    uint64_t before[WY_BATCH_PAGES], there[WY_BATCH_PAGES], after[WY_BATCH_PAGES];
    *same = 0;
    *told = 1;
    wy_status status = read_entries(worker, start, count, before, error);
    status = status == WY_OK ? read_entries(zygote, start, count, there, error) : status;
    status = status == WY_OK ? read_entries(worker, start, count, after, error) : status;
    for (uint32_t i = 0; i < count && status == WY_OK; i++) {
        uint64_t frame = before[i] & ENTRY_FRAME;
        if ((before[i] & ENTRY_PRESENT) != 0 && frame == 0) {
            *told = 0;
        }
        int one_frame = (before[i] & there[i] & ENTRY_PRESENT) != 0 && frame != 0 && frame == (there[i] & ENTRY_FRAME) &&
                        (before[i] & ENTRY_EXCLUSIVE) == 0 && before[i] == after[i];
        *same |= one_frame ? UINT64_C(1) << i : 0;
    }
    return status;
}

int wy_pages_exclusive(const wy_memory *memory, uint64_t start, uint32_t count) {
    const uint64_t wanted = ENTRY_PRESENT | ENTRY_EXCLUSIVE;
    uint64_t entries[WY_BATCH_PAGES];
    int all = read_entries(memory, start, count, entries, NULL) == WY_OK;
    for (uint32_t i = 0; i < count && all; i++) {
        all = (entries[i] & wanted) == wanted;
    }
    return all;
}

wy_status wy_pages_compare(const wy_memory *worker, const wy_memory *zygote, uint64_t start, uint32_t count, uint64_t *same) {
    uint8_t ours[WY_BATCH_PAGES * WY_PAGE], theirs[WY_BATCH_PAGES * WY_PAGE];
    size_t bytes = (size_t)count * WY_PAGE;
    wy_status status = wy_memory_read(worker, start, ours, bytes, NULL);
    status = status == WY_OK ? wy_memory_read(zygote, start, theirs, bytes, NULL) : status;
    *same = 0;
    for (uint32_t i = 0; i < count && status == WY_OK; i++) {
        *same |= memcmp(ours + (size_t)i * WY_PAGE, theirs + (size_t)i * WY_PAGE, WY_PAGE) == 0 ? UINT64_C(1) << i : 0;
    }
    return status;
}

#include "checkpoint/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "checkpoint/pagemap.h"
#include "checkpoint/vma.h"

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

static wy_status scan(const wy_memory *memory, uint64_t start, uint64_t end, uint32_t guard, wy_runs *out, wy_error *error) {
    scan_region regions[SCAN_REGIONS];
    while (start < end) {
        scan_request request = {.size = sizeof request,
                                .start = start,
                                .end = end,
                                .vec = (uint64_t)(uintptr_t)regions,
                                .vec_len = SCAN_REGIONS,
                                .category_inverted = SCAN_FILE | SCAN_ZERO,
                                .category_mask = SCAN_FILE | SCAN_ZERO,
                                .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                                .return_mask = SCAN_PRESENT | guard};
        int count = ioctl(memory->pagemap_fd, SCAN_IOCTL, &request);
        if (count < 0) {
            return errno == ENOTTY || errno == EINVAL ? WY_UNSUPPORTED
                                                      : wy_fail(error, WY_SYSTEM, errno, "pages", "PAGEMAP_SCAN: %s", strerror(errno));
        }
        for (int i = 0; i < count; i++) {
            if ((regions[i].categories & guard) != 0) {
                return refuse_guard(regions[i].start, error);
            }
            wy_status status = wy_runs_add(out, regions[i].start, regions[i].end, error);
            if (status != WY_OK) {
                return status;
            }
        }
        /* Behind the last region, whatever the call says of where it ended. */
        start = (uint32_t)count == SCAN_REGIONS ? regions[count - 1].end : end;
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

wy_status wy_pages_own(const wy_memory *memory, uint64_t start, uint64_t end, wy_runs *out, wy_error *error) {
    uint32_t before = out->count;
    wy_status status = scan(memory, start, end, SCAN_GUARD, out, error);
    status = status == WY_UNSUPPORTED && out->count == before ? scan(memory, start, end, 0, out, error) : status;
    return status == WY_UNSUPPORTED ? walk(memory, start, end, out, error) : status;
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

/* Sets of pages as runs in order of address. */
#include "checkpoint/pages.h"

/* As wy_runs_add, for one that may begin inside of the last. */
static wy_status add_over(wy_runs *runs, wy_run run, wy_error *error) {
    wy_run *last = runs->count == 0 ? NULL : &runs->items[runs->count - 1];
    if (last == NULL || run.start > last->end) {
        return wy_runs_add(runs, run.start, run.end, error);
    }
    last->end = run.end > last->end ? run.end : last->end;
    return WY_OK;
}

wy_status wy_runs_join(wy_runs *runs, const wy_runs *more, wy_error *error) {
    wy_runs out = {0};
    uint32_t i = 0, k = 0;
    wy_status status = WY_OK;
    if (more->count == 0) {
        return WY_OK;
    }
    while ((i < runs->count || k < more->count) && status == WY_OK) {
        int first = k == more->count || (i < runs->count && runs->items[i].start <= more->items[k].start);
        status = add_over(&out, first ? runs->items[i] : more->items[k], error);
        i += first != 0;
        k += first == 0;
    }
    if (status != WY_OK) {
        wy_runs_free(&out);
        return status;
    }
    wy_runs_free(runs);
    *runs = out;
    return WY_OK;
}

wy_status wy_runs_less(const wy_runs *runs, const wy_runs *taken, wy_runs *out, wy_error *error) {
    uint32_t k = runs->count == 0 ? 0 : wy_runs_seek(taken, runs->items[0].start);
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < runs->count && status == WY_OK; i++) {
        uint64_t at = runs->items[i].start, end = runs->items[i].end;
        while (at < end && status == WY_OK) {
            while (k < taken->count && taken->items[k].end <= at) {
                k++;
            }
            uint64_t hole = k < taken->count ? taken->items[k].start : end, stop = hole < end ? hole : end;
            status = stop > at ? wy_runs_add(out, at, stop, error) : WY_OK;
            at = stop < end ? taken->items[k].end : end;
        }
    }
    return status;
}

uint64_t wy_runs_pages(const wy_runs *runs) {
    uint64_t pages = 0;
    for (uint32_t i = 0; i < runs->count; i++) {
        pages += (runs->items[i].end - runs->items[i].start) / 4096;
    }
    return pages;
}

uint32_t wy_runs_seek(const wy_runs *runs, uint64_t address) {
    uint32_t low = 0, high = runs->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (runs->items[middle].end <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

#include "checkpoint/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/pages.h"
#include "checkpoint/vma.h"

static wy_status differ(wy_error *error, const char *what, uint64_t at) {
    return wy_fail(error, WY_CORRUPT, 0, "verify", "%s at %" PRIx64, what, at);
}

static wy_status compare_registers(const wy_tracee *source, const wy_tracee *target, wy_error *error) {
    wy_registers *real = malloc(sizeof *real);
    wy_status status = real == NULL ? wy_fail(error, WY_NO_MEMORY, 0, "verify", "no memory") : wy_tracee_set(target, error);
    status = status == WY_OK ? wy_tracee_registers(target, real, error) : status;
    const wy_registers *wanted = &source->registers;
    if (status == WY_OK && memcmp(&real->general, &wanted->general, sizeof real->general) != 0) {
        const uint64_t *x = (const uint64_t *)(const void *)&wanted->general, *y = (const uint64_t *)(const void *)&real->general;
        uint64_t i = 0;
        while (x[i] == y[i]) {
            i++;
        }
        status = wy_fail(error, WY_CORRUPT, 0, "verify", "register %" PRIu64 " is %" PRIx64 " instead of %" PRIx64, i, y[i], x[i]);
    }
    if (status == WY_OK && (real->xsave_bytes != wanted->xsave_bytes || memcmp(real->xsave, wanted->xsave, real->xsave_bytes) != 0)) {
        status = differ(error, "the floating point and vector registers differ", 0);
    }
    if (status == WY_OK && real->signal_mask != wanted->signal_mask) {
        status = differ(error, "the signal masks differ", real->signal_mask);
    }
    free(real);
    return status;
}

static wy_status compare_runs(const wy_tracee *source, const wy_tracee *target, const wy_runs *runs, uint64_t *bytes, wy_error *error) {
    static const size_t batch = (size_t)WY_BATCH_PAGES * WY_PAGE;
    uint8_t *ours = malloc(2 * batch), *theirs = ours == NULL ? NULL : ours + batch;
    wy_status status = ours == NULL ? wy_fail(error, WY_NO_MEMORY, 0, "verify", "no memory") : WY_OK;
    for (uint32_t i = 0; i < runs->count && status == WY_OK; i++) {
        for (uint64_t at = runs->items[i].start; at < runs->items[i].end && status == WY_OK; at += batch) {
            uint64_t left = runs->items[i].end - at;
            size_t part = left < batch ? (size_t)left : batch;
            status = wy_memory_read(&source->memory, at, ours, part, error);
            status = status == WY_OK ? wy_memory_read(&target->memory, at, theirs, part, error) : status;
            if (status == WY_OK && memcmp(ours, theirs, part) != 0) {
                size_t byte = 0;
                while (ours[byte] == theirs[byte]) {
                    byte++;
                }
                status = differ(error, "memory differs", at + byte);
            }
            *bytes += part;
        }
    }
    free(ours);
    return status;
}

wy_status wy_verify(const wy_tracee *source, const wy_tracee *target, uint64_t *bytes, wy_error *error) {
    wy_vmas here = {0}, there = {0};
    uint64_t compared = 0;
    wy_status status = wy_vmas_read(source->memory.pid, &here, error);
    status = status == WY_OK ? wy_vmas_read(target->memory.pid, &there, error) : status;
    status = status == WY_OK ? wy_vmas_equal(&here, &there, error) : status;
    /* What is one's own in either: a page that is nobody's own is empty, or one and the same file's, in both. */
    for (int side = 0; side < 2 && status == WY_OK; side++) {
        for (uint32_t i = 0; i < here.count && status == WY_OK; i++) {
            wy_runs own = {0};
            const wy_vma *vma = &here.items[i];
            status = wy_pages_own(side == 0 ? &source->memory : &target->memory, vma, vma->start, vma->end, &own, NULL, error);
            status = status == WY_OK ? compare_runs(source, target, &own, &compared, error) : status;
            wy_runs_free(&own);
        }
    }
    status = status == WY_OK ? compare_registers(source, target, error) : status;
    if (bytes != NULL) {
        *bytes = compared;
    }
    wy_vmas_free(&here);
    wy_vmas_free(&there);
    return status;
}

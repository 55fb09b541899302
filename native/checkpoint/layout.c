#include "checkpoint/layout.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

typedef enum layout_action { NOTHING = 0, UNMAP, MAP, PROTECT } layout_action;

typedef struct layout_step {
    layout_action action;
    uint32_t protection;
    uint64_t start, end;
} layout_step;

static wy_status call(wy_tracee *tracee, const char *what, long number, const uint64_t arguments[6], uint64_t wanted, wy_error *error) {
    int64_t result = 0;
    wy_status status = wy_tracee_call(tracee, number, arguments, &result, error);
    if (status == WY_OK && (uint64_t)result != wanted) {
        status = wy_fail(error, WY_DENIED, result < 0 && result > -4096 ? (int)-result : 0, "layout", "%s at %" PRIx64 " gave %" PRId64, what,
                         arguments[0], result);
    }
    return status;
}

static wy_status run(wy_tracee *tracee, const layout_step *step, wy_error *error) {
    uint64_t length = step->end - step->start;
    switch (step->action) {
    case UNMAP:
        return call(tracee, "munmap", SYS_munmap, (uint64_t[6]){step->start, length}, 0, error);
    case MAP:
        return call(tracee, "mmap", SYS_mmap,
                    (uint64_t[6]){step->start, length, step->protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                                  (uint64_t)-1, 0},
                    step->start, error);
    case PROTECT:
        return call(tracee, "mprotect", SYS_mprotect, (uint64_t[6]){step->start, length, step->protection}, 0, error);
    default:
        return WY_OK;
    }
}

static layout_action decide(const wy_vma *want, const wy_vma *have) {
    if (want == NULL) {
        return have == NULL ? NOTHING : UNMAP;
    }
    int same = have != NULL && wy_vma_same_kind(want, have) && ((want->flags ^ have->flags) & WY_VMA_STACK) == 0;
    if (!same) {
        return MAP;
    }
    return ((want->flags ^ have->flags) & WY_VMA_PROTECTION) != 0 ? PROTECT : NOTHING;
}

static const wy_vma *at_place(const wy_vmas *vmas, uint64_t address, uint64_t *end) {
    const wy_vma *found = wy_vmas_find(vmas, address);
    if (found == NULL) {
        return NULL;
    }
    int covers = found->start <= address;
    uint64_t stop = covers ? found->end : found->start;
    *end = stop < *end ? stop : *end;
    return covers ? found : NULL;
}

/* From mapping to mapping of either list; neighbours that need the same come as one step. */
static wy_status walk(wy_tracee *tracee, const wy_vmas *want, const wy_vmas *have, wy_error *error) {
    layout_step step = {.action = NOTHING};
    for (uint64_t at = WY_PAGE; at < WY_ADDRESS_END;) {
        uint64_t end = WY_ADDRESS_END;
        const wy_vma *wanted = at_place(want, at, &end), *there = at_place(have, at, &end);
        layout_action action = decide(wanted, there);
        uint32_t protection = wanted == NULL ? 0 : wanted->flags & WY_VMA_PROTECTION;
        if (action == MAP && (wanted->flags & (WY_VMA_FILE | WY_VMA_STACK)) != 0) {
            return wy_fail(error, WY_DENIED, 0, "layout", "%" PRIx64 "-%" PRIx64 " is %s that the image does not have there", at, end,
                           (wanted->flags & WY_VMA_FILE) != 0 ? "a file's mapping" : "a stack");
        }
        if (action != step.action || step.end != at || protection != step.protection) {
            wy_status status = run(tracee, &step, error);
            if (status != WY_OK) {
                return status;
            }
            step = (layout_step){action, protection, at, at};
        }
        step.end = end;
        at = end;
    }
    return run(tracee, &step, error);
}

static const wy_vma *find_stack(const wy_vmas *vmas) {
    for (uint32_t i = vmas->count; i-- > 0;) {
        if ((vmas->items[i].flags & WY_VMA_STACK) != 0) {
            return &vmas->items[i];
        }
    }
    return NULL;
}

/* The kernel grows the stack when somebody touches below it: a call that writes there on the tracee's behalf. */
static wy_status grow_stack(wy_tracee *tracee, const wy_vmas *want, const wy_vmas *have, int *grew, wy_error *error) {
    const wy_vma *wanted = find_stack(want), *there = find_stack(have);
    *grew = wanted != NULL && there != NULL && wanted->start < there->start;
    if (!*grew) {
        return WY_OK;
    }
    if (wanted->end != there->end) {
        return wy_fail(error, WY_DENIED, 0, "layout", "the stacks stand in different places");
    }
    return call(tracee, "growing the stack", SYS_clock_getres, (uint64_t[6]){CLOCK_MONOTONIC, wanted->start}, 0, error);
}

wy_status wy_layout_apply(wy_tracee *tracee, const wy_snapshot *wanted, wy_vmas *was, wy_error *error) {
    pid_t pid = tracee->memory.pid;
    wy_vmas now = {0};
    uint64_t heap_end = 0;
    int grew = 0;
    wy_status status = wy_vmas_read(pid, was, error);
    status = status == WY_OK ? wy_snapshot_heap_end(tracee, wanted->heap_end, &heap_end, error) : status;
    if (status == WY_OK && heap_end != wanted->heap_end) {
        status = wy_fail(error, WY_DENIED, 0, "layout", "the heap cannot end at %" PRIx64 "; it ends at %" PRIx64, wanted->heap_end, heap_end);
    }
    status = status == WY_OK ? grow_stack(tracee, &wanted->vmas, was, &grew, error) : status;
    status = status == WY_OK ? wy_vmas_read(pid, &now, error) : status;
    status = status == WY_OK ? walk(tracee, &wanted->vmas, &now, error) : status;
    wy_vmas_free(&now);
    status = status == WY_OK ? wy_vmas_read(pid, &now, error) : status;
    status = status == WY_OK ? wy_vmas_equal(&wanted->vmas, &now, error) : status;
    wy_vmas_free(&now);
    if (status != WY_OK) {
        wy_vmas_free(was);
    }
    return status;
}

/* Of one mapping: what the image does not have, or is not there any more. */
static wy_status add_remade(const wy_vma *vma, const wy_vmas *now, const wy_vmas *image, wy_runs *out, wy_error *error) {
    wy_status status = WY_OK;
    for (uint64_t at = vma->start, end = at; at < vma->end && status == WY_OK; at = end) {
        end = vma->end;
        const wy_vma *inherited = at_place(image, at, &end), *still = at_place(now, at, &end);
        int kept = inherited != NULL && still != NULL && wy_vma_same_kind(vma, inherited) && wy_vma_same_kind(vma, still);
        status = kept ? WY_OK : wy_runs_add(out, at, end, error);
    }
    return status;
}

wy_status wy_layout_remade(const wy_snapshot *before, const wy_vmas *now, const wy_vmas *image, wy_runs *out, wy_error *error) {
    uint64_t heap_end = (before->heap_end + WY_PAGE - 1) / WY_PAGE * WY_PAGE;
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < before->vmas.count && status == WY_OK; i++) {
        const wy_vma *vma = &before->vmas.items[i];
        if ((vma->flags & (WY_VMA_FILE | WY_VMA_STACK)) == 0 && vma->end != heap_end && !wy_vmas_have(now, vma)) {
            status = add_remade(vma, now, image, out, error);
        }
    }
    return status;
}

wy_status wy_layout_forget(wy_tracee *tracee, const wy_runs *remade, wy_error *error) {
    wy_status status = WY_OK;
    for (uint32_t i = 0; i < remade->count && status == WY_OK; i++) {
        const wy_run *run = &remade->items[i];
        status = call(tracee, "munmap", SYS_munmap, (uint64_t[6]){run->start, run->end - run->start}, 0, error);
    }
    return status;
}

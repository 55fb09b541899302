/* A frozen worker but for its pages: registers, signal handlers, the end of its heap, mappings. Bounded, and checked when it comes from
 * outside. */
#ifndef WAYANG_CHECKPOINT_SNAPSHOT_H
#define WAYANG_CHECKPOINT_SNAPSHOT_H

#include "checkpoint/state.h"
#include "checkpoint/tracee.h"
#include "checkpoint/vma.h"

#define WY_SIGNALS 64u

typedef struct wy_action { /* as the kernel has it on x86-64 */
    uint64_t handler, flags, restorer, mask;
} wy_action;

typedef struct wy_snapshot {
    wy_registers registers;
    uint64_t heap_end; /* brk */
    uint64_t handled;  /* bit n - 1: actions[n - 1] holds; others are the default */
    wy_action actions[WY_SIGNALS];
    wy_vmas vmas;
} wy_snapshot;

/* Of a tracee that is frozen; refuses what wy_state_check refuses. */
wy_status wy_snapshot_take(wy_tracee *tracee, const wy_state_rules *rules, wy_snapshot *out, wy_error *error);
void wy_snapshot_free(wy_snapshot *snapshot);

/* Gives the tracee the handlers of `wanted`. `has`: whose it was given before, and it has not run since; NULL: it is asked for those that it has. */
wy_status wy_snapshot_set_actions(wy_tracee *tracee, const wy_snapshot *has, const wy_snapshot *wanted, wy_error *error);

wy_status wy_snapshot_heap_end(wy_tracee *tracee, uint64_t wanted, uint64_t *out, wy_error *error);

#endif

/* Making one process's mappings equal to another's, by the calls that a `compute` worker may make. */
#ifndef WAYANG_CHECKPOINT_LAYOUT_H
#define WAYANG_CHECKPOINT_LAYOUT_H

#include "checkpoint/snapshot.h"

/* Files' mappings must be there already (they are the image's); everything else is mapped, unmapped, protected. Refuses what it cannot
 * make, and compares the result with what was wanted. `was` gets the mappings as they were. */
wy_status wy_layout_apply(wy_tracee *tracee, const wy_snapshot *wanted, wy_vmas *was, wy_error *error);

/* Takes away the anonymous mappings of `before` that `now` has not exactly so (but the stack and the heap, which calls of their own change): pieces of
 * mappings that got pages at different times stay apart for the kernel, which shows to mremap. */
wy_status wy_layout_forget(wy_tracee *tracee, const wy_vmas *before, const wy_vmas *now, wy_error *error);

#endif

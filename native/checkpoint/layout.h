/* Making one process's mappings equal to another's, by the calls that a `compute` worker may make. */
#ifndef WAYANG_CHECKPOINT_LAYOUT_H
#define WAYANG_CHECKPOINT_LAYOUT_H

#include "checkpoint/pages.h"
#include "checkpoint/snapshot.h"

/* Files' mappings must be there already (they are the image's); everything else is mapped, unmapped, protected. Refuses what it cannot
 * make, and compares the result with what was wanted. `was` gets the mappings as they were. */
wy_status wy_layout_apply(wy_tracee *tracee, const wy_snapshot *wanted, wy_vmas *was, wy_error *error);

/* Between two heads of one capture, what of the anonymous mappings of `before` is made anew in `now`, with nothing in it: of each that is not exactly so
 * any more all but what the image has too. Pieces of one mapping that were made at different times could stay apart for the kernel, which shows to
 * mremap. Who captures and who restores ask the same. The stack and the heap change by calls of their own, and stay. */
wy_status wy_layout_remade(const wy_snapshot *before, const wy_vmas *now, const wy_vmas *image, wy_runs *out, wy_error *error);

/* Takes it away. */
wy_status wy_layout_forget(wy_tracee *tracee, const wy_runs *remade, wy_error *error);

#endif

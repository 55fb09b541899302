/* Whether a restored worker is what was frozen: every mapping, every byte of its own memory, every register. Both are stopped. */
#ifndef WAYANG_CHECKPOINT_VERIFY_H
#define WAYANG_CHECKPOINT_VERIFY_H

#include "checkpoint/tracee.h"

/* WY_CORRUPT says the first difference. `bytes` (may be NULL) counts what was compared. */
wy_status wy_verify(const wy_tracee *source, const wy_tracee *target, uint64_t *bytes, wy_error *error);

#endif

/* Roots that may be written although the directory below them is not. */
#ifndef WAYANG_SANDBOX_OVERLAY_H
#define WAYANG_SANDBOX_OVERLAY_H

#include <stdint.h>

#include "base/status.h"
#include "sandbox/sandbox.h"

/* A step of each worker whose profile has an overlay. Over the tree at WY_OWN_ROOT, whose mount stays untouched, lies what the
 * worker writes, in the same sized file system as its /tmp: one in memory, or `given` (a mount that is attached nowhere), if not -1; /dev, /proc and /tmp are ours. The worker then stands in that root,
 * and nothing of the tree that it came from is left. */
wy_status wy_overlay_enter(int given, uint64_t bytes, wy_error *error);

/* In a fresh user and mount namespace: 0 when a file of a lower directory was written, and stayed as it was below; else the
 * errno. Tried in a child by wy_overlay_try (zygote/lend.h) and by `wayang doctor`. */
int wy_overlay_prove(void);

#endif

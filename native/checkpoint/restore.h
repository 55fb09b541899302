/* Continuing a captured worker in a fresh one of the same image. */
#ifndef WAYANG_CHECKPOINT_RESTORE_H
#define WAYANG_CHECKPOINT_RESTORE_H

#include "checkpoint/capture.h"

/* Registers of a fresh call worker that stands ready (WY_BOOT_READY) and was not told to go: closes what it holds beyond its doorbell. */
wy_status wy_restore_prepare(wy_tracee *target, wy_error *error);

/* Reads the stream to its end and makes the frozen target equal to what was captured: layout, pages, handlers; last its registers, which
 * take effect with wy_tracee_go. On failure the target is neither the one nor the other: kill it. */
wy_status wy_restore_read(wy_tracee *target, const wy_image_side *image, wy_stream *stream, wy_error *error);

#endif

/* Being able to die in the middle of a call that we make another process make.
 *
 * A plain injected call leaves the thread, should its tracer end just then, behind a system call instruction in somebody's code with
 * foreign registers. A migratable image has a place that does better: `syscall`, then rt_sigreturn. The call is made there, on the stack of
 * its zygote's loop, which workers never use, on top of a signal frame that holds everything as it was: left alone, the thread
 * comes back from the call and goes on where it stood, as after any signal. Who freezes it on that way waits until it is back. */
#ifndef WAYANG_CHECKPOINT_FRAME_H
#define WAYANG_CHECKPOINT_FRAME_H

#include "checkpoint/tracee.h"

/* The instructions, at a multiple of 16. */
#define WY_RETURNING_CALL "\x0f\x05\xb8\x0f\x00\x00\x00\x0f\x05"
#define WY_RETURNING_CALL_BYTES 9u

/* Lays the frame down; *stack is where the stack pointer has to be for the call. WY_UNSUPPORTED: no such place, or no such stack. */
wy_status wy_frame_lay(const wy_tracee *tracee, uint64_t *stack, wy_error *error);

#endif

/* What a thread weighs for the processors. */
#ifndef WAYANG_BASE_WEIGHT_H
#define WAYANG_BASE_WEIGHT_H

#include <stdint.h>
#include <sys/types.h>

/* Niceness and slice of one thread (0: the caller) under the ordinary policy; its children inherit both. A thread with a short
 * slice takes the processor from one with a longer when it wakes, as long as it has had no more than its share; the share itself
 * is the niceness's and the groups' to say (Linux 6.12; older kernels take it and do nothing with it). 0: the kernel's own slice.
 * Best effort: who may not lower its niceness gets the slice alone. */
void wy_weigh(pid_t thread, int niceness, uint64_t slice_ns);

/* What the caller forks from now on has an ordinary weight and the kernel's own slice, where the caller's are better. Best effort. */
void wy_weigh_alone(void);

#endif

/* A process that begins the same way every time, on every kernel: what makes two zygotes of one image equal. */
#ifndef WAYANG_CHECKPOINT_STEADY_H
#define WAYANG_CHECKPOINT_STEADY_H

#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

#define WY_STEADY_RANDOM_BYTES 16u
#define WY_STEADY_STACK_BYTES (8u << 20)
/* No restartable sequences: the kernel would write the processor's number into a worker's memory. */
#define WY_STEADY_TUNABLES "GLIBC_TUNABLES=glibc.pthread.rseq=0"

/* In the child, before execve: no random layout, a stack of a fixed bound, traced by its parent. -1 with errno. */
int wy_steady_prepare(void);

/* In the parent of a child that called that: waits until it stands in front of its first instruction, gives it `random` for what the
 * kernel drew (canaries and mangled pointers follow from it), takes the vDSO away (its place and content are the kernel's own, and the
 * layout of everything below would follow from its size), and lets it go. WY_CLOSED: it ended before. */
wy_status wy_steady_start(pid_t child, const uint8_t random[WY_STEADY_RANDOM_BYTES], wy_error *error);

#endif

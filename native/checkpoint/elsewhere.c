/* Other architectures: what cannot be done there says so. */
#include "checkpoint/steady.h"

#include <errno.h>

int wy_steady_prepare(void) {
    errno = ENOSYS;
    return -1;
}

wy_status wy_steady_start(pid_t child, const uint8_t random[WY_STEADY_RANDOM_BYTES], wy_error *error) {
    (void)child;
    (void)random;
    return wy_fail(error, WY_UNSUPPORTED, 0, "steady", "workers migrate on x86-64 only");
}

/* What the sources of libwayang share. */
#ifndef WAYANG_INTEROP_INTEROP_H
#define WAYANG_INTEROP_INTEROP_H

#include "base/status.h"
#include "wayang.h"

_Static_assert(sizeof(wayang_error) == sizeof(wy_error), "one shape");

static inline wy_error *wy_error_of(wayang_error *error) {
    return (wy_error *)(void *)error;
}

#endif

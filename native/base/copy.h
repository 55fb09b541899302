/* Copies of a few words in pieces of 16 bytes, whatever the processor's widest are: what is loaded next in the same pieces is forwarded from
 * the stores that made it. Wider loads over narrower stores wait until those have left the store buffer. */
#ifndef WAYANG_BASE_COPY_H
#define WAYANG_BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* `length` bytes; the two do not overlap. */
static inline void wy_copy(uint8_t *to, const uint8_t *from, size_t length) {
    if (length < 16 || length > 48) {
        memcpy(to, from, length);
        return;
    }
    memcpy(to, from, 16);
    if (length > 32) {
        memcpy(to + 16, from + 16, 16);
    }
    if (length > 16) {
        memcpy(to + length - 16, from + length - 16, 16);
    }
}

#endif

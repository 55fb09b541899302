/* A fast 64-bit hash of memory: tells equal pages from different ones and finds damage. It is no signature: who makes both
 * sides of a comparison can make them collide, and harms nobody but the worker whose memory that is. */
#ifndef WAYANG_CHECKPOINT_HASH_H
#define WAYANG_CHECKPOINT_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t wy_hash64(const void *bytes, size_t length, uint64_t seed);

#endif

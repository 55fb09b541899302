#include "checkpoint/hash.h"

#include <string.h>

#define ODD_1 UINT64_C(0x9e3779b97f4a7c15) /* odd constants without pattern: the golden ratio, and digits of sqrt 2 and pi */
#define ODD_2 UINT64_C(0x6a09e667f3bcc909)
#define ODD_3 UINT64_C(0x243f6a8885a308d3)
#define LANES_BYTES 64u

static uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix(const uint8_t *at, uint64_t hash) {
    uint64_t pair[2];
    memcpy(pair, at, sizeof pair);
    return fold(pair[0] ^ ODD_1 ^ hash, pair[1] ^ ODD_2) + ODD_3;
}

/* Four lanes, as each multiplication waits for the one before in its lane. */
uint64_t wy_hash64(const void *bytes, size_t length, uint64_t seed) {
    const uint8_t *at = bytes;
    uint64_t hash = seed ^ fold(length ^ ODD_3, ODD_1), pair[2];
    size_t left = length;
    if (left >= LANES_BYTES) {
        uint64_t second = hash ^ ODD_2, third = hash + ODD_2, fourth = hash ^ ODD_3;
        for (; left >= LANES_BYTES; at += LANES_BYTES, left -= LANES_BYTES) {
            hash = mix(at, hash);
            second = mix(at + 16, second);
            third = mix(at + 32, third);
            fourth = mix(at + 48, fourth);
        }
        hash = fold(fold(hash ^ ODD_1, second ^ ODD_2) ^ third, fold(third ^ ODD_3, fourth ^ ODD_1) ^ hash ^ ODD_2);
    }
    for (; left >= sizeof pair; at += sizeof pair, left -= sizeof pair) {
        hash = mix(at, hash);
    }
    if (left > 0) {
        memset(pair, 0, sizeof pair);
        memcpy(pair, at, left);
        hash = mix((const uint8_t *)pair, hash);
    }
    return fold(hash ^ ODD_2, ODD_1);
}

#include "checkpoint/hash.h"

#include <string.h>

#define ODD_1 UINT64_C(0x9e3779b97f4a7c15) /* odd constants without pattern: the golden ratio, and digits of sqrt 2 and pi */
#define ODD_2 UINT64_C(0x6a09e667f3bcc909)
#define ODD_3 UINT64_C(0x243f6a8885a308d3)

static uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t wy_hash64(const void *bytes, size_t length, uint64_t seed) {
    const uint8_t *at = bytes;
    uint64_t hash = seed ^ fold(length ^ ODD_3, ODD_1), pair[2];
    for (size_t left = length; left > 0;) {
        size_t part = left < sizeof pair ? left : sizeof pair;
        if (part < sizeof pair) {
            memset(pair, 0, sizeof pair);
        }
        memcpy(pair, at, part);
        hash = fold(pair[0] ^ ODD_1 ^ hash, pair[1] ^ ODD_2) + ODD_3;
        at += part;
        left -= part;
    }
    return fold(hash ^ ODD_2, ODD_1);
}

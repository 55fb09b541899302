/* SHA-256 (FIPS 180-4), written for the demo: work whose result anyone can check. */
#ifndef WAYANG_DEMO_SHA256_H
#define WAYANG_DEMO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define WY_SHA256_BYTES 32u

void wy_sha256(const uint8_t *data, size_t length, uint8_t digest[WY_SHA256_BYTES]);

#endif

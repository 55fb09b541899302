/* Long computations whose result depends on every step and on all their memory: what is written down in the middle and continued must come out as if nothing had been. */
#include <fenv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wayang_plugin.h"

#define WORDS (1u << 15)

static uint64_t mix(uint64_t x) {
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Input "N": N rounds over a table of 256 KiB; the answer is 16 hexadecimal digits. */
static int chain(wayang_call *call, const void *input, size_t length) {
    (void)length;
    unsigned long rounds = strtoul(input, NULL, 10);
    uint64_t state = 1, *table = malloc(WORDS * sizeof *table);
    if (table == NULL) {
        return 1;
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        table[i] = mix(i);
    }
    for (unsigned long i = 0; i < rounds; i++) {
        uint64_t *word = &table[state % WORDS];
        state = mix(state + *word + i);
        *word = state;
    }
    char text[17];
    for (uint32_t i = 0; i < WORDS; i++) {
        state = mix(state ^ table[i]);
    }
    free(table);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)state);
    return wayang_append(call, text, 16);
}

/* Input "N": N steps in floating point, each with another direction of rounding, with a word to the log every 1,000,000. */
static int drift(wayang_call *call, const void *input, size_t length) {
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    (void)length;
    unsigned long steps = strtoul(input, NULL, 10);
    volatile double value = 1.0;
    for (unsigned long i = 0; i < steps; i++) {
        fesetround(modes[i & 3]);
        value = value * 1.0000001 + 1.0 / (double)(i + 3);
        if (i % 1000000 == 999999) {
            wayang_log(call, WAYANG_LOG_INFO, "million", 7);
        }
    }
    fesetround(FE_TONEAREST);
    double last = value;
    return wayang_append(call, &last, sizeof last);
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    return host->abi != WAYANG_PLUGIN_ABI || registry->add(registry, "chain", chain, NULL) != 0 || registry->add(registry, "drift", drift, NULL) != 0;
}

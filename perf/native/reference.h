/* What the reference programs share: two processes, each bound to its processor, over one shared page range; the first
 * measures batches of round trips and prints their median.
 *
 *   ref_X [BYTES] [--cpus A,B] [--iterations N] [--json] */
#ifndef WAYANG_PERF_REFERENCE_H
#define WAYANG_PERF_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#define REFERENCE_BATCHES 11

typedef struct reference {
    const char *name;
    int cpus[2];
    uint64_t iterations; /* of one batch */
    size_t bytes;
    int json;
    void *shared; /* zeroed, in both processes; 128-byte aligned */
} reference;

/* One round trip as the measuring side, and as the answering side. `round` counts from 1. */
typedef void (*reference_step)(const reference *run, uint64_t round);

/* Parses the arguments, forks, warms up, measures, prints. Returns the exit code. */
int reference_main(reference *run, int count, char **arguments, size_t shared_bytes, reference_step ask,
                   reference_step answer);

#endif

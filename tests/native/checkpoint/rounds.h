/* Calls that are moved at random instants, and must end as those that stayed. WAYANG_MIGRATIONS says how many moves are made at least;
 * the seed is told, WAYANG_SEED sets it. */
#ifndef WAYANG_TESTS_ROUNDS_H
#define WAYANG_TESTS_ROUNDS_H

#include "mover.h"

typedef struct job {
    const char *name;
    const char *input; /* some tens of milliseconds */
    uint64_t answer, moved;
    int64_t pause_ns;
} job;

void rounds_begin(const test_setup *setup);

/* In the order of the image's functions; `most`: moves where the environment says nothing. Exits with 1 when any answer is another, any
 * move fails, or any job was never moved. */
void rounds_run(mover *m, job *jobs, uint16_t count, uint64_t most);

#endif

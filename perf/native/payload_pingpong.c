/* A payload written into shared memory, taken out and written back by the other processor, both spinning: a line of its own
 * for the word that says it is there, as in a ring. */
#include <string.h>

#include "base/atomics.h"
#include "reference.h"

#define AREA (65536 + WY_SEPARATION)

typedef struct lane {
    uint64_t round;
    uint8_t payload[AREA - sizeof(uint64_t)];
} lane;

typedef struct lanes {
    lane there, back;
} lanes;

static uint8_t own[65536];

static void put(lane *to, size_t bytes, uint64_t round) {
    memcpy(to->payload, own, bytes);
    wy_release64(&to->round, round);
}

static void take(lane *from, size_t bytes, uint64_t round) {
    while (wy_acquire64(&from->round) != round) {
        wy_pause();
    }
    memcpy(own, from->payload, bytes);
}

static void ask(const reference *run, uint64_t round) {
    lanes *both = run->shared;
    put(&both->there, run->bytes, round);
    take(&both->back, run->bytes, round);
}

static void answer(const reference *run, uint64_t round) {
    lanes *both = run->shared;
    take(&both->there, run->bytes, round);
    put(&both->back, run->bytes, round);
}

int main(int count, char **arguments) {
    reference run = {.name = "payload_pingpong", .iterations = 100000, .bytes = 48};
    return reference_main(&run, count, arguments, sizeof(lanes), ask, answer);
}

/* A cache line that goes to the other processor and back: the least that any exchange through memory costs. */
#include "base/atomics.h"
#include "reference.h"

static void ask(const reference *run, uint64_t round) {
    uint64_t *word = run->shared;
    wy_release64(word, 2 * round - 1);
    while (wy_acquire64(word) != 2 * round) {
        wy_pause();
    }
}

static void answer(const reference *run, uint64_t round) {
    uint64_t *word = run->shared;
    while (wy_acquire64(word) != 2 * round - 1) {
        wy_pause();
    }
    wy_release64(word, 2 * round);
}

int main(int count, char **arguments) {
    reference run = {.name = "line_pingpong", .iterations = 200000};
    return reference_main(&run, count, arguments, 4096, ask, answer);
}

/* Two processes that wake each other through futexes and never spin: the least that a blocking hand-over costs. */
#include "base/atomics.h"
#include "base/futex.h"
#include "reference.h"

typedef struct words {
    uint32_t there;
    uint8_t pad[WY_SEPARATION - 4];
    uint32_t back;
} words;

static void ring(uint32_t *word, uint32_t round) {
    wy_release32(word, round);
    (void)wy_futex_wake(word, 1);
}

static void wait_for(uint32_t *word, uint32_t round) {
    for (uint32_t seen = wy_acquire32(word); seen != round; seen = wy_acquire32(word)) {
        (void)wy_futex_wait(word, seen, 1000);
    }
}

static void ask(const reference *run, uint64_t round) {
    words *both = run->shared;
    ring(&both->there, (uint32_t)round);
    wait_for(&both->back, (uint32_t)round);
}

static void answer(const reference *run, uint64_t round) {
    words *both = run->shared;
    wait_for(&both->there, (uint32_t)round);
    ring(&both->back, (uint32_t)round);
}

int main(int count, char **arguments) {
    reference run = {.name = "futex_pingpong", .iterations = 2000};
    return reference_main(&run, count, arguments, 4096, ask, answer);
}

/* Two processes that wake each other through futexes and never spin: the least that a blocking hand-over costs.
 *
 * Each rings only once the other is asleep. Without that the pair has a second way to go on, found by chance and kept for
 * seconds: each sees the other's word between two system calls, neither ever sleeps, and what is measured is no hand-over. */
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/futex.h"
#include "reference.h"

typedef struct words {
    uint32_t there;
    uint8_t pad[WY_SEPARATION - 4];
    uint32_t back;
} words;

/* Whoever waits on a word is moved from its queue to the same queue, which changes nothing and counts them. */
static long sleepers(uint32_t *word) {
    return syscall(SYS_futex, word, FUTEX_REQUEUE, 0, (void *)(intptr_t)INT_MAX, word, 0);
}

static void ring(uint32_t *word, uint32_t round) {
    while (sleepers(word) == 0) {
        wy_pause();
    }
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

/* Exhaustive interleaving model of the two protocols of the channel: every order in which two processors can take their
 * steps, and every moment at which their store buffers can drain, is visited once.
 *
 * Memory model: a store goes into its processor's buffer and drains later. Plain stores to different words may drain in any
 * order (weaker than x86); a release store drains only after all earlier ones; a full fence waits for an empty buffer; a
 * locked increment too. Loads see the own buffer first. Loads of one processor happen in program order: the production code
 * has acquire loads wherever that matters.
 *
 * Each protocol is walked as built, where no execution may fail, and with one piece taken out, where the walk must find the
 * failure: a model that cannot fail shows nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

enum { WORDS = 8, BUFFER = 4, REGISTERS = 6, TABLE = 1 << 22 };

typedef struct entry {
    uint8_t word, value, release;
} entry;

typedef struct state {
    uint8_t memory[WORDS];
    entry buffer[2][BUFFER];
    uint8_t buffered[2];
    uint8_t pc[2];
    uint8_t reg[2][REGISTERS];
    uint8_t blocked; /* processor 1 sleeps on the futex */
    uint8_t failed;
} state;

typedef enum variant { AS_BUILT, NO_WAKER_FENCE, NO_SLEEPER_FENCE, NO_RECHECK, LATE_VALUE, NO_RELEASE, EARLY_HEAD } variant;

typedef int (*stepper)(state *s, int cpu, variant v); /* 0: cannot step now, or done */
typedef int (*finisher)(const state *s);              /* 1: a state without successors is a good end */

static state *table;
static uint8_t *used;
static uint64_t visited;

static int store(state *s, int cpu, int word, int value, int release) {
    if (s->buffered[cpu] == BUFFER) {
        return 0;
    }
    s->buffer[cpu][s->buffered[cpu]++] = (entry){(uint8_t)word, (uint8_t)value, (uint8_t)release};
    return 1;
}

static uint8_t load(const state *s, int cpu, int word) {
    for (int i = s->buffered[cpu]; i > 0; i--) {
        if (s->buffer[cpu][i - 1].word == word) {
            return s->buffer[cpu][i - 1].value;
        }
    }
    return s->memory[word];
}

/* An entry may leave when no earlier one must go first: a release waits for all, others for their own word only. */
static int may_drain(const state *s, int cpu, int at) {
    const entry *wanted = &s->buffer[cpu][at];
    for (int i = 0; i < at; i++) {
        if (wanted->release || s->buffer[cpu][i].word == wanted->word) {
            return 0;
        }
    }
    return 1;
}

static void drain(state *s, int cpu, int at) {
    s->memory[s->buffer[cpu][at].word] = s->buffer[cpu][at].value;
    for (int i = at; i + 1 < s->buffered[cpu]; i++) {
        s->buffer[cpu][i] = s->buffer[cpu][i + 1];
    }
    s->buffered[cpu]--;
    memset(&s->buffer[cpu][s->buffered[cpu]], 0, sizeof(entry));
}

/* ---- protocol 1: sleep, publish, wake ---- */
enum { SLOT, SLEEPING, DOORBELL };
enum { ITEM, SAW, RUNG };            /* waker's registers */
enum { TAKEN, VALUE, NUMBER };       /* sleeper's registers */
enum { ITEMS = 3 };

static int waker(state *s, variant v) {
    uint8_t *r = s->reg[0];
    switch (s->pc[0]) {
    case 0:
        if (r[ITEM] == ITEMS || !store(s, 0, SLOT, r[ITEM] + 1, 1)) {
            return 0;
        }
        r[ITEM]++;
        s->pc[0] = 1;
        return 1;
    case 1:
        if (v != NO_WAKER_FENCE && s->buffered[0] != 0) {
            return 0;
        }
        r[SAW] = load(s, 0, SLEEPING);
        s->pc[0] = r[SAW] != 0 && r[SAW] != r[RUNG] ? 2 : 0;
        return 1;
    case 2: /* locked increment */
        if (s->buffered[0] != 0) {
            return 0;
        }
        r[RUNG] = r[SAW];
        s->memory[DOORBELL]++;
        s->pc[0] = 3;
        return 1;
    default: /* futex wake */
        s->blocked = 0;
        s->pc[0] = 0;
        return 1;
    }
}

static int sleeper(state *s, variant v) {
    uint8_t *r = s->reg[1];
    if (s->blocked) {
        return 0;
    }
    switch (s->pc[1]) {
    case 0: /* take what is there */
        if (r[TAKEN] == ITEMS) {
            return 0;
        }
        s->pc[1] = load(s, 1, SLOT) > r[TAKEN] ? 0 : 1;
        r[TAKEN] = load(s, 1, SLOT) > r[TAKEN] ? r[TAKEN] + 1 : r[TAKEN];
        return 1;
    case 1:
        r[VALUE] = load(s, 1, DOORBELL);
        s->pc[1] = 2;
        return 1;
    case 2:
        if (!store(s, 1, SLEEPING, r[NUMBER] + 1, 1)) {
            return 0;
        }
        r[NUMBER]++;
        s->pc[1] = 3;
        return 1;
    case 3:
        if (v != NO_SLEEPER_FENCE && s->buffered[1] != 0) {
            return 0;
        }
        s->pc[1] = v != NO_RECHECK && load(s, 1, SLOT) > r[TAKEN] ? 6 : 4;
        return 1;
    case 4: /* the broken order: the value is read after the look at the ring */
        r[VALUE] = v == LATE_VALUE ? load(s, 1, DOORBELL) : r[VALUE];
        s->pc[1] = 5;
        return 1;
    case 5: /* the kernel compares and sleeps in one step; its lock does not drain our buffer in this model */
        s->blocked = s->memory[DOORBELL] == r[VALUE];
        s->pc[1] = 6;
        return 1;
    default:
        s->pc[1] = store(s, 1, SLEEPING, 0, 1) ? 0 : 6;
        return s->pc[1] == 0;
    }
}

static int sleep_step(state *s, int cpu, variant v) {
    return cpu == 0 ? waker(s, v) : sleeper(s, v);
}

static int sleep_end(const state *s) {
    return s->reg[1][TAKEN] == ITEMS && !s->blocked;
}

/* ---- protocol 2: slots of two payload words, a ring of one slot reused, and the head that allows it ---- */
enum { FIRST, SECOND, SEQUENCE, HEAD };
enum { SENT, STEP, KNOWN };
enum { READ, PART, ANNOUNCED };

static int producer(state *s, variant v) {
    uint8_t *r = s->reg[0];
    uint8_t item = r[SENT] + 1;
    switch (s->pc[0]) {
    case 0: /* claim: the slot is free once the head passed its last item */
        if (r[SENT] == ITEMS || load(s, 0, HEAD) != r[SENT]) {
            return 0;
        }
        s->pc[0] = 1;
        return 1;
    case 1:
        s->pc[0] = store(s, 0, FIRST, item, 0) ? 2 : 1;
        return s->pc[0] == 2;
    case 2:
        s->pc[0] = store(s, 0, SECOND, item, 0) ? 3 : 2;
        return s->pc[0] == 3;
    default:
        if (!store(s, 0, SEQUENCE, item, v != NO_RELEASE)) {
            return 0;
        }
        r[SENT]++;
        s->pc[0] = 0;
        return 1;
    }
}

static int consumer(state *s, variant v) {
    uint8_t *r = s->reg[1];
    uint8_t item = r[READ] + 1;
    switch (s->pc[1]) {
    case 0:
        if (r[READ] == ITEMS || load(s, 1, SEQUENCE) != item) {
            return 0;
        }
        s->pc[1] = v == EARLY_HEAD ? 3 : 1;
        return 1;
    case 1:
        s->failed |= load(s, 1, FIRST) != item;
        s->pc[1] = 2;
        return 1;
    case 2:
        s->failed |= load(s, 1, SECOND) != item;
        s->pc[1] = v == EARLY_HEAD ? 0 : 3;
        r[READ] += v == EARLY_HEAD;
        return 1;
    default:
        if (!store(s, 1, HEAD, item, 1)) {
            return 0;
        }
        s->pc[1] = v == EARLY_HEAD ? 1 : 0;
        r[READ] += v != EARLY_HEAD;
        return 1;
    }
}

static int slot_step(state *s, int cpu, variant v) {
    return cpu == 0 ? producer(s, v) : consumer(s, v);
}

static int slot_end(const state *s) {
    return s->reg[1][READ] == ITEMS;
}

/* ---- the walk ---- */
static int remember(const state *s) {
    uint64_t hash = UINT64_C(1469598103934665603);
    const uint8_t *bytes = (const uint8_t *)s;
    for (size_t i = 0; i < sizeof(*s); i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    uint64_t at = hash % TABLE;
    while (used[at]) {
        if (memcmp(&table[at], s, sizeof(*s)) == 0) {
            return 0;
        }
        at = (at + 1) % TABLE;
    }
    if (visited >= TABLE / 2) {
        return -1;
    }
    used[at] = 1;
    table[at] = *s;
    visited++;
    return 1;
}

/* 0: every execution ends well; 1: one fails; -1: too many states for the table. */
static int walk(stepper step, finisher good, variant v) {
    enum { DEPTH = 1 << 20 };
    state *stack = malloc(sizeof(state) * DEPTH);
    size_t depth = 0;
    int result = stack == NULL ? -1 : 0;
    state start;
    memset(used, 0, TABLE);
    memset(&start, 0, sizeof(start));
    visited = 0;
    if (result == 0 && remember(&start) == 1) {
        stack[depth++] = start;
    }
    while (depth > 0 && result == 0) {
        state now = stack[--depth];
        int successors = 0;
        for (int choice = 0; choice < 2 * (1 + BUFFER) && result == 0; choice++) {
            int cpu = choice % 2, at = choice / 2 - 1;
            state next = now;
            if (at < 0 ? !step(&next, cpu, v) : (at >= now.buffered[cpu] || !may_drain(&now, cpu, at))) {
                continue;
            }
            if (at >= 0) {
                drain(&next, cpu, at);
            }
            successors++;
            int fresh = remember(&next);
            result = next.failed ? 1 : fresh < 0 || depth == DEPTH ? -1 : 0;
            if (fresh == 1 && result == 0) {
                stack[depth++] = next;
            }
        }
        if (result == 0 && successors == 0 && !good(&now)) {
            result = 1;
        }
    }
    free(stack);
    return result;
}

static void expect(stepper step, finisher good, variant v, int wanted, const char *group) {
    int result = walk(step, good, v);
    CHECK(result == wanted);
    (void)dprintf(1, "  %llu states\n", (unsigned long long)visited);
    check_done(group);
}

int main(void) {
    table = malloc(sizeof(state) * TABLE);
    used = malloc(TABLE);
    if (table == NULL || used == NULL) {
        return 2;
    }
    expect(sleep_step, sleep_end, AS_BUILT, 0, "sleep and wake as built: no wake-up is lost");
    expect(sleep_step, sleep_end, NO_WAKER_FENCE, 1, "without the waker's fence one is lost");
    expect(sleep_step, sleep_end, NO_SLEEPER_FENCE, 1, "without the sleeper's fence one is lost");
    expect(sleep_step, sleep_end, NO_RECHECK, 1, "without the second look one is lost");
    expect(sleep_step, sleep_end, LATE_VALUE, 1, "with the doorbell's value read after the look one is lost");
    expect(slot_step, slot_end, AS_BUILT, 0, "slots as built: every item is read whole and once");
    expect(slot_step, slot_end, NO_RELEASE, 1, "without the release store a slot is seen before its payload");
    expect(slot_step, slot_end, EARLY_HEAD, 1, "with the head published before the copy a payload is overwritten");
    free(table);
    free(used);
    return check_failures != 0;
}

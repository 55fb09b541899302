/* A plugin whose functions exercise the whole ABI; used by the tests of worker, runtime and front doors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wayang_plugin.h"

static int noop(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    return 0;
}

static int echo(wayang_call *call, const void *input, size_t length) {
    return wayang_append(call, input, length);
}

/* Appends the input byte by byte reversed: many appends. */
static int reverse(wayang_call *call, const void *input, size_t length) {
    const unsigned char *bytes = input;
    for (size_t i = length; i > 0; i--) {
        if (wayang_append(call, &bytes[i - 1], 1) != 0) {
            return 1;
        }
    }
    return 0;
}

/* Input "N": N bytes of output, byte i = i mod 251. */
static int produce(wayang_call *call, const void *input, size_t length) {
    (void)length;
    size_t count = strtoull(input, NULL, 10); /* the zero byte after the input ends it */
    unsigned char *room = wayang_reserve(call, count);
    if (room == NULL) {
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        room[i] = (unsigned char)(i % 251);
    }
    return 0;
}

static int typed_error(wayang_call *call, const void *input, size_t length) {
    (void)length;
    (void)wayang_append(call, "dropped", 7);
    return wayang_fail(call, "bad_input", input);
}

static int plain_failure(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    return 3;
}

static int print(wayang_call *call, const void *input, size_t length) {
    printf("out: %.*s\nunfinished", (int)length, (const char *)input);
    fprintf(stderr, "err: %.*s\n", (int)length, (const char *)input);
    wayang_log(call, WAYANG_LOG_WARNING, "level", 5);
    return 0;
}

/* Prints N lines: over the bound of a call's log when N is large. */
static int chatter(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)length;
    unsigned long count = strtoul(input, NULL, 10);
    for (unsigned long i = 0; i < count; i++) {
        printf("line %09lu ................................................\n", i);
    }
    return 0;
}

static int until_cancelled(wayang_call *call, const void *input, size_t length) {
    (void)input;
    (void)length;
    while (!wayang_cancelled(call)) {
    }
    return wayang_append(call, "stopped", 7);
}

static int endless(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    for (volatile unsigned long i = 0;; i++) {
    }
    return 0;
}

/* Sleeps as many milliseconds as the input says: a call that waits, using no processor. */
static int doze(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)length;
    long milliseconds = strtol(input, NULL, 10);
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
    return 0;
}

static int crash(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    volatile uintptr_t address = 8;
    *(volatile int *)address = 1;
    return 0;
}

static int stop_hard(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    abort();
}

/* Answers the text it was registered with. */
static int state_text(wayang_call *call, const void *input, size_t length) {
    (void)input;
    (void)length;
    return wayang_append(call, call->state, strlen(call->state));
}

/* Counts its calls in this worker. */
static int count_calls(wayang_call *call, const void *input, size_t length) {
    static unsigned long calls;
    (void)input;
    (void)length;
    calls++;
    return wayang_append(call, &calls, sizeof(calls));
}

/* Tells how far it is, more often than is sent, then waits until it is cancelled. */
static int progress(wayang_call *call, const void *input, size_t length) {
    (void)input;
    (void)length;
    for (uint32_t percent = 0; percent <= 100; percent++) {
        wayang_progress(call, percent, "of the way", 10);
    }
    wayang_progress(call, 101, NULL, 0);
    while (!wayang_cancelled(call)) {
    }
    return 0;
}

/* Saves N bytes, byte i = i mod 251, and crashes; the attempt that finds them answers them. Answers what a save that was
 * refused returned. */
static int save_and_crash(wayang_call *call, const void *input, size_t length) {
    size_t kept;
    const void *saved = wayang_saved(call, &kept);
    if (saved != NULL) {
        return wayang_append(call, saved, kept);
    }
    size_t count = strtoull(input, NULL, 10);
    unsigned char *bytes = malloc(count + 1);
    if (bytes == NULL) {
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(i % 251);
    }
    int result = wayang_save(call, bytes, count);
    free(bytes);
    return result == WAYANG_SAVE_KEPT ? crash(call, input, length) : wayang_append(call, &result, sizeof result);
}

/* Each attempt saves one more than it found, and crashes until that is the number of its input. */
static int climb(wayang_call *call, const void *input, size_t length) {
    size_t kept;
    unsigned long step = 0;
    const void *saved = wayang_saved(call, &kept);
    if (saved != NULL && kept == sizeof step) {
        memcpy(&step, saved, kept);
    }
    step++;
    if (wayang_save(call, &step, sizeof step) != WAYANG_SAVE_KEPT) {
        return wayang_fail(call, "not_saved", "it was refused");
    }
    return step < strtoul(input, NULL, 10) ? crash(call, input, length) : wayang_append(call, &step, sizeof step);
}

/* Saves the numbers up to that of its input, says so, and waits until it is cancelled; the attempt that finds one answers it,
 * though it saves another. */
static int save_and_wait(wayang_call *call, const void *input, size_t length) {
    (void)length;
    size_t kept;
    const void *saved = wayang_saved(call, &kept);
    unsigned long last = strtoul(input, NULL, 10);
    for (unsigned long i = 0; i <= last; i++) {
        if (wayang_save(call, &i, sizeof i) != WAYANG_SAVE_KEPT) {
            return wayang_fail(call, "not_saved", "it was refused");
        }
    }
    if (saved != NULL) {
        return wayang_append(call, saved, kept);
    }
    wayang_progress(call, 100, "saved", 5);
    while (!wayang_cancelled(call)) {
    }
    return 0;
}

/* Gives its place back though nobody asked. */
static int yield_unasked(wayang_call *call, const void *input, size_t length) {
    (void)input;
    (void)length;
    return wayang_save_wanted(call) ? 0 : WAYANG_YIELD;
}

/* The sum of the numbers below that of its input; gives its place back when it is wanted, and goes on. */
static int sum(wayang_call *call, const void *input, size_t length) {
    struct {
        uint64_t at, sum;
    } state = {0, 0};
    (void)length;
    size_t kept;
    uint64_t last = strtoull(input, NULL, 10);
    const void *saved = wayang_saved(call, &kept);
    if (saved != NULL && kept == sizeof state) {
        memcpy(&state, saved, kept);
    }
    for (; state.at < last; state.at++) {
        if (state.at % 4096 == 0 && wayang_save_wanted(call)) {
            return wayang_save(call, &state, sizeof state) == WAYANG_SAVE_KEPT ? WAYANG_YIELD : 1;
        }
        state.sum += state.at;
        __asm__ volatile("" : "+r"(state.sum)); /* the loop is not to become a formula */
    }
    return wayang_append(call, &state.sum, sizeof state.sum);
}

/* Sees that its place is wanted, and gives it back a second later, or at once if its input is "now"; the attempt that follows
 * says so. */
static int yield_late(wayang_call *call, const void *input, size_t length) {
    size_t kept;
    int now = length == 3 && memcmp(input, "now", 3) == 0;
    if (wayang_saved(call, &kept) != NULL) {
        return wayang_append(call, "late", 4);
    }
    while (!wayang_save_wanted(call)) {
    }
    struct timespec left = {now ? 0 : 1, 0};
    while (nanosleep(&left, &left) != 0) {
    }
    return wayang_save(call, "x", 1) == WAYANG_SAVE_KEPT ? WAYANG_YIELD : 1;
}

/* Counts to the number of its input, a millisecond or so each, and saves each; gives its place back when it is wanted. Says at which
 * number this attempt began, and answers it. */
static int count_on(wayang_call *call, const void *input, size_t length) {
    (void)length;
    size_t kept;
    char words[24];
    uint64_t at = 0, last = strtoull(input, NULL, 10);
    const void *saved = wayang_saved(call, &kept);
    if (saved != NULL && kept == sizeof at) {
        memcpy(&at, saved, kept);
    }
    const uint64_t began = at;
    wayang_progress(call, 0, words, (size_t)snprintf(words, sizeof words, "%llu", (unsigned long long)at));
    for (; at < last; at++) {
        if (wayang_save(call, &at, sizeof at) != WAYANG_SAVE_KEPT) {
            return wayang_fail(call, "not_saved", "it was refused");
        }
        if (wayang_save_wanted(call)) {
            return WAYANG_YIELD;
        }
        const struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    return wayang_append(call, &began, sizeof began);
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    static char text[] = "registered state";
    static const struct {
        const char *name;
        wayang_function run;
    } all[] = {
        {"noop", noop},
        {"echo", echo},
        {"reverse", reverse},
        {"produce", produce},
        {"typed_error", typed_error},
        {"plain_failure", plain_failure},
        {"print", print},
        {"chatter", chatter},
        {"until_cancelled", until_cancelled},
        {"endless", endless},
        {"doze", doze},
        {"crash", crash},
        {"abort", stop_hard},
        {"state_text", state_text},
        {"count_calls", count_calls},
        {"progress", progress},
        {"save_and_crash", save_and_crash},
        {"climb", climb},
        {"save_and_wait", save_and_wait},
        {"yield_unasked", yield_unasked},
        {"sum", sum},
        {"yield_late", yield_late},
        {"count_on", count_on},
    };
    if (host->abi != WAYANG_PLUGIN_ABI || host->size < sizeof(*host)) {
        return 1;
    }
    printf("this is said before any task exists\n");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (registry->add(registry, all[i].name, all[i].run, text) != 0) {
            return 1;
        }
    }
    return 0;
}

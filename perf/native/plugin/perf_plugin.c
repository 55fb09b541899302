/* What the suites call: functions that do as little as a function can, and some that do as much harm as one can. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wayang_plugin.h>

static int echo(wayang_call *call, const void *input, size_t length) {
    return wayang_append(call, input, length);
}

static int nothing(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    return 0;
}

static int hog(wayang_call *call, const void *input, size_t length) {
    (void)call;
    (void)input;
    (void)length;
    for (volatile unsigned long i = 0;; i++) {
    }
    return 0;
}

static int64_t processor_ns(void) {
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* So many steps, "ROUNDS", each of which needs the one before. Answers the processor time that they took, in nanoseconds. */
static int work(wayang_call *call, const void *input, size_t length) {
    char text[24] = {0};
    volatile uint64_t sum = 0;
    uint64_t hash = 1;
    int64_t took = -processor_ns();
    memcpy(text, input, length < sizeof text - 1 ? length : sizeof text - 1);
    for (uint64_t i = 0, rounds = strtoull(text, NULL, 10); i < rounds; i++) {
        hash = (hash ^ i) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    sum = hash;
    took += processor_ns() + (int64_t)(sum & 0);
    return wayang_append(call, &took, sizeof took);
}

/* As long a log as is kept of a call, in short lines. */
static int log_flood(wayang_call *call, const void *input, size_t length) {
    (void)input;
    (void)length;
    for (int i = 0; i < 65536; i++) {
        wayang_log(call, WAYANG_LOG_ERROR, "sixty-four bytes of a log that nobody wants to read, once again.", 64);
    }
    return 0;
}

/* 32 MiB: chunks through the ring, as fast as they are taken. */
static int output_flood(wayang_call *call, const void *input, size_t length) {
    const size_t much = (size_t)32 << 20;
    (void)input;
    (void)length;
    void *room = wayang_reserve(call, much);
    if (room == NULL) {
        return 1;
    }
    memset(room, 'x', much);
    return 0;
}

/* "TOUCHED HOT": writes so many bytes once, then the first HOT of them again and again, until it is asked to stop. Answers their sum, as
 * text, which tells whether each is what it was. */
static int hold(wayang_call *call, const void *input, size_t length) {
    char text[48] = {0};
    char *rest;
    uint64_t round = 0, sum = 0;
    memcpy(text, input, length < sizeof text - 1 ? length : sizeof text - 1);
    size_t touched = strtoull(text, &rest, 10) / sizeof(uint64_t), hot = strtoull(rest, NULL, 10) / sizeof(uint64_t);
    volatile uint64_t *memory = malloc(touched * sizeof *memory);
    if (memory == NULL || hot > touched) {
        free((void *)memory);
        return wayang_fail(call, "input", "TOUCHED HOT, in bytes, as much as there is");
    }
    for (size_t i = 0; i < touched; i++) {
        memory[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    }
    while (!wayang_cancelled(call)) {
        round++;
        for (size_t i = 0; i < hot; i++) {
            memory[i] += round;
        }
    }
    for (size_t i = 0; i < touched; i++) {
        sum += memory[i] - i * UINT64_C(0x9e3779b97f4a7c15) - (i < hot ? round * (round + 1) / 2 : 0);
    }
    free((void *)memory);
    return sum == 0 ? 0 : wayang_fail(call, "memory", "what was written is not what is there");
}

int wayang_plugin_init(const wayang_host *host, wayang_registry *registry) {
    (void)host;
    return registry->add(registry, "echo", echo, NULL) || registry->add(registry, "nothing", nothing, NULL) ||
           registry->add(registry, "hog", hog, NULL) || registry->add(registry, "work", work, NULL) || registry->add(registry, "hold", hold, NULL) || registry->add(registry, "log_flood", log_flood, NULL) ||
           registry->add(registry, "output_flood", output_flood, NULL);
}
